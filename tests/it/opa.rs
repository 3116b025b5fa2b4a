//! hallmark's engine beside OPA: the same answer, or a refusal.
//!
//! Needs `opa` (`scripts/peers opa`); without it the tests say that they were skipped.

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf, process::Command};

use hallmark::{
    limits::Limits,
    policy::{Bundle, Policies, PolicyError, RuleResult, builtins, engine},
};
use serde_json::{Map, Value};

/// OPA, where scripts/peers has built it.
fn opa(test: &str) -> Option<PathBuf> {
    let cache = std::env::var("HALLMARK_CACHE").map(PathBuf::from);
    let home = || Path::new(&std::env::var("HOME").unwrap()).join(".cache/hallmark");
    let program = cache.unwrap_or_else(|_| home()).join("peers/bin/opa");
    if !program.exists() {
        eprintln!("SKIPPED {test}: no opa; scripts/peers builds it");
        return None;
    }
    Some(program)
}

/// What a bundle of one file gives for an expression: its type and value.
fn module(expressions: &[String]) -> String {
    let rules = expressions.iter().enumerate();
    let rules = rules.map(|(i, e)| format!("c{i} := [type_name(x), x] if {{\n\tx := {e}\n}}\n\n"));
    format!("package hallmark.c\n\n{}", rules.collect::<String>())
}

/// OPA's answers, by number; what it leaves undefined is not there.
fn theirs(opa: &Path, expressions: &[String]) -> Map<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.rego");
    fs::write(&file, module(expressions)).unwrap();
    let output = Command::new(opa)
        .args(["eval", "--format", "json", "--data"])
        .arg(&file)
        .arg("data.hallmark.c")
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let value = &answer["result"][0]["expressions"][0]["value"];
    value.as_object().unwrap_or_else(|| panic!("{answer:#}")).clone()
}

/// hallmark's answer: a value, nothing, or why there is none.
fn ours(expression: &str) -> Result<Option<Value>, String> {
    let file = ("c.rego".to_owned(), module(&[expression.to_owned()]));
    let bundle = Bundle::from_files([file]).map_err(|e| e.to_string())?;
    engine::value(&bundle, "data.hallmark.c.c0", &Limits::default()).map_err(|e| e.to_string())
}

/// Sets in one order, and `1.0` as `1`: JSON has neither sets nor whole numbers.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(list) => match list.as_slice() {
            [Value::String(kind), Value::Array(members)] if kind == "set" => {
                let mut members: Vec<Value> = members.iter().map(plain).collect();
                members.sort_by_key(Value::to_string);
                Value::Array(vec![kind.as_str().into(), members.into()])
            }
            list => list.iter().map(plain).collect(),
        },
        Value::Object(object) => object.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => Value::from(whole as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// Where the two engines disagree: an answer of ours that is not OPA's.
fn differences(opa: &Path, expressions: &[String], refusing: bool) -> Vec<String> {
    let theirs = theirs(opa, expressions);
    let mut found = Vec::new();
    for (number, expression) in expressions.iter().enumerate() {
        let theirs = theirs.get(&format!("c{number}")).map(plain);
        let ours = ours(expression).map(|value| value.as_ref().map(plain));
        let agree = match (&ours, &theirs) {
            (Ok(ours), theirs) => ours == theirs,
            (Err(_), None) => true,
            (Err(_), Some(_)) => refusing,
        };
        if !agree {
            found.push(format!("{expression}: ours {ours:?}, OPA's {theirs:?}"));
        }
    }
    found
}

/// Expressions that both engines answer alike, a line each.
const SAME: &str = include_str!("opa/same.txt");
/// Expressions that OPA answers and hallmark refuses.
const REFUSED: &str = include_str!("opa/refused.txt");

fn lines(text: &str) -> Vec<String> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn i4_every_function_that_policies_may_call_gives_opas_answer() {
    let same = lines(SAME);
    for name in builtins::names() {
        let tried = same.iter().filter(|line| line.contains(&format!("{name}(")));
        assert!(tried.count() >= 2, "{name} has fewer than two lines in same.txt");
    }
    for line in lines(REFUSED) {
        assert!(ours(&line).is_err(), "{line}: {:?}", ours(&line));
    }
    let Some(opa) = opa("i4_every_function_that_policies_may_call_gives_opas_answer") else {
        return;
    };
    let found = differences(&opa, &same, false);
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), same.len(), found.join("\n"));
    let refused = lines(REFUSED);
    let theirs = theirs(&opa, &refused);
    assert_eq!(theirs.len(), refused.len(), "OPA answers what is refused here: {theirs:?}");
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn word(&mut self, parts: &[&str], most: usize) -> String {
        let length = self.roll(most) + 1;
        (0..length).map(|_| parts[self.roll(parts.len())]).collect()
    }
}

