//! Reports for pipelines: what each says of a pass, a refusal, a run that was not made and two platforms, and what no text in any of
//! them can do.

use std::collections::BTreeSet;

use quick_xml::{Reader, events::Event};
use regex::Regex;
use serde_json::Value;

use super::{
    container_scanning, github, gitlab, html, json, junit, markdown,
    run::{ImageRun, PlatformRun, Run, Trouble, path, weighed},
    sarif,
    summary::{self, Author},
    text::{self, Detail},
};
use crate::{
    attest::{Statement, statement::SIGNATURE},
    finding::{Code, Finding, Key, PackageVersion, Severity, Subject},
    image::Platform,
    policy::RuleResult,
    trust::{
        SignerIdentity,
        testing::{image, said_by},
    },
    verdict::{Asked, Decision, Evidence, Grounds, Inputs, PlatformVerdict, Verdict},
};

/// Ends lines, commands runners, closes what is open, links, mentions, misleads, and has what XML cannot hold.
const EVIL: &str = "x\n::set-output name=a::b\r%0A::add-mask::c ##[error]d | `` ``` ]]> </failure><script>&amp;\"' --> \
    [click](https://evil.example/a) ![i](https://evil.example/b) @admin </details> {0}\u{1b}[2J\u{202e}\u{fffe}\u{ffff}\u{0}\u{e0041}";

fn evidence(signed: bool) -> Evidence {
    let statement = Statement {
        subjects: Vec::new(),
        predicate_type: SIGNATURE.to_owned(),
        predicate: Value::Null.into(),
    };
    let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
    let signatures = if signed { vec![said_by(statement, by)] } else { Vec::new() };
    Evidence { signatures, ..Evidence::of_nothing(image()) }
}

fn subject() -> Subject {
    Subject::Image(image().reference.to_string())
}

fn passing() -> PlatformVerdict {
    let evidence = evidence(true);
    let findings = vec![
        Finding::new(Code::SbomMissing, subject()),
        Finding::new(Code::RebuildNotRun, subject()),
    ];
    PlatformVerdict {
        platform: Some(Platform::new("linux", "amd64", None)),
        manifest: Some(evidence.image.manifest.document.digest.clone()),
        decision: Decision::Pass(Grounds::of(&evidence, Asked::default()).unwrap()),
        findings,
        evidence: Some(Box::new(evidence)),
    }
}

fn failing(findings: Vec<Finding>) -> PlatformVerdict {
    let evidence = evidence(false);
    let nothing = Finding::new(Code::PolicyNothingProven, subject());
    PlatformVerdict {
        platform: Some(Platform::new("linux", "arm64", None)),
        manifest: Some(evidence.image.manifest.document.digest.clone()),
        decision: Decision::from(&findings, None, nothing),
        findings,
        evidence: Some(Box::new(evidence)),
    }
}

fn wrong() -> Vec<Finding> {
    let file = |path: &str| Subject::File { path: path.to_owned(), layer: Some(1) };
    vec![
        Finding::new(Code::SignatureMissing, subject())
            .at(Severity::Error)
            .with(Key::Rule, "signature-missing (hallmark.signature)"),
        Finding::new(
            Code::SourceUnavailable,
            Subject::Evidence("r.example/team/app:x.sig".to_owned()),
        )
        .with(Key::Why, "timed out"),
        Finding::new(Code::SbomPackageGhost, file("/usr/bin/a")).with(Key::Why, "nobody owns it"),
        Finding::new(Code::SbomPackageGhost, file("/usr/bin/b")).with(Key::Why, "nobody owns it"),
        Finding::new(Code::SignatureUntrusted, subject()).remark(),
        Finding::new(Code::RebuildNotRun, subject()),
    ]
}

/// An image that another signer vouches for, and what follows from that.
fn of_wrong_key() -> Vec<Finding> {
    let follows = |code, rule: &str| {
        let finding = Finding::new(code, subject()).at(Severity::Error).with(Key::Rule, rule);
        finding.following(Some(Code::SignatureMissing))
    };
    vec![
        Finding::new(Code::SignatureMissing, subject())
            .at(Severity::Error)
            .with(Key::Expect, "a signature by release")
            .with(Key::Found, "1 signature: no configured signer made it")
            .with(Key::Rule, "signature-missing (hallmark.signature)"),
        follows(Code::ProvenanceMissing, "provenance-missing (hallmark.provenance)"),
        follows(Code::SbomMissing, "sbom-missing (hallmark.sbom)"),
        Finding::new(
            Code::SignatureIdentityMismatch,
            Subject::Evidence("r.example/team/app:x.sig".to_owned()),
        )
        .remark()
        .with(Key::Why, "the certificate is eve's"),
    ]
}

fn verdict(platforms: Vec<PlatformVerdict>) -> Verdict {
    let none = crate::digest::Digest::sha256(b"");
    Verdict {
        subject: image().reference,
        platforms,
        left_out: Vec::new(),
        inputs: Inputs { policy: none.clone(), trust: none, asked: Asked::default(), version: "0" },
        time: "2026-11-25T00:00:00Z".parse().unwrap(),
    }
}

