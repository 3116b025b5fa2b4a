//! The command that follows a plan by hand.
//!
//! Turns a plan into what the engine itself would run, word for word, with `WORK` in the place of the job's folder: an
//! auditor can read what a rebuild does, and repeat it without hallmark. Nothing for buildah, whose rebuild is several
//! commands that depend on each other's results.

use std::path::Path;

use super::{EngineChoice, buildkit};
use crate::rebuild::{ByHand, EngineKind, Plan, Producer, pins};

/// What runs where the operator has this preference, or `None` where it is no single command.
pub fn by_hand(plan: &Plan, preference: EngineChoice) -> Option<ByHand> {
    let alone = match (preference, plan.engine) {
        (EngineChoice::Buildah, _) | (EngineChoice::Auto, EngineKind::Buildah) => return None,
        (EngineChoice::Buildkitd, _) => true,
        (EngineChoice::Docker, _) => false,
        (EngineChoice::Auto, _) => plan.producer == Producer::BuildkitV1,
    };
    let work = Path::new("WORK");
    let policy = "WORK/policy.json".to_owned();
    let (program, arguments, environment) = if alone {
        ("buildctl", buildkit::buildctl_args(plan, work, Path::new(&policy)), Vec::new())
    } else {
        let mut environment = vec![("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY".to_owned(), policy)];
        let epoch = buildkit::client_epoch(plan);
        environment.extend(epoch.map(|seconds| ("SOURCE_DATE_EPOCH".to_owned(), seconds)));
        ("docker", buildkit::buildx_args(plan, work), environment)
    };
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    Some(ByHand {
        command: std::iter::once(program.to_owned()).chain(arguments).collect(),
        environment: environment.into_iter().collect(),
        policy: pins::buildkit_policy(plan),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_engines_own() {
        let plan = crate::rebuild::tests::plan();
        let docker = by_hand(&plan, EngineChoice::Auto).unwrap();
        assert_eq!(docker.command[..3], ["docker", "buildx", "build"]);
        assert!(docker.environment.contains_key("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"));
        let alone = by_hand(&plan, EngineChoice::Buildkitd).unwrap();
        assert_eq!(alone.command[..2], ["buildctl", "build"]);
        let policy = alone.command.iter().position(|word| word == "--source-policy-file").unwrap();
        assert_eq!(alone.command[policy + 1], "WORK/policy.json");
        for command in [&docker.command, &alone.command] {
            assert!(command.iter().any(|word| word.ends_with(&format!("#{}:sub", "c".repeat(40)))));
            assert!(command.iter().any(|word| word.contains("dest=WORK/out")));
        }
        assert_eq!(docker.policy, pins::buildkit_policy(&plan));
        assert_eq!(by_hand(&plan, EngineChoice::Buildah), None);
    }
}
