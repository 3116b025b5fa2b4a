//! `hallmark policy`: testing, checking and evaluating rules.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Policy, PolicyEval, PolicyInput, TestFormat},
    blueprint,
    context::{self, Overrides},
    files::Operand,
    inquiry,
    rules::{self, of_other_time, saved_input, unreadable, usage},
};
use crate::{
    config::{self, FolderError},
    contents::{
        CollectorName,
        secrets::{shown_json, shown_line},
    },
    finding::Code,
    limits::Limits,
    policy::{
        self, Bundle, Judgement, Needs, Policies, PolicyError, RuleResult,
        remarks::remarks,
        test::{self, Covered, Outcome, Stopped, TestReport, TestResult},
    },
    report,
    saved::Access,
    source::PlatformChoice,
    untrusted::{Page, line},
    verify::{self, When},
};

/// Schema of the outcome of tests.
const TESTS: &str = "hallmark/policy-tests/v1";
/// Schema of what is said of rules.
const REMARKS: &str = "hallmark/policy-remarks/v1";
/// Schema of what rules said of an input.
const JUDGEMENT: &str = "hallmark/judgement/v1";

/// Runs the command.
pub async fn run(command: &Policy, global: &Global) -> Result<Answer, Failure> {
    match command {
        Policy::Test { folder, coverage, output } => tests(folder, *coverage, *output, global),
        Policy::Check { folder, output } => check(folder, *output, global),
        Policy::Eval(args) => eval(args, global),
        Policy::Explain(args) => rules::explain(args, global),
        Policy::New { name, to } => rules::new(name, to),
        Policy::Export(args) => rules::export(args, global),
        Policy::Import(args) => super::import::run(args),
        Policy::Docs { folder } => rules::docs(&self::folder(folder)?),
        Policy::Input(args) => input(args, global).await,
        Policy::Blueprint(args) => blueprint::run(args, global).await,
    }
}

/// What `test`, `check` and `docs` take.
const RULES: Operand = Operand {
    option: "",
    form: "it takes a folder with .rego files, or a .tar.gz of rules; hallmark policy new NAME --to DIR begins one",
};

fn folder(folder: &Path) -> Result<Bundle, Failure> {
    if !config::is_archive(folder) {
        RULES.folder(folder)?;
    }
    let read = config::bundle(&[folder.to_owned()], &Access::Live, None);
    read.map_err(|error| match error {
        FolderError::Unreadable { path, error } => RULES.unreadable(&path, &error),
        error => Failure::of_operator(&error.to_string()),
    })
}

/// The answer is yes where every test passes and there is one.
fn tests(
    path: &Path,
    coverage: bool,
    output: TestFormat,
    global: &Global,
) -> Result<Answer, Failure> {
    let limits = context::configuration(global)?.limits;
    let run = if coverage { test::run_covered } else { test::run_explained };
    let report = run(&folder(path)?, &limits).map_err(|error| match error {
        // As a check says it: the answer about these rules is no.
        PolicyError::NoTests => Failure::refused(error.to_string()),
        error => usage(&error),
    })?;
    let code = u8::from(!report.is_success());
    if output == TestFormat::Junit {
        return Ok(Answer::new(report::junit::policy_tests(&report), code));
    }
    if output == TestFormat::Json {
        let one = |test: &TestResult| {
            let (outcome, why) = match &test.outcome {
                Outcome::Passed => ("passed", None),
                Outcome::Failed => ("failed", None),
                Outcome::Error(why) => ("error", Some(why)),
            };
            let stopped = test.stopped.as_ref().map(|stopped| {
                let value = |(text, value): &(String, Option<String>)| json!({ "expression": text, "value": value });
                let values: Vec<Value> = stopped.values.iter().map(value).collect();
                json!({ "line": stopped.line, "expression": stopped.expression, "values": values })
            });
            json!({ "file": test.file, "rule": test.rule, "outcome": outcome, "why": why, "stopped": stopped })
        };
        let covered = |(file, covered): (&String, &Covered)| json!({ "file": file, "covered": covered.lines, "missed": covered.missed });
        let document = json!({
            "schema": TESTS,
            "passed": report.passed(),
            "failed": report.failed(),
            "tests": report.tests.iter().map(one).collect::<Vec<_>>(),
            "coverage": coverage.then(|| report.coverage.iter().map(covered).collect::<Vec<_>>()),
        });
        return Ok(Answer::new(report::json::lines(&document), code));
    }
    let mut page = Page::default();
    for test in &report.tests {
        let (file, rule) = (&test.file, &test.rule);
        match &test.outcome {
            Outcome::Passed => line!(page, "pass  {file}: {rule}"),
            Outcome::Failed => line!(page, "FAIL  {file}: {rule}"),
            Outcome::Error(why) => line!(page, "FAIL  {file}: {rule}: {why}"),
        }
        test.stopped.iter().for_each(|stopped| told_stop(&mut page, stopped));
    }
    if coverage {
        told_coverage(&mut page, &report);
    }
    line!(page, "{} passed, {} failed", report.passed(), report.failed());
    Ok(Answer::new(page.into_text(), code))
}

