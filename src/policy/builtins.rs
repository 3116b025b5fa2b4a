//! Functions that policies may call, each with the answer that OPA gives.
//!
//! regorus' own functions are used where they give the same answers; where they do not, [`extend`] puts others in their
//! place, and what cannot be made equal is refused when a policy is loaded. `tests/it/opa.rs` holds all that may be called
//! against OPA. What depends on a clock, chance, a zone database or the network is refused too.

mod glob;
mod kept;
mod net;
mod objects;
pub mod pattern;
mod regex;
mod text;
mod time;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use regorus::{Engine, Value};

/// A function of hallmark's own in the place of one of regorus.
type Own = fn(&[Value]) -> Result<Value>;

/// What is known about a name.
pub(super) enum Known {
    /// It may be called.
    Function {
        /// With at least and at most how many arguments; one more than it takes stands for its result.
        arguments: (usize, usize),
    },
    /// It may not, and why.
    Refused(&'static str),
    /// No function has this name.
    Nowhere,
}

const UNSTEADY: &str = "a verdict depends on nothing but its input; the time is input.time";
const YAML: &str = "readers of YAML differ; use JSON";
const URL: &str = "its escapes are not OPA's; use urlquery.encode and urlquery.decode";
const ZONES: &str = "it reads a database of time zones, of which each machine has its own; calculate with nanoseconds in UTC";

/// Functions of OPA that policies may not call.
const REFUSED: &[(&str, &str)] = &[
    ("http.send", UNSTEADY),
    ("net.lookup_ip_addr", UNSTEADY),
    ("opa.runtime", UNSTEADY),
    ("rand.intn", UNSTEADY),
    ("time.now_ns", UNSTEADY),
    ("uuid.rfc4122", UNSTEADY),
    ("trace", "nobody reads what it says; print does the same"),
    ("urlquery.decode_object", URL),
    ("urlquery.encode_object", URL),
    ("yaml.is_valid", YAML),
    ("yaml.marshal", YAML),
    ("yaml.unmarshal", YAML),
    ("time.diff", ZONES),
    (
        "time.parse_ns",
        "it guesses zones from their short names; write RFC 3339 and use time.parse_rfc3339_ns",
    ),
    ("json.is_valid", "it reads texts otherwise than OPA does; use json.unmarshal"),
    (
        "regex.is_valid",
        "what the other engine compiles is not quite what this one does; write the expression out",
    ),
    ("json.marshal_with_options", "its layout is not OPA's; use json.marshal"),
    ("json.match_schema", "schemas are read differently here; say in rules what is expected"),
    ("json.verify_schema", "schemas are read differently here; say in rules what is expected"),
    ("net.cidr_expand", "it lists every address of a network; use net.cidr_contains"),
    ("regex.globs_match", "it is not here; use glob.match or regex.match"),
    ("regex.template_match", "its templates are read differently here; use regex.match"),
    (
        "rego.metadata.chain",
        "annotations are not there when rules run; write the code into the result",
    ),
    (
        "rego.metadata.rule",
        "annotations are not there when rules run; write the code into the result",
    ),
    (
        "units.parse",
        "fractions are rounded differently here; use units.parse_bytes of whole numbers",
    ),
];

/// Functions of regorus that give OPA's answers, with how many arguments they take.
#[rustfmt::skip]
const SAME: &[(&str, usize)] = &[
    ("abs", 1), ("array.concat", 2), ("array.reverse", 1), ("array.slice", 3), ("base64.decode", 1),
    ("base64.encode", 1), ("base64.is_valid", 1), ("base64url.decode", 1), ("base64url.encode", 1),
    ("base64url.encode_no_pad", 1), ("bits.and", 2), ("bits.lsh", 2), ("bits.negate", 1), ("bits.or", 2),
    ("bits.rsh", 2), ("bits.xor", 2), ("ceil", 1), ("concat", 2), ("contains", 2), ("endswith", 2),
    ("floor", 1), ("format_int", 2), ("graph.reachable_paths", 2), ("hex.decode", 1),
    ("hex.encode", 1), ("indexof_n", 2), ("intersection", 1), ("is_array", 1),
    ("is_boolean", 1), ("is_null", 1), ("is_number", 1), ("is_object", 1), ("is_set", 1), ("is_string", 1),
    ("json.patch", 2),
    ("max", 1), ("min", 1), ("net.cidr_is_valid", 1), ("numbers.range", 2), ("numbers.range_step", 3),
    ("object.filter", 2), ("object.get", 3), ("object.keys", 1), ("object.remove", 2),
    ("object.union", 2), ("object.union_n", 1), ("replace", 3), ("round", 1), ("split", 2),
    ("startswith", 2), ("strings.any_prefix_match", 2), ("strings.any_suffix_match", 2),
    ("strings.reverse", 1), ("substring", 3), ("sum", 1),
    ("trim", 2), ("trim_left", 2), ("trim_prefix", 2), ("trim_right", 2), ("trim_space", 1),
    ("trim_suffix", 2), ("type_name", 1), ("union", 1), ("units.parse_bytes", 1), ("walk", 1),
    ("product", 1), ("time.parse_duration_ns", 1),
];

/// Functions of hallmark's own, with how many arguments they take.
const OWN: &[(&str, u8, Own)] = &[
    ("count", 1, text::count),
    ("glob.match", 3, glob::matches),
    ("glob.quote_meta", 1, glob::quote_meta),
    ("graph.reachable", 2, objects::reachable),
    ("json.filter", 2, objects::filter),
    ("json.marshal", 1, text::marshal),
    ("json.remove", 2, objects::remove),
    ("json.unmarshal", 1, objects::unmarshal),
    ("indexof", 2, text::indexof),
    ("lower", 1, text::lower),
    ("net.cidr_contains", 2, net::cidr_contains),
    ("object.subset", 2, objects::subset),
    ("regex.find_all_string_submatch_n", 3, regex::find_all_submatches),
    ("regex.find_n", 3, regex::find),
    ("regex.match", 2, regex::matches),
    ("regex.replace", 3, regex::replace),
    ("regex.split", 2, regex::split),
    ("semver.compare", 2, text::semver_compare),
    ("semver.is_valid", 1, text::semver_is_valid),
    ("sort", 1, text::sort),
    ("sprintf", 2, text::sprintf),
    ("strings.count", 2, text::occurrences),
    ("strings.replace_n", 2, text::replace_all),
    ("time.add_date", 4, time::add_date),
    ("time.clock", 1, time::clock),
    ("time.date", 1, time::date),
    ("time.format", 1, time::format),
    ("time.parse_rfc3339_ns", 1, time::parse_rfc3339),
    ("time.weekday", 1, time::weekday),
    ("to_number", 1, text::to_number),
    ("upper", 1, text::upper),
    ("urlquery.decode", 1, text::url_decode),
    ("urlquery.encode", 1, text::url_encode),
];

/// What is known about a name that is no rule's.
pub(super) fn named(name: &str) -> Known {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Known::Refused(why);
    }
    let own = OWN.iter().find(|(own, ..)| *own == name);
    let own = own.map(|(_, arity, _)| (usize::from(*arity), usize::from(*arity)));
    let same = || SAME.iter().find(|(same, _)| *same == name).map(|(_, n)| (*n, n + 1));
    match own.or_else(same) {
        Some(arguments) => Known::Function { arguments },
        None if name == "print" => Known::Function { arguments: (0, usize::MAX) },
        None => Known::Nowhere,
    }
}

