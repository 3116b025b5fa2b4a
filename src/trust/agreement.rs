//! What a signing certificate and the provenance under it say about one and the same build.
//!
//! Fulcio writes the claims of a CI job's identity token into the certificate: the repository, commit and ref that the
//! workflow ran at, what triggered it, and the workflow that asked for the certificate (sigstore/fulcio, docs/oid-info.md).
//! Provenance of GitHub Actions says the same in its own words. Whoever steals neither can still sign provenance that
//! lies: a workflow of one repository that claims the build of another. Turns both into the list of [`Contradiction`]s.
//!
//! Says nothing about builders that are no workflow themselves: BuildKit's provenance, signed by a workflow, honestly
//! names the source of the image, which need not be the repository of the workflow.

use std::fmt;

use super::sigstore::Vouched;
use crate::attest::provenance::Provenance;

/// Two proven claims that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contradiction {
    /// What they are about: the certificate's extension.
    pub claim: &'static str,
    /// What the certificate says.
    pub certificate: String,
    /// What the provenance says.
    pub provenance: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, certificate, provenance } = self;
        write!(
            f,
            "{claim} of the certificate is {certificate:?}, the provenance says {provenance:?}"
        )
    }
}

/// Builders that are reusable workflows of slsa-github-generator and sign for the workflow that they run on request.
const DELEGATORS: &str =
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/delegator_";
/// What GitHub's own runners are called as builders; the kind of runner may follow.
const RUNNER: &str = "https://github.com/actions/runner";

/// Everything in which certificate and provenance contradict each other; empty where either says nothing.
pub fn contradictions(vouched: &Vouched, provenance: &Provenance) -> Vec<Contradiction> {
    if !provenance.producer.is_github() {
        return Vec::new();
    }
    let claim = |name: &str| vouched.claims.get(name).cloned();
    let repository = claim("sourceRepositoryUri").or_else(|| {
        claim("githubWorkflowRepository").map(|name| format!("https://github.com/{name}"))
    });
    let source = provenance.source.as_ref();
    let run = provenance.invocation.as_ref().filter(|run| run.starts_with("https://"));
    let pairs = [
        ("sourceRepositoryUri", repository, source.map(|s| s.url.as_str())),
        (
            "sourceRepositoryDigest",
            claim("sourceRepositoryDigest").or_else(|| claim("githubWorkflowSha")),
            source.and_then(|s| s.commit.as_ref()).map(|commit| commit.as_str()),
        ),
        (
            "sourceRepositoryRef",
            claim("sourceRepositoryRef").or_else(|| claim("githubWorkflowRef")),
            source.and_then(|s| s.reference.as_deref()),
        ),
        (
            "buildTrigger",
            claim("buildTrigger").or_else(|| claim("githubWorkflowTrigger")),
            provenance.event.as_deref(),
        ),
        ("runInvocationUri", claim("runInvocationUri"), run.map(String::as_str)),
    ];
    let differing = pairs.into_iter().filter_map(|(claim, certificate, said)| {
        let (certificate, said) = (certificate?, said?);
        (certificate != said).then(|| Contradiction {
            claim,
            certificate,
            provenance: said.to_owned(),
        })
    });
    differing.chain(other_builder(vouched, provenance)).collect()
}

/// A builder that is another workflow than the one that signed, or another kind of runner than the certificate says.
fn other_builder(vouched: &Vouched, provenance: &Provenance) -> Option<Contradiction> {
    let said = provenance.builder_id.as_str();
    let (claim, certificate) = if let Some(kind) = runner(said) {
        let environment = vouched.claims.get("runnerEnvironment")?;
        (!kind.is_empty() && kind != environment)
            .then_some(("runnerEnvironment", environment.as_str()))?
    } else {
        let signer = vouched.claims.get("buildSignerUri").map(String::as_str);
        let signer = signer.unwrap_or_else(|| vouched.subject.as_str());
        let workflow = said.contains("/.github/workflows/");
        let other = workflow && signer != said && !signer.starts_with(DELEGATORS);
        other.then_some(("buildSignerUri", signer))?
    };
    Some(Contradiction { claim, certificate: certificate.to_owned(), provenance: said.to_owned() })
}

/// The kind of runner in a builder's id that is GitHub's runner; empty where it says none.
fn runner(builder_id: &str) -> Option<&str> {
    let rest = builder_id.strip_prefix(RUNNER)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
}

