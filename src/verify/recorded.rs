//! What no digest proves and a verdict may rest on: histories of repositories, and what builders gave.
//!
//! Asks the world, keeps its answer where answers are kept, and gives it again from saved evidence, where the operator believes what
//! its maker has seen ([`Saved::is_believed`](crate::saved::Saved::is_believed)). Else the answer is that nobody knows: whoever hands
//! a folder over could have written any of it (attack I12).

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::Inquiry;
use crate::{
    attest::provenance::{Commit, Network},
    compare::DeviceNode,
    digest::{Digest, ManifestDigest},
    engine::ancestry::{self, Held, Unproven},
    image::tar::EntryKind,
    rebuild::{
        Bound, EngineKind, EngineReport, Failure, FailureKind, Lack, Numbers, Plan, Unbounded,
    },
    saved::{Access, question},
};

/// What to do where what the maker of a folder has seen does not count.
pub(super) const NAME_IT: &str = "name the digest that --save printed, --from DIR@sha256:…, where the folder is your own, or verify without --from";

/// Whether a ref of a repository holds a commit.
///
/// # Errors
/// git could not be run here, or then.
pub async fn holds(
    url: &str,
    reference: &str,
    commit: &Commit,
    inquiry: &Inquiry,
) -> Result<Held, Failure> {
    let asked = || question(&["history", url, reference, commit.as_str()]);
    match &inquiry.world.sources.access {
        Access::Saved(saved) if !saved.is_believed() => {
            let why = format!("{}; {NAME_IT}", unvouched(saved.path(), "answered"));
            Ok(Held::Unproven(Unproven::NotAsked(why)))
        }
        Access::Saved(saved) => {
            let missing = || {
                let why = format!("the saved evidence in {} has no answer", saved.path().display());
                Ok(Held::Unproven(Unproven::NotAsked(why)))
            };
            saved.answer(&asked()).and_then(held).unwrap_or_else(missing)
        }
        access => {
            let found = read_history(url, reference, commit, inquiry).await;
            if let Some(saver) = access.saver() {
                saver.answer(asked(), || of_held(&found));
            }
            found
        }
    }
}

#[tracing::instrument(level = "debug", skip_all, name = "history", fields(%url, %reference))]
async fn read_history(
    url: &str,
    reference: &str,
    commit: &Commit,
    inquiry: &Inquiry,
) -> Result<Held, Failure> {
    let (settings, sink) = (&inquiry.rebuild.settings, &*inquiry.world.sink);
    ancestry::holds(url, reference, commit, settings, &inquiry.world.limits, sink).await
}

/// That only the maker of a folder knows what the world did.
pub fn unvouched(folder: &Path, what: &str) -> String {
    format!("nothing but the word of whoever made {} says what the world {what}", folder.display())
}

fn of_held(held: &Result<Held, Failure>) -> Value {
    match held {
        Ok(Held::Yes) => json!(["yes"]),
        Ok(Held::No) => json!(["no"]),
        Ok(Held::Unproven(Unproven::NoName(name))) => json!(["no-name", name]),
        Ok(Held::Unproven(Unproven::NotGiven { name, why })) => json!(["not-given", name, why]),
        Ok(Held::Unproven(Unproven::TooDeep { name, commits })) => {
            json!(["too-deep", name, commits])
        }
        Ok(Held::Unproven(Unproven::NotAsked(why))) => json!(["not-asked", why]),
        Err(failure) => json!(["failure", of_failure(failure)]),
    }
}

fn held(value: &Value) -> Option<Result<Held, Failure>> {
    let text = |at: usize| Some(value.get(at)?.as_str()?.to_owned());
    let unproven = match text(0)?.as_str() {
        "yes" => return Some(Ok(Held::Yes)),
        "no" => return Some(Ok(Held::No)),
        "failure" => return failure(value.get(1)?).map(Err),
        "no-name" => Unproven::NoName(text(1)?),
        "not-given" => Unproven::NotGiven { name: text(1)?, why: text(2)? },
        "too-deep" => {
            Unproven::TooDeep { name: text(1)?, commits: value.get(2)?.as_u64()?.try_into().ok()? }
        }
        "not-asked" => Unproven::NotAsked(text(1)?),
        _ => return None,
    };
    Some(Ok(Held::Unproven(unproven)))
}

/// What an engine gave, beside the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gave {
    /// What built it.
    pub report: EngineReport,
    /// Digest of the pins that were in force.
    pub pins: Digest,
    /// What read the Dockerfile, where it was not the engine itself.
    pub frontend: Option<Digest>,
    /// How many of the image's first layers are those of a base that was served; `None` where nobody saw.
    pub inherited: Option<usize>,
}

