//! `hallmark policy`: testing, checking and evaluating rules.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Policy, PolicyEval, PolicyInput},
    context::{self, Overrides},
};
use crate::{
    config,
    finding::Code,
    json,
    limits::Limits,
    policy::{
        self, Bundle, Judgement, Policies, PolicyError, RuleResult,
        check::remarks::remarks,
        test::{self, Outcome, TestResult},
    },
    report,
    scratch::read_file,
    source::PlatformChoice,
    untrusted::{self, Page, line},
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
        Policy::Test { folder, output } => tests(folder, *output, global),
        Policy::Check { folder, output } => check(folder, *output, global),
        Policy::Eval(args) => eval(args, global),
        Policy::Input(args) => input(args, global).await,
    }
}

fn usage(error: &PolicyError) -> Failure {
    Failure::of_operator(&error.to_string())
}

fn folder(folder: &Path) -> Result<Bundle, Failure> {
    let read = config::bundle(&[folder.to_owned()]);
    read.map_err(|e| Failure::usage(format!("{}: {e}", folder.display())))
}

/// The answer is yes where every test passes and there is one.
fn tests(path: &Path, output: Format, global: &Global) -> Result<Answer, Failure> {
    let limits = context::configuration(global)?.limits;
    let report = test::run(&folder(path)?, &limits).map_err(|error| match error {
        // As a check says it: the answer about these rules is no.
        PolicyError::NoTests => Failure::refused(error.to_string()),
        error => usage(&error),
    })?;
    let code = u8::from(!report.is_success());
    if output == Format::Json {
        let one = |test: &TestResult| {
            let (outcome, why) = match &test.outcome {
                Outcome::Passed => ("passed", None),
                Outcome::Failed => ("failed", None),
                Outcome::Error(why) => ("error", Some(why)),
            };
            json!({ "file": test.file, "rule": test.rule, "outcome": outcome, "why": why })
        };
        let document = json!({
            "schema": TESTS,
            "passed": report.passed(),
            "failed": report.failed(),
            "tests": report.tests.iter().map(one).collect::<Vec<_>>(),
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
    }
    line!(page, "{} passed, {} failed", report.passed(), report.failed());
    Ok(Answer::new(page.into_text(), code))
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
    policy::check::remarks::apart_from_all(own, limits)?;
    Ok(remarks(own, limits)?.iter().map(ToString::to_string).collect())
}

/// The answer is yes where nothing is denied and the input tells of something that is proven: a pass takes both.
fn eval(args: &PolicyEval, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides { policy: args.policy.as_deref(), ..Overrides::default() };
    let (_, ctx) = context::build(global, overrides)?;
    let unreadable =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", args.input.display()));
    let bytes =
        read_file(&args.input, ctx.world.limits.policy_bytes).map_err(|e| unreadable(&e))?;
    let most = usize::try_from(ctx.world.limits.policy_bytes).unwrap_or(usize::MAX);
    let input: Value = json::from_slice(&bytes, most).map_err(|e| unreadable(&e))?;
    if let Some(number) = std::str::from_utf8(&bytes).ok().and_then(json::numbers::inexact) {
        let (what, number) = ("it".to_owned(), number.to_owned());
        return Err(unreadable(&PolicyError::Inexact { what, number }));
    }
    let policies = ctx.criteria.policies.ready().map_err(usage)?;
    let judged = policies.judge_saved(&input, &ctx.criteria.exceptions, &ctx.world.limits);
    let judgement = judged.map_err(|e| unreadable(&e))?;
    let proven = policy::input::may_pass(&input);
    let code = u8::from(!judgement.deny.is_empty() || !proven);
    Ok(match args.output {
        Format::Text => Answer::new(shown(&judgement, proven), code),
        Format::Json => Answer::new(report::json::lines(&told(&judgement, proven)), code),
    })
}

fn told(judgement: &Judgement, proven: bool) -> Value {
    let list = |results: &[RuleResult]| {
        let one = |result: &RuleResult| {
            json!({
                "code": result.code,
                "package": result.package,
                "msg": result.msg,
                "solution": result.solution,
                "facts": result.facts,
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

fn shown(judgement: &Judgement, proven: bool) -> String {
    let mut page = Page::default();
    let mut list = |word: &str, results: &[RuleResult]| {
        for RuleResult { code, package, msg, .. } in results {
            line!(page, "{word:<9} {code} ({package}): {msg}");
        }
    };
    list("deny", &judgement.deny);
    list("warn", &judgement.warn);
    list("excepted", &judgement.excepted);
    for finding in &judgement.asides {
        let facts: Vec<String> = finding.facts.values().map(ToString::to_string).collect();
        line!(page, "warning   {} ({}): {}", finding.code, finding.subject, facts.join("; "));
    }
    if judgement.deny.is_empty() {
        line!(page, "nothing is denied");
    }
    if !proven {
        let code = Code::PolicyNothingProven;
        line!(
            page,
            "nothing is proven: verify fails such an image whatever the rules say ({code})"
        );
    } else if judgement.deny.is_empty() {
        line!(
            page,
            "a pass also needs something that is proven: a signature, provenance, a layout or a rebuild"
        );
    }
    page.into_text()
}

/// The input of one platform, as JSON.
async fn input(args: &PolicyInput, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides {
        platforms: args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One),
        policy: args.policy.as_deref(),
        rebuild: args.no_rebuild.then_some(When::Never("--no-rebuild")),
        ..Overrides::default()
    };
    let (config, ctx) = context::build(global, overrides)?;
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
    let text = serde_json::to_string_pretty(&input);
    let text = text.map_err(|e| Failure::usage(e.to_string()))?;
    Ok(Answer::data(untrusted::json(&text) + "\n"))
}
