//! Which rule gave a result, and of what: `hallmark policy explain`.
//!
//! Turns results over a saved input into [`Explained`]: for each of them the rules that give it by themselves, found by leaving out all
//! others of the same set, and what these rules read of the input, with the values that it has there.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Bundle, PolicyError, RuleResult,
    check::{Graph, Node, is_named, read, syntax::Root},
    engine,
};
use crate::{contents::secrets::shown_text, limits::Limits};

/// Parts of the input that are told for one result.
const MOST_EVIDENCE: usize = 40;
/// Members of one list that are told.
const MOST_MEMBERS: usize = 8;
/// Characters of one text that are told.
const MOST_CHARS: usize = 200;

/// Why there is a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The result.
    pub result: RuleResult,
    /// The rules that give it.
    pub rules: Vec<Place>,
    /// What they read of the input, by path.
    pub evidence: Vec<Read>,
}

/// A rule in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
}

/// A part of the input that a rule reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// As `input.image.digest`.
    pub path: String,
    /// What is there, cut to a size that can be read; `None` where nothing is.
    pub value: Option<Value>,
}

/// Explains the results of one set, `deny` or `warn`, over an input.
///
/// # Errors
/// The rules do not compile, or cannot be evaluated.
pub fn explain(
    bundle: &Bundle,
    set: &str,
    results: &[RuleResult],
    input: &Value,
    limits: &Limits,
) -> Result<Vec<Explained>, PolicyError> {
    let mut input = input.clone();
    if let Some(object) = input.as_object_mut() {
        object.insert("settings".to_owned(), Value::Object(bundle.settings.clone()));
    }
    let files = read(&mut engine::load(bundle.rules.iter(), &bundle.data, limits)?)?;
    let graph = Graph::new(&files);
    let mut all = Vec::new();
    for result in results {
        let of_set: Vec<Node> = graph
            .asked()
            .filter(|(_, file, rule)| {
                file.package.join(".") == result.package && is_named(rule, set)
            })
            .map(|(node, ..)| node)
            .collect();
        let mut giving = Vec::new();
        for node in &of_set {
            if of_set.len() == 1
                || gives(bundle, &graph, (*node, &of_set), (set, result), &input, limits)?
            {
                giving.push(*node);
            }
        }
        all.push(Explained {
            result: result.clone(),
            rules: giving.iter().filter_map(|node| place(bundle, &graph, *node)).collect(),
            evidence: evidence(&graph, giving, &input),
        });
    }
    Ok(all)
}

/// Whether a rule gives the result where all others of its set are left out.
fn gives(
    bundle: &Bundle,
    graph: &Graph<'_>,
    (kept, of_set): (Node, &[Node]),
    (set, result): (&str, &RuleResult),
    input: &Value,
    limits: &Limits,
) -> Result<bool, PolicyError> {
    let mut alone = bundle.clone();
    for (file, rule) in of_set.iter().filter(|node| **node != kept).filter_map(|n| graph.at(*n)) {
        if let Some(module) = alone.rules.get_mut(&file.name) {
            module.leave_out(rule.span);
        }
    }
    let members = engine::members_of(&alone, &result.package, set, input, limits)?;
    let is_it = |member: &Value| {
        member.get("code").and_then(Value::as_str) == Some(&result.code)
            && member.get("msg").and_then(Value::as_str) == Some(&result.msg)
    };
    Ok(members.iter().any(is_it))
}

fn place(bundle: &Bundle, graph: &Graph<'_>, node: Node) -> Option<Place> {
    let (file, rule) = graph.at(node)?;
    let text = bundle.rules.get(&file.name)?.text.get(rule.span.0..rule.span.1)?;
    Some(Place { file: file.name.clone(), line: rule.line, text: text.trim_end().to_owned() })
}

/// What rules read of the input, and what they use reads.
fn evidence(graph: &Graph<'_>, from: Vec<Node>, input: &Value) -> Vec<Read> {
    let reached = graph.reach(from);
    let rules = reached.into_iter().filter_map(|node| graph.at(node));
    let reads = rules.flat_map(|(_, rule)| &rule.refers);
    let paths: BTreeSet<&[String]> = reads
        .filter(|reference| reference.root == Root::Input && !reference.path.is_empty())
        .map(|reference| reference.path.as_slice())
        .collect();
    let told = paths.iter().filter(|path| {
        // Of what is read in more detail, that is told.
        !paths.iter().any(|other| other.len() > path.len() && other.starts_with(path))
    });
    let read = |path: &&[String]| Read {
        path: reference(path),
        value: at(input, path).map(|value| shortened(&value)),
    };
    told.take(MOST_EVIDENCE).map(read).collect()
}

/// A path below the input as Rego has it: what is no name in brackets and quotes.
fn reference(path: &[String]) -> String {
    path.iter().fold("input".to_owned(), |before, key| match is_name(key) {
        true => format!("{before}.{key}"),
        false => format!("{before}[{}]", Value::from(key.as_str())),
    })
}

/// Whether a key may stand behind a dot.
fn is_name(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !KEYWORDS.contains(&key)
}

