//! Layouts: which steps a supply chain has, and who may do each (in-toto specification 1.0.0, section 4.3).
//!
//! Turns the payload of a layout into a [`Layout`]. Refuses thresholds of nothing (attack A24), steps that share a name, keys
//! that are authorised and not there, and rules that two readers could take differently. The command of an inspection is
//! not even kept: hallmark never runs one. Keys are kept as they are written; `trust` makes public keys of them and counts those,
//! not their ids. Certificates (ITE-7) are not read: a step that allows them in the place of keys can be done by its keys.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{AttestError, shown, within},
    rule::Rule,
};
use crate::{limits::Limits, untrusted::misleads};

const WHAT: &str = "in-toto layout";

/// The steps of a supply chain and their rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// After this time it says nothing any more.
    pub expires: Timestamp,
    /// Keys of functionaries by the ids that the layout gives them.
    pub keys: BTreeMap<String, LayoutKey>,
    /// The steps, in their order; at least one.
    pub steps: Vec<Step>,
    /// What should be run over the final product.
    pub inspections: Vec<Inspection>,
}

/// A key as a layout holds it (section 4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutKey {
    /// `rsa`, `ed25519`, `ecdsa`; for OpenPGP its method.
    pub keytype: String,
    /// The signature scheme.
    pub scheme: String,
    /// The public key, in PEM or hex; `None` where it is of another form, as OpenPGP's is.
    pub public: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, which no other step or inspection has.
    pub name: String,
    /// How many distinct functionaries have to have done it, at least 1.
    pub threshold: usize,
    /// Ids of the keys that may sign for it; all are keys of the layout.
    pub keys: BTreeSet<String>,
    /// Whether certificates may sign for it too, which are not read.
    pub by_certificate: bool,
    /// The command that should have been run.
    pub expected_command: Vec<String>,
    /// Its rules.
    pub rules: ItemRules,
}

/// One inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// Its rules.
    pub rules: ItemRules,
}

/// Rules over the artifacts of a step or inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRules {
    /// Over what it started from.
    pub materials: Vec<Rule>,
    /// Over what it left.
    pub products: Vec<Rule>,
}

#[derive(Deserialize)]
pub(super) struct Wire {
    expires: String,
    keys: Option<BTreeMap<String, WireKey>>,
    steps: Option<Vec<WireStep>>,
    #[serde(default)]
    inspect: Option<Vec<WireInspection>>,
}

#[derive(Deserialize)]
struct WireKey {
    #[serde(default)]
    keyid: Option<String>,
    #[serde(default)]
    keytype: Option<String>,
    #[serde(default)]
    scheme: Option<String>,
    #[serde(default)]
    method: Option<String>,
    keyval: WireKeyValue,
}

#[derive(Deserialize)]
struct WireKeyValue {
    #[serde(default)]
    public: Option<Value>,
}

#[derive(Deserialize)]
struct WireStep {
    name: String,
    threshold: i64,
    #[serde(default)]
    pubkeys: Option<Vec<String>>,
    #[serde(default)]
    cert_constraints: Option<Vec<Value>>,
    #[serde(default)]
    expected_command: Option<Vec<String>>,
    #[serde(default)]
    expected_materials: Option<Vec<Vec<String>>>,
    #[serde(default)]
    expected_products: Option<Vec<Vec<String>>>,
}

#[derive(Deserialize)]
struct WireInspection {
    name: String,
    #[serde(default)]
    expected_materials: Option<Vec<Vec<String>>>,
    #[serde(default)]
    expected_products: Option<Vec<Vec<String>>>,
}

impl Layout {
    pub(super) fn new(wire: Wire, limits: &Limits) -> Result<Self, AttestError> {
        let keys = wire.keys.unwrap_or_default();
        let steps = wire.steps.unwrap_or_default();
        let inspections = wire.inspect.unwrap_or_default();
        within(WHAT, keys.len(), "keys", limits.layout_keys, "layout_keys")?;
        let items = steps.len() + inspections.len();
        within(WHAT, items, "steps and inspections", limits.layout_steps, "layout_steps")?;
        let lists = steps.iter().flat_map(|s| [&s.expected_materials, &s.expected_products]);
        let more = inspections.iter().flat_map(|i| [&i.expected_materials, &i.expected_products]);
        let rules = lists.chain(more).flatten().map(Vec::len).sum();
        within(WHAT, rules, "rules", limits.layout_rules, "layout_rules")?;
        if steps.is_empty() {
            return Err(AttestError::Missing { what: "step of the in-toto layout" });
        }
        let keys: BTreeMap<_, _> = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        let read = |wire| step(wire, &keys);
        let layout = Self {
            expires: date(&wire.expires)?,
            steps: steps.into_iter().map(read).collect::<Result<_, _>>()?,
            inspections: inspections.into_iter().map(inspection).collect::<Result<_, _>>()?,
            keys,
        };
        layout.names_are_unique()?;
        Ok(layout)
    }

