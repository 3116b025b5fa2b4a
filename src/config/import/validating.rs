//! Kyverno's ImageValidatingPolicy (`policies.kyverno.io`, `v1alpha1` to `v1`).
//!
//! There attestors are named, and expressions in CEL say which of them have to have signed. Two forms are read: all images
//! of the pod, mapped to the number of attestors whose signatures hold, of the image or of one kind of attestation, each
//! number held against a bound. An expression of another form is asked for by nothing here, so that the policy is left out.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use super::{
    cosign::{self, Logs},
    draft::{Demand, Draft, Unit},
    kyverno::{digests, images, unsay},
    lost::Invalid,
    part::Part,
};

/// What to do about other expressions.
const OTHERS: &str = page!(
    "only checks that each image is signed by attestors are read; write others as rules in Rego: ",
    "policy",
    ""
);

const HOW_KYVERNO_WORKS: &str = "it says how Kyverno works, not what it accepts";
const NOT_OBJECTS: &str = "rules are about images, not about kinds of objects";

/// Translates one policy; `named` is how its place begins.
pub(super) fn policy(named: &str, document: &Value, draft: &mut Draft) -> Result<(), Invalid> {
    let mut document = Part::new(named, document)?;
    let in_namespace = document.take("kind").is_some_and(|kind| kind != "ImageValidatingPolicy");
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
    let mut unit = Unit { denies: true, ..Unit::default() };
    said &= working(&mut spec, &mut unit, draft)?;
    said &= matched(&mut spec, draft)?;
    let mut references = Vec::new();
    for mut reference in spec.parts("matchImageReferences")? {
        references.extend(reference.text("glob")?.map(|glob| (reference.at("glob"), glob)));
        if reference.take("expression").is_some() {
            let why = "expressions in CEL are not read; name the images with glob";
            draft.narrow(&reference.at("expression"), why);
            unit.unsaid.extend("**".parse().ok());
        }
        said &= draft.unknown(&reference);
    }
    if references.is_empty() && unit.unsaid.is_empty() {
        references.push((spec.at("matchImageReferences"), "*"));
    }
    images(references, &mut unit, draft)?;
    let attestors = attestors(&named, &mut spec, draft)?;
    let kinds = kinds(&mut spec, draft)?;
    let mut whole = true;
    for validation in spec.parts("validations")? {
        let demand = self::validation(validation, &attestors, &kinds, draft)?;
        whole &= demand.is_some();
        unit.demands.extend(demand);
    }
    said &= draft.unknown(&spec);
    let mut sayable = said;
    if said && (!whole || unit.demands.is_empty()) {
        sayable = draft.demand(&spec.at("validations"), "a part of them cannot be said");
    }
    if !sayable || unit.demands.is_empty() {
        unsay(&mut unit);
    }
    draft.unit(unit)
}

/// What says how Kyverno works. Whether the policy may be said without what nobody knows.
fn working(spec: &mut Part<'_>, unit: &mut Unit, draft: &mut Draft) -> Result<bool, Invalid> {
    let mut said = true;
    let actions = spec.texts("validationActions")?;
    unit.denies = actions.is_empty() || actions.iter().any(|(_, action)| *action == "Deny");
    if !unit.denies {
        draft.narrow(
            &spec.at("validationActions"),
            "hallmark denies; it has no mode that only warns",
        );
    }
    if spec.text("failurePolicy")? == Some("Ignore") {
        draft.narrow(&spec.at("failurePolicy"), "what cannot be checked is denied");
    }
    if let Some(mut digests_of) = spec.part("validationConfigurations")? {
        digests(&mut digests_of, draft)?;
        said &= draft.unknown(&digests_of);
    }
    for key in ["auditAnnotations", "autogen", "credentials", "evaluation", "webhookConfiguration"]
    {
        if spec.take(key).is_some() {
            draft.works(&spec.at(key), HOW_KYVERNO_WORKS);
        }
    }
    if spec.take("variables").is_some() {
        draft.works(&spec.at("variables"), "no expression that is read here uses one");
    }
    if spec.take("images").is_some() {
        let why =
            "lists of images of one's own are not read; hallmark reads all images of an object";
        said &= draft.demand(&spec.at("images"), why);
    }
    Ok(said)
}