#[test]
fn i4_random_patterns_never_get_another_answer() {
    let Some(opa) = opa("i4_random_patterns_never_get_another_answer") else { return };
    let mut dice = Dice(7);
    let expressions = [
        "a",
        "b",
        "é",
        ".",
        "*",
        "+",
        "?",
        "(",
        ")",
        "[",
        "]",
        "[a-c]",
        "[^a",
        "&&",
        "-",
        "{2}",
        "{,2}",
        "|",
        "^",
        "$",
        r"\d",
        r"\w",
        r"\s",
        r"\b",
        r"\.",
        "(?i)",
        "(?:",
        r"\pL",
        "[[:alpha:]]",
        r"\Q*\E",
        "_",
        " ",
        "1",
        "~~",
        "{",
        "}",
        r"[\w.]",
        r"[\D]",
    ];
    let globs = [
        "a", "b", "*", "**", "?", "[ab]", "[!a]", "[a-c]", "[^a]", "{a,b}", "{", "}", ",", ".",
        "/", "é", "-", "]", "!", r"\*",
    ];
    let texts = [
        "a", "b", "c", "é", "_", "1", "٣", " ", ".", "/", "*", "&", "^", "-", "A", "ſ", "{", "}",
        ",", "\u{a0}",
    ];
    let mut all = Vec::new();
    for round in 0..400 {
        let text = dice.word(&texts, 4);
        let expression = dice.word(&expressions, 5);
        let glob = dice.word(&globs, 4);
        if expression.contains('`') {
            continue;
        }
        all.push(format!("regex.match(`{expression}`, \"{text}\")"));
        all.push(match round % 4 {
            0 => format!("regex.split(`{expression}`, \"{text}\")"),
            1 => format!("regex.find_n(`{expression}`, \"{text}\", -1)"),
            2 => format!("regex.replace(\"{text}\", `{expression}`, \"<$0>\")"),
            _ => format!("regex.find_all_string_submatch_n(`{expression}`, \"{text}\", 2)"),
        });
        let separators = ["[]", "null", "[\"/\"]", "[\".\", \"/\"]"][round % 4];
        all.push(format!("glob.match(`{glob}`, {separators}, \"{text}\")"));
    }
    let found = differences(&opa, &all, true);
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), all.len(), found.join("\n"));
}

#[test]
fn i4_letters_are_changed_as_opa_changes_them() {
    let Some(opa) = opa("i4_letters_are_changed_as_opa_changes_them") else { return };
    // Letters whose other case is newer than Unicode 15.0, which is Go's.
    let newer = [
        '\u{19b}'..='\u{19b}',
        '\u{264}'..='\u{264}',
        '\u{1c89}'..='\u{1c8a}',
        '\u{a7cb}'..='\u{a7dc}',
        '\u{10d50}'..='\u{10d85}',
        '\u{16ea0}'..='\u{16ed3}',
    ];
    let known = |c: &char| c.is_alphabetic() && !newer.iter().any(|range| range.contains(c));
    let letters: Vec<char> = ('\u{80}'..='\u{1e943}').filter(known).collect();
    let all: Vec<String> = letters
        .chunks(64)
        .flat_map(|chunk| {
            let text: String = chunk.iter().collect();
            [
                format!("lower(\"{text}\")"),
                format!("upper(\"{text}\")"),
                format!("count(\"{text}\")"),
            ]
        })
        .collect();
    let found = differences(&opa, &all, false);
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), all.len(), found.join("\n"));
}