    /// Section 4.3.2: names do not repeat in either steps or inspections.
    fn names_are_unique(&self) -> Result<(), AttestError> {
        let steps = self.steps.iter().map(|step| &step.name);
        let names = steps.chain(self.inspections.iter().map(|inspection| &inspection.name));
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                return Err(unexpected("name of a step", name, "a name that no other step has"));
            }
        }
        Ok(())
    }
}

fn unexpected(what: &'static str, found: &str, expected: &'static str) -> AttestError {
    AttestError::Unexpected { what, found: shown(found), expected }
}

/// Section 4.2.2: `YYYY-MM-DDTHH:MM:SSZ`, and nothing else that is a date to somebody.
fn date(text: &str) -> Result<Timestamp, AttestError> {
    const FORM: &str = "0000-00-00T00:00:00Z";
    let fits = |(c, form): (u8, u8)| if form == b'0' { c.is_ascii_digit() } else { c == form };
    let read = (text.len() == FORM.len() && text.bytes().zip(FORM.bytes()).all(fits))
        .then(|| text.parse().ok());
    let refused = || unexpected("expires of the in-toto layout", text, "YYYY-MM-DDTHH:MM:SSZ");
    read.flatten().ok_or_else(refused)
}

fn key((id, wire): (String, WireKey)) -> Result<(String, LayoutKey), AttestError> {
    if let Some(other) = wire.keyid.filter(|inner| *inner != id) {
        return Err(unexpected("keyid of a key", &other, "the id under which the key is listed"));
    }
    let public = match wire.keyval.public {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let keytype = wire.method.or(wire.keytype).unwrap_or_default();
    Ok((id, LayoutKey { keytype, scheme: wire.scheme.unwrap_or_default(), public }))
}

fn step(wire: WireStep, keys: &BTreeMap<String, LayoutKey>) -> Result<Step, AttestError> {
    let threshold = usize::try_from(wire.threshold).ok().filter(|threshold| *threshold > 0);
    let threshold = threshold.ok_or_else(|| {
        unexpected("threshold of a step", &wire.threshold.to_string(), "at least 1")
    })?;
    let pubkeys: BTreeSet<String> = wire.pubkeys.unwrap_or_default().into_iter().collect();
    if let Some(id) = pubkeys.iter().find(|id| !keys.contains_key(*id)) {
        return Err(unexpected("key of a step", id, "one of the layout's keys"));
    }
    Ok(Step {
        name: name(wire.name)?,
        threshold,
        keys: pubkeys,
        by_certificate: wire.cert_constraints.is_some_and(|list| !list.is_empty()),
        expected_command: wire.expected_command.unwrap_or_default(),
        rules: rules(wire.expected_materials, wire.expected_products)?,
    })
}

fn inspection(wire: WireInspection) -> Result<Inspection, AttestError> {
    let rules = rules(wire.expected_materials, wire.expected_products)?;
    Ok(Inspection { name: name(wire.name)?, rules })
}

/// A name that can stand in the name of a file.
fn name(text: String) -> Result<String, AttestError> {
    if text.is_empty() || text.contains(|c| misleads(c) || c == '/') {
        return Err(unexpected("name of a step", &text, "a name without slashes"));
    }
    Ok(text)
}

fn rules(
    materials: Option<Vec<Vec<String>>>,
    products: Option<Vec<Vec<String>>>,
) -> Result<ItemRules, AttestError> {
    let read = |list: Option<Vec<Vec<String>>>| -> Result<Vec<Rule>, AttestError> {
        list.unwrap_or_default().iter().map(|words| Rule::parse(words)).collect()
    };
    Ok(ItemRules { materials: read(materials)?, products: read(products)? })
}