/// Whether the policy is about pods whatever they are.
fn matched(spec: &mut Part<'_>, draft: &mut Draft) -> Result<bool, Invalid> {
    if spec.take("matchConditions").is_some()
        && !draft.demand(&spec.at("matchConditions"), NOT_OBJECTS)
    {
        return Ok(false);
    }
    let at = spec.at("matchConstraints");
    let Some(mut matches) = spec.part("matchConstraints")? else { return Ok(true) };
    if matches.take("matchPolicy").is_some() {
        draft.works(&matches.at("matchPolicy"), HOW_KYVERNO_WORKS);
    }
    let mut pods = false;
    for mut rule in matches.parts("resourceRules")? {
        let has = |list: &[(String, &str)], words: &[&str]| {
            list.iter().any(|(_, word)| words.contains(word) || *word == "*")
        };
        let (groups, versions) = (rule.texts("apiGroups")?, rule.texts("apiVersions")?);
        let (operations, resources) = (rule.texts("operations")?, rule.texts("resources")?);
        rule.take("scope");
        pods |= has(&groups, &[""])
            && has(&versions, &["v1"])
            && has(&operations, &["CREATE"])
            && has(&operations, &["UPDATE"])
            && has(&resources, &["pods"])
            && rule.rest().is_empty();
    }
    if !pods || !matches.rest().is_empty() {
        return Ok(draft.demand(&at, NOT_OBJECTS));
    }
    Ok(true)
}

/// Signers of each attestor, any of whom signs for it; none where it cannot be said.
fn attestors(
    named: &str,
    spec: &mut Part<'_>,
    draft: &mut Draft,
) -> Result<BTreeMap<String, Vec<String>>, Invalid> {
    let mut all = BTreeMap::new();
    for mut attestor in spec.parts("attestors")? {
        let Some(name) = attestor.text("name")? else {
            return Err(Invalid::new(attestor.at("name"), "it is missing"));
        };
        let cosign = attestor.part("cosign")?;
        if attestor.take("notary").is_some() {
            draft.narrow(&attestor.at("notary"), "signatures of Notary are not read");
        }
        let said = draft.unknown(&attestor);
        let signers = match cosign {
            Some(cosign) if said => self::cosign(&format!("{named}-{name}"), cosign, draft)?,
            _ => Vec::new(),
        };
        if all.insert(name.to_owned(), signers).is_some() {
            return Err(Invalid::new(attestor.at("name"), "another attestor has this name"));
        }
    }
    Ok(all)
}

fn cosign(name: &str, mut part: Part<'_>, draft: &mut Draft) -> Result<Vec<String>, Invalid> {
    let mut said = true;
    let logs = cosign::logs(part.part("ctlog")?.into_iter().collect(), draft)?;
    if let Some(mut source) = part.part("source")? {
        source.take("PullSecrets");
        for key in ["repository", "tagPrefix"] {
            if source.text(key)?.is_some() {
                draft
                    .narrow(&source.at(key), "signatures are read from the image's own repository");
            }
        }
        said &= draft.unknown(&source);
    }
    for (key, why) in [
        (
            "certificate",
            "name the authority's files under trust.roots, and that root under the signer",
        ),
        ("tuf", "name the repository under trust.roots, and that root under the signer"),
    ] {
        if part.take(key).is_some() {
            draft.narrow(&part.at(key), why);
            said = false;
        }
    }
    if part.take("annotations").is_some() {
        said &=
            draft.demand(&part.at("annotations"), "rules do not ask for annotations of signatures");
    }
    let (key, keyless) = (part.part("key")?, part.part("keyless")?);
    said &= draft.unknown(&part);
    let mut signers = Vec::new();
    if let Some(key) = key {
        let at = key.place().to_owned();
        if let Some(signer) = self::key(key, logs, draft)? {
            signers.push((at, signer));
        }
    }
    if let Some(mut keyless) = keyless {
        if keyless.text("roots")?.is_some() {
            let why =
                "name the authority's files under trust.roots, and that root under the signer";
            draft.narrow(&keyless.at("roots"), why);
            said = false;
        }
        for mut identity in keyless.parts("identities")? {
            let at = identity.place().to_owned();
            if let Some(signer) =
                cosign::keyless(&mut identity, logs.unwrap_or(Logs::PublicGood), false, draft)?
                && draft.unknown(&identity)
            {
                signers.push((at, signer));
            }
        }
        said &= draft.unknown(&keyless);
    }
    if !said || logs.is_none() {
        return Ok(Vec::new());
    }
    Ok(signers.iter().map(|(at, signer)| draft.signer(at, name, signer)).collect())
}

