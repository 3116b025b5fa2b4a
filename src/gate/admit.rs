//! The decision about one request.
//!
//! In this order: DELETE is allowed, other operations than CREATE and UPDATE are denied, exempt namespaces are let through and
//! logged, the images are read, each is verified, and one that was not proven in time denies the object. Of an UPDATE the
//! images are verified that the object did not have at the same place before: what the cluster held is the apiserver's
//! word and no user's, and nothing starts by a change that leaves it as it is. A new image is never let in because some
//! other container runs it (attack E7).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use super::{
    Gate, Tags,
    choice::{Choice, PRESET_LABEL},
    message::{self, Denied},
    outcome::{Outcome, Own, Weight},
    review::{Decided, Request, Response, Status},
    shape::Shape,
    subjects::{self, Changes, Image, SubjectError},
};
use crate::{
    reference::{Reference, Selector},
    untrusted::{clean, cut},
};

/// Bytes of one audit annotation.
const MAX_ANNOTATION_BYTES: usize = 4 << 10;
/// Warnings of one answer.
const MAX_WARNINGS: usize = 16;

/// The object of a request, as it will be and as it is.
pub(super) struct Objects {
    pub(super) new: Shape,
    pub(super) old: Shape,
}

impl Gate {
    /// Decides about `request` before `deadline`.
    pub(super) async fn admit(
        &self,
        request: &Request,
        objects: Objects,
        deadline: Instant,
    ) -> Response {
        let settings = self.settings();
        match request.operation.as_str() {
            "DELETE" => return allowed(request, "allowed"),
            "CREATE" | "UPDATE" => {}
            other => {
                let text = format!(
                    "hallmark answers for CREATE, UPDATE and DELETE, not for {}; narrow the operations in the webhook configuration",
                    message::line(other)
                );
                return refused(request, text);
            }
        }
        if settings.namespaces_exempt.contains(&request.namespace) {
            return allowed(request, "exempt");
        }
        let found = to_verify(request, &objects);
        // Large objects do not wait for registries.
        drop(objects);
        match found {
            Ok((changes, asked)) => {
                let asked = Asked { namespace: &request.namespace, preset: asked.as_deref() };
                self.judge(request, &changes, (settings.tags, asked), deadline).await
            }
            Err(error) => {
                refused(request, format!("hallmark: {}", message::line(&error.to_string())))
            }
        }
    }