/// The expression at which a test ended, and what its sides are.
fn told_stop(page: &mut Page, stopped: &Stopped) {
    line!(page, "      {stopped}");
    for (text, value) in &stopped.values {
        match value {
            Some(value) if value != text => line!(page, "        {text} is {value}"),
            Some(_) => {}
            None => line!(page, "        {text} is undefined"),
        }
    }
}

/// Lines of rules that no test comes by, in runs of lines that follow each other.
fn told_coverage(page: &mut Page, report: &TestReport) {
    for (file, covered) in &report.coverage {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for line in &covered.missed {
            match runs.last_mut() {
                Some((_, last)) if last.saturating_add(1) == *line => *last = *line,
                _ => runs.push((*line, *line)),
            }
        }
        for (first, last) in runs {
            let lines = if first == last { String::new() } else { format!("-{last}") };
            line!(page, "missed  {file}:{first}{lines}");
        }
    }
    let permille = report.covered_permille();
    line!(page, "{}.{} % of the rules' lines are covered", permille / 10, permille % 10);
}

/// The answer is yes where the rules load beside the preset, and nothing is to be said about them.
fn check(path: &Path, output: Format, global: &Global) -> Result<Answer, Failure> {
    let config = context::configuration(global)?;
    let own = folder(path)?;
    let lines = match said(&own, config.policy.selection.preset, &config.limits) {
        Ok(lines) => lines,
        Err(error) => vec![error.in_one_line()],
    };
    let code = u8::from(!lines.is_empty());
    if output == Format::Json {
        let document = json!({ "schema": REMARKS, "remarks": lines });
        return Ok(Answer::new(report::json::lines(&document), code));
    }
    let mut page = Page::default();
    match lines.as_slice() {
        [] => line!(page, "nothing to mend"),
        lines => lines.iter().for_each(|words| line!(page, "{words}")),
    }
    Ok(Answer::new(page.into_text(), code))
}

fn said(own: &Bundle, preset: &str, limits: &Limits) -> Result<Vec<String>, PolicyError> {
    Policies::compile(&Bundle::preset(preset)?.join(own.clone())?, limits)?;
    // Whoever writes rules does not know under which preset they will be loaded.
    policy::remarks::apart_from_all(own, limits)?;
    Ok(remarks(own, limits)?.iter().map(ToString::to_string).collect())
}

/// The answer is yes where nothing is denied and the input tells of something that is proven: a pass takes both.
fn eval(args: &PolicyEval, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides { policy: args.policy.as_deref(), ..Overrides::default() };
    let (_, ctx) = context::build(global, overrides)?;
    let input = saved_input(&args.input, args.as_of, &ctx.world.limits)?;
    let location = input.pointer("/image/repository").and_then(Value::as_str).unwrap_or_default();
    let (policies, exceptions) = ctx.criteria.choice(location);
    let policies = policies.ready().map_err(usage)?;
    let judged = policies.judge_saved(&input, exceptions, &ctx.world.limits);
    let mut judgement = judged.map_err(|e| unreadable(&args.input, &e))?;
    if let Some(time) = args.as_of {
        judgement.asides.push(of_other_time(&args.input, time));
    }
    let proven = policy::input::may_pass(&input);
    let code = u8::from(!judgement.deny.is_empty() || !proven);
    Ok(match args.output {
        Format::Text => {
            let mut page = shown(&judgement, proven);
            told_unread(&mut page, &unread(&policies.needs(), &input), args.policy.as_deref());
            Answer::new(page.into_text(), code)
        }
        Format::Json => Answer::new(report::json::lines(&told(&judgement, proven)), code),
    })
}

fn told(judgement: &Judgement, proven: bool) -> Value {
    let list = |results: &[RuleResult]| {
        let one = |result: &RuleResult| {
            json!({
                "code": result.code,
                "package": result.package,
                "msg": shown_line(&result.msg),
                "solution": result.solution,
                "facts": shown_facts(&result.facts),
            })
        };
        results.iter().map(one).collect::<Vec<_>>()
    };
    json!({
        "schema": JUDGEMENT,
        "deny": list(&judgement.deny),
        "warn": list(&judgement.warn),
        "excepted": list(&judgement.excepted),
        "findings": judgement.asides.iter().map(report::json::finding).collect::<Vec<_>>(),
        "proven": proven,
    })
}

