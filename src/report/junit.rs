//! JUnit's XML, as Jenkins and GitLab read it (xunit-plugin: junit-10.xsd).
//!
//! A suite is an image and a platform of it. Its cases are the verdict, each question to the evidence, and each finding code that was
//! seen. A code that fails the image is a failure, or an error where something could not be read or done; a warning, evidence that is
//! not there, and what follows from another finding, is a skipped case, whose message says why. An image that was not read, and a run
//! that was not made, are errors.
//! Text is escaped by the writer of XML; characters that XML 1.0 cannot hold are escaped before.

use std::collections::BTreeMap;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    cause::{Cause, Told, causes},
    run::{Check, ImageRun, PlatformRun, Run, Trouble},
    shown, text, told,
};
use crate::{
    finding::{Code, Finding, Severity},
    policy::test::{Outcome as Tested, Stopped, TestReport},
    report::clean,
    untrusted::{Page, cut},
};

/// Findings of one code that are told in full; the rest is counted.
const MAX_OF_CODE: usize = 20;
/// Bytes of what is told of one code.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Bytes of an attribute.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// One suite.
struct Suite {
    name: String,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// One case.
struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed(String),
    Skipped(String),
    Failed { kind: String, message: String, body: String },
    Broken { kind: String, message: String, body: String },
}

/// Renders a run.
pub fn render(run: &Run) -> String {
    written(run.command, &suites(run))
}

/// Renders the tests of policies: a suite for each file.
pub fn policy_tests(report: &TestReport) -> String {
    let mut suites: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for test in &report.tests {
        let outcome = match &test.outcome {
            Tested::Passed => Outcome::Passed(String::new()),
            Tested::Failed => Outcome::Failed {
                kind: "failed".to_owned(),
                message: match &test.stopped {
                    Some(stopped) => format!("it is not true: {stopped}"),
                    None => "it is not true".to_owned(),
                },
                body: test.stopped.as_ref().map(values).unwrap_or_default(),
            },
            Tested::Error(why) => Outcome::Broken {
                kind: "error".to_owned(),
                message: why.clone(),
                body: String::new(),
            },
        };
        suites.entry(&test.file).or_default().push(Case { name: test.rule.clone(), outcome });
    }
    let suite = |(file, cases): (&str, Vec<Case>)| Suite {
        name: file.to_owned(),
        properties: Vec::new(),
        cases,
    };
    written("policy test", &suites.into_iter().map(suite).collect::<Vec<_>>())
}

/// What the sides of an expression are, a line each.
fn values(stopped: &Stopped) -> String {
    let line = |(text, value): &(String, Option<String>)| match value {
        Some(value) => format!("{text} is {value}"),
        None => format!("{text} is undefined"),
    };
    stopped.values.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn written(command: &str, suites: &[Suite]) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory cannot fail.
    let _ = write(&mut writer, command, suites);
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    text + "\n"
}

fn suites(run: &Run) -> Vec<Suite> {
    let mut suites = Vec::new();
    for image in &run.images {
        // The same name for the next build, unless two images of this call would share it.
        let alone = run.images.iter().filter(|other| other.place == image.place).count() == 1;
        let name = if alone { &image.place } else { &image.name };
        suites.extend(image.platforms.iter().map(|platform| of_platform(name, image, platform)));
        if let Some(trouble) = &image.trouble {
            suites.push(of_trouble(name.clone(), trouble));
        }
    }
    if let Some(trouble) = &run.trouble {
        suites.push(of_trouble(format!("hallmark {}", run.command), trouble));
    }
    suites
}

