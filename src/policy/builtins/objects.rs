//! `json.filter`, `json.remove`, `json.unmarshal`, `object.subset` and `graph.reachable`.
//!
//! Paths are lists of keys: as texts with slashes they are read in several ways, and OPA's is not that of JSON pointers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use regorus::Value;

use super::text;
use crate::json::numbers;

/// What paths lead to, by key; a leaf is all that lies there.
#[derive(Debug, Default)]
struct Paths(BTreeMap<String, Option<Paths>>);

/// Why paths are refused.
pub(super) const PATHS: &str =
    "paths are lists of keys, as [\"a\", \"b\"]; texts with slashes are read in several ways";

fn paths(given: &[Value]) -> Result<Paths> {
    let list: Vec<&Value> = match given.get(1) {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Set(set)) => set.iter().collect(),
        _ => bail!("argument 2 is no list of paths"),
    };
    let mut all = Paths::default();
    for path in list {
        let Value::Array(steps) = path else { bail!(PATHS) };
        let steps = steps.iter().map(|step| match step {
            Value::String(step) => Ok(step.to_string()),
            _ => Err(anyhow!("the steps of paths are texts, those into lists too")),
        });
        let steps = steps.collect::<Result<Vec<String>>>()?;
        let Some((last, before)) = steps.split_last() else { bail!("a path has no step") };
        all.add(before, last);
    }
    Ok(all)
}

impl Paths {
    /// Of two paths the shorter one holds all that the longer one leads to.
    fn add(&mut self, before: &[String], last: &str) {
        let Some((first, more)) = before.split_first() else {
            self.0.insert(last.to_owned(), None);
            return;
        };
        let below = self.0.entry(first.clone()).or_insert_with(|| Some(Self::default()));
        if let Some(below) = below {
            below.add(more, last);
        }
    }
}

pub(super) fn filter(given: &[Value]) -> Result<Value> {
    match given.first() {
        Some(object @ Value::Object(_)) => kept(object, &paths(given)?, true),
        _ => bail!("argument 1 is no object"),
    }
}

pub(super) fn remove(given: &[Value]) -> Result<Value> {
    match given.first() {
        Some(object @ Value::Object(_)) => kept(object, &paths(given)?, false),
        _ => bail!("argument 1 is no object"),
    }
}

/// The value with what the paths lead to, and nothing else, or without it.
fn kept(value: &Value, paths: &Paths, with: bool) -> Result<Value> {
    let below = |value: &Value, key: &str| match paths.0.get(key) {
        None => Ok((!with).then(|| value.clone())),
        Some(None) => Ok(with.then(|| value.clone())),
        Some(Some(below)) => kept(value, below, with).map(Some),
    };
    Ok(match value {
        Value::Object(object) => {
            let mut left = BTreeMap::new();
            for (key, value) in object.iter() {
                let value = match key {
                    Value::String(name) => below(value, name)?,
                    _ => (!with).then(|| value.clone()),
                };
                left.extend(value.map(|value| (key.clone(), value)));
            }
            left.into()
        }
        Value::Array(list) => {
            let mut left = Vec::new();
            for (position, value) in list.iter().enumerate() {
                left.extend(below(value, &position.to_string())?);
            }
            left.into()
        }
        Value::Set(_) => bail!("paths do not lead into sets"),
        other => other.clone(),
    })
}

/// JSON whose numbers are held exactly.
pub(super) fn unmarshal(given: &[Value]) -> Result<Value> {
    let json = text(given, 0)?;
    let value = Value::from_json_str(json)?;
    match numbers::inexact(json) {
        Some(number) => bail!("the number {number} is not held exactly by 64 bits"),
        None => Ok(value),
    }
}

pub(super) fn subset(given: &[Value]) -> Result<Value> {
    let [all, some] = given else { bail!("it takes two values") };
    let subset = match (all, some) {
        (Value::Object(_), Value::Object(_))
        | (Value::Set(_), Value::Set(_))
        | (Value::Array(_), Value::Array(_)) => holds(all, some),
        (Value::Array(list), Value::Set(set)) => {
            set.iter().all(|member| list.iter().any(|m| m == member))
        }
        _ => bail!("two objects, two sets, two lists, or a list and a set can be compared"),
    };
    Ok(Value::from(subset))
}

fn holds(all: &Value, some: &Value) -> bool {
    match (all, some) {
        (Value::Object(all), Value::Object(some)) => {
            some.iter().all(|(key, some)| all.get(key).is_some_and(|all| holds(all, some)))
        }
        (Value::Set(all), Value::Set(some)) => some.iter().all(|member| all.contains(member)),
        (Value::Array(all), Value::Array(some)) => {
            let (all, some) = (all.iter().collect::<Vec<_>>(), some.iter().collect::<Vec<_>>());
            some.is_empty() || all.windows(some.len()).any(|part| part == some.as_slice())
        }
        (all, some) => all == some,
    }
}

/// All nodes that a graph has and that others lead to.
pub(super) fn reachable(given: &[Value]) -> Result<Value> {
    let Some(Value::Object(graph)) = given.first() else { bail!("argument 1 is no object") };
    let members = |value: &Value| match value {
        Value::Array(list) => Ok(list.iter().cloned().collect::<Vec<_>>()),
        Value::Set(set) => Ok(set.iter().cloned().collect()),
        _ => Err(anyhow!("nodes are given as lists or sets")),
    };
    for (_, edges) in graph.iter() {
        members(edges)?;
    }
    let first = given.get(1).ok_or_else(|| anyhow!("there is no node to begin with"))?;
    let mut next = members(first)?;
    let mut found = BTreeSet::new();
    while let Some(node) = next.pop() {
        if let Some(edges) = graph.get(&node).filter(|_| !found.contains(&node)) {
            next.extend(members(edges)?);
            found.insert(node);
        }
    }
    Ok(Value::from(found))
}
