//! Conforma's policy (`EnterpriseContractPolicy`, or the `policy.yaml` that is its `spec`).
//!
//! Its key or identity has to have signed every image that is judged and the attestations beside it, so that it becomes two
//! required rules about all images. Most of what it asks is rules in Rego that it fetches: these are named and not translated,
//! and so the policy is said in a lossy import alone. Of the data of rules those that a shipped rule reads become its
//! settings; exclusions that end, of images by name, become exceptions where a shipped rule gives the same answer.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};
use serde_json::{Map, Value, json};

use super::{
    cosign::{self, Logs},
    draft::{Demand, Draft, Unit},
    lost::{Invalid, shown},
    part::Part,
};
use crate::trust::ImagePattern;

/// Rules of Conforma and the code of the shipped rule that denies for the same reason.
const CODES: [(&str, &str, &str); 2] = [
    ("cve.cve_blockers", "vulnerability-severe", "vulnerabilities"),
    ("base_image_registries.base_image_permitted", "base-not-allowed", "base"),
];
/// Levels of vulnerabilities, the gravest last.
const LEVELS: [&str; 5] = ["negligible", "low", "medium", "high", "critical"];
/// Days for which an exception may be made.
const MOST_DAYS: i64 = 365;

const REGO: &str = page!(
    "rules in Rego that are fetched are not translated: write what they ask as rules (",
    "policy",
    "), or go on running them"
);

/// Why lists of several sources are not joined: an image has to be in each of them, and one list takes it by either.
const SHARED: &str =
    "each source has lists of its own, and all of them have to hold; settings here have one list";
/// Why a text is left out.
const PATTERN: &str = "it stands for itself there, and would be a pattern here";

/// What is read of the sources.
#[derive(Default)]
struct Settings {
    /// Whether there are several sources.
    is_shared: bool,
    rules: Vec<&'static str>,
    base: Vec<String>,
    deny: Option<usize>,
    builders: Vec<String>,
    exceptions: Vec<Value>,
}

/// Translates a policy; `now` is when it is imported.
pub(super) fn policy(document: &Value, now: Timestamp, draft: &mut Draft) -> Result<(), Invalid> {
    let mut document = Part::new("", document)?;
    let mut spec = match document.take("kind") {
        None => document.clone(),
        Some(_) => {
            document.take("apiVersion");
            document.take("status");
            draft.metadata(&mut document)?;
            let spec = document.part("spec")?;
            if !draft.unknown(&document) {
                draft.demand_of_all("document", "nobody knows all of its keys");
            }
            spec.ok_or_else(|| Invalid::new("spec", "it is missing"))?
        }
    };
    spec.take("name");
    spec.take("description");
    let signers = signers(&mut spec, draft)?;
    let mut settings = Settings::default();
    let sources: Vec<Part<'_>> = spec.parts("sources")?.into_iter().collect();
    settings.is_shared = sources.len() > 1;
    for source in sources {
        self::source(source, now, &mut settings, draft)?;
    }
    if let Some(mut old) = spec.part("configuration")? {
        included(&mut old, draft)?;
        if !draft.unknown(&old) {
            draft.demand_of_all(old.place(), "nobody knows all of its keys");
        }
    }
    for key in spec.rest() {
        draft.demand_of_all(&spec.at(key), "no such key is known here");
    }
    write(settings, draft);
    let by = if spec.take("publicKey").is_some() { "publicKey" } else { "identity" };
    let by = spec.at(by);
    let images = "**".parse::<ImagePattern>().map(|all| (by.clone(), all));
    let demand = |predicate: &str| Demand {
        at: by.clone(),
        predicates: vec![predicate.to_owned()],
        signers: signers.clone(),
        threshold: 1,
    };
    let demands = match signers.is_empty() {
        true => Vec::new(),
        false => vec![demand("signature"), demand("provenance")],
    };
    draft.preset = Some("slsa-l2");
    draft.unit(Unit {
        images: images.into_iter().collect(),
        demands,
        denies: true,
        ..Unit::default()
    })
}