fn key(
    mut part: Part<'_>,
    logs: Option<Logs>,
    draft: &mut Draft,
) -> Result<Option<Value>, Invalid> {
    let mut said = true;
    if !matches!(part.text("hashAlgorithm")?, None | Some("sha256")) {
        let why = "the algorithm is the one that belongs to the key; SHA-256 for RSA";
        draft.narrow(&part.at("hashAlgorithm"), why);
        said = false;
    }
    for (key, why) in [
        ("kms", "it cannot be asked offline; export the public key"),
        ("secretRef", "the key is in a Secret; write it into the file"),
        ("expression", "expressions in CEL are not read; write the key into the file"),
    ] {
        if part.take(key).is_some() {
            draft.narrow(&part.at(key), why);
            said = false;
        }
    }
    let data = part.text("data")?;
    said &= draft.unknown(&part);
    let (Some(data), Some(logs)) = (data.filter(|_| said), logs) else { return Ok(None) };
    match cosign::key(data, logs) {
        Ok(signer) => Ok(Some(signer)),
        Err(why) => {
            draft.narrow(&part.at("data"), why);
            Ok(None)
        }
    }
}

/// Predicate types of attestations, by name.
fn kinds(spec: &mut Part<'_>, draft: &mut Draft) -> Result<BTreeMap<String, String>, Invalid> {
    let mut all = BTreeMap::new();
    for mut attestation in spec.parts("attestations")? {
        let name = attestation.text("name")?.unwrap_or_default().to_owned();
        let statement = attestation.part("intoto")?;
        if attestation.take("referrer").is_some() {
            draft.narrow(
                &attestation.at("referrer"),
                "artifacts that are no in-toto statements are not read",
            );
        }
        let mut said = draft.unknown(&attestation);
        let Some(mut statement) = statement else { continue };
        let kind = statement.text("type")?.filter(|kind| kind.contains("://"));
        said &= draft.unknown(&statement);
        match kind {
            Some(kind) if said => {
                all.insert(name, kind.to_owned());
            }
            _ => draft.narrow(statement.place(), "rules name the URI of a predicate type"),
        }
    }
    Ok(all)
}

/// `images.containers.map(i, verifyImageSignatures(i, [attestors.a])).all(n, n > 0)` and what means the same, without its spaces.
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let call = r"(?:verifyImageSignatures\((?<i1>\w+),|verifyAttestationSignatures\((?<i2>\w+),attestations\.(?<kind>\w+),)\[(?<who>attestors\.\w+(?:,attestors\.\w+)*)\]\)";
    let bound = |n: u8| format!(r"(?<op{n}>>=|==|>)(?<n{n}>\d)");
    let list = r"images\.(?:containers|initContainers|ephemeralContainers|allContainers)";
    let form = format!(
        r"^{list}\.(?:map\((?<v1>\w+),{call1}(?:\)\.all\((?<e1>\w+),(?<e2>\w+){b1}\)|{b2}\)\.all\((?<e3>\w+),(?<e4>\w+)\)))$",
        call1 = call,
        b1 = bound(1),
        b2 = bound(2),
    );
    Regex::new(&form).ok()
});