fn of_platform(name: &str, image: &ImageRun, platform: &PlatformRun) -> Suite {
    let mut cases = vec![verdict(platform)];
    cases.extend(platform.checks.iter().map(check));
    let all = causes(&platform.findings);
    let mut codes: BTreeMap<Code, Vec<&Cause<'_>>> = BTreeMap::new();
    for cause in &all {
        codes.entry(cause.first().code).or_default().push(cause);
    }
    let below = all.iter().flat_map(|cause| cause.follows.iter().map(move |told| (cause, told)));
    let below: BTreeMap<Code, Case> = below
        .map(|(cause, told)| (told.first.code, follows(told, cause)))
        .filter(|(code, _)| !codes.contains_key(code))
        .collect();
    cases.extend(codes.into_iter().map(|(code, causes)| of_code(code, &causes)));
    cases.extend(below.into_values());
    let manifest = platform.manifest.iter().map(|digest| ("manifest", digest.clone()));
    Suite {
        name: format!("{name} {}", platform.words()),
        properties: [("image", image.name.clone())].into_iter().chain(manifest).collect(),
        cases,
    }
}

fn verdict(platform: &PlatformRun) -> Case {
    let mut errors = causes(&platform.findings);
    errors.retain(|cause| cause.severity() == Severity::Error);
    let outcome = match errors.first() {
        _ if platform.passed => Outcome::Passed(String::new()),
        first => Outcome::Failed {
            kind: "refused".to_owned(),
            message: first.map_or_else(|| "refused".to_owned(), |cause| cause.first().title()),
            body: text::plural(errors.len(), "error"),
        },
    };
    Case { name: "verdict".to_owned(), outcome }
}

/// What follows from a cause fails by itself as little as it is mended by itself.
fn follows(told: &Told<'_>, cause: &Cause<'_>) -> Case {
    let words = format!("because of {}: {}", cause.first().code, told.first.code.title());
    Case { name: told.first.code.as_str().to_owned(), outcome: Outcome::Skipped(words) }
}

fn check(check: &Check) -> Case {
    let outcome = match check.holds {
        true => Outcome::Passed(check.words.clone()),
        false => Outcome::Skipped(check.words.clone()),
    };
    Case { name: check.name.clone(), outcome }
}

/// Errors first: one of them decides for the code.
fn of_code(code: Code, causes: &[&Cause<'_>]) -> Case {
    let mut causes = causes.to_vec();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.severity()));
    let (mut page, mut left) = (Page::default(), MAX_OF_CODE);
    let mut more = 0;
    for cause in &causes {
        let places: Vec<&Finding> =
            std::iter::once(cause.first()).chain(cause.told.elsewhere.iter().copied()).collect();
        let shown = places.len().min(left);
        left -= shown;
        more += places.len() - shown;
        for found in places.iter().take(shown) {
            told::write_finding(&mut page, found, cause.severity());
        }
        if shown > 0 {
            cause.write_below(&mut page, &[]);
        }
    }
    let mut body = cut(shown::lines(&page), MAX_BODY_BYTES);
    if more > 0 {
        body.push_str(&format!("\nand {more} more\n"));
    }
    let (kind, message) = (code.as_str().to_owned(), code.title().to_owned());
    let failed = causes.iter().any(|cause| cause.severity() == Severity::Error);
    let outcome = match () {
        () if failed && was_not_done(code) => Outcome::Broken { kind, message, body },
        () if failed => Outcome::Failed { kind, message, body },
        () => Outcome::Skipped(format!("warning: {message}\n{body}")),
    };
    Case { name: code.as_str().to_owned(), outcome }
}

/// Whether a finding says that something could not be read or done, and not that something is wrong with the image.
fn was_not_done(code: Code) -> bool {
    code.as_str().starts_with("source-")
        || matches!(
            code,
            Code::InternalError
                | Code::RebuildEngineUnavailable
                | Code::RebuildSourceUnreachable
                | Code::PolicyError
        )
}

fn of_trouble(name: String, trouble: &Trouble) -> Suite {
    let outcome = Outcome::Broken {
        kind: trouble.code().to_owned(),
        message: trouble.message.clone(),
        body: shown::lines(&trouble.lines()),
    };
    let case = Case { name: "verdict".to_owned(), outcome };
    Suite { name, properties: Vec::new(), cases: vec![case] }
}

type Written = std::io::Result<()>;

