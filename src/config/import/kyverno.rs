//! `verifyImages` of Kyverno's policies (`kyverno.io/v1`, `v2beta1`; ClusterPolicy and Policy).
//!
//! Each entry of `verifyImages` is about the images that it names, and all of its sets of attestors have to hold: of each set
//! so many entries as `count` says, all of them where it says nothing (kyverno, `pkg/engine/imageVerify.go`). Kyverno asks for an entry in
//! a transparency log unless it is told otherwise, and so do the signers here. What limits a rule to some objects is no part of
//! trust in images: such a rule is left out.

use serde_json::Value;

use super::{
    attestors::{Wanted, demanded},
    cosign::{self, Logs},
    draft::{Demand, Draft, Unit},
    images::{self, Read},
    lost::Invalid,
    part::Part,
};

/// The kind of objects that all controllers make.
const POD: &str = "Pod";
const NOT_OBJECTS: &str = "rules are about images, not about kinds of objects";
const HOW_KYVERNO_WORKS: &str = "it says how Kyverno works, not what it accepts";
const ONLY_WARNS: &str = "hallmark denies; it has no mode that only warns";

/// Translates one policy; `named` is how its place begins.
pub(super) fn policy(named: &str, document: &Value, draft: &mut Draft) -> Result<(), Invalid> {
    let mut document = Part::new(named, document)?;
    let in_namespace = document.take("kind").is_some_and(|kind| kind == "Policy");
    document.take("apiVersion");
    document.take("status");
    let named = draft.metadata(&mut document)?;
    let Some(mut spec) = document.part("spec")? else {
        return Err(Invalid::new(document.at("spec"), "it is missing"));
    };
    let mut said = draft.unknown(&document);
    if in_namespace {
        said &=
            draft.demand(&document.at("kind"), "it is about one namespace; rules are about images");
    }
    let denies = self::spec(&mut spec, draft, &mut said)?;
    let rules = spec.parts("rules")?;
    said &= draft.unknown(&spec);
    if rules.is_empty() {
        return Err(Invalid::new(spec.at("rules"), "it is missing"));
    }
    for rule in rules {
        self::rule(&named, rule, Given { denies, said }, draft)?;
    }
    Ok(())
}

/// What the policy says about each of its rules.
#[derive(Clone, Copy)]
struct Given {
    /// Whether a violation is denied.
    denies: bool,
    /// Whether its rules may be said.
    said: bool,
}

/// What stands beside the rules. Whether a violation is denied.
fn spec(spec: &mut Part<'_>, draft: &mut Draft, said: &mut bool) -> Result<bool, Invalid> {
    let action = spec.text("validationFailureAction")?;
    let is = |word: &str| action.is_some_and(|action| action.eq_ignore_ascii_case(word));
    if action.is_some() && !is("enforce") && !is("audit") {
        return Err(Invalid::new(spec.at("validationFailureAction"), "expected Enforce or Audit"));
    }
    let mut denies = !is("audit");
    for (at, _) in spec.list("validationFailureActionOverrides")? {
        denies = true;
        draft.narrow(&at, format!("it is about namespaces; {ONLY_WARNS}"));
    }
    if !denies {
        draft.narrow(&spec.at("validationFailureAction"), ONLY_WARNS);
    }
    if spec.text("failurePolicy")? == Some("Ignore") {
        draft.narrow(&spec.at("failurePolicy"), "what cannot be checked is denied");
    }
    if spec.text("applyRules")? == Some("One") {
        draft.narrow(&spec.at("applyRules"), "all rules that are about an image have to hold");
    }
    if spec.truth("admission")? == Some(false) {
        draft.narrow(&spec.at("admission"), ONLY_WARNS);
    }
    if let Some(mut webhook) = spec.part("webhookConfiguration")? {
        if webhook.text("failurePolicy")? == Some("Ignore") {
            draft.narrow(&webhook.at("failurePolicy"), "what cannot be checked is denied");
        }
        if webhook.take("timeoutSeconds").is_some() {
            draft.works(&webhook.at("timeoutSeconds"), HOW_KYVERNO_WORKS);
        }
        *said &= draft.unknown(&webhook);
    }
    let working = [
        "background",
        "emitWarning",
        "generateExisting",
        "generateExistingOnPolicyUpdate",
        "mutateExistingOnPolicyUpdate",
        "schemaValidation",
        "useServerSideApply",
        "webhookTimeoutSeconds",
    ];
    for key in working {
        if spec.take(key).is_some() {
            draft.works(&spec.at(key), HOW_KYVERNO_WORKS);
        }
    }
    Ok(denies)
}

