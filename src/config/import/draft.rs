//! The configuration that an import writes, part by part.
//!
//! Takes what each policy asks of which images ([`Unit`]) and writes trust rules that accept no more. A unit that cannot be said
//! names the images that it may be about: the others grant nothing for these, since there all policies that are about an image
//! have to hold. Whoever asks for a lossy import gets what can be said, and is told what is accepted beyond the policy.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    lost::{Effect, Invalid, Lost},
    part::Part,
};
use crate::{
    config::{
        Surroundings, file,
        identity::{OBJECT_META, signer_name},
    },
    trust::ImagePattern,
};

/// Image patterns of one file: each is held against each.
const MOST_PATTERNS: usize = 1000;

/// That some signers have to have signed some kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demand {
    /// Where the policy says so.
    pub(super) at: String,
    /// Words of `trust.rules[].predicates`.
    pub(super) predicates: Vec<String>,
    /// Names of signers.
    pub(super) signers: Vec<String>,
    /// How many of them.
    pub(super) threshold: usize,
}

/// What is asked of some images.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// The images, each with its place.
    pub(super) images: Vec<(String, ImagePattern)>,
    /// All of these have to hold.
    pub(super) demands: Vec<Demand>,
    /// Images of which it asks for something that is not said here.
    pub(super) unsaid: Vec<ImagePattern>,
    /// Whether an image that does not satisfy it is denied there.
    pub(super) denies: bool,
}

/// A configuration in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    lossy: bool,
    /// What is left out.
    pub(super) lost: Vec<Lost>,
    /// Signers, each with its place.
    signers: Vec<(String, Value)>,
    units: Vec<Unit>,
    /// Rules, settings and exceptions beside the preset.
    pub(super) policy: Map<String, Value>,
    /// Preset; where none is named, it comes of the rules.
    pub(super) preset: Option<&'static str>,
    /// Known to be about the whole file: nothing of it is said.
    refused: bool,
}

impl Draft {
    /// An empty one.
    pub(super) fn new(lossy: bool) -> Self {
        Self { lossy, ..Self::default() }
    }

    fn lose(&mut self, at: &str, why: impl Into<String>, effect: Effect) {
        self.lost.push(Lost { at: at.to_owned(), why: why.into(), effect });
    }

    /// Leaves out what says how the other tool works.
    pub(super) fn works(&mut self, at: &str, why: impl Into<String>) {
        self.lose(at, why, Effect::Same);
    }

    /// Leaves out what lets something pass.
    pub(super) fn narrow(&mut self, at: &str, why: impl Into<String>) {
        self.lose(at, why, Effect::Less);
    }

    /// Leaves out what something is asked by. Whether what it belongs to may be said without it.
    pub(super) fn demand(&mut self, at: &str, why: impl Into<String>) -> bool {
        let effect = if self.lossy { Effect::More } else { Effect::Less };
        self.lose(at, why, effect);
        self.lossy
    }

    /// As [`Draft::demand`], of the whole file.
    pub(super) fn demand_of_all(&mut self, at: &str, why: impl Into<String>) {
        self.refused |= !self.demand(at, why);
    }

    /// Leaves out keys that nobody knows. Whether what they belong to may be said without them.
    pub(super) fn unknown(&mut self, part: &Part<'_>) -> bool {
        let mut said = true;
        for key in part.rest() {
            said &= self.demand(&part.at(key), "no such key is known here");
        }
        said
    }

    /// Takes what an object says about itself, and gives its name.
    ///
    /// # Errors
    /// [`Invalid`]: it has no name.
    pub(super) fn metadata(&mut self, document: &mut Part<'_>) -> Result<String, Invalid> {
        let Some(mut metadata) = document.part("metadata")? else {
            return Err(Invalid::new(document.at("metadata"), "it is missing"));
        };
        let name = metadata.text("name")?.unwrap_or("policy").to_owned();
        OBJECT_META.iter().chain(&["labels"]).for_each(|key| {
            metadata.take(key);
        });
        if let Some(mut annotations) = metadata.part("annotations")? {
            for key in annotations.rest() {
                annotations.take(key);
                // Which controllers of pods get a rule of their own: here all have.
                if key.ends_with("/autogen-controllers") {
                    self.works(
                        &annotations.at(key),
                        "an image is judged wherever an object names it",
                    );
                }
            }
        }
        if !self.unknown(&metadata) {
            self.refused = true;
        }
        Ok(name)
    }

    /// Takes a signer, under a name that no other has; one that is there already keeps its name.
    pub(super) fn signer(&mut self, at: &str, name: &str, signer: &Value) -> String {
        let bare = |signer: &Value| {
            let mut bare = signer.clone();
            bare.as_object_mut().map(|object| object.remove("name"));
            bare
        };
        if let Some((_, there)) = self.signers.iter().find(|(_, there)| bare(there) == *signer) {
            return there["name"].as_str().unwrap_or_default().to_owned();
        }
        let name = signer_name(name);
        let taken = |name: &str| self.signers.iter().any(|(_, signer)| signer["name"] == name);
        let mut unique = name.clone();
        for number in 2.. {
            if !taken(&unique) {
                break;
            }
            unique = format!("{name}-{number}");
        }
        let mut named = json!({ "name": unique });
        if let (Some(named), Some(signer)) = (named.as_object_mut(), signer.as_object()) {
            named.extend(signer.clone());
        }
        self.signers.push((at.to_owned(), named));
        unique
    }