/// Who has to have signed.
fn signers(spec: &mut Part<'_>, draft: &mut Draft) -> Result<Vec<String>, Invalid> {
    let rekor = spec.text("rekorUrl")?;
    let other = rekor.is_some_and(|url| !cosign::is_public_good(url));
    if other {
        let why = "it is another instance's log; name its trusted root under trust.roots, and that root under the signer";
        draft.narrow(&spec.at("rekorUrl"), why);
    }
    let logs = if rekor.is_some() { Logs::PublicGood } else { Logs::Unasked };
    let (key, identity) = (spec.text("publicKey")?, spec.part("identity")?);
    if key.is_none() && identity.is_none() {
        let why = "it names neither a key nor an identity, which are given to Conforma when it is called; write them into the file";
        draft.narrow(&spec.at("publicKey"), why);
    }
    let mut signers = Vec::new();
    if let Some(key) = key {
        let at = spec.at("publicKey");
        match cosign::key(key, logs) {
            Ok(signer) if !other => signers.push(draft.signer(&at, "conforma", &signer)),
            Ok(_) => {}
            Err(why) => draft.narrow(&at, why),
        }
    }
    let Some(mut identity) = identity else { return Ok(signers) };
    if key.is_some() {
        draft.works(identity.place(), "a policy with a key asks for no identity");
        return Ok(signers);
    }
    let signer = cosign::keyless(&mut identity, Logs::PublicGood, false, draft)?;
    if let Some(signer) = signer.filter(|_| !other)
        && draft.unknown(&identity)
    {
        signers.push(draft.signer(identity.place(), "conforma", &signer));
    }
    Ok(signers)
}

/// One source of rules and data.
fn source(
    mut source: Part<'_>,
    now: Timestamp,
    settings: &mut Settings,
    draft: &mut Draft,
) -> Result<(), Invalid> {
    source.take("name");
    for (at, _) in source.list("policy")? {
        draft.demand_of_all(&at, REGO);
    }
    for (at, _) in source.list("data")? {
        draft.demand_of_all(&at, "data of rules that are fetched are not read");
    }
    if let Some(data) = source.part("ruleData")? {
        rule_data(data, settings, draft)?;
    }
    if let Some(mut config) = source.part("config")? {
        included(&mut config, draft)?;
        for key in config.rest() {
            draft.demand_of_all(&config.at(key), "no such key is known here");
        }
    }
    if let Some(mut config) = source.part("volatileConfig")? {
        for include in config.parts("include")? {
            draft.demand_of_all(include.place(), REGO);
        }
        for exclude in config.parts("exclude")? {
            exception(exclude, now, settings, draft)?;
        }
        for key in config.rest() {
            draft.demand_of_all(&config.at(key), "no such key is known here");
        }
    }
    for key in source.rest() {
        draft.demand_of_all(&source.at(key), "no such key is known here");
    }
    Ok(())
}

/// Which rules are chosen, and which are left out for good.
fn included(config: &mut Part<'_>, draft: &mut Draft) -> Result<(), Invalid> {
    for key in ["include", "collections"] {
        for (at, name) in config.texts(key)? {
            draft.demand_of_all(&at, format!("{}: {REGO}", shown(name)));
        }
    }
    for (at, name) in config.texts("exclude")? {
        let why = format!("{}: exceptions here have an owner and end within a year", shown(name));
        draft.narrow(&at, why);
    }
    Ok(())
}

/// Data of rules, of which shipped rules read some.
fn rule_data(
    mut data: Part<'_>,
    settings: &mut Settings,
    draft: &mut Draft,
) -> Result<(), Invalid> {
    for (at, prefix) in data.texts("allowed_registry_prefixes")? {
        if settings.is_shared {
            draft.demand_of_all(&at, SHARED);
            continue;
        }
        if is_pattern(prefix) {
            draft.narrow(&at, PATTERN);
            continue;
        }
        let folder = prefix.strip_suffix('/').unwrap_or(prefix);
        let pattern =
            if prefix.ends_with('/') { format!("{folder}/**") } else { folder.to_owned() };
        match pattern.parse::<ImagePattern>() {
            Ok(pattern) => settings.base.push(pattern.to_string()),
            Err(error) => draft.narrow(&at, error.to_string()),
        }
        if !prefix.ends_with('/') {
            draft.narrow(
                &at,
                "a repository is named whole here; what else begins so is not allowed",
            );
        }
        if !settings.rules.contains(&"base") {
            settings.rules.push("base");
        }
    }
    for (at, level) in data.texts("restrict_cve_security_levels")? {
        match LEVELS.iter().position(|known| *known == level) {
            Some(level) => {
                settings.deny = Some(settings.deny.map_or(level, |least| least.min(level)));
            }
            None => draft.demand_of_all(&at, "no such level is known here"),
        }
    }
    for (at, builder) in data.texts("allowed_builder_ids")? {
        if settings.is_shared {
            draft.demand_of_all(&at, SHARED);
        } else if is_pattern(builder) {
            draft.narrow(&at, PATTERN);
        } else {
            settings.builders.push(builder.to_owned());
        }
    }
    for key in data.rest() {
        draft.demand_of_all(&data.at(key), "no shipped rule reads it");
    }
    Ok(())
}