/// Words of the language, which may not.
const KEYWORDS: [&str; 16] = [
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null",
    "package", "set", "some", "true", "with",
];

/// The value at a path; of a list, that of each member.
fn at(value: &Value, path: &[String]) -> Option<Value> {
    let Some((name, rest)) = path.split_first() else { return Some(value.clone()) };
    match value {
        Value::Array(items) => {
            let below: Vec<Value> = items.iter().filter_map(|item| at(item, path)).collect();
            Some(Value::Array(below))
        }
        _ => at(value.get(name)?, rest),
    }
}

/// As much of a value as a person reads.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            // First, since of what is cut nobody knows what it was.
            let text = shown_text(text);
            match text.chars().count() > MOST_CHARS {
                true => json!(format!("{}…", text.chars().take(MOST_CHARS).collect::<String>())),
                false => json!(text),
            }
        }
        Value::Array(items) => {
            let mut told: Vec<Value> = items.iter().take(MOST_MEMBERS).map(shortened).collect();
            let more = items.len().saturating_sub(told.len());
            if more > 0 {
                told.push(json!(format!("… and {more} more")));
            }
            Value::Array(told)
        }
        Value::Object(members) => {
            let told = members.iter().take(MOST_MEMBERS);
            let mut told: Map<String, Value> =
                told.map(|(name, value)| (name.clone(), shortened(value))).collect();
            let more = members.len().saturating_sub(told.len());
            if more > 0 {
                told.insert("…".to_owned(), json!(format!("and {more} more")));
            }
            Value::Object(told)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    #[test]
    fn paths_are_references_of_the_language() {
        let cases: [(&[&str], &str); 6] = [
            (&["image", "labels", "owner"], "input.image.labels.owner"),
            (
                &["image", "labels", "org.opencontainers.image.vendor"],
                "input.image.labels[\"org.opencontainers.image.vendor\"]",
            ),
            (&["a-b", "c_1"], "input[\"a-b\"].c_1"),
            (&["1a", ""], "input[\"1a\"][\"\"]"),
            (&["a", "in", "a\"\n"], "input.a[\"in\"][\"a\\\"\\n\"]"),
            (&["é"], "input[\"é\"]"),
        ];
        for (path, want) in cases {
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(reference(&path), want);
        }
    }

    #[test]
    fn e39_what_is_read_is_told_without_its_secrets() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        let long = format!("{} {token}", "x".repeat(MOST_CHARS - 8));
        let told = shortened(&json!({ "licence": [format!("MIT AND {token}"), long] }));
        let cut = format!("{} [secret", "x".repeat(MOST_CHARS - 8));
        assert_eq!(told, json!({ "licence": ["MIT AND [secret]", format!("{cut}…")] }));
    }

    const RULES: &str = r#"package hallmark.own

deny contains {"code": "no-user", "msg": "a"} if {
	not named
}

deny contains {"code": "no-user", "msg": "b"} if input.image.config.user == "0"

deny contains {"code": "other", "msg": "c"} if {
	some s in input.signatures
	s.state == "unproven"
}

named if input.image.labels.owner == input.settings.owner
"#;

    #[test]
    fn each_result_has_its_rule_and_what_it_read() {
        let files = [("own.rego".to_owned(), RULES.to_owned())];
        let settings = json!({ "owner": "team" });
        let bundle =
            Bundle::from_files(files).unwrap().with_settings(settings.as_object().unwrap().clone());
        let limits = Limits::default();
        let policies = Policies::compile(&bundle, &limits).unwrap();
        let states: Vec<Value> = (0..20).map(|_| json!({ "state": "unproven" })).collect();
        let input = json!({
            "schema": "hallmark/input/v1", "time": "2026-11-25T00:00:00Z",
            "image": { "repository": "r.example/app", "labels": { "owner": "x".repeat(900) }, "config": { "user": "1" } },
            "signatures": states,
        });
        let judged = policies.judge_saved(&input, &[], &limits).unwrap();
        let explained = explain(&bundle, "deny", &judged.deny, &input, &limits).unwrap();
        let told: Vec<_> = explained
            .iter()
            .map(|one| (one.result.msg.as_str(), one.rules[0].line, one.rules.len()))
            .collect();
        assert_eq!(told, [("a", 3, 1), ("c", 9, 1)]);
        assert!(
            explained[0].rules[0]
                .text
                .starts_with("deny contains {\"code\": \"no-user\", \"msg\": \"a\"}")
        );
        let read = |at: usize| -> Vec<(&str, String)> {
            let told = explained[at].evidence.iter();
            told.map(|read| (read.path.as_str(), format!("{:?}", read.value))).collect()
        };
        let [(owner, value), (setting, wanted)] = read(0).try_into().unwrap();
        assert_eq!((owner, setting), ("input.image.labels.owner", "input.settings.owner"));
        assert!(value.contains('…') && value.len() < 300, "{value}");
        assert!(wanted.contains("team"), "{wanted}");
        let [(path, value)] = read(1).try_into().unwrap();
        assert!(path.starts_with("input.signatures") && value.contains("and 12 more"), "{value}");
    }
}