    async fn judge(
        &self,
        request: &Request,
        changes: &Changes,
        (tags, asked): (Tags, Asked<'_>),
        deadline: Instant,
    ) -> Response {
        let Changes { new: images, unchanged } = changes;
        let outcomes =
            images.iter().map(|image| self.outcome(&image.reference, asked, tags, deadline));
        let (outcomes, choices): (Vec<_>, Vec<_>) = join_all(outcomes).await.into_iter().unzip();
        let pairs = || images.iter().zip(&outcomes);
        let other = |choice: &Option<Choice>| {
            choice.filter(|choice| choice.is_of_object).map(|choice| choice.preset)
        };
        let denied: Vec<_> = pairs()
            .zip(&choices)
            .filter(|((_, outcome), _)| !outcome.is_allowed())
            .map(|((image, outcome), choice)| Denied::new(image, outcome, other(choice)))
            .collect();
        let mut response = if denied.is_empty() {
            allowed(request, "allowed")
        } else {
            refused(request, message::denial(&denied, images.len()))
        };
        let of_names: Vec<_> =
            pairs().map(|(image, outcome)| (&image.reference, &**outcome)).collect();
        response.warnings = warnings(&of_names, weaker(&choices));
        response.decided =
            of_names.iter().map(|(image, outcome)| decided(image, outcome)).collect();
        let list: Vec<_> = pairs().map(|(image, outcome)| annotation(image, outcome)).collect();
        let list = cut(clean(&list.join(" ")), MAX_ANNOTATION_BYTES);
        response.audit_annotations.insert("images", list);
        let codes: BTreeSet<_> = outcomes.iter().flat_map(|outcome| outcome.codes()).collect();
        if !codes.is_empty() {
            let codes = codes.into_iter().collect::<Vec<_>>().join(" ");
            response.audit_annotations.insert("codes", cut(codes, MAX_ANNOTATION_BYTES));
        }
        let presets: BTreeSet<_> = choices.iter().filter_map(other).collect();
        if !presets.is_empty() {
            let presets = presets.into_iter().collect::<Vec<_>>().join(" ");
            response.audit_annotations.insert("presets", presets);
        }
        if *unchanged > 0 {
            response.audit_annotations.insert("unchanged", unchanged.to_string());
        }
        response
    }

    async fn outcome(
        &self,
        reference: &Reference,
        asked: Asked<'_>,
        tags: Tags,
        deadline: Instant,
    ) -> (Arc<Outcome>, Option<Choice>) {
        let by_tag = !matches!(reference, Reference::At(_, Selector::Digest(_)));
        if by_tag && tags == Tags::Deny {
            return (Arc::new(Outcome::Gate(TAG)), None);
        }
        match timeout_at(deadline, self.chosen(reference, asked)).await {
            Ok(Ok((outcome, choice))) => (checked(reference, outcome), Some(choice)),
            Ok(Err(own)) => (Arc::new(Outcome::Gate(own)), None),
            Err(_) => (Arc::new(Outcome::Gate(LATE)), None),
        }
    }

    /// The outcome by the preset that is chosen by the rules in force: where they change in between, it is chosen again.
    async fn chosen(
        &self,
        reference: &Reference,
        asked: Asked<'_>,
    ) -> Result<(Arc<Outcome>, Choice), Own> {
        loop {
            let settings = self.settings();
            let Asked { namespace, preset } = asked;
            let choice = settings.presets.choose(reference, namespace, preset).await?;
            let by = (choice.chosen, settings.rules.as_str());
            if let Some(wait) = self.flights.join(reference, namespace, by) {
                return Ok((wait.await, choice));
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Who asks: the namespace of an object, and the preset that its label names.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    namespace: &'a str,
    preset: Option<&'a str>,
}

/// That the object asks for less than it gets.
fn weaker(choices: &[Option<Choice>]) -> Option<String> {
    let mut choices = choices.iter().flatten();
    let (asked, preset) =
        choices.find_map(|choice| choice.weaker.map(|asked| (asked, choice.preset)))?;
    Some(format!(
        "the label {PRESET_LABEL} asks for {asked}, which {preset} includes: images are judged by {preset}"
    ))
}

/// What is said of all images: first what the operator has to hear of any of them, and last, in one line each, how much
/// there is besides. Whoever may push to a repository could else crowd the rest out with remarks on what was pushed.
fn warnings(outcomes: &[(&Reference, &Outcome)], weaker: Option<String>) -> Vec<String> {
    let told =
        |weight| outcomes.iter().flat_map(move |(_, outcome)| message::told(outcome, weight));
    let moved = outcomes.iter().filter_map(|(reference, outcome)| {
        let by_tag = matches!(reference, Reference::At(_, Selector::Tag(_)));
        let digest = outcome.digest().filter(|_| by_tag && outcome.is_allowed())?;
        Some(format!("{reference} was verified as {digest}, but a node may pull something else: name it by digest"))
    });
    let mut all: Vec<_> =
        told(Weight::Notice).chain(weaker).chain(moved).chain(told(Weight::Warning)).collect();
    let remarks: usize = outcomes.iter().map(|(_, outcome)| outcome.remarks()).sum();
    let remarks = (remarks > 0).then(|| {
        format!("remarks about evidence that no trusted signer signed: {remarks}; hallmark verify -v shows them")
    });
    let room = MAX_WARNINGS - usize::from(remarks.is_some());
    if all.len() > room {
        let more = all.len() - (room - 1);
        all.truncate(room - 1);
        all.push(format!("further warnings: {more}; hallmark verify shows them"));
    }
    all.iter().chain(&remarks).map(|text| message::warning(text)).collect()
}

/// What is not in the cluster already, and the preset that the object asks for. One that begins to ask for a preset looks from
/// then on as if its images had been judged by it, so that they are.
fn to_verify(
    request: &Request,
    objects: &Objects,
) -> Result<(Changes, Option<String>), SubjectError> {
    let (kind, new, old) = (&request.kind, objects.new.value(), objects.old.value());
    let all = || subjects::images(kind, new).map(|new| Changes { new, unchanged: 0 });
    let is_update = request.operation == "UPDATE";
    let changes = if is_update { subjects::changes(kind, new, old)? } else { all()? };
    let asked = subjects::asked_preset(kind, new)?;
    let had = || subjects::asked_preset(kind, old).ok().flatten();
    let changes = if is_update && asked.is_some() && asked != had() { all()? } else { changes };
    Ok((changes, asked.map(str::to_owned)))
}

const TAG: Own = Own::new(
    "gate-tag",
    "named by tag: what is verified now and what a node pulls later could differ\n\
    help: name the image as REPOSITORY@sha256:..., or set gate.tags: resolve in hallmark.yaml",
);
const LATE: Own = Own::new(
    "gate-late",
    "not verified in time; the verification goes on for a while\n\
    help: try again shortly, or raise timeoutSeconds of the webhook and gate.budget in hallmark.yaml",
);
const OTHER: Own = Own::new(
    "internal-error",
    "another digest was judged than the one that was asked for\n\
    help: see the log of hallmark serve",
);

/// Lets an image through only if it is the one that was asked for.
fn checked(reference: &Reference, outcome: Arc<Outcome>) -> Arc<Outcome> {
    match outcome.is_allowed() && !outcome.is_about(reference) {
        true => Arc::new(Outcome::Gate(OTHER)),
        false => outcome,
    }
}

fn decided(image: &Reference, outcome: &Outcome) -> Decided {
    Decided {
        image: image.to_string(),
        digest: outcome.digest().map(ToString::to_string),
        decision: word(outcome),
        codes: outcome.codes().into_iter().collect(),
    }
}

fn word(outcome: &Outcome) -> &'static str {
    if outcome.is_allowed() { "allowed" } else { "denied" }
}

fn annotation(image: &Image, outcome: &Outcome) -> String {
    let word = word(outcome);
    match (&image.reference, outcome.digest()) {
        (Reference::At(_, Selector::Tag(_)), Some(digest)) => {
            format!("{}={word}({digest})", image.reference)
        }
        _ => format!("{}={word}", image.reference),
    }
}

fn allowed(request: &Request, verdict: &str) -> Response {
    Response {
        uid: request.uid.clone(),
        allowed: true,
        status: None,
        warnings: Vec::new(),
        audit_annotations: BTreeMap::from([("verdict", verdict.to_owned())]),
        decided: Vec::new(),
    }
}

/// Logs a decision: a line with what was asked, what was answered and why. Words from outside stand in quotes, so that none
/// can play another field; quoting escapes what misleads, once.
pub(super) fn log(request: &Request, response: &Response, took: Duration) {
    let said = |key| response.audit_annotations.get(key).map(String::as_str).unwrap_or_default();
    // Of an object whose images were not asked about, nothing else says why.
    let why = response.status.as_ref().filter(|_| said("images").is_empty());
    let made = !request.generate_name.is_empty();
    tracing::info!(
        namespace = ?message::short(&request.namespace),
        name = ?message::short(&request.name),
        generateName = made.then(|| tracing::field::debug(message::short(&request.generate_name))),
        kind = ?message::short(&request.kind.to_string()),
        operation = ?message::short(&request.operation),
        decision = said("verdict"),
        images = ?said("images"),
        codes = ?said("codes"),
        why = why.map(|status| tracing::field::debug(message::short(&status.message))),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "{}", match said("verdict") {
            "exempt" => "let through unseen: the namespace is exempt",
            _ => "decided",
        }
    );
}

/// A denial that says `message`.
pub(super) fn refused(request: &Request, message: String) -> Response {
    let message = cut(message, message::MAX_BYTES);
    Response {
        uid: request.uid.clone(),
        allowed: false,
        status: Some(Status { code: 403, message, reason: "Forbidden" }),
        warnings: Vec::new(),
        audit_annotations: BTreeMap::from([("verdict", "denied".to_owned())]),
        decided: Vec::new(),
    }
}
