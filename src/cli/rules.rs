//! `hallmark policy explain`, `new` and `docs`: for whoever writes rules, and whoever is denied by them.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, PolicyExplain, PolicyExport},
    context::{self, Overrides},
    files::Operand,
};
use crate::{
    config::export,
    finding::{Code, Finding, Key, Subject},
    json,
    limits::Limits,
    policy::{
        self, Bundle, Judgement, PolicyError, RuleResult,
        explain::{Explained, Place, Read, explain as explained},
        nearest::did_you_mean,
    },
    report,
    source::PlatformChoice,
    untrusted::{Page, clean, line},
    verify::When,
};

/// Schema of what is explained.
const EXPLAINED: &str = "hallmark/explained/v1";
/// Lines of one rule that are shown to people.
const LINES: usize = 20;

/// That rules cannot be used.
pub(super) fn usage(error: &PolicyError) -> Failure {
    Failure::of_operator(&error.to_string())
}

/// A saved input, with another time in it where one is asked for.
pub(super) fn saved_input(
    path: &Path,
    as_of: Option<jiff::Timestamp>,
    limits: &Limits,
) -> Result<Value, Failure> {
    let bytes = INPUT.read(path, limits.policy_bytes)?;
    let bytes = crate::untrusted::unmarked(&bytes);
    let most = usize::try_from(limits.policy_bytes).unwrap_or(usize::MAX);
    let read = json::from_slice(bytes, most);
    let mut input: Value = read.map_err(|error| INPUT.refused(path, bytes, &error))?;
    if let Some(number) = std::str::from_utf8(bytes).ok().and_then(json::numbers::inexact) {
        let (what, number) = ("it".to_owned(), number.to_owned());
        return Err(unreadable(path, &PolicyError::Inexact { what, number }));
    }
    if let (Some(time), Some(object)) = (as_of, input.as_object_mut()) {
        object.insert("time".to_owned(), time.to_string().into());
    }
    Ok(input)
}

/// What `eval` and `explain` take.
const INPUT: Operand =
    Operand { option: "", form: "it takes what hallmark policy input IMAGE prints" };

/// That a saved input cannot be used, or rules over it.
pub(super) fn unreadable(path: &Path, why: &PolicyError) -> Failure {
    match why {
        PolicyError::Data { .. } => INPUT.unusable(path, why),
        // Of these the rule is at fault, and says where it stands.
        PolicyError::Evaluate { .. }
        | PolicyError::NotASet { .. }
        | PolicyError::NotAResult { .. } => Failure::of_operator(&format!(
            "{}\n  help: mend the rule, then ask again; {} can be read",
            why.in_one_line(),
            path.display()
        )),
        PolicyError::Timeout { .. } | PolicyError::Broken => usage(why),
        _ => Failure::usage(format!("{}: {why}", path.display())),
    }
}

/// Which rule gives each result over a saved input, and what it read. The exit code is that of `eval`.
pub(super) fn explain(args: &PolicyExplain, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides { policy: args.policy.as_deref(), ..Overrides::default() };
    let (config, ctx) = context::build(global, overrides)?;
    let limits = &ctx.world.limits;
    let input = saved_input(&args.input, args.as_of, limits)?;
    let policies = ctx.criteria.policies.ready().map_err(usage)?;
    let judged = policies.judge_saved(&input, &ctx.criteria.exceptions, limits);
    let judgement = judged.map_err(|e| unreadable(&args.input, &e))?;
    let bundle = context::bundle(&config, args.policy.as_deref())?;
    let bundle = match ctx.rebuild.when {
        When::Always => bundle.with_rebuild(),
        When::PolicyAsks | When::Never(_) => bundle,
    };
    let wanted = |results: &[RuleResult]| -> Vec<RuleResult> {
        let is_meant = |r: &&RuleResult| args.code.as_ref().is_none_or(|code| r.code == *code);
        results.iter().filter(is_meant).cloned().collect()
    };
    let kinds = [
        ("deny", "deny", wanted(&judgement.deny)),
        ("excepted", "deny", wanted(&judgement.excepted)),
        ("warn", "warn", wanted(&judgement.warn)),
    ];
    let mut all = Vec::new();
    for (kind, set, results) in &kinds {
        let told = explained(&bundle, set, results, &input, limits);
        let told = told.map_err(|e| unreadable(&args.input, &e))?;
        all.extend(told.into_iter().map(|one| (*kind, one)));
    }
    if let (Some(code), []) = (&args.code, all.as_slice()) {
        return Err(unsaid(code, &judgement, &bundle));
    }
    let proven = policy::input::may_pass(&input);
    let code = u8::from(!judgement.deny.is_empty() || !proven);
    let asides: Vec<Finding> =
        args.as_of.map(|time| of_other_time(&args.input, time)).into_iter().collect();
    Ok(match args.output {
        Format::Text => {
            let mut page = shown(&all, proven);
            aside(&mut page, &asides);
            Answer::new(report::shown::lines(&page), code)
        }
        Format::Json => Answer::new(report::json::lines(&told(&all, proven, &asides)), code),
    })
}