fn rule(named: &str, mut rule: Part<'_>, given: Given, draft: &mut Draft) -> Result<(), Invalid> {
    rule.take("name");
    let mut said = given.said;
    if let Some(matches) = rule.take("match") {
        said &= matched(&rule.at("match"), matches, draft)?;
    }
    for key in ["exclude", "preconditions", "celPreconditions", "imageExtractors"] {
        if rule.take(key).is_some() {
            said &= draft.demand(&rule.at(key), NOT_OBJECTS);
        }
    }
    if rule.take("context").is_some() {
        said &=
            draft.demand(&rule.at("context"), "variables are not read; write what they stand for");
    }
    if rule.take("skipBackgroundRequests").is_some() {
        draft.works(&rule.at("skipBackgroundRequests"), HOW_KYVERNO_WORKS);
    }
    let entries = rule.parts("verifyImages")?;
    said &= draft.unknown(&rule);
    for entry in entries {
        let unit = self::entry(named, entry, Given { said, ..given }, draft)?;
        draft.unit(unit)?;
    }
    Ok(())
}

/// Whether a rule is about pods whatever they are.
fn matched(at: &str, value: &Value, draft: &mut Draft) -> Result<bool, Invalid> {
    let mut part = Part::new(at, value)?;
    let mut filters = [part.parts("any")?, part.parts("all")?].concat();
    if filters.is_empty() {
        filters.push(part);
    } else if filters.len() > 1 || !part.rest().is_empty() {
        return Ok(draft.demand(at, NOT_OBJECTS));
    }
    for mut filter in filters {
        let Some(mut resources) = filter.part("resources")? else {
            return Ok(draft.demand(at, NOT_OBJECTS));
        };
        let kinds = resources.texts("kinds")?;
        let operations = resources.texts("operations")?;
        let has = |word: &str| operations.iter().any(|(_, operation)| *operation == word);
        let pods = kinds.iter().any(|(_, kind)| matches!(*kind, POD | "*" | "v1/Pod"));
        let all = operations.is_empty() || has("CREATE") && has("UPDATE");
        if !pods || !all || !resources.rest().is_empty() || !filter.rest().is_empty() {
            return Ok(draft.demand(at, NOT_OBJECTS));
        }
    }
    Ok(true)
}

/// Images of a list of references, and those about which something is asked that is not said.
pub(super) fn images(
    references: Vec<(String, &str)>,
    unit: &mut Unit,
    draft: &mut Draft,
) -> Result<(), Invalid> {
    for (at, reference) in references {
        match images::read(reference).map_err(|why| Invalid::new(at.as_str(), why))? {
            Read::Same(pattern) => unit.images.push((at, pattern)),
            Read::Some(pattern, why, wider) => {
                draft.narrow(&at, why);
                unit.images.push((at, pattern));
                unit.unsaid.extend(wider);
            }
            Read::None(why, wider) => {
                draft.narrow(&at, why);
                unit.unsaid.extend(wider);
            }
        }
    }
    Ok(())
}

/// That a unit is not said: its images are those about which others may grant nothing.
pub(super) fn unsay(unit: &mut Unit) {
    unit.demands.clear();
    unit.unsaid.extend(unit.images.drain(..).map(|(_, pattern)| pattern));
}

/// One entry of `verifyImages`.
fn entry(
    named: &str,
    mut entry: Part<'_>,
    given: Given,
    draft: &mut Draft,
) -> Result<Unit, Invalid> {
    let mut said = given.said;
    let mut unit = Unit { denies: given.denies, ..Unit::default() };
    let mut references = entry.texts("imageReferences")?;
    references.extend(entry.text("image")?.map(|image| (entry.at("image"), image)));
    if references.is_empty() {
        return Err(Invalid::new(entry.at("imageReferences"), "it is missing"));
    }
    images(references, &mut unit, draft)?;
    for (at, _) in entry.list("skipImageReferences")? {
        draft.narrow(&at, "what is skipped there passes without a signature; here nothing does");
    }
    if let Some(action) = entry.text("failureAction")? {
        unit.denies = !action.eq_ignore_ascii_case("audit");
        if !unit.denies {
            draft.narrow(&entry.at("failureAction"), ONLY_WARNS);
        }
    }
    match entry.text("type")? {
        None | Some("Cosign" | "SigstoreBundle") => {}
        Some(other) => {
            let why = format!("signatures of the form {} are not read", super::lost::shown(other));
            draft.narrow(&entry.at("type"), why);
            entry.take("attestors");
            entry.take("attestations");
            draft.unknown(&entry);
            unsay(&mut unit);
            return Ok(unit);
        }
    }
    digests(&mut entry, draft)?;
    for key in ["useCache", "imageRegistryCredentials", "cosignOCI11"] {
        if entry.take(key).is_some() {
            draft.works(&entry.at(key), HOW_KYVERNO_WORKS);
        }
    }
    if entry.text("repository")?.is_some() {
        draft
            .narrow(&entry.at("repository"), "signatures are read from the image's own repository");
    }
    for key in ["annotations", "roots", "additionalExtensions", "validate"] {
        if entry.take(key).is_some() {
            said &= draft.demand(&entry.at(key), "rules do not ask for it");
        }
    }
    let signed = |at: String| Wanted { at, predicates: vec!["signature".to_owned()] };
    let mut demands = old_form(named, &mut entry, draft)?;
    for set in entry.parts("attestors")? {
        demands.push(demanded(named, set, &signed, draft)?);
    }
    for attestation in entry.parts("attestations")? {
        let of_image = demands.iter().flatten().cloned().collect::<Vec<_>>();
        demands.extend(self::attestation(named, attestation, &of_image, draft)?);
    }
    said &= draft.unknown(&entry);
    let whole = demands.iter().all(Option::is_some) && !demands.is_empty();
    unit.demands = demands.into_iter().flatten().collect();
    let is_sayable = said && (whole || draft.demand(entry.place(), "a part of it cannot be said"));
    if !is_sayable || unit.demands.is_empty() {
        unsay(&mut unit);
    }
    Ok(unit)
}