fn run_of(verdict: &Verdict) -> Run {
    let code = u8::from(!verdict.is_pass());
    let images = vec![ImageRun::judged(verdict, Detail::Brief, code)];
    Run { images, ..Run::new("verify") }.ending(code)
}

fn trouble(code: u8, message: &str, finding: Option<Finding>) -> Trouble {
    let details = vec!["help: see there".to_owned()];
    Trouble { exit_code: code, message: message.to_owned(), details, finding }
}

fn not_made() -> Run {
    Run::new("verify").stopped(trouble(2, "hallmark.yaml:1:1: unknown field `polcy`", None))
}

fn not_read() -> Run {
    let found = Finding::new(Code::SourceUnavailable, subject()).with(Key::Why, "refused");
    let (message, _) = text::finding_lines(&found);
    let reference = "r.example/team/app:1".parse().unwrap();
    let image = ImageRun::unread(&reference, trouble(3, &message, Some(found)));
    Run { images: vec![image], ..Run::new("verify") }.ending(3)
}

type Render = fn(&Run) -> String;

const FORMATS: [(&str, Render); 6] = [
    ("sarif", sarif::render),
    ("junit", junit::render),
    ("github", github::render),
    ("gitlab", gitlab::render),
    ("markdown", markdown::render),
    ("html", html::run::render),
];

fn samples() -> [(&'static str, Run); 6] {
    let twice = || vec![failing(of_wrong_key()), failing(of_wrong_key())];
    [
        ("pass", run_of(&verdict(vec![passing()]))),
        ("refusal", run_of(&verdict(vec![failing(wrong())]))),
        ("not_made", not_made()),
        ("not_read", not_read()),
        ("wrong_key", run_of(&verdict(twice()))),
        ("two_platforms", run_of(&verdict(vec![passing(), failing(wrong())]))),
    ]
}

/// Some of it is this version's and no format's.
fn settled(text: &str) -> String {
    text.replace(concat!("\"", env!("CARGO_PKG_VERSION"), "\""), "\"VERSION\"")
}

/// What a page shows, an element a line; its style would be most of it.
fn body(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    let body = body.strip_suffix("</body></html>").unwrap();
    body.replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<")
}

#[test]
fn each_format_says_this() {
    for (format, render) in FORMATS {
        for (name, run) in samples().into_iter().filter(|(name, _)| *name != "wrong_key") {
            let report = render(&run);
            let report = if format == "html" { body(&report) } else { settled(&report) };
            insta::assert_snapshot!(format!("{format}_{name}"), report);
        }
    }
    let both = verdict(vec![passing(), failing(wrong())]);
    for (name, verdict) in [("pass", verdict(vec![passing()])), ("two_platforms", both)] {
        insta::assert_snapshot!(format!("text_{name}"), text::verdict(&verdict));
        let json: Value = serde_json::from_str(&json::verdict(&verdict)).unwrap();
        assert_eq!(json["verdict"], if name == "pass" { "pass" } else { "fail" });
    }
}

/// Those that are read by one program alone: what GitLab shows of an image's packages, and statements that others rely on.
#[test]
fn each_format_of_one_reader_says_this() {
    let now = "2026-11-25T00:00:01Z".parse().unwrap();
    for (name, run) in samples().into_iter().filter(|(name, _)| *name != "wrong_key") {
        let report = settled(&container_scanning::render(&run, now));
        insta::assert_snapshot!(format!("container_scanning_{name}"), report);
    }
    let author = Author {
        verifier: "https://verifier.example".to_owned(),
        policy: "https://hallmark.dev/policy/signed".to_owned(),
    };
    let of_platform = |verdict: &Verdict| {
        let statements = verdict.platforms.iter().map(|p| summary::statement(verdict, p, &author));
        let lines = statements.map(|statement| format!("{:#}", statement.expect("a manifest")));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (name, platforms) in [
        ("pass", vec![passing()]),
        ("refusal", vec![failing(wrong())]),
        ("two_platforms", vec![passing(), failing(wrong())]),
    ] {
        insta::assert_snapshot!(format!("vsa_{name}"), of_platform(&verdict(platforms)));
    }
    // Nothing is stated of what was not judged.
    let unread = PlatformVerdict { manifest: None, evidence: None, ..failing(wrong()) };
    assert_eq!(summary::statement(&verdict(Vec::new()), &unread, &author), None);
}

/// Of two platforms of which the same is said, an annotation and the last line speak once.
#[test]
fn a_wrong_key_is_one_error_of_each_platform() {
    let twice = verdict(vec![failing(of_wrong_key()), failing(of_wrong_key())]);
    let text = text::verdict(&twice);
    for wanted in [
        "error[signature-missing]: no signature over the image is proven\n  subject: r.example/team/app@sha256:2814ba1ae47e21f6f49e55683952d32eecba42333f12c643494aa1abcc173a0a\n",
        "     seen: signature-identity-mismatch, r.example/team/app:x.sig: the certificate is eve's\n",
        "  because of this:\n    error[provenance-missing]: ",
        "    error[sbom-missing]: no SBOM of the image is proven; rule: sbom-missing (hallmark.sbom)\n",
        "the same as for linux/arm64:\n  error[signature-missing]: ",
        "FAIL  1 error: no signature over the image is proven\nnext: hallmark explain signature-missing\n",
    ] {
        assert!(text.contains(wanted), "{wanted:?}\n{text}");
    }
    let run = run_of(&twice);
    let marks = [
        ("junit", "<failure ", 4),
        ("junit", "message=\"because of signature-missing: ", 4),
        ("github", "::error ", 1),
        ("github", "because of this: error[sbom-missing]: ", 1),
        ("gitlab", "\"severity\": \"critical\"", 2),
        ("gitlab", ":; ", 0),
        ("markdown", "#### error: ", 2),
        ("markdown", "\n  because of this:\n", 2),
        ("html", "class=\"finding error\"", 2),
        ("html", "<ul class=\"follows\">", 2),
    ];
    for (format, mark, count) in marks {
        let (_, render) = FORMATS.into_iter().find(|(name, _)| *name == format).unwrap();
        let report = render(&run);
        assert_eq!(report.matches(mark).count(), count, "{format} {mark}\n{report}");
    }
    let document: Value = serde_json::from_str(&sarif::render(&run)).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result["level"] == "error").count(), 2);
}

