//! What rules see of the names that provenance has for its source, wherever it repeats them.
//!
//! Parameters, build arguments, materials and the predicate itself say branch, tag and ref again, in each builder's own
//! fields. What nothing proves to hold the commit is blanked there as in the fields of the model: a rule that looks for a
//! branch in the parameters would otherwise take the word of whoever asked for the build (attack G14). The identity of the
//! builder keeps its ref, which is that of the builder.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    attest::provenance::{Commit, Provenance},
    trust::{
        SourceRefs,
        refs::{Kind, Standing},
    },
};

/// How refs begin.
const REFS: &str = "refs/";
/// Ends of the names of fields that hold a ref, written in lower case and without `_` and `-`.
const ENDS: [&str; 5] = ["ref", "refname", "branch", "branchname", "tagname"];
/// Whole names of such fields. A revision may be a commit, which may stand.
const FIELDS: [&str; 6] = ["tag", "reference", "revision", "gittag", "sourcetag", "githubtag"];

/// Names of a source, and what rules may see of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In full and short.
    proven: BTreeSet<String>,
    claimed: BTreeSet<String>,
}

impl Names {
    /// The names of provenance.
    pub(super) fn of(provenance: &Provenance, refs: &SourceRefs) -> Self {
        let mut names = Self::default();
        for kind in Kind::ALL {
            let (Some(said), Some(full)) = (kind.said(provenance), kind.full(provenance)) else {
                continue;
            };
            let into = match refs.standing(kind, provenance) {
                Standing::Proven => &mut names.proven,
                Standing::Missing | Standing::Unproven(_) => &mut names.claimed,
            };
            into.extend([said, &full, short(&full)].map(str::to_owned));
        }
        // Whoever vouches for provenance vouches for the commit, which some builders were given as the ref.
        let is_commit = |name: &String| Commit::new(name).is_some();
        let proven = &names.proven;
        names.claimed.retain(|n| !n.is_empty() && !proven.contains(n) && !is_commit(n));
        names
    }

    /// Blanks what is not proven: a text that ends in a ref keeps what is before it.
    pub(super) fn blank(&self, value: &mut Value) {
        self.blank_in(value, false);
    }

    fn blank_in(&self, value: &mut Value, is_ref: bool) {
        match value {
            Value::String(text) if is_ref && !self.may_stand(text) => *value = Value::Null,
            Value::String(text) => {
                if let Some(left) = self.cut(text) {
                    *value = left.map_or(Value::Null, Value::String);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.blank_in(value, is_ref)),
            Value::Object(object) => {
                // Lists of parameters have the name of each beside its value.
                let named = ["name", "key"].iter().find_map(|key| object.get(*key)?.as_str());
                let named = named.is_some_and(is_field);
                for (key, value) in object.iter_mut() {
                    match key.as_str() {
                        "builder" => {}
                        "value" => self.blank_in(value, named),
                        key => self.blank_in(value, is_field(key)),
                    }
                }
            }
            _ => {}
        }
    }

    /// A build argument: empty where it is blanked.
    pub(super) fn argument(&self, name: &str, text: &str) -> String {
        match is_field(name) && !self.may_stand(text) {
            true => String::new(),
            false => self.text(text).unwrap_or_default(),
        }
    }

    /// A text without a ref that is not proven; nothing where it is no more than that.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        self.cut(text).unwrap_or_else(|| Some(text.to_owned()))
    }

    /// Whether a field for refs may show this: a proven name, or a commit.
    fn may_stand(&self, text: &str) -> bool {
        text.is_empty() || self.proven.contains(text) || Commit::new(text).is_some()
    }

    /// What is left of a text that names a ref which nothing proves; `None` where it names none.
    fn cut(&self, text: &str) -> Option<Option<String>> {
        if !self.tells(text) {
            return None;
        }
        let before = text.rfind(['@', '#']).and_then(|at| text.get(..at));
        Some(before.filter(|left| !left.is_empty() && !self.tells(left)).map(str::to_owned))
    }

    fn tells(&self, text: &str) -> bool {
        let plain = text.replace("%2F", "/").replace("%2f", "/");
        let fragment = plain.rsplit(['@', '#']).next().unwrap_or_default();
        // What follows the name of an image is a tag of the image.
        let image = plain.starts_with("pkg:docker/") || plain.starts_with("pkg:oci/");
        let behind = plain.len() != fragment.len() && !image;
        let fragment = fragment.split(':').next().unwrap_or_default();
        let path = |name: &String| {
            ["/tree/", "/blob/", "heads/", "tags/"].iter().any(|before| {
                let mut found = plain.match_indices(before);
                found
                    .any(|(at, _)| begins(plain.get(at + before.len()..).unwrap_or_default(), name))
            })
        };
        self.claimed.contains(&plain)
            || behind && self.claimed.contains(fragment)
            || self.claimed.iter().any(path)
            || plain.match_indices(REFS).any(|(at, _)| !self.is_proven_at(&plain, at))
    }

    /// Whether the ref that begins here is proven, or what only looks like one.
    fn is_proven_at(&self, text: &str, at: usize) -> bool {
        let inside = text.get(..at).and_then(|before| before.chars().next_back());
        if inside.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return true;
        }
        let name = text.get(at..).unwrap_or_default();
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '#' | '?' | ':' | ';');
        let name = name.split(ends).next().unwrap_or_default();
        self.proven.contains(name.trim_end_matches('/'))
    }
}

