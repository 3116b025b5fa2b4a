//! Artifact rules over what links report (in-toto specification 1.0.0, sections 4.3.3.1 to 4.3.3.3).
//!
//! Rules work on a queue of artifacts, in their order. What a rule consumes, later rules do not see; only DISALLOW and
//! REQUIRE can fail; what is left at the end is allowed. A MATCH with a step of which nothing is reported, or with an artifact
//! that has no sha256 or sha512 digest, consumes nothing.

use std::collections::BTreeSet;

use super::LayoutError;
use crate::{
    attest::in_toto::{Artifacts, ItemRules, List, Match, Rule},
    digest::{Algorithm, Digest, Hasher},
};

/// How many artifacts a message lists.
const LISTED: usize = 4;

/// What is reported about a step or inspection.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) materials: Artifacts,
    pub(super) products: Artifacts,
}

impl Item {
    fn list(&self, list: List) -> &Artifacts {
        match list {
            List::Materials => &self.materials,
            List::Products => &self.products,
        }
    }
}

/// What is known of another step or inspection.
pub(super) enum There<'i> {
    /// Nothing is reported about it.
    Nothing,
    /// It is not decided yet which report counts.
    Undecided,
    /// This is reported.
    Is(&'i Item),
}

/// Finds another step or inspection by its name.
pub(super) type Others<'o, 'i> = dyn Fn(&str) -> There<'i> + 'o;

/// Digests of all artifacts that tie an item to others. Content of no bytes is in every build.
pub(super) fn digests(item: &Item) -> BTreeSet<String> {
    let empty = [Digest::sha256(b""), Hasher::new(Algorithm::Sha512).finish()];
    let artifacts = item.materials.values().chain(item.products.values());
    let tying = artifacts.filter(|artifact| !artifact.is_one_of(&empty));
    let written = |(algorithm, hex): (&str, &str)| format!("{algorithm}:{hex}");
    tying.flat_map(|artifact| artifact.strong().map(written).collect::<Vec<_>>()).collect()
}

/// Whether the rules of the item `name` hold, by which `others` finds what they speak about. While some of that is undecided,
/// whether they may still hold: what a MATCH could consume is consumed, and nothing is required.
pub(super) fn hold(
    name: &str,
    rules: &ItemRules,
    item: &Item,
    others: &Others<'_, '_>,
) -> Result<(), LayoutError> {
    for (list, rules) in [(List::Materials, &rules.materials), (List::Products, &rules.products)] {
        apply(rules, list, item, others).map_err(|violated| LayoutError::Rule {
            item: name.to_owned(),
            list,
            rule: violated.rule,
            artifacts: violated.artifacts,
        })?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Violated {
    rule: String,
    artifacts: Vec<String>,
}

fn apply(rules: &[Rule], list: List, item: &Item, others: &Others<'_, '_>) -> Result<(), Violated> {
    let mut undecided = false;
    let mut queue: BTreeSet<&str> = item.list(list).keys().map(String::as_str).collect();
    let Item { materials, products } = item;
    for rule in rules {
        let keep = |takes: &dyn Fn(&str) -> bool| -> Vec<&str> {
            queue.iter().copied().filter(|name| takes(name)).collect()
        };
        let consumed = match rule {
            Rule::Create(pattern) => keep(&|name| {
                pattern.matches(name)
                    && products.contains_key(name)
                    && !materials.contains_key(name)
            }),
            Rule::Delete(pattern) => keep(&|name| {
                pattern.matches(name)
                    && materials.contains_key(name)
                    && !products.contains_key(name)
            }),
            Rule::Modify(pattern) => keep(&|name| {
                let both = materials.get(name).zip(products.get(name));
                pattern.matches(name) && both.is_some_and(|(before, after)| before.differs(after))
            }),
            Rule::Allow(pattern) => keep(&|name| pattern.matches(name)),
            Rule::Match(rule) => match others(&rule.from) {
                There::Nothing => Vec::new(),
                There::Undecided => {
                    undecided = true;
                    keep(&|name| inside(rule, name).is_some())
                }
                There::Is(other) => {
                    keep(&|name| matched(rule, name, item.list(list), other.list(rule.with)))
                }
            },
            Rule::Require(name) if undecided || queue.contains(name.as_str()) => Vec::new(),
            Rule::Require(name) => {
                let rule = format!("REQUIRE {name:.200}");
                return Err(Violated { rule, artifacts: Vec::new() });
            }
            Rule::Disallow(pattern) => {
                let found = keep(&|name| pattern.matches(name));
                if found.is_empty() {
                    continue;
                }
                let artifacts = found.into_iter().take(LISTED).map(str::to_owned).collect();
                let rule = format!("DISALLOW {:.200}", pattern.as_str());
                return Err(Violated { rule, artifacts });
            }
        };
        consumed.into_iter().for_each(|name| {
            queue.remove(name);
        });
    }
    Ok(())
}

/// The name that a MATCH speaks about, without its prefix.
fn inside<'n>(rule: &Match, name: &'n str) -> Option<&'n str> {
    let inside = match &rule.source_prefix {
        Some(prefix) => name.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/')),
        None => Some(name),
    };
    inside.filter(|inside| rule.pattern.matches(inside))
}

/// Whether a MATCH consumes the artifact `name`: its counterpart is there and equal.
fn matched(rule: &Match, name: &str, here: &Artifacts, there: &Artifacts) -> bool {
    let Some(inside) = inside(rule, name) else { return false };
    let counterpart = match &rule.destination_prefix {
        Some(prefix) => format!("{prefix}/{inside}"),
        None => inside.to_owned(),
    };
    let other = there.get(&counterpart);
    here.get(name).zip(other).is_some_and(|(own, other)| own.equals(other))
}

#[cfg(test)]
mod tests;