/// An image that was built when the evidence was saved, or why there is none.
pub type Kept = Result<(ManifestDigest, Gave), Failure>;

/// The question for a build of a plan: equal plans give the same question.
pub fn of_plan(plan: &Plan) -> String {
    question(&["build", &Digest::sha256(format!("{plan:?}").as_bytes()).to_string()])
}

/// The question for the device nodes of what a plan is built from.
pub fn of_nodes(plan: &Plan) -> String {
    question(&["devices", &Digest::sha256(format!("{plan:?}").as_bytes()).to_string()])
}

/// Device nodes, as they are kept; nothing where nobody knows them.
pub fn kept_nodes(nodes: Option<&BTreeSet<DeviceNode>>) -> Value {
    let one =
        |node: &DeviceNode| json!([node.kind == EntryKind::BlockDevice, node.major, node.minor]);
    nodes.map_or(Value::Null, |nodes| nodes.iter().map(one).collect())
}

/// The device nodes that were kept; `None` where nobody knows them.
pub fn nodes(value: &Value) -> Option<BTreeSet<DeviceNode>> {
    let one = |node: &Value| {
        let kind = match node.get(0)?.as_bool()? {
            true => EntryKind::BlockDevice,
            false => EntryKind::CharDevice,
        };
        let number = |at: usize| node.get(at)?.as_u64()?.try_into().ok();
        Some(DeviceNode { kind, major: number(1)?, minor: number(2)? })
    };
    value.as_array()?.iter().map(one).collect()
}

/// The build of that number among those of the same plan.
pub fn numbered(question: &str, number: usize) -> String {
    format!("{question} {number}")
}

/// A build, as it is kept.
pub fn of_build(kept: &Kept) -> Value {
    match kept {
        Ok((manifest, Gave { report, pins, frontend, inherited })) => json!({
            "manifest": manifest.to_string(),
            "engine": of_report(report),
            "pins": pins.to_string(),
            "frontend": frontend.as_ref().map(ToString::to_string),
            "inherited": inherited,
        }),
        Err(failure) => json!({ "failure": of_failure(failure) }),
    }
}

/// The build that was kept; `None` where it is none.
pub fn build(value: &Value) -> Option<Kept> {
    if let Some(value) = value.get("failure") {
        return failure(value).map(Err);
    }
    let text = |name: &str| value.get(name)?.as_str();
    let frontend = match value.get("frontend")? {
        Value::Null => None,
        value => Some(value.as_str()?.parse().ok()?),
    };
    let report = report(value.get("engine")?)?;
    let inherited = value.get("inherited").and_then(Value::as_u64);
    let inherited = inherited.and_then(|layers| layers.try_into().ok());
    let gave = Gave { report, pins: text("pins")?.parse().ok()?, frontend, inherited };
    Some(Ok((text("manifest")?.parse().ok()?, gave)))
}

/// The failure where a build counts for nothing, or is not there.
pub fn not_there(kind: FailureKind, why: String) -> Failure {
    Failure { kind, why, log: String::new(), engine: None }
}

const FAILURES: [(FailureKind, &str); 13] = [
    (FailureKind::BuildFailed, "build-failed"),
    (FailureKind::PublishedUnreadable, "published-unreadable"),
    (FailureKind::SourceGone, "source-gone"),
    (FailureKind::SourceUnreachable, "source-unreachable"),
    (FailureKind::NotKept, "not-kept"),
    (FailureKind::SourceForbidden, "source-forbidden"),
    (FailureKind::Denied, "source-denied"),
    (FailureKind::Submodule, "submodule"),
    (FailureKind::DeviceNodes, "device-nodes"),
    (FailureKind::Timeout, "timeout"),
    (FailureKind::PlatformForeign, "platform-foreign"),
    (FailureKind::EngineUnavailable, "engine-unavailable"),
    (FailureKind::EngineForbidden, "engine-forbidden"),
];

/// All kinds that are kept, with the word for each.
fn failures() -> impl Iterator<Item = (FailureKind, &'static str)> + Clone {
    let lacks = Lack::ALL.into_iter().map(|(lack, word)| (FailureKind::Lacks(lack), word));
    let bounds = Bound::ALL.into_iter().map(|(bound, word)| (FailureKind::Exceeded(bound), word));
    FAILURES.into_iter().chain(lacks).chain(bounds)
}