/// Whether a report of this format says that something is wrong, as its readers tell.
fn says_no(format: &str, report: &str) -> bool {
    match format {
        "sarif" => {
            let document: Value = serde_json::from_str(report).unwrap();
            let results = document["runs"][0]["results"].as_array().unwrap().clone();
            results.iter().any(|result| result["level"] == "error")
        }
        "junit" => {
            let root = report.lines().nth(1).unwrap();
            !(root.contains("failures=\"0\"") && root.contains("errors=\"0\""))
        }
        "github" => report.contains("::error "),
        "gitlab" => {
            let issues: Vec<Value> = serde_json::from_str(report).unwrap();
            issues.iter().any(|issue| issue["severity"] == "critical")
        }
        "html" => report.contains("<title>FAIL") && report.contains("class=\"finding error\""),
        "markdown" => report.starts_with("## hallmark verify: FAIL\n"),
        _ => unreachable!(),
    }
}

#[test]
fn no_report_of_a_run_that_was_not_made_reads_as_a_pass() {
    let nothing = Run::new("verify").ending(0);
    assert!(!nothing.passed(), "nothing was judged");
    for (format, render) in FORMATS {
        for (name, run) in samples() {
            assert_eq!(run.passed(), name == "pass");
            assert_eq!(says_no(format, &render(&run)), name != "pass", "{format} {name}");
        }
        // A refusal without a finding that says it is still one.
        let silent = verdict(vec![failing(vec![Finding::new(Code::SbomMissing, subject())])]);
        assert!(says_no(format, &render(&run_of(&silent))), "{format}");
        // Several images, of which one was not read.
        let run = samples().into_iter().next().unwrap().1;
        let images = [run.images, not_read().images].concat();
        let run = Run { images, ..Run::new("verify") }.ending(3);
        assert!(says_no(format, &render(&run)), "{format}");
    }
}

#[test]
fn a_rebuild_that_does_not_reproduce_is_an_error() {
    let evidence = evidence(true);
    let differs = Finding::new(Code::RebuildDiffers, subject());
    let cases = [
        (vec![differs.clone()], false, Some(Code::RebuildDiffers)),
        // Equivalent, and not reproduced.
        (vec![differs.at(Severity::Info)], false, Some(Code::RebuildDiffers)),
        (vec![Finding::new(Code::SbomMissing, subject())], false, Some(Code::RebuildNotRun)),
        (Vec::new(), true, None),
    ];
    for (findings, passed, want) in cases {
        let told = PlatformRun::rebuilt(&evidence, &findings, passed);
        // What people read is weighed as what pipelines read.
        let text = text::rebuild_report(&evidence, &weighed(&findings, passed));
        let by_finding = want.filter(|code| findings.iter().any(|found| found.code == *code));
        let line = by_finding.map(|code| format!("error[{code}]"));
        assert!(line.iter().all(|line| text.contains(line.as_str())), "{text}");
        assert!(!text.contains("warning[rebuild-"), "{text}");
        let errors = told.findings.iter().filter(|found| found.severity == Severity::Error);
        assert_eq!(errors.map(|found| found.code).collect::<Vec<_>>(), Vec::from_iter(want));
    }
}