/// Names of all functions that policies may call, sorted.
pub fn names() -> Vec<&'static str> {
    let own = OWN.iter().map(|(name, ..)| *name);
    let mut names: Vec<_> = own.chain(SAME.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    names
}

/// Why a function cannot be called with these texts, by position of the argument; of a list of texts, the first.
pub(super) fn refused_text(name: &str, texts: &BTreeMap<usize, String>) -> Option<&'static str> {
    let at = |position: usize| texts.get(&position).map(String::as_str);
    match name {
        "regex.find_all_string_submatch_n" | "regex.find_n" | "regex.match" | "regex.split" => {
            at(0).and_then(|text| regex::compile(text).err())
        }
        "regex.replace" => at(1).and_then(|text| regex::compile(text).err()),
        "glob.match" => at(0).and_then(|text| glob::translate(text, &['.']).err()),
        "sprintf" => at(0).and_then(|text| text::verbs(text).err()),
        "json.filter" | "json.remove" => at(1).map(|_| objects::PATHS),
        _ => None,
    }
}

/// Puts hallmark's own functions in the place of those of regorus.
pub fn extend(engine: &mut Engine) -> Result<()> {
    for (name, arity, own) in OWN {
        let own = *own;
        engine.add_extension((*name).to_owned(), *arity, Box::new(move |given| own(&given)))?;
    }
    Ok(())
}

/// Whether a number is one of 64 bits with a point, whole or not: OPA keeps it as it was written.
fn is_float(value: &Value) -> bool {
    value.as_number().is_ok_and(|number| number.format_decimal_with_width(1).contains('.'))
}

/// An argument that has to be a text.
fn text(given: &[Value], position: usize) -> Result<&str> {
    match given.get(position) {
        Some(Value::String(text)) => Ok(text),
        _ => bail!("argument {} is no text", position + 1),
    }
}

/// An argument that has to be a whole number.
fn whole(given: &[Value], position: usize) -> Result<i64> {
    let number = given.get(position).and_then(|value| value.as_i64().ok());
    number.ok_or_else(|| anyhow!("argument {} is no whole number of 64 bits", position + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_answer() {
        let names = names();
        let refused = REFUSED.iter().map(|(name, _)| *name);
        let all: Vec<_> = names.iter().copied().chain(refused).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let theirs = &regorus::unstable::BUILTINS;
        for name in &names {
            assert!(theirs.contains_key(name), "{name} is known to the engine's analysis, too");
        }
        for name in theirs.keys().filter(|name| !name.starts_with("__")) {
            assert!(all.contains(name), "{name} is neither allowed nor refused");
        }
        for (name, arity) in SAME {
            assert_eq!(theirs.get(name).map(|(_, n)| usize::from(*n)), Some(*arity), "{name}");
        }
        for (name, arity, _) in OWN {
            assert_eq!(theirs.get(name).map(|(_, n)| n), Some(arity), "{name}");
        }
    }
}
