//! Which namespaces of a cluster an entry is about: by name, and by labels.
//!
//! Reads names with a `*` at their end, and labels as Kubernetes' `matchLabels` and the operator `In` do: each label that is named
//! has to be there, with one of its values. Both have to fit where both are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// Bytes of a namespace's name (RFC 1123 label, as Kubernetes asks for).
const MAX_NAME_BYTES: usize = 63;

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// Names of namespaces: one name, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    begin: String,
    is_whole: bool,
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        if self.is_whole { name == self.begin } else { name.starts_with(&self.begin) }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.begin, if self.is_whole { "" } else { "*" })
    }
}

impl FromStr for NamePattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (begin, is_whole) = match text.strip_suffix('*') {
            Some(begin) => (begin, false),
            None => (text, true),
        };
        let fits = if is_whole { is_name(begin) } else { begin.is_empty() || has_form(begin) };
        let pattern = Self { begin: begin.to_owned(), is_whole };
        fits.then_some(pattern).ok_or("no namespace has such a name")
    }
}

/// Whether a namespace can have this name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && has_form(text) && !text.ends_with('-')
}

fn has_form(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_NAME_BYTES && !text.starts_with('-') && text.bytes().all(fits)
}

/// Whether an object can have a label of this key (Kubernetes, "Labels and Selectors").
pub fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(p, name)| (Some(p), name));
    let of_host = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    let prefix_fits = prefix
        .is_none_or(|text| !text.is_empty() && text.len() <= 253 && text.bytes().all(of_host));
    prefix_fits && !name.is_empty() && is_label_value(name)
}

/// Whether a label can have this value.
pub fn is_label_value(text: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().copied().all(within)
        && edge(bytes.first())
        && edge(bytes.last())
}

/// The namespaces that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceSelector {
    /// Names, of which one has to fit; any does where there are none.
    pub names: Vec<NamePattern>,
    /// Labels that have to be there, each with one of these values.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

impl NamespaceSelector {
    /// Whether a namespace of this name may be meant.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether it takes labels to tell.
    pub fn asks_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether a namespace with these labels is meant, if its name is.
    pub fn has_labels(&self, labels: &Labels) -> bool {
        let mut asked = self.labels.iter();
        asked.all(|(key, values)| labels.get(key).is_some_and(|found| values.contains(found)))
    }
}

impl fmt::Display for NamespaceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let labels = self.labels.iter().map(|(key, values)| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            format!("{key}={}", values.join("|"))
        });
        let labels: Vec<String> = labels.collect();
        match (names.is_empty(), labels.is_empty()) {
            (_, true) => f.write_str(&names.join(", ")),
            (true, false) => write!(f, "with the labels {}", labels.join(", ")),
            (false, false) => {
                write!(f, "{} with the labels {}", names.join(", "), labels.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_whole_or_by_their_beginning() {
        let long = "a".repeat(MAX_NAME_BYTES);
        let cases = [
            ("pay", "pay", true),
            ("pay", "pay2", false),
            ("pay", "", false),
            ("pay-*", "pay-eu", true),
            ("pay-*", "pay", false),
            ("*", "anything", true),
            (&long, &long, true),
        ];
        for (pattern, name, want) in cases {
            let pattern: NamePattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(name), want, "{pattern:?} {name}");
        }
        let longer = "a".repeat(MAX_NAME_BYTES + 1);
        for wrong in ["", "Pay", "*-pay", "pay**", "pa*y", "-pay", "pay-", "a/b", "a.b", &longer] {
            assert!(wrong.parse::<NamePattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_label_that_is_named_has_one_of_its_values() {
        let labels = |all: &[(&str, &str)]| -> Labels {
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let values = |all: &[&str]| all.iter().map(|value| (*value).to_owned()).collect();
        let selector = NamespaceSelector {
            names: Vec::new(),
            labels: BTreeMap::from([
                ("env".to_owned(), values(&["prod"])),
                ("tier".to_owned(), values(&["gold", ""])),
            ]),
        };
        assert!(selector.asks_labels() && selector.has_name("x"));
        for (found, want) in [
            (labels(&[("env", "prod"), ("tier", "gold"), ("other", "x")]), true),
            (labels(&[("env", "prod"), ("tier", "")]), true),
            (labels(&[("env", "prod")]), false),
            (labels(&[("env", "prod"), ("tier", "silver")]), false),
            (labels(&[("Env", "prod"), ("tier", "gold")]), false),
            (labels(&[]), false),
        ] {
            assert_eq!(selector.has_labels(&found), want, "{found:?}");
        }
    }

    #[test]
    fn labels_have_their_syntax() {
        for (key, want) in [
            ("env", true),
            ("app.kubernetes.io/name", true),
            ("a/b/c", false),
            ("/b", false),
            ("a/", false),
            ("A/b", false),
            ("", false),
            ("-a", false),
        ] {
            assert_eq!(is_label_key(key), want, "{key}");
        }
        let long = "a".repeat(64);
        for (value, want) in
            [("", true), ("A_b.c-1", true), ("a b", false), (".a", false), (&long, false)]
        {
            assert_eq!(is_label_value(value), want, "{value}");
        }
    }
}