fn of_failure(failure: &Failure) -> Value {
    let kind = failures().find(|(kind, _)| *kind == failure.kind).map(|(_, word)| word);
    json!({
        "kind": kind,
        "why": failure.why,
        "log": failure.log,
        "engine": failure.engine.as_deref().map(of_report),
    })
}

fn failure(value: &Value) -> Option<Failure> {
    let text = |name: &str| value.get(name)?.as_str();
    let word = text("kind")?;
    let kind = failures().find(|(_, known)| *known == word)?.0;
    let engine = match value.get("engine")? {
        Value::Null => None,
        value => Some(Box::new(report(value)?)),
    };
    Some(Failure { kind, why: text("why")?.to_owned(), log: text("log")?.to_owned(), engine })
}

fn of_report(report: &EngineReport) -> Value {
    json!({
        "kind": report.kind.name(),
        "driver": report.driver,
        "version": report.version,
        "reason": report.reason,
        "network": report.network.name(),
        "numbers": report.numbers.name(),
        "ephemeral": report.ephemeral,
        "served": report.served,
        "unbounded": report.unbounded.as_ref().map(|all| all.iter().map(|one| one.name()).collect::<Vec<_>>()),
    })
}

/// Nothing was kept of it once.
fn unbounded(value: &Value) -> Option<Option<Vec<Unbounded>>> {
    let Some(words) = value.as_array() else { return Some(None) };
    let known =
        |word: &Value| Unbounded::ALL.into_iter().find(|one| Some(one.name()) == word.as_str());
    words.iter().map(known).collect::<Option<Vec<_>>>().map(Some)
}

fn report(value: &Value) -> Option<EngineReport> {
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let kinds = [EngineKind::Buildkit, EngineKind::Buildah, EngineKind::Replay];
    let networks =
        [Network::None, Network::Default, Network::Proxy, Network::Host, Network::Unknown];
    let numbers = [Numbers::Own, Numbers::Machine, Numbers::Unknown];
    let (kind, network, number) = (text("kind")?, text("network")?, text("numbers")?);
    Some(EngineReport {
        kind: kinds.into_iter().find(|known| known.name() == kind)?,
        driver: text("driver")?,
        version: text("version")?,
        reason: text("reason")?,
        network: networks.into_iter().find(|known| known.name() == network)?,
        numbers: numbers.into_iter().find(|known| known.name() == number)?,
        ephemeral: value.get("ephemeral")?.as_bool()?,
        served: serde_json::from_value(value.get("served")?.clone()).ok()?,
        unbounded: unbounded(value.get("unbounded").unwrap_or(&Value::Null))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(served: Option<&[u8]>) -> EngineReport {
        EngineReport {
            kind: EngineKind::Buildah,
            driver: "buildah".to_owned(),
            version: "1.39".to_owned(),
            reason: "the plan's".to_owned(),
            network: Network::None,
            numbers: Numbers::Own,
            ephemeral: true,
            served: served.map(|bytes| [Digest::sha256(bytes)].into()),
            unbounded: served.map(|_| Unbounded::ALL.to_vec()),
        }
    }

    #[test]
    fn every_answer_comes_back_as_it_was() {
        let text = || "words".to_owned();
        let failures = failures().map(|(kind, _)| Failure {
            kind,
            why: text(),
            log: "one\ntwo".to_owned(),
            engine: Some(Box::new(engine(None))),
        });
        let unproven = [
            Unproven::NoName(text()),
            Unproven::NotGiven { name: text(), why: text() },
            Unproven::TooDeep { name: text(), commits: 50_000 },
            Unproven::NotAsked(text()),
        ];
        let all = [Ok(Held::Yes), Ok(Held::No)].into_iter();
        let all = all.chain(unproven.map(|why| Ok(Held::Unproven(why))));
        for wanted in all.chain(failures.clone().map(Err)) {
            assert_eq!(held(&of_held(&wanted)), Some(wanted));
        }
        let gave =
            |report| Gave { report, pins: Digest::sha256(b"p"), frontend: None, inherited: None };
        let frontend = Some(Digest::sha256(b"f"));
        let with = Gave { frontend, inherited: Some(2), ..gave(engine(Some(b"s"))) };
        let built = [gave(engine(None)), with].map(|gave| Ok((ManifestDigest::of(b"m"), gave)));
        for wanted in built.into_iter().chain(failures.map(Err)) {
            assert_eq!(build(&of_build(&wanted)), Some(wanted));
        }
        for strange in [json!(null), json!({}), json!({ "failure": {} }), json!({ "manifest": 1 })]
        {
            assert_eq!(build(&strange), None, "{strange}");
            assert_eq!(held(&strange), None, "{strange}");
        }
    }
}
