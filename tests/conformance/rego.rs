//! Area `rego`: OPA's own cases and Gatekeeper's library, answered by the engine that policies are judged by.
//!
//! A case of OPA is a query over modules, data and input. It becomes a rule of its own package, whose set holds what the query
//! gives its names, so that it goes the way of every policy: what may not be called, and forms that are read otherwise, are refused
//! (`not-evaluated`). An answer that is not the wanted one is `different`. Templates of Gatekeeper are in the older Rego, which
//! policies may not use; they run on the same engine with the same functions.

use std::collections::BTreeSet;

use hallmark::{
    limits::Limits,
    policy::{Bundle, builtins, engine},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    match case.text("template") {
        Some(_) => gatekeeper(case),
        None => opa(case),
    }
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    query: String,
    #[serde(default)]
    modules: Option<Vec<String>>,
    #[serde(default)]
    data: Option<Map<String, Value>>,
    input: Option<Value>,
    /// The input as a term of Rego, where it is no JSON.
    input_term: Option<String>,
    want_result: Option<Vec<Map<String, Value>>>,
}

impl Asked {
    /// The modules, the query as one of them, and the data.
    fn files(&self) -> Vec<(String, String)> {
        let modules = self.modules.iter().flatten().enumerate();
        let mut files: Vec<_> =
            modules.map(|(n, text)| (format!("m{n}.rego"), text.clone())).collect();
        let names = self.want_result.iter().flatten().flat_map(Map::keys);
        let names: BTreeSet<_> = names.filter(|name| !name.starts_with('$')).collect();
        let shown: Vec<_> = names.iter().map(|name| format!("{}: {name}", json!(name))).collect();
        let with = self.input_term.as_ref().map(|term| format!(" with input as {term}"));
        let query = format!("{}{}", self.query, with.unwrap_or_default());
        let rule = format!("answers contains {{{}}} if {{\n\t{query}\n}}\n", shown.join(", "));
        files.push(("query.rego".to_owned(), format!("package hallmark_query\n\n{rule}")));
        if let Some(data) = self.data.as_ref().filter(|data| !data.is_empty()) {
            files.push(("data.json".to_owned(), Value::Object(data.clone()).to_string()));
        }
        files
    }

    fn answers(&self) -> Result<Value, String> {
        let bundle = Bundle::from_files(self.files()).map_err(|error| error.to_string())?;
        let (rule, input) = ("data.hallmark_query.answers", self.input.as_ref());
        let value = engine::value_over(&bundle, rule, input, &Limits::default());
        Ok(value.map_err(|error| error.to_string())?.unwrap_or_else(|| json!([])))
    }
}

fn opa(case: &Case) -> Outcome {
    let cases: Cases =
        serde_json::from_slice(&case.file("file")?).map_err(|error| error.to_string())?;
    let index = case.inputs.get("index").and_then(Value::as_u64).unwrap_or_default();
    let asked = usize::try_from(index).ok().and_then(|index| cases.cases.get(index));
    let asked = asked.ok_or("no case of this number")?;
    Ok(match (asked.answers(), &asked.want_result) {
        (Err(why), _) => Verdict::refused("not-evaluated", why),
        (Ok(found), None) => return Err(format!("answered {found}, and OPA refuses")),
        (Ok(found), Some(want)) if plain(&found) == wanted(want) => Verdict::Accepted,
        (Ok(found), Some(want)) => {
            Verdict::refused("different", format!("{found} instead of {}", json!(want)))
        }
    })
}

/// What a query has to give, as a set.
fn wanted(rows: &[Map<String, Value>]) -> Value {
    let rows = rows.iter().map(|row| {
        row.iter().filter(|(name, _)| !name.starts_with('$')).map(|(k, v)| (k.clone(), v.clone()))
    });
    let rows: Vec<_> = rows.map(|row| Value::Object(row.collect())).collect();
    plain(&Value::Array(rows))
}

/// Lists in one order and each member once, since JSON has no sets; `1.0` as `1`.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let members: BTreeSet<_> = list.iter().map(|one| plain(one).to_string()).collect();
            json!(members)
        }
        Value::Object(object) => object.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => json!(whole as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn yaml(case: &Case, key: &str) -> Result<Value, String> {
    yaml_serde::from_slice(&case.file(key)?).map_err(|error| error.to_string())
}

fn gatekeeper(case: &Case) -> Outcome {
    let (template, constraint) = (yaml(case, "template")?, yaml(case, "constraint")?);
    let object = yaml(case, "object")?;
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(true);
    engine.set_strict_builtin_errors(true);
    builtins::extend(&mut engine).map_err(|error| error.to_string())?;
    let target = template.pointer("/spec/targets/0").ok_or("no target")?;
    let source = target.pointer("/code").and_then(Value::as_array).into_iter().flatten();
    let mut source = source.filter(|code| code["engine"] == "Rego").map(|code| &code["source"]);
    let source = source.next().unwrap_or(target);
    let libraries = source["libs"].as_array().into_iter().flatten();
    let mut package = String::new();
    for text in libraries.chain([&source["rego"]]) {
        let text = text.as_str().ok_or("no text of Rego")?;
        package = engine
            .add_policy("template.rego".to_owned(), text.to_owned())
            .map_err(|error| error.to_string())?;
    }
    let review = match object["kind"].as_str() {
        Some("AdmissionReview") => object["request"].clone(),
        _ => json!({ "object": object, "operation": "CREATE", "kind": kind(&object) }),
    };
    let parameters = constraint.pointer("/spec/parameters").cloned().unwrap_or_else(|| json!({}));
    engine.set_input(regorus::Value::from(json!({ "review": review, "parameters": parameters })));
    let found = engine.eval_rule(format!("{package}.violation")).map_err(|e| e.to_string())?;
    let found = serde_json::to_value(&found).map_err(|error| error.to_string())?;
    let messages: Vec<_> =
        found.as_array().into_iter().flatten().filter_map(|one| one["msg"].as_str()).collect();
    asserted(case, &messages)?;
    Ok(match messages.first() {
        None => Verdict::Accepted,
        Some(message) => Verdict::refused("violation", message),
    })
}

fn kind(object: &Value) -> Value {
    let api = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    json!({ "group": group, "version": version, "kind": object["kind"] })
}

/// Whether there are as many violations with such messages as the suite says.
fn asserted(case: &Case, messages: &[&str]) -> Result<(), String> {
    for assertion in case.inputs["assertions"].as_array().into_iter().flatten() {
        let like = regex::Regex::new(assertion["message"].as_str().unwrap_or_default());
        let like = like.map_err(|error| error.to_string())?;
        let count = messages.iter().filter(|message| like.is_match(message)).count();
        let holds = match &assertion["violations"] {
            Value::Number(number) => number.as_u64() == u64::try_from(count).ok(),
            Value::Bool(any) => *any == (count > 0),
            Value::String(word) => (word == "yes") == (count > 0),
            _ => count > 0,
        };
        if !holds {
            return Err(format!("{count} violations, wanted {assertion}: {messages:?}"));
        }
    }
    Ok(())
}