fn hostile() -> Run {
    let evil = || EVIL.to_owned();
    let wrong = |code, subject| {
        Finding::new(code, subject)
            .with(Key::Expect, EVIL)
            .with(Key::Found, format!("```\n{EVIL}"))
            .with(Key::Help, EVIL)
    };
    let file = Subject::File { path: format!("/{EVIL}"), layer: None };
    let findings = vec![
        wrong(Code::SignatureMissing, Subject::Image(evil())).at(Severity::Error),
        wrong(Code::SbomPackageGhost, file),
        wrong(
            Code::SbomPackageMissing,
            Subject::Package { name: evil(), version: PackageVersion::Any },
        ),
        wrong(Code::SourceNotFound, Subject::Evidence(format!("../../{EVIL}"))),
    ];
    let mut platform = failing(findings);
    platform.platform = Some(Platform::new(EVIL, EVIL, Some(EVIL)));
    let mut run = run_of(&verdict(vec![platform]));
    let image = run.images.first_mut().unwrap();
    (image.name, image.place) = (evil(), format!("../../{EVIL}"));
    run.images.push(ImageRun { trouble: Some(trouble(3, EVIL, None)), ..run.images[0].clone() });
    run.stopped(trouble(2, EVIL, None))
}

/// Characters that XML 1.0 can hold (section 2.2).
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[test]
fn h61_no_text_leaves_its_place_in_a_report() {
    let run = hostile();
    for (format, render) in FORMATS {
        let report = render(&run);
        let bad = report.chars().find(|c| *c != '\n' && crate::untrusted::misleads(*c));
        assert_eq!(bad, None, "{format}: {report}");
        assert!(report.contains("202e"), "{format}: it is shown all the same");
        for line in report.lines() {
            let obeyed = line.trim_start().starts_with("::") && format != "github";
            assert!(!obeyed && !line.contains("##["), "{format}: {line}");
        }
    }
}

#[test]
fn h61_xml_is_well_formed_whatever_is_in_it() {
    for run in [hostile(), not_made(), samples().into_iter().last().unwrap().1] {
        let report = junit::render(&run);
        assert!(report.chars().all(is_xml), "{report}");
        let mut reader = Reader::from_str(&report);
        let (mut cases, mut ends, mut open) = (0, 0, Vec::new());
        let mut names = BTreeSet::new();
        loop {
            let event = reader.read_event().unwrap_or_else(|error| panic!("{error}\n{report}"));
            match &event {
                Event::Start(element) | Event::Empty(element) => {
                    let name = element.name().as_ref().to_owned();
                    let known = ["testsuites", "testsuite", "testcase", "properties", "property"];
                    let said = ["failure", "error", "skipped", "system-out"];
                    assert!(
                        known.contains(&name.as_str()) || said.contains(&name.as_str()),
                        "{name}"
                    );
                    cases += usize::from(name == "testcase");
                    for attribute in element.attributes() {
                        attribute.unwrap_or_else(|error| panic!("{error}\n{report}"));
                    }
                    names.insert(name.clone());
                    if matches!(event, Event::Start(_)) {
                        open.push(name);
                    }
                }
                Event::End(_) => ends += usize::from(open.pop().is_some()),
                Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                    panic!("{report}")
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(open.is_empty() && ends > 1 && names.contains("testcase"), "{names:?}");
        assert!(report.contains(&format!(" tests=\"{cases}\"")), "{cases}: {report}");
    }
}

/// As the runner reads a line (actions/runner: ActionCommand.TryParseV2 and its unescaping).
fn command(line: &str) -> Option<(String, String, String)> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let unescape = |text: &str, property: bool| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        let text = if property { text.replace("%3A", ":").replace("%2C", ",") } else { text };
        text.replace("%25", "%")
    };
    Some((name.to_owned(), unescape(properties, true), unescape(data, false)))
}