/// Whether a text begins with this name, and no longer one.
fn begins(text: &str, name: &str) -> bool {
    let rest = text.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#', ':', '"', ' ']))
}

fn short(full: &str) -> &str {
    let heads = full.strip_prefix("refs/heads/");
    heads.or_else(|| full.strip_prefix("refs/tags/")).unwrap_or(full)
}

/// Whether a field's name says that it holds a ref: `ref`, `base_ref`, `build-arg:BRANCH`, `BRANCH_NAME`.
fn is_field(name: &str) -> bool {
    let last = name.rsplit([':', '.', '/']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !matches!(c, '_' | '-')).collect();
    let plain = plain.to_ascii_lowercase();
    plain != "href"
        && (FIELDS.contains(&plain.as_str()) || ENDS.iter().any(|end| plain.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(proven: &[&str], claimed: &[&str]) -> Names {
        let set = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Names { proven: set(proven), claimed: set(claimed) }
    }

    #[test]
    fn a_commit_that_was_asked_for_as_a_ref_stands() {
        let commit = "a".repeat(40);
        let mut provenance = crate::rebuild::tests::provenance();
        let source = provenance.source.as_mut().expect("a source");
        source.reference = Some(commit.clone());
        (provenance.branch, provenance.tag) = (None, None);
        let names = Names::of(&provenance, &SourceRefs::default());
        let context = format!("https://g.example/a.git#{commit}");
        assert_eq!(names.text(&context).as_ref(), Some(&context));
        assert_eq!(
            names.text("https://g.example/a.git#main:x").as_deref(),
            Some("https://g.example/a.git#main:x")
        );
    }

    #[test]
    fn g14_refs_that_nothing_proves_are_blanked_wherever_provenance_repeats_them() {
        let commit = "a".repeat(40);
        // field, as it is written, as rules see it where main is a claim, and where it is proven
        let cases = [
            ("ref", json!("refs/heads/main"), json!(null), json!("refs/heads/main")),
            ("ref", json!("dev"), json!(null), json!(null)),
            ("build-arg:BRANCH", json!("main"), json!(null), json!("main")),
            ("GITHUB_REF_NAME", json!("main"), json!(null), json!("main")),
            ("GITHUB_HEAD_REF", json!(""), json!(""), json!("")),
            ("BRANCH_NAME", json!("dev"), json!(null), json!(null)),
            ("branch", json!(["main", "dev"]), json!([null, null]), json!(["main", null])),
            ("vcs:revision", json!(commit), json!(commit), json!(commit)),
            ("revision", json!("main"), json!(null), json!("main")),
            ("version", json!("1.2"), json!("1.2"), json!("1.2")),
            ("target", json!("final"), json!("final"), json!("final")),
            ("other", json!("main"), json!(null), json!("main")),
            (
                "list",
                json!(["mainly", "refs/tags/v9"]),
                json!(["mainly", null]),
                json!(["mainly", null]),
            ),
            (
                "context",
                json!("https://g.example/a.git#main:sub"),
                json!("https://g.example/a.git"),
                json!("https://g.example/a.git#main:sub"),
            ),
            (
                "uri",
                json!("git+https://g.example/a@refs/heads/main"),
                json!("git+https://g.example/a"),
                json!("git+https://g.example/a@refs/heads/main"),
            ),
            (
                "uri",
                json!("git+https://g.example/a@refs/heads/dev"),
                json!("git+https://g.example/a"),
                json!("git+https://g.example/a"),
            ),
            (
                "purl",
                json!("pkg:github/o/a@refs%2Fheads%2Fmain"),
                json!("pkg:github/o/a"),
                json!("pkg:github/o/a@refs%2Fheads%2Fmain"),
            ),
            (
                "page",
                json!("https://g.example/a/tree/main/x"),
                json!(null),
                json!("https://g.example/a/tree/main/x"),
            ),
            (
                "params",
                json!([{"name": "revision", "value": "main"}, {"name": "x", "value": "y"}]),
                json!([{"name": "revision", "value": null}, {"name": "x", "value": "y"}]),
                json!([{"name": "revision", "value": "main"}, {"name": "x", "value": "y"}]),
            ),
            (
                "builder",
                json!({"id": "https://g.example/w.yml@refs/tags/v2"}),
                json!({"id": "https://g.example/w.yml@refs/tags/v2"}),
                json!({"id": "https://g.example/w.yml@refs/tags/v2"}),
            ),
            ("href", json!("x"), json!("x"), json!("x")),
            ("number", json!(7), json!(7), json!(7)),
        ];
        let main = ["main", "refs/heads/main"];
        for (field, given, claimed, proven) in cases {
            for (names, want) in [(names(&[], &main), claimed), (names(&main, &[]), proven)] {
                let mut value = json!({"inner": {field: given.clone()}});
                names.blank(&mut value);
                assert_eq!(value, json!({"inner": {field: want}}), "{field}: {given}");
            }
        }
        let none = names(&[], &main);
        assert_eq!(none.argument("GIT_BRANCH", "main"), "");
        assert_eq!(none.argument("CONTEXT", "https://g.example/a#main"), "https://g.example/a");
        assert_eq!(none.argument("VERSION", "1"), "1");
        let run = "https://g.example/a/actions/runs/1";
        assert_eq!(none.text(run).as_deref(), Some(run));
        assert_eq!(none.text("refs/heads/x"), None);
    }
}