/// That no rule says so of an input: which code may be meant, and which ones there are.
fn unsaid(code: &str, judgement: &Judgement, bundle: &Bundle) -> Failure {
    let said = [&judgement.deny, &judgement.excepted, &judgement.warn].into_iter().flatten();
    let said: BTreeSet<&str> = said.map(|rule| rule.code.as_str()).collect();
    let loaded = bundle.codes().unwrap_or_default();
    let known = loaded.iter().map(|(_, code)| code.as_str()).filter(|known| *known != code);
    let meant = did_you_mean(code, said.iter().copied().chain(known));
    let listed = said.into_iter().collect::<Vec<_>>().join(", ");
    let mut failure = Failure::usage(format!("--code {code}: no rule says so of this input"));
    failure.help(&match listed.as_str() {
        "" => format!("{meant}no rule says anything of this input"),
        listed => format!("{meant}rules say of it {listed}"),
    });
    failure
}

/// That a saved input was judged by another time than now.
pub(super) fn of_other_time(input: &Path, time: jiff::Timestamp) -> Finding {
    let why = format!("what rules and exceptions say at {time}");
    let subject = Subject::Image(input.display().to_string());
    Finding::new(Code::PolicyOtherTime, subject).with(Key::Why, why)
}

/// What is said besides the rules, in lines.
pub(super) fn aside(page: &mut Page, findings: &[Finding]) {
    for finding in findings {
        let facts: Vec<String> = finding.facts.values().map(ToString::to_string).collect();
        line!(page, "warning   {} ({}): {}", finding.code, finding.subject, facts.join("; "));
    }
}

fn shown(all: &[(&str, Explained)], proven: bool) -> Page {
    let mut page = Page::default();
    for (kind, Explained { result, rules, evidence }) in all {
        line!(page, "{kind:<9} {}: {}", result.name(), result.msg);
        for Place { file, line, text } in rules {
            line!(page, "  rule     {file}:{line}");
            for (number, text) in (*line..).zip(text.lines().take(LINES)) {
                line!(page, "    {number:>4}  {}", text.replace('\t', "    "));
            }
        }
        for (at, Read { path, value }) in evidence.iter().enumerate() {
            let word = if at == 0 { "because" } else { "" };
            match value {
                Some(value) => line!(page, "  {word:<8} {path} = {value}"),
                None => line!(page, "  {word:<8} {path} is not there"),
            }
        }
        if let Some(solution) = &result.solution {
            line!(page, "  help     {solution}");
        }
        line!(page);
    }
    if !all.iter().any(|(kind, _)| *kind == "deny") {
        line!(page, "nothing is denied");
    }
    if !proven {
        line!(page, "nothing is proven: verify fails such an image whatever the rules say");
        line!(page, "  help: {UNPROVEN}");
    }
    page
}

/// What to do where nothing of an input is proven.
pub(super) const UNPROVEN: &str = "make the input again with whom you trust: hallmark policy input --key cosign.pub IMAGE, or --config hallmark.yaml";

fn told(all: &[(&str, Explained)], proven: bool, asides: &[Finding]) -> Value {
    let one = |(kind, explained): &(&str, Explained)| {
        let Explained { result, rules, evidence } = explained;
        let rule = |Place { file, line, text }: &Place| json!({ "file": file, "line": line, "text": text });
        let read = |Read { path, value }: &Read| json!({ "path": path, "there": value.is_some(), "value": value });
        json!({
            "kind": kind,
            "code": result.code,
            "package": result.package,
            "msg": result.msg,
            "solution": result.solution,
            "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            "evidence": evidence.iter().map(read).collect::<Vec<_>>(),
        })
    };
    json!({
        "schema": EXPLAINED,
        "results": all.iter().map(one).collect::<Vec<_>>(),
        "findings": asides.iter().map(report::json::finding).collect::<Vec<_>>(),
        "proven": proven,
    })
}

/// A first rule: the image has a label.
const RULE: &str = r#"package hallmark.NAME

# METADATA
# title: The image says who owns it
# description: Whoever is called at night has to know whom to ask.
# custom:
#   code: CODE
#   severity: deny
#   solution: add LABEL org.opencontainers.image.vendor="TEAM" to the Dockerfile
deny contains {"code": "CODE", "msg": msg} if {
	not owned
	msg := "the image has no label org.opencontainers.image.vendor; add it to the Dockerfile"
}