#[test]
fn h61_every_line_of_annotations_is_one_of_ours() {
    let report = github::render(&hostile());
    let (last, lines) =
        report.lines().collect::<Vec<_>>().split_last().map(|(a, b)| (*a, b.to_vec())).unwrap();
    assert!(last.starts_with("FAIL  2 images"), "{report}");
    assert_eq!(lines.len(), 10, "{report}");
    for line in lines {
        let (name, properties, data) = command(line).unwrap_or_else(|| panic!("{line}"));
        assert!(["error", "warning"].contains(&name.as_str()), "{line}");
        let title = properties.strip_prefix("title=hallmark: ").unwrap_or_else(|| panic!("{line}"));
        assert!(title.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{line}");
        // What a stranger wrote stays in its line, and reads as it was written.
        let begins = |line: &str| ["::", "%0A"].iter().any(|start| line.starts_with(start));
        assert!(!data.lines().any(begins) && data.contains("%0A::add-mask"), "{data}");
    }
}

#[test]
fn annotations_are_as_many_as_are_shown() {
    let many = |count: usize| {
        let wrong = |n: usize| {
            Finding::new(Code::ImageLayerCorrupt, subject()).with(Key::Why, format!("{n}"))
        };
        github::render(&run_of(&verdict(vec![failing((0..count).map(wrong).collect())])))
    };
    for (count, more) in [(1, None), (10, None), (11, Some(2)), (200, Some(191))] {
        let report = many(count);
        let errors = report.lines().filter(|line| line.starts_with("::error ")).count();
        assert_eq!(errors, count.min(10), "{report}");
        let said = more.map(|more| format!("::{more} more are in the log"));
        assert_eq!(report.contains(" more are"), said.is_some(), "{report}");
        assert!(report.contains(&said.unwrap_or_default()), "{report}");
    }
}

/// What is left of Markdown without its code (CommonMark 0.31, sections 4.5 and 6.1).
fn without_code(report: &str) -> String {
    let ticks = Regex::new("`+").unwrap();
    let mut out = String::new();
    let mut fence: Option<&str> = None;
    for line in report.lines() {
        let row = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if line.starts_with(open) && line.trim_matches('`').is_empty() => {
                fence = None;
            }
            Some(_) => {}
            None if row >= 3 => fence = line.get(..row),
            None => {
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    let (before, code) = rest.split_at(at);
                    let row = code.len() - code.trim_start_matches('`').len();
                    let (open, inside) = code.split_at(row);
                    let rows: Vec<(usize, usize)> =
                        ticks.find_iter(inside).map(|m| (m.start(), m.len())).collect();
                    let end = rows.iter().find(|(_, length)| *length == row);
                    let end = end.unwrap_or_else(|| panic!("{open} is not closed: {line}"));
                    out.push_str(before);
                    rest = &inside[end.0 + row..];
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a block is not closed");
    out
}

#[test]
fn h61_what_strangers_write_stands_in_code() {
    let report = markdown::render(&hostile());
    let rest = without_code(&report);
    for never in ["evil", "@admin", "<script", "set-output", "](", "|", "\\u{", "]]>"] {
        assert!(!rest.contains(never), "{never} in\n{rest}");
    }
    assert_eq!(rest.matches("</details>").count(), rest.matches("<details>").count());
    assert!(rest.contains("#### error: signature-missing"), "{rest}");
    // A pass has a part for its evidence, too.
    let (_, pass) = samples().into_iter().next().unwrap();
    assert!(without_code(&markdown::render(&pass)).contains("PASS"));
}

#[test]
fn a_summary_is_cut_before_github_drops_it() {
    let wrong = |n: usize| {
        let why = format!("{n} {}", "x".repeat(9000));
        Finding::new(Code::ImageLayerCorrupt, subject()).with(Key::Why, why)
    };
    let run = run_of(&verdict(vec![failing((0..300).map(wrong).collect())]));
    let report = markdown::render(&run);
    assert!(report.len() < 1024 * 1024 - 100_000, "{}", report.len());
    assert!(report.contains("more parts would not fit"));
    without_code(&report);
}

#[test]
fn h61_a_page_has_no_markup_but_its_own() {
    let page = html::run::render(&hostile());
    let (_, body) = page.split_once("<body>").unwrap();
    let element = Regex::new("</?([a-z0-9]+)([^>]*)>").unwrap();
    let attributes =
        Regex::new("^( class=\"[a-z0-9 ]*\"| id=\"image-[0-9]+\"| href=\"#image-[0-9]+\"| open)*$")
            .unwrap();
    let known =
        "header h1 span p ul li a main section article h2 h3 h4 code dl dt dd pre footer body html";
    for found in element.captures_iter(body) {
        assert!(known.split(' ').any(|name| name == &found[1]), "{}", &found[0]);
        assert!(attributes.is_match(&found[2]), "{}", &found[0]);
    }
    for never in ["<script", "<img", "src=", "javascript:"] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("default-src 'none'"));
}

#[test]
fn a_page_says_the_verdict_first_and_what_to_type_next() {
    let (_, run) = samples().into_iter().last().unwrap();
    let page = html::run::render(&run);
    let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words} in {page}"));
    let order = [
        "<h1><span class=\"level r0\">FAIL</span>",
        "linux/amd64",
        "sbom-missing",
        "linux/arm64",
        "signature-missing",
        "<code class=\"next\">hallmark explain signature-missing</code>",
        "/usr/bin/a (layer 1)",
    ];
    let places: Vec<usize> = order.iter().map(|words| at(words)).collect();
    assert!(places.is_sorted(), "{places:?}");
    // One cause is one finding, however many places it has.
    assert_eq!(page.matches("<code>sbom-package-ghost</code>").count(), 1);
    assert!(page.contains("<dt>also</dt><dd><code>/usr/bin/b (layer 1)</code></dd>"), "{page}");
}

/// What GitHub asks of SARIF, and what neither schema nor its validator say (docs/reports.md).
fn is_accepted(report: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(report).unwrap();
    assert_eq!(document["version"], "2.1.0");
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert!(run["automationDetails"]["id"].as_str().unwrap().ends_with('/'), "{run:#}");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            let text = rule[text]["text"].as_str().unwrap();
            assert!(!text.is_empty() && text.len() <= 1024, "{rule:#}");
        }
        assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 10);
    }
    let uri = Regex::new("^[A-Za-z0-9._~%-]+(/[A-Za-z0-9._~%-]+)*$").unwrap();
    let results = run["results"].as_array().unwrap();
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()), "{result:#}");
        let text = result["message"]["text"].as_str().unwrap();
        assert!(!text.is_empty() && !text.contains("]("), "{text}");
        let place = &result["locations"][0]["physicalLocation"];
        let address = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.is_match(address) && !address.contains(".."), "{address}");
        assert_eq!(place["region"]["startLine"], 1);
        let name = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
        assert_eq!(name.len(), 64, "{result:#}");
    }
    results.clone()
}

