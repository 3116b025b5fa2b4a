//! The commands that follow a plan by hand.
//!
//! Turns a plan into what the engine itself would run, word for word, with `WORK` in the place of the job's folder: an
//! auditor can read what a rebuild does, and repeat it without hallmark. For BuildKit that is one command with a source
//! policy, for buildah a list: the checkout, the bases by digest, the build without network, the export. What hallmark does
//! itself is not in it: storage of the job's own, and layers of the base as the base's registry has them.

use std::path::Path;

use super::{EngineChoice, buildah, buildkit};
use crate::rebuild::{ByHand, EngineKind, Plan, Producer, pins};

/// What runs where the operator has this preference. Values that look like secrets are not in it (attack G28).
pub fn by_hand(plan: &Plan, preference: EngineChoice) -> ByHand {
    let plan = &plan.shown();
    let by_buildah = match preference {
        EngineChoice::Auto => plan.engine == EngineKind::Buildah,
        _ => preference == EngineChoice::Buildah,
    };
    // What is downloaded is BuildKit's alone to build.
    if let (true, Some(repository)) = (by_buildah, plan.source.repository()) {
        return buildah::by_hand(plan, repository, Path::new("WORK"));
    }
    let alone = match preference {
        EngineChoice::Buildkitd => true,
        EngineChoice::Docker => false,
        EngineChoice::Auto | EngineChoice::Buildah => plan.producer == Producer::BuildkitV1,
    };
    let work = Path::new("WORK");
    let policy = "WORK/policy.json".to_owned();
    let (program, arguments, environment) = if alone {
        ("buildctl", buildkit::client::buildctl_args(plan, work, Path::new(&policy)), Vec::new())
    } else {
        let mut environment = vec![("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY".to_owned(), policy)];
        let epoch = buildkit::client_epoch(plan);
        environment.extend(epoch.map(|seconds| ("SOURCE_DATE_EPOCH".to_owned(), seconds)));
        ("docker", buildkit::docker::buildx_args(plan, work), environment)
    };
    ByHand {
        before: Vec::new(),
        command: ByHand::line(program, arguments),
        after: Vec::new(),
        environment: environment.into_iter().collect(),
        policy: pins::buildkit_policy(plan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::Planned;

    #[test]
    fn the_command_is_the_engines_own() {
        let plan = crate::rebuild::tests::plan();
        let docker = by_hand(&plan, EngineChoice::Auto);
        assert_eq!(docker.command[..3], ["docker", "buildx", "build"]);
        assert!(docker.environment.contains_key("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"));
        let alone = by_hand(&plan, EngineChoice::Buildkitd);
        assert_eq!(alone.command[..2], ["buildctl", "build"]);
        let policy = alone.command.iter().position(|word| word == "--source-policy-file").unwrap();
        assert_eq!(alone.command[policy + 1], "WORK/policy.json");
        for command in [&docker.command, &alone.command] {
            assert!(command.iter().any(|word| word.ends_with(&format!("#{}:sub", "c".repeat(40)))));
            assert!(command.iter().any(|word| word.contains("dest=WORK/out")));
        }
        assert_eq!(docker.policy, pins::buildkit_policy(&plan));
        assert!(docker.before.is_empty() && docker.after.is_empty());
    }

    #[test]
    fn buildah_is_given_its_inputs_first_and_no_network_then() {
        let mut plan = crate::rebuild::tests::plan();
        plan.engine = EngineKind::Buildah;
        let commands = by_hand(&plan, EngineChoice::Auto);
        assert_eq!(commands, by_hand(&plan, EngineChoice::Buildah));
        let before: Vec<String> = commands.before.iter().map(|words| words.join(" ")).collect();
        let at = |text: &str| before.iter().position(|line| line.contains(text));
        let commit = "c".repeat(40);
        let order = [
            at("mkdir -p WORK/source"),
            at("-C WORK/source init"),
            at(&format!("{} {commit}", plan.source.repository().unwrap().url)),
            at(&format!("--detach {commit}^{{commit}}")),
            at("rm -rf WORK/source/.git"),
            at("buildah pull"),
        ];
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} in {before:#?}");
        for base in pins::bases(&plan) {
            assert!(at(&format!("docker://{}", base.pinned())).is_some(), "{before:#?}");
        }
        assert_eq!(commands.command[..5], ["unshare", "--net", "--", "buildah", "bud"]);
        assert_eq!(commands.command.last().unwrap(), "WORK/source/sub");
        assert_eq!(commands.after.concat().last().unwrap(), "oci:WORK/out");
        assert_eq!(commands.policy, pins::pin_list(&plan));
    }

    #[test]
    fn g28_no_form_of_a_plan_shows_a_secret() {
        use crate::report::plan::{planned, value};
        let mut plan = crate::rebuild::tests::plan();
        plan.build_args.insert("NPM_TOKEN".to_owned(), "s9df8sdf".to_owned());
        plan.labels.insert("org.corp.api-key".to_owned(), "s9df8sdf".to_owned());
        plan.build_args.insert("VERSION".to_owned(), "1.4.2".to_owned());
        for choice in [EngineChoice::Docker, EngineChoice::Buildkitd, EngineChoice::Buildah] {
            let by_hand = by_hand(&plan, choice);
            let made = Planned::Plan(Box::new(plan.clone()));
            let (text, json) = (planned(&made, Some(&by_hand)), value(&made, Some(&by_hand)));
            for said in [text.clone(), json.to_string()] {
                assert!(!said.contains("s9df8sdf"), "{choice:?}: {said}");
                assert!(said.contains("NPM_TOKEN") && said.contains("[secret]"), "{said}");
                assert!(said.contains("1.4.2"), "{said}");
            }
            assert!(text.contains("not shown: the provenance has them"), "{text}");
        }
        let plain = Planned::Plan(Box::new(crate::rebuild::tests::plan()));
        assert!(!planned(&plain, None).contains("secret"));
    }
}