/// Which attestors an expression asks for, how many of them, and of which attestation.
fn read(expression: &str) -> Option<(Vec<String>, usize, Option<String>)> {
    let bare: String = expression.split_whitespace().collect();
    let found = FORM.as_ref()?.captures(&bare)?;
    let text = |name: &str| found.name(name).map(|text| text.as_str());
    // The same variable all along: another one would be something else.
    let image = text("i1").or(text("i2"));
    let same = text("v1") == image && text("e1") == text("e2") && text("e3") == text("e4");
    if !same {
        return None;
    }
    let names = text("who")?.split(',').filter_map(|name| name.strip_prefix("attestors."));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let operator = text("op1").or(text("op2"))?;
    let number: usize = text("n1").or(text("n2"))?.parse().ok()?;
    let threshold = match operator {
        ">" => number.checked_add(1)?,
        "==" if number != names.len() => return None,
        _ => number,
    };
    let possible = threshold >= 1 && threshold <= names.len();
    possible.then(|| (names, threshold, text("kind").map(str::to_owned)))
}

fn validation(
    mut part: Part<'_>,
    attestors: &BTreeMap<String, Vec<String>>,
    kinds: &BTreeMap<String, String>,
    draft: &mut Draft,
) -> Result<Option<Demand>, Invalid> {
    for key in ["message", "messageExpression", "reason"] {
        if part.take(key).is_some() {
            draft.works(&part.at(key), "a denial says what it is about in hallmark's words");
        }
    }
    let Some(expression) = part.text("expression")? else {
        return Err(Invalid::new(part.at("expression"), "it is missing"));
    };
    let at = part.at("expression");
    let said = draft.unknown(&part);
    let Some((names, threshold, kind)) = read(expression) else {
        draft.demand(&at, OTHERS);
        return Ok(None);
    };
    let predicate = match &kind {
        None => Some("signature".to_owned()),
        Some(kind) => kinds.get(kind).cloned(),
    };
    let Some(predicate) = predicate else {
        draft.demand(&at, "its attestation cannot be said");
        return Ok(None);
    };
    let said_of: Vec<&Vec<String>> = names.iter().filter_map(|name| attestors.get(name)).collect();
    let there: Vec<&Vec<String>> =
        said_of.into_iter().filter(|signers| !signers.is_empty()).collect();
    // Identities of one attestor are one vote there, and several signers here.
    let countable = threshold == 1 || there.iter().all(|signers| signers.len() == 1);
    let mut signers: Vec<String> = there.iter().copied().flatten().cloned().collect();
    signers.sort();
    signers.dedup();
    if there.len() < threshold || signers.len() < threshold || !countable || !said {
        draft.demand(&at, "not enough of its attestors can be said");
        return Ok(None);
    }
    Ok(Some(Demand { at, predicates: vec![predicate], signers, threshold }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_the_known_forms_are_read_and_no_others() {
        let known = [
            (
                "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)",
                "a 1",
            ),
            (
                "images.containers.map(i, verifyImageSignatures(i,\n  [attestors.a, attestors.b]) >= 2).all(e, e)",
                "a,b 2",
            ),
            (
                "images.containers.map(i, verifyImageSignatures(i, [attestors.a])).all(e, e == 1)",
                "a 1",
            ),
            (
                "images.initContainers.map(i, verifyAttestationSignatures(i, attestations.s ,[attestors.a])).all(e, e > 0)",
                "a 1 s",
            ),
        ];
        for (text, want) in known {
            let (names, threshold, kind) = read(text).unwrap_or_else(|| panic!("{text}"));
            let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
            assert_eq!(format!("{} {threshold}{kind}", names.join(",")), want, "{text}");
        }
        for text in [
            "true",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e >= 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 1)",
            "images.containers.map(image, verifyImageSignatures(other, [attestors.a])).all(e, e > 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, f > 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).exists(e, e > 0)",
            "!images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)",
            "images.containers.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0) || true",
            "images.mine.map(image, verifyImageSignatures(image, [attestors.a])).all(e, e > 0)",
            "images.containers.map(i, verifyImageSignatures(i, [attestors.a, attestors.b])).all(e, e == 1)",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