#[test]
fn sarif_is_as_github_takes_it() {
    for (_, run) in samples() {
        is_accepted(&sarif::render(&run));
    }
    let results = is_accepted(&sarif::render(&hostile()));
    assert_eq!(results.len(), 10);
    let (_, refusal) = samples().into_iter().nth(1).unwrap();
    let document: Value = serde_json::from_str(&sarif::render(&refusal)).unwrap();
    let category = &document["runs"][0]["automationDetails"]["id"];
    assert_eq!(category, "hallmark/verify/r.example/team/app/");
    let wrong = |n: usize| {
        let file = Subject::File { path: format!("/{n}"), layer: None };
        let code = if n < 7 { Code::ImageLayerCorrupt } else { Code::SbomPackageGhost };
        Finding::new(code, file)
    };
    let many = run_of(&verdict(vec![failing((0..5100).rev().map(wrong).collect())]));
    let report = sarif::render(&many);
    let results = is_accepted(&report);
    assert_eq!(results.len(), 5000);
    let errors = results.iter().filter(|result| result["level"] == "error").count();
    assert_eq!(errors, 7, "the gravest are kept");
    assert!(report.contains("100 results left out"));
}

/// Whoever makes an image says how much there is to say of it; a report that its reader refuses says nothing.
#[test]
fn reports_stay_as_small_as_they_are_taken() {
    let noise = |n: usize| {
        let hash =
            |m: usize| crate::digest::Digest::sha256(format!("{n} {m}").as_bytes()).to_string();
        (0..60).map(hash).collect::<String>()
    };
    let ghost = |n: usize| {
        let package = Subject::Package { name: noise(n), version: PackageVersion::Missing };
        Finding::new(Code::SbomPackageGhost, package).with(Key::Why, noise(n))
    };
    let mut findings: Vec<Finding> = (0..1500).map(ghost).collect();
    findings.push(Finding::new(Code::ImageLayerCorrupt, subject()));
    let run = run_of(&verdict(vec![failing(findings)]));
    let report = sarif::render(&run);
    let results = is_accepted(&report);
    assert!(report.len() < 10_000_000 && results.len() > 1000, "{}", report.len());
    assert_eq!(results[0]["level"], "error", "the gravest are kept");
    let left_out = format!("{} results left out", 1501 - results.len());
    assert!(report.contains(&left_out), "{left_out}");
    for (format, render) in FORMATS {
        let report = render(&run);
        assert!(report.len() < 10_000_000, "{format}: {}", report.len());
        assert!(says_no(format, &report), "{format}");
    }
}

#[test]
fn paths_are_plain_and_lead_nowhere() {
    let cases = [
        ("registry.example/team/app", "registry.example/team/app"),
        ("127.0.0.1:5000/app", "127.0.0.1%3A5000/app"),
        ("oci:/tmp/a b/../x", "tmp/a%20b/x"),
        ("oci-archive:../image.tar", "image.tar"),
        ("docker-archive:/", "hallmark"),
        ("", "hallmark"),
        ("javascript:alert(1)//é\n", "javascript%3Aalert%281%29/%C3%A9%0A"),
    ];
    for (place, want) in cases {
        assert_eq!(path(place), want);
    }
}

/// The case of one name in the next build is the same case.
#[test]
fn suites_have_the_same_name_for_every_digest() {
    let suites = |run: &Run| {
        let report = junit::render(run);
        let names = Regex::new("<testsuite name=\"([^\"]*)\"").unwrap();
        names.captures_iter(&report).map(|found| found[1].to_owned()).collect::<Vec<_>>()
    };
    let one = run_of(&verdict(vec![passing(), failing(wrong())]));
    assert_eq!(suites(&one), ["r.example/team/app linux/amd64", "r.example/team/app linux/arm64"]);
    let both = Run { images: [one.images.clone(), one.images.clone()].concat(), ..one };
    assert!(suites(&both).iter().all(|name| name.contains("app@sha256:")), "{:?}", suites(&both));
}

fn fingerprints(run: &Run) -> BTreeSet<String> {
    run.entries().into_iter().map(|entry| entry.fingerprint).collect()
}