# Of what is not there, a rule of its own is false: OPA never finds `not f(input.x)` true where input.x is absent.
owned if input.image.labels["org.opencontainers.image.vendor"] != ""
"#;

/// Its tests.
const TESTS: &str = r#"package hallmark.NAME_test

import data.hallmark.NAME

denied(labels) := {r.code | some r in NAME.deny with input as {"image": {"labels": labels}}}

test_an_image_with_an_owner_passes if denied({"org.opencontainers.image.vendor": "team"}) == set()

test_an_image_without_is_denied if {
	denied({}) == {"CODE"}
	denied({"org.opencontainers.image.vendor": ""}) == {"CODE"}
}

test_nothing_known_is_denied if count(NAME.deny) == 1 with input as {}
"#;

/// Writes a first rule and its tests.
pub(super) fn new(name: &str, folder: &Path) -> Result<Answer, Failure> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let ends = name.ends_with('_') || name.ends_with("_test") || name.contains("__");
    if !starts || ends || name.len() > 48 || !name.bytes().all(letters) {
        let mut failure = Failure::usage(format!("{name:?} is no name for a package of rules"));
        failure.help("lower-case letters, digits and single _, as base_images");
        return Err(failure);
    }
    if Bundle::shipped().is_ok_and(|all| all.has_package(&format!("hallmark.{name}"))) {
        let mut failure = Failure::usage(format!("hallmark.{name} is a package that ships"));
        failure.help("take another name: no folder adds to the rules of another");
        return Err(failure);
    }
    let code = format!("{}-missing", name.replace('_', "-"));
    let text = |template: &str| template.replace("NAME", name).replace("CODE", &code);
    let files = [(format!("{name}.rego"), text(RULE)), (format!("{name}_test.rego"), text(TESTS))];
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::of_operator(&format!("--to: {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    let paths: Vec<PathBuf> = files.iter().map(|(file, _)| folder.join(file)).collect();
    if let Some(there) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(Failure::usage(format!("{} is there already", there.display())));
    }
    let mut page = Page::default();
    for (path, (_, text)) in paths.iter().zip(&files) {
        let written = fs::File::create_new(path).and_then(|mut f| f.write_all(text.as_bytes()));
        written.map_err(|e| failed(path, &e))?;
        line!(page, "wrote {}", path.display());
    }
    line!(page, "next: hallmark policy test {}", folder.display());
    Ok(Answer::new(page.into_text(), 0))
}

/// What another program decides by. The answer is yes where it says all that the rules do.
pub(super) fn export(args: &PolicyExport, global: &Global) -> Result<Answer, Failure> {
    let (config, world) = context::world(global, PlatformChoice::default())?;
    let exported = match args.buildx {
        true => export::buildx(&config.trust),
        false => export::containers_policy(&config.trust),
    };
    exported.left_out.iter().for_each(|part| world.sink.line(&format!("left out: {part}")));
    Ok(Answer::data(exported.text))
}

/// What a folder of policies asks for, in Markdown.
pub(super) fn docs(bundle: &Bundle) -> Result<Answer, Failure> {
    let blocks = bundle.documented().map_err(|error| usage(&error))?;
    let mut out = String::from("# Rules\n");
    let mut last = String::new();
    for (package, file, block) in &blocks {
        if *package != last {
            out.push_str(&format!("\n## {}\n", plain(package)));
            last.clone_from(package);
        }
        let custom = &block.custom;
        let code = if custom.code.is_empty() {
            String::new()
        } else {
            format!(" `{}`", code_span(&custom.code))
        };
        out.push_str(&format!("\n### {}{code}\n\n", plain(&block.title)));
        if !block.description.trim().is_empty() {
            out.push_str(&format!("{}\n\n", plain(&block.description)));
        }
        let file = file.rsplit('/').next().unwrap_or(file);
        let rows = [("severity", &custom.severity), ("to do", &custom.solution)];
        for (name, text) in rows.iter().filter(|(_, text)| !text.trim().is_empty()) {
            out.push_str(&format!("- {name}: {}\n", plain(text)));
        }
        out.push_str(&format!("- file: `{}`\n", code_span(file)));
    }
    if blocks.is_empty() {
        return Err(Failure::refused("no rule has a METADATA block".to_owned()));
    }
    Ok(Answer::data(out))
}

/// Text between two backticks.
fn code_span(text: &str) -> String {
    clean(text).replace('`', "'")
}

/// Words that mean nothing to Markdown.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out = String::new();
    for c in clean(&words.join(" ")).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
