//! Identities of signers, from the words of other tools into those of `trust.signers[].keyless`.
//!
//! Sigstore's tools search for an expression anywhere in a name, in Go's dialect. Turns it into one of the dialect that is read
//! here, which matches from end to end and names whose names it matches: never into a wider one.

use regex_syntax::hir::Look;
use serde_json::{Map, Value};

use crate::{
    policy::builtins::pattern,
    trust::sigstore::{Pattern, PatternFault},
};

/// Keys of metadata beside name, labels and annotations (Kubernetes, `meta/v1` `ObjectMeta`).
pub(super) const OBJECT_META: [&str; 12] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// An identity as other tools write it; an empty text is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Who<'t> {
    /// Issuer, exactly.
    pub(super) issuer: Option<&'t str>,
    /// Expression that is searched for in the issuer.
    pub(super) issuer_expression: Option<&'t str>,
    /// Identity, exactly.
    pub(super) identity: Option<&'t str>,
    /// Expression that is searched for in the identity.
    pub(super) identity_expression: Option<&'t str>,
}

/// Names of signers have letters, digits and few signs.
pub(super) fn signer_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    text.chars().map(|c| if plain(c) { c } else { '-' }).collect()
}

/// Issuer and identity in hallmark's words, and what they leave out.
///
/// # Errors
/// Why they cannot be said.
pub(super) fn who(meant: Who<'_>) -> Result<(Map<String, Value>, Vec<String>), String> {
    let (mut who, mut narrowed) = (Map::new(), Vec::new());
    let parts = [
        ("issuer", "issuerPattern", meant.issuer, meant.issuer_expression),
        ("identity", "identityPattern", meant.identity, meant.identity_expression),
    ];
    for (exact_key, pattern_key, exact, expression) in parts {
        let there = |text: &&str| !text.is_empty();
        match (exact.filter(there), expression.filter(there)) {
            (Some(exact), None) => who.insert(exact_key.to_owned(), exact.into()),
            (None, Some(expression)) => {
                let ours = pattern::translate(expression);
                let ours = ours.map_err(|why| format!("{expression:?}: {why}"))?;
                let (pattern, whole) =
                    anchored(&ours).map_err(|why| format!("{expression:?}: {why}"))?;
                if !whole {
                    narrowed.push(format!(
                        "{expression:?} is found anywhere in a name there, which strangers' names may hold, too; \
                         here {pattern:?} alone"
                    ));
                }
                who.insert(pattern_key.to_owned(), pattern.into())
            }
            (Some(_), Some(_)) => {
                return Err(format!("{exact_key} is given as a text and as an expression"));
            }
            (None, None) => {
                return Err(format!("it names no {exact_key}, which would be anybody"));
            }
        };
    }
    Ok((who, narrowed))
}

/// An expression that is searched for there, as one that matches from end to end, and whether it matches as much: the widest of
/// those that name whose names they match.
fn anchored(expression: &str) -> Result<(String, bool), PatternFault> {
    let parsed = regex_syntax::parse(expression).map_err(|_| PatternFault::Syntax)?;
    let properties = parsed.properties();
    // Of `^a|b$` neither holds for every alternative.
    let start = properties.look_set_prefix().contains(Look::Start);
    let end = properties.look_set_suffix().contains(Look::End);
    let inner = expression.strip_prefix('^').filter(|_| start).unwrap_or(expression);
    let stripped = inner.strip_suffix('$').filter(|_| end && !inner.ends_with(r"\$"));
    let inner = stripped.unwrap_or(inner);
    let anything = |anchored: bool| if anchored { "" } else { "(?s:.*)" };
    let (before, after) = (anything(start), anything(end));
    let mut first = None;
    for (before_it, after_it) in [(before, after), ("", after), (before, ""), ("", "")] {
        let whole = (before_it, after_it) == (before, after);
        // A name has no line ends, so that nothing follows what goes on with anything.
        let open = inner.ends_with(".*") && !inner.ends_with(r"\.*");
        let after_it = if open { "" } else { after_it };
        let alone = !inner.contains('|') || (before_it.is_empty() && after_it.is_empty());
        let inner = if alone { inner.to_owned() } else { format!("(?:{inner})") };
        let pattern = format!("^{before_it}{inner}{after_it}$");
        let read = match Pattern::parse(&pattern) {
            Ok(_) => Some(pattern),
            Err(fault) => {
                first.get_or_insert(fault);
                Pattern::meant(&pattern)
            }
        };
        if let Some(pattern) = read {
            return Ok((pattern, whole));
        }
    }
    Err(first.unwrap_or(PatternFault::Syntax))
}