/// What a rule told, as reports show it: an input that somebody wrote by hand may hold what hallmark's own inputs hide.
fn shown_facts(facts: &BTreeMap<String, Value>) -> Value {
    let one =
        |(name, value): (&String, &Value)| (name.clone(), shown_json(name, value, usize::MAX));
    Value::Object(facts.iter().map(one).collect())
}

/// What rules read of an image's layers and the input does not have, as one that was made under a preset which does not ask for it.
fn unread(needs: &Needs, input: &Value) -> Vec<&'static str> {
    let fields = [
        (CollectorName::Inventory, "inventory"),
        (CollectorName::Contents, "contents"),
        (CollectorName::Secrets, "secrets"),
        (CollectorName::Malware, "malware"),
    ];
    let has = |name: &str| input.get(name).is_some_and(|value| !value.is_null());
    let lacking = fields.into_iter().filter(|(asked, _)| needs.collectors.contains(asked));
    lacking.map(|(_, name)| name).filter(|name| !has(name)).collect()
}

fn told_unread(page: &mut Page, unread: &[&str], preset: Option<&str>) {
    if unread.is_empty() {
        return;
    }
    let (fields, preset) = (unread.join(", "), preset.unwrap_or("PRESET"));
    line!(page, "these rules read what the input does not have: {fields}");
    line!(
        page,
        "  help: if it was made under another preset, make it again: hallmark policy input --policy {preset} IMAGE"
    );
}

fn shown(judgement: &Judgement, proven: bool) -> Page {
    let mut page = Page::default();
    let mut list = |word: &str, results: &[RuleResult]| {
        for RuleResult { code, package, msg, .. } in results {
            line!(page, "{word:<9} {code} ({package}): {}", shown_line(msg));
        }
    };
    list("deny", &judgement.deny);
    list("warn", &judgement.warn);
    list("excepted", &judgement.excepted);
    rules::aside(&mut page, &judgement.asides);
    if judgement.deny.is_empty() {
        line!(page, "nothing is denied");
    }
    if !proven {
        let code = Code::PolicyNothingProven;
        line!(
            page,
            "nothing is proven: verify fails such an image whatever the rules say ({code})"
        );
        line!(page, "  help: {}", rules::UNPROVEN);
    } else if judgement.deny.is_empty() {
        line!(
            page,
            "something is proven, as a pass needs it: a signature, provenance, a layout or a rebuild"
        );
    }
    page
}

/// The input of one platform, as JSON.
async fn input(args: &PolicyInput, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides {
        platforms: args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One),
        policy: args.policy.as_deref(),
        vouch: Some(&args.inquiry.vouch),
        rebuild: args.no_rebuild.then_some(When::Never("--no-rebuild")),
        ..Overrides::default()
    };
    let (mut config, mut ctx) = context::build(global, overrides)?;
    inquiry::hand_in(&args.inquiry, &args.image, &mut config, &mut ctx.world)?;
    let pinned = context::pin(&args.image, &config, &ctx.world).await?;
    let opened = verify::open(&pinned, &ctx.world).await;
    let (source, images) = opened.map_err(|error| Failure::unresolved(error, &args.image))?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::usage("the image has no platform"));
    };
    let now = jiff::Timestamp::now();
    let inquiry = ctx.inquiry();
    let (evidence, findings) = verify::gather(&*source, image, &inquiry, now).await;
    let input = crate::policy::PolicyInput::new(&evidence, inquiry.asked(), &findings, now);
    Ok(Answer::data(report::shown::document(&input)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_was_made_under_another_preset_is_told() {
        let collectors = [CollectorName::Inventory, CollectorName::Contents].into();
        let needs = Needs { collectors, ..Needs::default() };
        let cases = [
            (json!({}), "inventory, contents"),
            (json!({"inventory": {}, "contents": null}), "contents"),
            (json!({"inventory": {}, "contents": {}, "secrets": null}), ""),
        ];
        for (input, want) in cases {
            let unread = unread(&needs, &input);
            assert_eq!(unread.join(", "), want, "{input}");
            let mut page = Page::default();
            told_unread(&mut page, &unread, Some("regulated"));
            let told = page.into_text();
            let help = told.contains("hallmark policy input --policy regulated IMAGE");
            assert_eq!(help, !want.is_empty(), "{told}");
        }
    }
}