fn write(writer: &mut Writer<Vec<u8>>, command: &str, suites: &[Suite]) -> Written {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = || suites.iter().flat_map(|suite| &suite.cases);
    writer
        .create_element("testsuites")
        .with_attribute(("name", format!("hallmark {command}").as_str()))
        .with_attribute(("tests", all().count().to_string().as_str()))
        .with_attribute(("failures", count(all(), Case::is_failed).as_str()))
        .with_attribute(("errors", count(all(), Case::is_broken).as_str()))
        .write_inner_content(|writer| suites.iter().try_for_each(|suite| suite.write(writer)))?;
    Ok(())
}

fn count<'c>(cases: impl Iterator<Item = &'c Case>, of: fn(&Case) -> bool) -> String {
    cases.filter(|case| of(case)).count().to_string()
}

impl Suite {
    fn write(&self, writer: &mut Writer<Vec<u8>>) -> Written {
        let name = attribute(&self.name);
        writer
            .create_element("testsuite")
            .with_attribute(("name", name.as_str()))
            .with_attribute(("tests", self.cases.len().to_string().as_str()))
            .with_attribute(("failures", count(self.cases.iter(), Case::is_failed).as_str()))
            .with_attribute(("errors", count(self.cases.iter(), Case::is_broken).as_str()))
            .with_attribute(("skipped", count(self.cases.iter(), Case::is_skipped).as_str()))
            .write_inner_content(|writer| {
                if !self.properties.is_empty() {
                    writer.create_element("properties").write_inner_content(|writer| {
                        self.properties.iter().try_for_each(|(key, value)| {
                            writer
                                .create_element("property")
                                .with_attribute(("name", *key))
                                .with_attribute(("value", attribute(value).as_str()))
                                .write_empty()
                                .map(drop)
                        })
                    })?;
                }
                self.cases.iter().try_for_each(|case| case.write(writer, &name))
            })?;
        Ok(())
    }
}

impl Case {
    fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }

    fn is_broken(&self) -> bool {
        matches!(self.outcome, Outcome::Broken { .. })
    }

    fn is_skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped(_))
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>, suite: &str) -> Written {
        let name = attribute(&self.name);
        let case = writer
            .create_element("testcase")
            .with_attribute(("classname", suite))
            .with_attribute(("name", name.as_str()));
        match &self.outcome {
            Outcome::Passed(words) if words.is_empty() => case.write_empty()?,
            Outcome::Passed(words) => case.write_inner_content(|writer| {
                let out = writer.create_element("system-out");
                out.write_text_content(BytesText::new(&lines(words))).map(drop)
            })?,
            Outcome::Skipped(words) => case.write_inner_content(|writer| {
                let first = words.lines().next().unwrap_or_default();
                let rest = words.lines().skip(1).collect::<Vec<_>>().join("\n");
                said(writer, "skipped", None, first, &rest)
            })?,
            Outcome::Failed { kind, message, body } => case
                .write_inner_content(|writer| said(writer, "failure", Some(kind), message, body))?,
            Outcome::Broken { kind, message, body } => {
                case.write_inner_content(|writer| said(writer, "error", Some(kind), message, body))?
            }
        };
        Ok(())
    }
}

fn said(
    writer: &mut Writer<Vec<u8>>,
    element: &str,
    kind: Option<&str>,
    message: &str,
    body: &str,
) -> Written {
    let mut element =
        writer.create_element(element).with_attribute(("message", attribute(message).as_str()));
    if let Some(kind) = kind {
        element = element.with_attribute(("type", kind));
    }
    match body {
        "" => element.write_empty()?,
        body => element.write_text_content(BytesText::new(&lines(body)))?,
    };
    Ok(())
}

/// Text for an attribute: one line.
fn attribute(words: &str) -> String {
    cut(held(words), MAX_ATTRIBUTE_BYTES)
}

/// Text for an element: lines.
fn lines(words: &str) -> String {
    let lines: Vec<String> = words.lines().map(held).collect();
    lines.join("\n")
}

/// One line of characters that XML 1.0 can hold (section 2.2): besides those that mislead it has none for noncharacters.
fn held(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in clean(line).chars() {
        match c {
            '\u{fffe}' | '\u{ffff}' => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}