/// The ids under which the builder is proven: its own, the workflow that signed, and GitHub's runner with the kind that
/// the certificate adds.
pub(in crate::trust) fn builder_ids(
    signer: Option<&Vouched>,
    provenance: &Provenance,
) -> Vec<String> {
    let mut ids = vec![provenance.builder_id.clone()];
    let Some(vouched) = signer.filter(|_| provenance.producer.is_github()) else { return ids };
    ids.push(vouched.subject.as_str().to_owned());
    let environment = vouched.claims.get("runnerEnvironment");
    if let (Some(""), Some(environment)) = (runner(&provenance.builder_id), environment) {
        ids.push(format!("{RUNNER}/{environment}"));
    }
    ids
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        attest::provenance::{Commit, Producer, SourceCode},
        trust::sigstore::SubjectName,
    };

    pub const WORKFLOW: &str =
        "https://github.com/org/app/.github/workflows/release.yml@refs/tags/v1.2.3";

    pub fn vouched() -> Vouched {
        let claims = [
            ("sourceRepositoryUri", "https://github.com/org/app".to_owned()),
            ("sourceRepositoryDigest", "a".repeat(40)),
            ("sourceRepositoryRef", "refs/tags/v1.2.3".to_owned()),
            ("buildTrigger", "push".to_owned()),
            ("buildSignerUri", WORKFLOW.to_owned()),
            ("runnerEnvironment", "github-hosted".to_owned()),
            ("runInvocationUri", "https://github.com/org/app/actions/runs/1/attempts/1".to_owned()),
        ];
        Vouched {
            issuer: Some("https://token.actions.githubusercontent.com".to_owned()),
            subject: SubjectName::Uri(WORKFLOW.to_owned()),
            claims: claims.into_iter().map(|(name, claim)| (name.to_owned(), claim)).collect(),
            not_before: jiff::Timestamp::UNIX_EPOCH,
            times: Vec::new(),
            log_indices: Vec::new(),
        }
    }

    pub fn built() -> Provenance {
        let mut provenance = Provenance::empty(Producer::GithubActions, "t");
        provenance.builder_id = WORKFLOW.to_owned();
        provenance.source = Some(SourceCode {
            url: "https://github.com/org/app".to_owned(),
            reference: Some("refs/tags/v1.2.3".to_owned()),
            folder: None,
            commit: Commit::new(&"a".repeat(40)),
        });
        provenance.tag = Some("v1.2.3".to_owned());
        provenance.branch = Some("main".to_owned());
        provenance.event = Some("push".to_owned());
        provenance.invocation =
            Some("https://github.com/org/app/actions/runs/1/attempts/1".to_owned());
        provenance
    }

    fn claims(vouched: &Vouched, provenance: &Provenance) -> Vec<&'static str> {
        contradictions(vouched, provenance).into_iter().map(|c| c.claim).collect()
    }

    #[test]
    fn each_claim_that_differs_is_named() {
        assert_eq!(claims(&vouched(), &built()), Vec::<&str>::new(), "the honest twin");
        type Edit = fn(&mut Provenance);
        fn source(p: &mut Provenance) -> &mut SourceCode {
            p.source.as_mut().unwrap()
        }
        let cases: [(&str, Edit); 6] = [
            ("sourceRepositoryUri", |p| source(p).url.push('2')),
            ("sourceRepositoryDigest", |p| source(p).commit = Commit::new(&"b".repeat(40))),
            ("sourceRepositoryRef", |p| source(p).reference = Some("refs/heads/main".to_owned())),
            ("buildTrigger", |p| p.event = Some("schedule".to_owned())),
            ("runInvocationUri", |p| p.invocation.as_mut().unwrap().push('0')),
            ("buildSignerUri", |p| p.builder_id = WORKFLOW.replace("org/app", "org/other")),
        ];
        for (claim, edit) in cases {
            let mut lies = built();
            edit(&mut lies);
            assert_eq!(claims(&vouched(), &lies), [claim]);
        }
    }

    #[test]
    fn old_certificates_say_it_under_old_names() {
        let mut old = vouched();
        old.claims = BTreeMap::from([
            ("githubWorkflowRepository".to_owned(), "org/app".to_owned()),
            ("githubWorkflowSha".to_owned(), "b".repeat(40)),
            ("githubWorkflowRef".to_owned(), "refs/tags/v1.2.3".to_owned()),
        ]);
        assert_eq!(claims(&old, &built()), ["sourceRepositoryDigest"]);
    }

    #[test]
    fn what_either_does_not_say_contradicts_nothing() {
        let mut silent = built();
        silent.source = None;
        silent.event = None;
        silent.invocation = Some("12-1".to_owned());
        assert_eq!(claims(&vouched(), &silent), Vec::<&str>::new());
        let mut foreign = built();
        foreign.producer = Producer::BuildkitV1;
        foreign.source.as_mut().unwrap().url.push('2');
        assert_eq!(claims(&vouched(), &foreign), Vec::<&str>::new(), "not a workflow's own build");
    }

    #[test]
    fn runners_and_delegators_are_builders_that_do_not_sign_themselves() {
        let builds = |id: &str| Provenance { builder_id: id.to_owned(), ..built() };
        let hosted = builds("https://github.com/actions/runner/github-hosted");
        assert_eq!(claims(&vouched(), &hosted), Vec::<&str>::new());
        assert_eq!(
            claims(&vouched(), &builds("https://github.com/actions/runner")),
            Vec::<&str>::new()
        );
        let own = builds("https://github.com/actions/runner/self-hosted");
        assert_eq!(claims(&vouched(), &own), ["runnerEnvironment"]);
        let mut delegated = vouched();
        let delegator = format!("{DELEGATORS}generic_slsa3.yml@refs/tags/v2.0.0");
        delegated.claims.insert("buildSignerUri".to_owned(), delegator);
        assert_eq!(claims(&delegated, &built()), Vec::<&str>::new());
        delegated
            .claims
            .insert("buildSignerUri".to_owned(), DELEGATORS.replace("slsa-framework", "evil"));
        assert_eq!(claims(&delegated, &built()), ["buildSignerUri"]);
    }

    #[test]
    fn the_kind_of_runner_is_held_against_the_certificate_where_both_say_one() {
        let builds = |id: &str| Provenance { builder_id: id.to_owned(), ..built() };
        let mut self_hosted = vouched();
        self_hosted.claims.insert("runnerEnvironment".to_owned(), "self-hosted".to_owned());
        let mut silent = vouched();
        silent.claims.remove("runnerEnvironment");
        // Certificate, what follows the runner's name, and what contradicts.
        let cases: [(&Vouched, &str, &[&str]); 8] = [
            (&vouched(), "", &[]),
            (&vouched(), "/", &[]),
            (&vouched(), "/github-hosted", &[]),
            (&vouched(), "/self-hosted", &["runnerEnvironment"]),
            (&self_hosted, "/github-hosted", &["runnerEnvironment"]),
            (&self_hosted, "/self-hosted", &[]),
            (&silent, "/self-hosted", &[]),
            // Another project whose name begins so is no runner of GitHub's, and a workflow like any other.
            (&vouched(), "-of-mine/.github/workflows/x.yml@refs/heads/main", &["buildSignerUri"]),
        ];
        for (vouched, rest, want) in cases {
            let found = claims(vouched, &builds(&format!("{RUNNER}{rest}")));
            assert_eq!(found, want, "{rest} {:?}", vouched.claims.get("runnerEnvironment"));
        }
    }

    #[test]
    fn a_workflow_that_no_claim_names_is_the_subject() {
        let mut old = vouched();
        old.claims.remove("buildSignerUri");
        assert_eq!(claims(&old, &built()), Vec::<&str>::new());
        let mut lies = built();
        lies.builder_id = WORKFLOW.replace("release", "other");
        assert_eq!(claims(&old, &lies), ["buildSignerUri"]);
        lies.builder_id = "https://builder.example/1".to_owned();
        assert_eq!(claims(&old, &lies), Vec::<&str>::new(), "a builder that is no workflow");
    }

    #[test]
    fn a_builder_is_proven_under_its_names_and_no_others() {
        let runs = |rest: &str| {
            let builder_id = format!("{RUNNER}{rest}");
            (builder_id.clone(), Provenance { builder_id, ..built() })
        };
        let (plain, on_runner) = runs("");
        let (hosted, on_hosted) = runs("/github-hosted");
        let (other, on_other) = runs("s");
        let foreign = Provenance { producer: Producer::BuildkitV1, ..on_runner.clone() };
        let mut silent = vouched();
        silent.claims.remove("runnerEnvironment");
        let (vouched, workflow) = (vouched(), WORKFLOW.to_owned());
        let cases: [(Option<&Vouched>, &Provenance, Vec<String>); 6] = [
            (Some(&vouched), &on_runner, vec![plain.clone(), workflow.clone(), hosted.clone()]),
            (Some(&silent), &on_runner, vec![plain.clone(), workflow.clone()]),
            (Some(&vouched), &on_hosted, vec![hosted, workflow.clone()]),
            (Some(&vouched), &on_other, vec![other, workflow]),
            (None, &on_runner, vec![plain.clone()]),
            (Some(&vouched), &foreign, vec![plain]),
        ];
        for (signer, provenance, want) in cases {
            assert_eq!(builder_ids(signer, provenance), want);
        }
    }
}
