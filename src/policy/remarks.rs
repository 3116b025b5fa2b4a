//! What rules could say better: `hallmark policy check`.
//!
//! Turns a bundle that compiles into [`Remark`]s: fields of the input that do not exist, what OPA answers otherwise where something is absent, results whose code no METADATA
//! explains, and rules that no test notices when they are gone. The last is found by leaving each rule out and running the
//! tests again; of the only rule of a set, the empty set stays.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::{
    Bundle, PolicyError,
    check::{
        self, Graph, apart, beside, is_asked, read,
        syntax::{File, Reference, Root, Rule, Written},
    },
    engine, input,
    metadata::Metadata,
    said::{self, Silent},
    test,
};
use crate::{finding::Code, limits::Limits};

/// Something to mend in a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// What and why.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Looks at the rules of a bundle, sorted by file and line.
///
/// # Errors
/// The bundle does not compile, or its tests cannot be run.
pub fn remarks(bundle: &Bundle, limits: &Limits) -> Result<Vec<Remark>, PolicyError> {
    let mut engine = engine::load(bundle.rules.iter(), &bundle.data, limits)?;
    let files = read(&mut engine)?;
    let schema = serde_json::to_value(input::schema());
    let schema = schema.map_err(|e| PolicyError::Evaluate { why: e.to_string() })?;
    let mut all = Vec::new();
    for file in &files {
        let text = bundle.rules.get(&file.name).map_or("", |module| module.text.as_str());
        let described = Metadata::read(&file.name, text)?;
        let described: BTreeSet<&str> = described.iter().map(|b| b.custom.code.as_str()).collect();
        for rule in &file.rules {
            all.extend(unknown_fields(file, rule, &schema));
            all.extend(undescribed(file, rule, &described));
            all.extend(malformed(file, rule));
            all.extend(taken(file, rule));
        }
    }
    let silent = said::silent(&Graph::new(&files), &bundle.metadata()?).into_iter();
    all.extend(silent.map(|Silent { file, line, code }| {
        let text = format!(
            "{code} has no METADATA of this rule: what others of the package say of it (effective_on, review) counts for nothing; say it here, too"
        );
        Remark { file, line, text }
    }));
    let (negated, why) = check::negations(&mut engine)?;
    let negated = negated.into_iter();
    all.extend(negated.map(|(file, line)| Remark { file, line, text: why.to_owned() }));
    all.extend(untested(bundle, &files, limits)?);
    all.sort();
    all.dedup();
    Ok(all)
}

/// Whether packages and data of a bundle lie beside those of all rules that ship, whichever preset loads them: a folder that loads under
/// one preset loads under all.
///
/// # Errors
/// [`PolicyError::PackageTaken`] and [`PolicyError::DataBelowPackage`], besides what does not compile.
pub fn apart_from_all(own: &Bundle, limits: &Limits) -> Result<(), PolicyError> {
    let all = Bundle::shipped()?.join(own.clone())?;
    let files = read(&mut engine::load(all.rules.iter(), &serde_json::Map::new(), limits)?)?;
    apart(&files, |file| all.rules.get(&file.name).map_or("", |m| m.origin.as_str()))?;
    beside(&files, &own.data)
}

fn remark(file: &File, line: u32, text: String) -> Remark {
    Remark { file: file.name.clone(), line, text }
}

fn unknown_fields(file: &File, rule: &Rule, schema: &Value) -> Vec<Remark> {
    let input = rule.refers.iter().filter(|r| r.root == Root::Input && !r.alias);
    let unknown = input.filter(|reference| !has_field(schema, &reference.path));
    let text = |path: &[String]| {
        let path = path.join(".");
        format!(
            "input.{path} is no field of hallmark/input/v1 (hallmark schema input): it is never there"
        )
    };
    unknown.map(|Reference { path, line, .. }| remark(file, *line, text(path))).collect()
}

/// Whether an input could have a value at the path.
fn has_field(schema: &Value, path: &[String]) -> bool {
    if path.first().is_some_and(|first| first == "settings") {
        return true;
    }
    let mut here = vec![schema];
    for name in path {
        here = here.into_iter().flat_map(|part| below(schema, part, name)).collect();
        if here.is_empty() {
            return false;
        }
    }
    true
}

/// The schemas of a field, of all forms that a value may have.
fn below<'a>(root: &'a Value, part: &'a Value, name: &str) -> Vec<&'a Value> {
    if let Some(target) = part.get("$ref").and_then(Value::as_str) {
        let pointer = target.strip_prefix('#').unwrap_or_default();
        return root.pointer(pointer).map(|part| below(root, part, name)).unwrap_or_default();
    }
    let forms = ["anyOf", "oneOf", "allOf"].iter().filter_map(|form| part.get(form)?.as_array());
    let mut found: Vec<&Value> = forms.flatten().flat_map(|form| below(root, form, name)).collect();
    found.extend(part.get("properties").and_then(|properties| properties.get(name)));
    let open = part.get("additionalProperties").filter(|more| **more != Value::Bool(false));
    found.extend(open);
    // A schema that says nothing allows everything.
    let silent = *part == Value::Bool(true)
        || part.as_object().is_some_and(|o| o.keys().all(|k| k == "description" || k == "default"));
    if silent {
        found.push(part);
    }
    found
}

fn undescribed(file: &File, rule: &Rule, described: &BTreeSet<&str>) -> Vec<Remark> {
    if !is_result(rule) {
        return Vec::new();
    }
    let missing = rule.codes.iter().filter(|code| !described.contains(code.as_str()));
    let text = |code: &String| {
        format!("no METADATA above says what {code} means; give custom.code, severity and solution")
    };
    missing.map(|code| remark(file, rule.line, text(code))).collect()
}