#[test]
fn fingerprints_stay_whatever_order_digests_and_words_are() {
    let of = |findings: Vec<Finding>| run_of(&verdict(vec![failing(findings)]));
    let evidence = |tag: &str| Subject::Evidence(format!("r.example/team/app:{tag}"));
    let tag = |digit: &str| format!("sha256-{}.sig", digit.repeat(64));
    let package = |name: &str, version: &str| Subject::Package {
        name: name.to_owned(),
        version: PackageVersion::Is(version.to_owned()),
    };
    let found = |digit: &str, words: &str| {
        vec![
            Finding::new(Code::SignatureMalformed, evidence(&tag(digit))).with(Key::Why, words),
            Finding::new(Code::SignatureMalformed, evidence(&tag("c"))).with(Key::Why, words),
            Finding::new(
                Code::ImageLayerCorrupt,
                Subject::Image(format!("r.example/team/app@sha256:{}", digit.repeat(64))),
            ),
            Finding::new(Code::SbomPackageGhost, package("a", digit)).with(Key::Found, words),
            Finding::new(Code::PolicyDenied, subject())
                .with(Key::From, "a (x)")
                .with(Key::Why, words),
        ]
    };
    let first = fingerprints(&of(found("a", "one")));
    assert_eq!(first.len(), 5, "each has its own");
    let mut later = found("b", "other");
    later.reverse();
    assert_eq!(first, fingerprints(&of(later)));
    // Other rules, packages and commands are others.
    let mut others = found("a", "one");
    others[3].subject = package("b", "a");
    others[4] = Finding::new(Code::PolicyDenied, subject()).with(Key::From, "b (x)");
    assert_eq!(first.intersection(&fingerprints(&of(others))).count(), 3);
    let rebuild = Run { command: "rebuild", ..of(found("a", "one")) };
    assert!(first.is_disjoint(&fingerprints(&rebuild)));
    // The same of another platform is another.
    let (one, mut two) = (failing(found("a", "one")), failing(found("a", "one")));
    two.platform = Some(Platform::new("linux", "s390x", None));
    assert_eq!(fingerprints(&run_of(&verdict(vec![one, two]))).len(), 10);
}

/// GitLab shows the description alone, however long what is known is.
#[test]
fn gitlab_says_why_and_what_to_do() {
    for why in ["nobody listens".to_owned(), "x".repeat(9000)] {
        let found = Finding::new(Code::PolicyDenied, subject())
            .with(Key::Why, why.clone())
            .with(Key::Help, "replace the key");
        let report = gitlab::render(&run_of(&verdict(vec![failing(vec![found])])));
        let issues: Vec<Value> = serde_json::from_str(&report).unwrap();
        let issue = issues.iter().find(|issue| issue["check_name"] == "policy-denied").unwrap();
        let description = issue["description"].as_str().unwrap();
        assert!(
            description.contains(&format!("; why: {}", &why[..14.min(why.len())])),
            "{issue:#}"
        );
        assert!(description.ends_with("; help: replace the key"), "{issue:#}");
    }
}

/// A rule of hallmark's has an explanation; one of the operator's own has none.
#[test]
fn what_is_explained_is_the_rule_where_one_says_it() {
    let rule = |package: &str| RuleResult {
        code: "vulnerability-severe".to_owned(),
        msg: "m".to_owned(),
        package: package.to_owned(),
        solution: None,
        about: Vec::new(),
        early: false,
        lacks: None,
        facts: Default::default(),
    };
    for (package, code) in
        [("hallmark.vulnerabilities", "vulnerability-severe"), ("hallmark.own", "policy-denied")]
    {
        let verdict = verdict(vec![failing(vec![rule(package).denied(&subject())])]);
        let text = text::verdict(&verdict);
        assert!(text.ends_with(&format!("next: hallmark explain {code}\n")), "{text}");
        let run = run_of(&verdict);
        for report in [markdown::render(&run), html::run::render(&run)] {
            assert!(report.contains(&format!("hallmark explain {code}")), "{report}");
        }
    }
}

#[test]
fn gitlab_tells_issues_apart() {
    for run in samples().into_iter().map(|(_, run)| run).chain([hostile()]) {
        let issues: Vec<Value> = serde_json::from_str(&gitlab::render(&run)).unwrap();
        let mut seen = BTreeSet::new();
        for issue in &issues {
            for key in ["description", "check_name", "fingerprint", "severity"] {
                assert!(!issue[key].as_str().unwrap().is_empty(), "{issue:#}");
            }
            let description = issue["description"].as_str().unwrap();
            assert!(description.len() <= 2048, "{issue:#}");
            assert!(seen.insert(issue["fingerprint"].to_string()), "{issue:#}");
            assert!(!issue["location"]["path"].as_str().unwrap().starts_with('/'));
            assert_eq!(issue["location"]["lines"]["begin"], 1);
        }
    }
}