/// Whether a text that stands for itself in Conforma would stand for others as a pattern.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// An exclusion, as an exception if it can be one. What is excluded there and not here is denied, so that each is a loss that
/// accepts less.
fn exception(
    mut part: Part<'_>,
    now: Timestamp,
    settings: &mut Settings,
    draft: &mut Draft,
) -> Result<(), Invalid> {
    let at = part.place().to_owned();
    let (value, reference) = (part.text("value")?.unwrap_or_default(), part.text("reference")?);
    let (on, until) = (part.text("effectiveOn")?, part.text("effectiveUntil")?);
    let url = part.text("imageUrl")?;
    let narrower: Vec<&str> = part.rest();
    let code = CODES.iter().find(|(theirs, ..)| *theirs == value);
    let image = url.filter(|url| !is_pattern(url));
    let image = image.and_then(|url| url.parse::<ImagePattern>().ok());
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let begun = on.is_none_or(|on| time(on).is_some_and(|on| on <= now));
    // The last day that lies in it whole.
    let last = until.and_then(time).and_then(last_day);
    let today = now.to_zoned(TimeZone::UTC).date();
    let most = now.checked_add(SignedDuration::from_hours(24 * (MOST_DAYS - 1))).ok();
    let most = most.map_or(date(1, 1, 1), |most| most.to_zoned(TimeZone::UTC).date());
    let why = match (code, image, last) {
        _ if settings.is_shared => {
            "it counts for the rules of its own source, and one here for those of all".to_owned()
        }
        _ if url.is_some_and(is_pattern) => PATTERN.to_owned(),
        _ if !narrower.is_empty() => {
            format!("exceptions are about images by name, not {}", shown(&narrower.join(", ")))
        }
        (None, ..) => format!("{}: no shipped rule denies for this reason", shown(value)),
        (_, None, _) => "exceptions name images: imageUrl is missing or cannot be read".to_owned(),
        _ if !begun => "it does not count yet; write an exception on its day".to_owned(),
        (_, _, None) => "exceptions end: effectiveUntil is missing or cannot be read".to_owned(),
        (.., Some(last)) if last < today => "it has ended".to_owned(),
        (Some((_, code, package)), Some(image), Some(last)) => {
            if last > most {
                draft.narrow(
                    &at,
                    format!("exceptions end within a year: on {most} instead of {last}"),
                );
            }
            settings.exceptions.push(json!({
                "code": code,
                "package": format!("hallmark.{package}"),
                "images": [image.to_string()],
                "reason": reference.map_or_else(|| format!("excluded by Conforma's policy: {}", shown(value)), shown),
                "owner": "of the imported policy",
                "expires": last.min(most).to_string(),
            }));
            return Ok(());
        }
    };
    draft.narrow(&at, why);
    Ok(())
}

/// The last day that lies before a moment.
fn last_day(until: Timestamp) -> Option<Date> {
    until.to_zoned(TimeZone::UTC).date().yesterday().ok()
}

/// Rules, settings and exceptions.
fn write(mut settings: Settings, draft: &mut Draft) {
    let mut all = Map::new();
    if !settings.base.is_empty() {
        all.insert("base".to_owned(), json!({ "images": settings.base }));
    }
    if let Some(level) = settings.deny.and_then(|level| LEVELS.get(level)) {
        all.insert("vulnerabilities".to_owned(), json!({ "deny": level }));
    }
    if !settings.builders.is_empty() {
        all.insert("provenance".to_owned(), json!({ "builders": settings.builders }));
    }
    settings.exceptions.retain(|exception| {
        let loaded = exception["code"] != "base-not-allowed" || settings.rules.contains(&"base");
        let at = "sources";
        if !loaded {
            draft.narrow(at, "an exclusion is about a rule that nothing turns on here");
        }
        loaded
    });
    if !settings.rules.is_empty() {
        draft.policy.insert("rules".to_owned(), json!(settings.rules));
    }
    if !all.is_empty() {
        draft.policy.insert("settings".to_owned(), all.into());
    }
    if !settings.exceptions.is_empty() {
        draft.policy.insert("exceptions".to_owned(), json!(settings.exceptions));
    }
}