/// Codes of hallmark's own findings, which reports, exceptions and pipelines would not tell from them. Rules that ship have the code of the
/// finding that they are about.
fn taken(file: &File, rule: &Rule) -> Vec<Remark> {
    if !is_result(rule) || super::bundle::ships(&file.package.join(".")) {
        return Vec::new();
    }
    let text = |code: &String| {
        format!(
            "{code} is the code of a finding of hallmark's own (hallmark explain {code}): whoever reads it cannot tell which is meant; give the rule a code of its own"
        )
    };
    let taken = rule.codes.iter().filter(|code| code.parse::<Code>().is_ok());
    taken.map(|code| remark(file, rule.line, text(code))).collect()
}

/// Results that would make every judgement fail in which they occur.
fn malformed(file: &File, rule: &Rule) -> Vec<Remark> {
    if !is_result(rule) {
        return Vec::new();
    }
    let name = rule.path.concat();
    let text = |what: String| {
        format!(
            "{name} gives {what}: the policy could not be evaluated; write {{\"code\": \"my-code\", \"msg\": \"what is wrong\"}}"
        )
    };
    let faults = rule.gives.iter().filter_map(|given| Some((given.line, fault(&given.value)?)));
    faults.map(|(line, what)| remark(file, line, text(what))).collect()
}

/// What keeps a value from being a result, where it is written out.
fn fault(value: &Written) -> Option<String> {
    let fields = match value {
        Written::Computed => return None,
        Written::Text(_) | Written::SomeText => return Some("a text".to_owned()),
        Written::Other(what) => return Some((*what).to_owned()),
        Written::Object(fields) => fields,
    };
    let code = match fields.get("code") {
        None => Some("a result without code".to_owned()),
        Some(Written::Text(code)) if !engine::is_code(code) => {
            Some(format!("a result whose code is {code:?}, not lower-case words joined by '-'"))
        }
        Some(Written::Other(what)) => Some(format!("a result whose code is {what}")),
        Some(Written::Object(_)) => Some("a result whose code is an object".to_owned()),
        Some(Written::Text(_) | Written::SomeText | Written::Computed) => None,
    };
    let msg = || match fields.get("msg") {
        None => Some("a result without msg".to_owned()),
        Some(Written::Text(msg)) if msg.trim().is_empty() => {
            Some("a result whose msg is empty".to_owned())
        }
        Some(Written::Other(what)) => Some(format!("a result whose msg is {what}")),
        Some(Written::Object(_)) => Some("a result whose msg is an object".to_owned()),
        Some(Written::Text(_) | Written::SomeText | Written::Computed) => None,
    };
    code.or_else(msg)
}

fn is_result(rule: &Rule) -> bool {
    is_asked(rule) && rule.path.first().is_some_and(|name| name != "needs")
}

/// Whether a test fails in a bundle that lacks a rule of this file. The tests beside the file are asked first: with those of a whole library,
/// each rule would cost what all of them do.
fn is_noticed(bundle: Bundle, file: &str, limits: &Limits) -> bool {
    let fails =
        |bundle: &Bundle| !test::run(bundle, limits).is_ok_and(|report| report.is_success());
    let beside = file.strip_suffix(".rego").map(|stem| format!("{stem}_test.rego"));
    if let Some((name, test)) = beside.and_then(|name| bundle.tests.get_key_value(&name)) {
        let mut beside = bundle.clone();
        beside.tests = [(name.clone(), test.clone())].into();
        if fails(&beside) {
            return true;
        }
    }
    fails(&bundle)
}

/// Whether no other rule of the package has the name.
fn is_only(rule: &Rule, file: &File, files: &[File]) -> bool {
    let package = files.iter().filter(|other| other.package == file.package);
    package.flat_map(|file| &file.rules).filter(|other| other.path == rule.path).count() == 1
}

/// Rules without which all tests still pass.
fn untested(bundle: &Bundle, files: &[File], limits: &Limits) -> Result<Vec<Remark>, PolicyError> {
    if bundle.tests.is_empty() {
        let first = files.iter().find(|file| file.rules.iter().any(is_result));
        let text =
            "there are no tests: put rules whose names begin with test_ into *_test.rego files";
        return Ok(first.map(|file| remark(file, 1, text.to_owned())).into_iter().collect());
    }
    let report = test::run(bundle, limits)?;
    if !report.is_success() {
        let failed = report.tests.iter().filter(|test| test.outcome != test::Outcome::Passed);
        let text = |name: &str| format!("{name} does not pass; run hallmark policy test");
        let remark = |test: &test::TestResult| Remark {
            file: test.file.clone(),
            line: 1,
            text: text(&test.rule),
        };
        return Ok(failed.map(remark).collect());
    }
    let mut found = Vec::new();
    for file in files {
        for rule in file.rules.iter().filter(|rule| is_result(rule)) {
            let mut without = bundle.clone();
            // They were compiled once, and no test tells of them.
            without.yara.clear();
            let Some(module) = without.rules.get_mut(&file.name) else { continue };
            module.leave_out(rule.span);
            // Without its only rule a set would be undefined, which a test that expects nothing in it would notice.
            if is_only(rule, file, files) {
                module.text.push_str(&format!("\n{} contains 0 if false\n", rule.path.concat()));
            }
            if !is_noticed(without, &file.name, limits) {
                let name = rule.path.concat();
                let codes: Vec<_> = rule.codes.iter().map(String::as_str).collect();
                let text = format!(
                    "no test makes this {name} fail ({}): without it, all tests still pass",
                    codes.join(", ")
                );
                found.push(remark(file, rule.line, text));
            }
        }
    }
    Ok(found)
}