/// What a schema that others publish says of each report. The folder has `sarif-2.1.0.json` (oasis-tcs/sarif-spec) and
/// `gitlab-codequality.json` (gitlab: app/validators/json_schemas/codeclimate.json), which are theirs and not in here.
#[test]
fn reports_are_as_the_published_schemas_say() {
    let Some(folder) = std::env::var_os("HALLMARK_PUBLISHED_SCHEMAS") else {
        eprintln!(
            "SKIPPED reports_are_as_the_published_schemas_say: HALLMARK_PUBLISHED_SCHEMAS names no folder"
        );
        return;
    };
    let schema = |name: &str| {
        let path = std::path::Path::new(&folder).join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let options = jsonschema::options().should_validate_formats(true);
        options
            .build(&serde_json::from_str(&text).unwrap())
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let (of_sarif, of_issue) = (schema("sarif-2.1.0.json"), schema("gitlab-codequality.json"));
    for (name, run) in samples().into_iter().chain([("hostile", hostile())]) {
        let report: Value = serde_json::from_str(&sarif::render(&run)).unwrap();
        let errors: Vec<String> = of_sarif
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
        let issues: Vec<Value> = serde_json::from_str(&gitlab::render(&run)).unwrap();
        assert!(issues.iter().all(|issue| of_issue.is_valid(issue)), "{name}: {issues:#?}");
    }
    // They are schemas that refuse something.
    assert!(!of_sarif.is_valid(&serde_json::json!({ "version": "2.1.0" })));
    assert!(!of_issue.is_valid(&serde_json::json!({ "description": "x" })));
}

/// Name of an element, what may stand in it, attributes that it must have, and others that it may.
type Element =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Elements of JUnit's XML with what may stand in them, which attributes they must have, and which they may (xunit-plugin: junit-10.xsd).
const JUNIT: [Element; 9] = [
    ("", &["testsuites"], &[], &[]),
    ("testsuites", &["testsuite"], &[], &["name", "tests", "failures", "errors"]),
    (
        "testsuite",
        &["properties", "testcase"],
        &["name", "tests", "failures", "errors"],
        &["skipped"],
    ),
    ("properties", &["property"], &[], &[]),
    ("property", &[], &["name", "value"], &[]),
    ("testcase", &["skipped", "error", "failure", "system-out"], &["name"], &["classname"]),
    ("skipped", &[], &[], &["message"]),
    ("failure", &[], &[], &["message", "type"]),
    ("error", &[], &[], &["message", "type"]),
];

/// Checks elements, their order and their attributes, and that every suite counts its cases right.
fn is_junit(report: &str) {
    let rule = |name: &str| JUNIT.iter().find(|(known, ..)| *known == name);
    let mut reader = Reader::from_str(report);
    let mut open = vec![String::new()];
    // Of the open suite: cases, failures, errors, skipped, as counted and as said.
    let (mut counted, mut said) = ([0_usize; 4], [0_usize; 4]);
    let (mut cases, mut texts) = (0, 0);
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let parent = open.last().unwrap();
                let (_, within, ..) = rule(parent).unwrap_or_else(|| panic!("{parent} has {name}"));
                assert!(within.contains(&name.as_str()), "{name} in {parent:?}: {report}");
                let attributes: Vec<(String, String)> = element
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        let value = attribute.value.to_string();
                        (attribute.key.as_ref().to_owned(), value)
                    })
                    .collect();
                if let Some((_, _, required, optional)) = rule(&name) {
                    for (key, _) in &attributes {
                        let known =
                            required.contains(&key.as_str()) || optional.contains(&key.as_str());
                        assert!(known, "{key} of {name}");
                    }
                    let has = |key: &str| attributes.iter().any(|(name, _)| name == key);
                    assert!(required.iter().all(|key| has(key)), "{name}: {attributes:?}");
                }
                let number = |key: &str| {
                    let found = attributes.iter().find(|(name, _)| name == key);
                    found.map_or(0, |(_, value)| value.parse::<usize>().unwrap())
                };
                match name.as_str() {
                    "testsuite" => {
                        said = ["tests", "failures", "errors", "skipped"].map(number);
                        counted = [0; 4];
                    }
                    // Properties come first.
                    "properties" => assert_eq!(counted[0], 0, "{report}"),
                    "testcase" => {
                        (counted[0], cases, texts) = (counted[0] + 1, cases + 1, 0);
                    }
                    "failure" => counted[1] += 1,
                    "error" => counted[2] += 1,
                    "skipped" => counted[3] += 1,
                    _ => {}
                }
                if open.last().is_some_and(|parent| parent == "testcase") {
                    texts += 1;
                    assert_eq!(texts, 1, "a case comes to one thing: {report}");
                }
                if matches!(event, Event::Start(_)) {
                    open.push(name);
                }
            }
            Event::End(_) => {
                let suite = open.pop().is_some_and(|name| name == "testsuite");
                assert!(!suite || counted == said, "{counted:?} of {said:?}: {report}");
            }
            Event::Text(text) => {
                let holds = ["skipped", "failure", "error", "system-out"];
                let blank = text.trim().is_empty();
                assert!(blank || holds.contains(&open.last().unwrap().as_str()), "{report}");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.len() == 1 && cases > 0, "{report}");
}

#[test]
fn junit_has_the_elements_and_attributes_that_its_readers_know() {
    for run in samples().into_iter().map(|(_, run)| run).chain([hostile()]) {
        is_junit(&junit::render(&run));
    }
    let (_, run) = samples().into_iter().next().unwrap();
    let good = junit::render(&run);
    for (from, to) in [
        ("<testcase ", "<testcase time=\"x\" "),
        ("<testcase classname", "<case classname"),
        ("skipped=\"", "skipped=\"1"),
        (" name=\"image\"", ""),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good, "{from}");
        assert!(std::panic::catch_unwind(|| is_junit(&wrong)).is_err(), "{wrong}");
    }
}