    /// Takes what is asked of some images.
    ///
    /// # Errors
    /// [`Invalid`]: there are too many patterns.
    pub(super) fn unit(&mut self, unit: Unit) -> Result<(), Invalid> {
        self.units.push(unit);
        let patterns: usize = self.units.iter().map(|u| u.images.len() + u.unsaid.len()).sum();
        if patterns > MOST_PATTERNS {
            let why = format!("more than {MOST_PATTERNS} image patterns; import it in parts");
            return Err(Invalid::new("document", why));
        }
        Ok(())
    }

    /// Takes images out of units that another one is about as well, if that one cannot be said of them. What a unit has to leave
    /// out for another's sake is not said of its own demands either, so that a third one grants nothing for it.
    fn settle(&mut self, units: &mut [Unit]) {
        let denying = units.iter().enumerate().filter(|(_, unit)| unit.denies);
        let mut open: Vec<(usize, ImagePattern)> = denying
            .flat_map(|(index, unit)| {
                unit.unsaid.iter().map(move |pattern| (index, pattern.clone()))
            })
            .collect();
        while let Some((owner, unsaid)) = open.pop() {
            for (index, unit) in units.iter_mut().enumerate().filter(|(index, _)| *index != owner) {
                let (out, kept): (Vec<_>, Vec<_>) =
                    unit.images.drain(..).partition(|(_, pattern)| unsaid.may_overlap(pattern));
                unit.images = kept;
                for (at, pattern) in out {
                    let why = "another part of the file, which cannot be said here, may be about the same \
                               images, and both have to hold";
                    if self.demand(&at, why) {
                        unit.images.push((at, pattern));
                    } else if unit.denies {
                        open.push((index, pattern));
                    }
                }
            }
        }
    }

    /// Rules, each with its place.
    fn rules(&mut self) -> Vec<(String, Value)> {
        let mut rules: Vec<(String, Value)> = Vec::new();
        let mut units = std::mem::take(&mut self.units);
        self.settle(&mut units);
        for unit in &units {
            let images = unit.images.iter().map(|(_, pattern)| pattern.to_string());
            let mut images: Vec<String> = images.collect();
            images.sort();
            images.dedup();
            if images.is_empty() {
                continue;
            }
            for demand in &unit.demands {
                let mut rule = json!({
                    "images": images, "predicates": demand.predicates, "signers": demand.signers,
                });
                if demand.threshold > 1 {
                    rule["threshold"] = demand.threshold.into();
                }
                if !rules.iter().any(|(_, there)| *there == rule) {
                    rules.push((demand.at.clone(), rule));
                }
            }
        }
        if rules.len() > 1 {
            rules.iter_mut().for_each(|(_, rule)| rule["required"] = true.into());
        }
        rules
    }

    /// Writes it: the configuration, if something can be said, and what is left out.
    ///
    /// # Errors
    /// [`Invalid`]: what was written cannot be read again.
    pub(super) fn finish(mut self, of: &str) -> Result<(Option<String>, Vec<Lost>), Invalid> {
        let rules = self.rules();
        self.lost.sort();
        self.lost.dedup();
        if rules.is_empty() || self.refused {
            return Ok((None, self.lost));
        }
        let named = |(_, signer): &&(String, Value)| {
            let uses = |(_, rule): &(String, Value)| {
                rule["signers"].as_array().is_some_and(|names| names.contains(&signer["name"]))
            };
            rules.iter().any(uses)
        };
        let signers: Vec<(String, Value)> = self.signers.iter().filter(named).cloned().collect();
        let asks_signature = |(_, rule): &(String, Value)| {
            rule["predicates"].as_array().is_some_and(|all| all.contains(&json!("signature")))
        };
        let of_rules = if rules.iter().any(asks_signature) { "signed" } else { "baseline" };
        self.policy.insert("preset".to_owned(), self.preset.unwrap_or(of_rules).into());
        let mut text = format!(
            "# Written by hallmark policy import, from {of}.\nversion: 1\ntrust:\n  signers:\n"
        );
        placed(&mut text, &signers)?;
        text.push_str("  rules:\n");
        placed(&mut text, &rules)?;
        text.push_str("policy:\n");
        text.push_str(&indented(&Value::Object(self.policy), "  ")?);
        // What is printed has to be read again.
        file::config(Path::new("hallmark.yaml"), &text, &Surroundings::default()).map_err(
            |error| Invalid::new("document", format!("its translation is refused: {error}")),
        )?;
        Ok((Some(text), self.lost))
    }
}

/// Values of a list, each below a comment that says where it comes from.
fn placed(text: &mut String, values: &[(String, Value)]) -> Result<(), Invalid> {
    for (at, value) in values {
        text.push_str(&format!("    # {at}\n"));
        text.push_str(&indented(&json!([value]), "    ")?);
    }
    Ok(())
}

fn indented(value: &Value, by: &str) -> Result<String, Invalid> {
    let yaml = yaml_serde::to_string(value)
        .map_err(|error| Invalid::new("document", format!("it cannot be written: {error}")))?;
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{by}{line}\n") };
    Ok(yaml.lines().map(line).collect())
}