/// What an entry or a policy says about digests.
pub(super) fn digests(part: &mut Part<'_>, draft: &mut Draft) -> Result<(), Invalid> {
    for key in ["mutateDigest", "verifyDigest"] {
        if part.truth(key)?.is_some() {
            let why = "hallmark judges what a tag names when it is asked, and keeps to that digest";
            draft.works(&part.at(key), why);
        }
    }
    if part.truth("required")? == Some(false) {
        draft.narrow(&part.at("required"), "an image that nobody verified never passes");
    }
    Ok(())
}

/// Keys and identities that stand in the entry itself, as they were written before there were attestors.
fn old_form(
    named: &str,
    entry: &mut Part<'_>,
    draft: &mut Draft,
) -> Result<Vec<Option<Demand>>, Invalid> {
    let (mut signers, mut tried) = (Vec::new(), 0);
    if let Some(pem) = entry.text("key")? {
        let at = entry.at("key");
        for pem in cosign::keys(pem) {
            tried += 1;
            match cosign::key(pem, Logs::PublicGood) {
                Ok(signer) => signers.push(draft.signer(&at, named, &signer)),
                Err(why) => draft.narrow(&at, why),
            }
        }
    }
    let (issuer, subject) = (entry.text("issuer")?, entry.text("subject")?);
    if issuer.is_some() || subject.is_some() {
        tried += 1;
        let who =
            serde_json::json!({ "issuer": issuer.unwrap_or(""), "subject": subject.unwrap_or("") });
        let mut who = Part::new(entry.place(), &who)?;
        if let Some(signer) = cosign::keyless(&mut who, Logs::PublicGood, true, draft)? {
            signers.push(draft.signer(entry.place(), named, &signer));
        }
    }
    if tried == 0 {
        return Ok(Vec::new());
    }
    let (at, predicates) = (entry.place().to_owned(), vec!["signature".to_owned()]);
    let threshold = signers.len();
    let demand = Demand { at, predicates, signers, threshold };
    Ok(vec![(tried == threshold).then_some(demand)])
}

/// What is asked of one kind of attestations. Where it names no attestors, those of the image have to have signed it.
fn attestation(
    named: &str,
    mut part: Part<'_>,
    of_image: &[Demand],
    draft: &mut Draft,
) -> Result<Vec<Option<Demand>>, Invalid> {
    part.take("name");
    let kind = match part.text("type")? {
        Some(kind) => Some(kind),
        None => part.text("predicateType")?,
    };
    let mut said = true;
    if part.take("conditions").is_some() {
        let why = page!("what attestations must say is asked by rules in Rego: ", "policy", "");
        said &= draft.demand(&part.at("conditions"), why);
    }
    let sets = part.parts("attestors")?;
    said &= draft.unknown(&part);
    let Some(predicate) = kind.filter(|kind| kind.contains("://")) else {
        draft.demand(part.place(), "rules name the URI of a predicate type");
        return Ok(vec![None]);
    };
    let wanted = |at: String| Wanted { at, predicates: vec![predicate.to_owned()] };
    let mut demands = Vec::new();
    for set in sets {
        demands.push(demanded(named, set, &wanted, draft)?);
    }
    if demands.is_empty() {
        let same = of_image.iter().filter(|demand| demand.predicates == ["signature"]);
        let of = |demand: &Demand| Demand {
            at: part.place().to_owned(),
            predicates: vec![predicate.to_owned()],
            ..demand.clone()
        };
        demands = same.map(|demand| Some(of(demand))).collect();
    }
    if demands.is_empty() || !said {
        demands.push(None);
    }
    Ok(demands)
}