#[test]
fn i4_the_tests_of_the_shipped_rules_pass_under_opa() {
    let Some(opa) = opa("i4_the_tests_of_the_shipped_rules_pass_under_opa") else { return };
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let output =
        Command::new(opa).args(["test", "--ignore", "presets"]).arg(policies).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed: BTreeSet<&str> = said.lines().filter(|line| line.starts_with("PASS")).collect();
    assert_eq!(passed.len(), 1, "{said}");
}

/// What OPA says of each saved input: deny and warn, as package, code and message.
const ASK: &str = "package ask

results[name] := {\"deny\": deny, \"warn\": warn} if {
	some name, given in data.inputs
	deny := {[p, r.code, r.msg] | some p; some r in data.hallmark[p].deny} with input as given
	warn := {[p, r.code, r.msg] | some p; some r in data.hallmark[p].warn} with input as given
}
";

/// Puts a value where a path leads, at the end of a list too.
fn put(document: &mut Value, path: &str, value: &Value) {
    let Some((place, key)) = path.rsplit_once('/') else {
        *document = value.clone();
        return;
    };
    match document.pointer_mut(place).unwrap() {
        Value::Array(list) => {
            let at: usize = key.parse().unwrap();
            if at == list.len() {
                list.push(value.clone());
            } else {
                list[at] = value.clone();
            }
        }
        object => object[key] = value.clone(),
    }
}

fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

fn sorted(results: &[RuleResult]) -> Vec<[String; 3]> {
    let name = |r: &RuleResult| r.package.trim_start_matches("hallmark.").to_owned();
    let mut all: Vec<_> =
        results.iter().map(|r| [name(r), r.code.clone(), r.msg.clone()]).collect();
    all.sort();
    all
}

#[test]
fn i5_the_whole_library_says_the_same_under_opa_on_every_saved_input() {
    let Some(opa) = opa("i5_the_whole_library_says_the_same_under_opa_on_every_saved_input") else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("fixtures/policy/cases.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let mut inputs = Map::new();
    let mut ours = Map::new();
    for case in all["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let mut input = all["honest"].clone();
        for (path, value) in case["set"].as_object().unwrap() {
            put(&mut input, path, value);
        }
        let mut settings = all["settings"].clone();
        if let Some(own) = case.get("settings") {
            merge(&mut settings, own);
        }
        let bundle = Bundle::shipped().unwrap();
        let bundle = bundle.with_settings(settings.as_object().unwrap().clone());
        let policies = match Policies::compile(&bundle, &Limits::default()) {
            // Such settings stop the start here; OPA alone would come to the rule that says so.
            Err(PolicyError::Setting(_)) => continue,
            compiled => compiled.unwrap(),
        };
        let judged = policies.judge_saved(&input, &[], &Limits::default()).unwrap();
        let told =
            serde_json::json!({ "deny": sorted(&judged.deny), "warn": sorted(&judged.warn) });
        ours.insert(name.to_owned(), told);
        input["settings"] = settings;
        inputs.insert(name.to_owned(), input);
    }
    let folder = tempfile::tempdir().unwrap();
    let (ask, data) = (folder.path().join("ask.rego"), folder.path().join("data.json"));
    fs::write(&ask, ASK).unwrap();
    fs::write(&data, serde_json::json!({ "inputs": inputs }).to_string()).unwrap();
    let output = Command::new(opa)
        .args(["eval", "--format", "json", "--ignore", "*_test.rego", "--ignore", "presets"])
        .arg("--data")
        .arg(root.join("policies"))
        .arg("--data")
        .arg(&ask)
        .arg("--data")
        .arg(&data)
        .arg("data.ask.results")
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let theirs = answer["result"][0]["expressions"][0]["value"].as_object().unwrap();
    assert!(ours.len() > 70, "{}", ours.len());
    for (name, ours) in &ours {
        assert_eq!(ours, &theirs[name], "{name}");
    }
}
