//! GitLab's container scanning report, schema 15.2: known vulnerabilities, each of a package in an image.
//!
//! Its one list is of vulnerabilities, so that nothing else stands there: what else is wrong with an image is told in `scan.messages`.
//! An empty list says that somebody has looked. Where nobody has, because there is no data, an image was not read or the call was not
//! made, `scan.status` is `failure`, with the reason. Text is in GitLab's Markdown: what comes from elsewhere stands in code alone.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    gitlab,
    markdown::{plain, span},
    run::{ImageRun, PlatformRun, Run},
    vulnerabilities::{Known, Scan},
};
use crate::{
    amount::plural,
    finding::Severity,
    report::clean,
    untrusted::{self, cut},
    vulnerabilities::record::Level,
};

/// Version of the schema.
const VERSION: &str = "15.2.4";
/// Bytes of all vulnerabilities together, the gravest first.
const MAX_BYTES: usize = 8_000_000;
/// Messages of one report.
const MAX_MESSAGES: usize = 100;
/// Bytes of one message, or of a description.
const MAX_TEXT_BYTES: usize = 4096;
/// Bytes of a name (schema: 255 characters).
const MAX_NAME_BYTES: usize = 255;
/// Identifiers of one vulnerability that GitLab keeps.
const MAX_IDENTIFIERS: usize = 20;
/// Where nobody could know of a vulnerability.
const NO_DATA: &str = "no data about vulnerabilities was held against its packages: it takes vulnerabilities.database in \
                       hallmark.yaml, and rules that read what is in an image, as policy.rules: [vulnerabilities]";

/// Renders a run. `now` stands for the times of what was not judged.
pub fn render(run: &Run, now: Timestamp) -> String {
    untrusted::json(&format!("{:#}\n", document(run, now)))
}

fn document(run: &Run, now: Timestamp) -> Value {
    let (list, left_out) = vulnerabilities(run);
    let mut messages = messages(run);
    if left_out > 0 {
        let what = if left_out == 1 { "vulnerability" } else { "vulnerabilities" };
        messages.push(message("warn", &format!("{left_out} more {what} left out")));
    }
    let times = run.images.iter().filter_map(|image| image.time);
    let program = json!({
        "id": "hallmark",
        "name": "hallmark",
        "version": env!("CARGO_PKG_VERSION"),
        "vendor": { "name": "hallmark" },
    });
    json!({
        "version": VERSION,
        "scan": {
            "analyzer": program,
            "scanner": program,
            "type": "container_scanning",
            "start_time": second(times.clone().min().unwrap_or(now)),
            "end_time": second(times.max().unwrap_or(now)),
            "status": if is_whole(run) { "success" } else { "failure" },
            "messages": messages,
        },
        "vulnerabilities": list,
    })
}

/// A time to the second, in UTC, without a zone.
fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Whether every image was read, and the packages of each of its platforms were looked up.
fn is_whole(run: &Run) -> bool {
    let looked_up =
        |platform: &PlatformRun| matches!(platform.scan, Some(Ok(Scan { unlooked: false, .. })));
    let whole = |image: &ImageRun| {
        image.trouble.is_none()
            && !image.platforms.is_empty()
            && image.platforms.iter().all(looked_up)
    };
    run.trouble.is_none() && !run.images.is_empty() && run.images.iter().all(whole)
}

fn message(level: &str, text: &str) -> Value {
    json!({ "level": level, "value": cut(clean(text), MAX_TEXT_BYTES) })
}

/// What else is to be said: why there is no answer, what was not looked up, and for what an image was refused.
fn messages(run: &Run) -> Vec<Value> {
    let mut all = Vec::new();
    for (image, platform) in platforms(run) {
        let about = format!("{} {}", image.name, platform.words());
        match &platform.scan {
            None => all.push(message("fatal", &format!("{about}: {NO_DATA}"))),
            Some(Err(why)) => {
                let text = format!("{about}: the data about vulnerabilities cannot be used: {why}");
                all.push(message("fatal", &text));
            }
            Some(Ok(Scan { gaps: 0, .. })) => {}
            Some(Ok(Scan { gaps, unlooked, .. })) => {
                let level = if *unlooked { "fatal" } else { "warn" };
                let gaps = plural(*gaps, "gap");
                all.push(message(level, &format!("{about}: {gaps} in the data")));
            }
        }
    }
    let errors = run.entries().into_iter().filter(|entry| entry.severity == Severity::Error);
    all.extend(errors.map(|entry| {
        // What is about a platform was judged.
        let level = if entry.platform.is_some() { "warn" } else { "fatal" };
        message(level, &format!("{}: {}", entry.code, gitlab::description(&entry)))
    }));
    all.truncate(MAX_MESSAGES);
    all
}

fn platforms(run: &Run) -> impl Iterator<Item = (&ImageRun, &PlatformRun)> {
    run.images.iter().flat_map(|image| image.platforms.iter().map(move |one| (image, one)))
}

/// What is known, each vulnerability of a package once, and how many there was no room for.
fn vulnerabilities(run: &Run) -> (Vec<Value>, usize) {
    let mut all = Vec::new();
    for (image, platform) in platforms(run) {
        let scan = platform.scan.as_ref().and_then(|scan| scan.as_ref().ok());
        all.extend(
            scan.into_iter().flat_map(|scan| {
                scan.known.iter().map(move |known| (image, platform, scan, known))
            }),
        );
    }
    all.sort_by_key(|(.., known)| std::cmp::Reverse(known.level));
    let (mut seen, mut list, mut bytes, mut left_out) = (BTreeSet::new(), Vec::new(), 0, 0);
    for (image, platform, scan, known) in all {
        let id = name(image, platform, known);
        if !seen.insert(id.clone()) {
            continue;
        }
        let told = vulnerability(&id, image, platform, scan, known);
        bytes += told.to_string().len();
        match bytes <= MAX_BYTES {
            true => list.push(told),
            false => left_out += 1,
        }
    }
    (list, left_out)
}

/// The same as long as image, platform, package and vulnerability are.
fn name(image: &ImageRun, platform: &PlatformRun, known: &Known) -> String {
    let Known { id, package, version, .. } = known;
    let of = json!(["hallmark/v1", image.place, platform.platform, id, package, version]);
    hex::encode(Sha256::digest(of.to_string()))
}

fn vulnerability(
    id: &str,
    image: &ImageRun,
    platform: &PlatformRun,
    scan: &Scan,
    known: &Known,
) -> Value {
    let mut told = json!({
        "id": id,
        "name": cut(clean(&known.id), MAX_NAME_BYTES),
        "description": description(platform, known),
        "severity": severity(known.level),
        "identifiers": identifiers(known),
        "location": {
            "dependency": {
                "package": { "name": cut(clean(&known.package), MAX_TEXT_BYTES) },
                "version": cut(clean(&known.version), MAX_TEXT_BYTES),
            },
            "operating_system": clean(scan.system.as_deref().unwrap_or("unknown")),
            "image": clean(&image.name),
        },
    });
    if let Some(fixed) = &known.fixed {
        told["solution"] = json!(format!("Take {} {} or newer", span(&known.package), span(fixed)));
    }
    if let Some(by) = &known.suppressed {
        told["flags"] = json!([{
            "type": "flagged-as-likely-false-positive",
            "origin": "hallmark",
            "description": cut(clean(&by.words()), MAX_TEXT_BYTES),
        }]);
    }
    told
}

fn description(platform: &PlatformRun, known: &Known) -> String {
    let summary = match known.summary.trim() {
        "" => String::new(),
        summary => format!("{}\n\n", plain(&cut(clean(summary), MAX_TEXT_BYTES))),
    };
    let (package, version) = (span(&known.package), span(&known.version));
    format!("{summary}Package {package} {version}, platform {}", span(platform.words()))
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Unknown => "Unknown",
        Level::Negligible => "Info",
        Level::Low => "Low",
        Level::Medium => "Medium",
        Level::High => "High",
        Level::Critical => "Critical",
    }
}

/// Its ids. GitLab tells vulnerabilities apart by the first, which is the CVE where there is one alone, as other scanners have it.
fn identifiers(known: &Known) -> Vec<Value> {
    let mut all = vec![&known.id];
    for id in &known.others {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    let cves = all.iter().enumerate().filter(|(_, id)| id.starts_with("CVE-"));
    let cves: Vec<usize> = cves.map(|(at, _)| at).collect();
    if let [at] = cves.as_slice() {
        all.swap(0, *at);
    }
    all.truncate(MAX_IDENTIFIERS);
    all.into_iter().map(|id| identifier(id)).collect()
}

fn identifier(id: &str) -> Value {
    let kinds = [("CVE-", "cve"), ("GHSA-", "ghsa"), ("USN-", "usn"), ("RHSA-", "rhsa")];
    let kind =
        kinds.iter().find(|(start, _)| id.starts_with(start)).map_or("osv", |(_, kind)| kind);
    let id = cut(clean(id), MAX_NAME_BYTES);
    // Nothing of an id that is none leads anywhere.
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte));
    let mut told = json!({ "type": kind, "name": id, "value": id });
    if is_plain {
        told["url"] = json!(format!("https://osv.dev/vulnerability/{id}"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Code, Finding, Subject},
        report::{run::Trouble, vulnerabilities::Word},
        untrusted::Page,
    };

    /// What would be a heading, a link, a mention, HTML and a command to a runner.
    const EVIL: &str = "# x\n[a](https://evil.example) @admin `` <img src=x> ##[error]y \u{202e}";

    fn known(id: &str, level: Level) -> Known {
        Known {
            id: id.to_owned(),
            others: Vec::new(),
            summary: "an overflow".to_owned(),
            package: "zlib1g".to_owned(),
            version: "1:1.2.13".to_owned(),
            level,
            fixed: Some("1:1.3.1".to_owned()),
            suppressed: None,
        }
    }

    fn platform(name: &str, scan: Option<Result<Scan, String>>) -> PlatformRun {
        PlatformRun {
            platform: Some(name.to_owned()),
            manifest: None,
            passed: true,
            evidence: Page::default(),
            lines: Vec::new(),
            checks: Vec::new(),
            suppressed: Vec::new(),
            scan,
            findings: Vec::new(),
            untold: 0,
            comparison: None,
        }
    }

    fn scan(known: Vec<Known>) -> Option<Result<Scan, String>> {
        let system = Some("debian:12".to_owned());
        Some(Ok(Scan { system, known, gaps: 0, unlooked: false }))
    }

    fn run(platforms: Vec<PlatformRun>) -> Run {
        let image = ImageRun {
            name: "r.example/app@sha256:00".to_owned(),
            place: "r.example/app".to_owned(),
            exit_code: 0,
            time: Some("2026-11-25T00:00:00.5Z".parse().unwrap()),
            platforms,
            trouble: None,
        };
        Run { images: vec![image], ..Run::new("verify") }.ending(0)
    }

    fn told(run: &Run) -> Value {
        let now = "2026-12-01T01:02:03Z".parse().unwrap();
        let report: Value = serde_json::from_str(&render(run, now)).unwrap();
        let errors: Vec<String> = schema().iter_errors(&report).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{report:#}");
        if let Some(published) = published() {
            let errors: Vec<String> =
                published.iter_errors(&report).map(|e| e.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{report:#}");
        }
        report
    }

    /// What the published schema asks for of what is written here.
    fn schema() -> jsonschema::Validator {
        let text = json!({ "type": "string", "minLength": 1 });
        let time = json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$" });
        let program = json!({
            "type": "object",
            "required": ["id", "name", "version", "vendor"],
            "properties": { "vendor": { "required": ["name"] } },
        });
        jsonschema::validator_for(&json!({
            "type": "object",
            "required": ["scan", "version", "vulnerabilities"],
            "properties": {
                "version": { "type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$" },
                "scan": {
                    "type": "object",
                    "required": ["analyzer", "end_time", "scanner", "start_time", "status", "type"],
                    "properties": {
                        "analyzer": program, "scanner": program, "start_time": time, "end_time": time,
                        "status": { "enum": ["success", "failure"] },
                        "type": { "enum": ["container_scanning", "container_scanning_for_registry"] },
                        "messages": { "type": "array", "items": {
                            "required": ["level", "value"],
                            "properties": { "level": { "enum": ["info", "warn", "fatal"] }, "value": text },
                        } },
                    },
                },
                "vulnerabilities": { "type": "array", "items": {
                    "type": "object",
                    "required": ["id", "identifiers", "location"],
                    "properties": {
                        "id": text,
                        "name": { "type": "string", "maxLength": 255 },
                        "severity": { "enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"] },
                        "solution": { "type": "string", "maxLength": 7000 },
                        "identifiers": { "type": "array", "minItems": 1, "items": {
                            "required": ["type", "name", "value"],
                            "properties": {
                                "type": text, "name": text, "value": text,
                                "url": { "type": "string", "pattern": "^(https?|ftp)://.+" },
                            },
                        } },
                        "flags": { "type": "array", "items": {
                            "required": ["type", "origin", "description"],
                            "properties": {
                                "type": { "enum": ["flagged-as-likely-false-positive"] },
                                "origin": text, "description": text,
                            },
                        } },
                        "location": {
                            "required": ["dependency", "operating_system", "image"],
                            "properties": {
                                "dependency": {
                                    "required": ["package", "version"],
                                    "properties": { "package": { "required": ["name"] } },
                                },
                                "operating_system": text, "image": text,
                            },
                        },
                    },
                } },
            },
        }))
        .unwrap()
    }

    /// GitLab's own (security-report-schemas 15.2.4), where a folder has it: it is theirs and not in here.
    fn published() -> Option<jsonschema::Validator> {
        let folder = std::env::var_os("HALLMARK_PUBLISHED_SCHEMAS")?;
        let path = std::path::Path::new(&folder).join("gitlab-container-scanning.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        Some(jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap())
    }

    #[test]
    fn a_vulnerability_has_what_gitlab_asks_for() {
        let mut high = known("DEBIAN-CVE-2026-1", Level::High);
        high.others = ["CVE-2026-1", "GHSA-x-y-z", "CVE-2026-1"].map(str::to_owned).to_vec();
        let low = known("CVE-2026-2", Level::Low);
        let twice = vec![low.clone(), low, high];
        let report = told(&run(vec![platform("linux/amd64", scan(twice))]));
        let list = report["vulnerabilities"].as_array().unwrap();
        assert_eq!(list.len(), 2, "each once: {report:#}");
        let version = format!("{:?}", env!("CARGO_PKG_VERSION"));
        insta::assert_snapshot!(
            "container_scanning_list",
            format!("{report:#}").replace(&version, "\"VERSION\"")
        );
        let first = &list[0];
        assert_eq!((&first["severity"], &list[1]["severity"]), (&json!("High"), &json!("Low")));
        let ids: Vec<&str> = first["identifiers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id["value"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["CVE-2026-1", "DEBIAN-CVE-2026-1", "GHSA-x-y-z"], "the CVE first");
        assert_eq!(first["identifiers"][0]["type"], "cve");
        assert_eq!(
            first["location"],
            json!({
                "dependency": { "package": { "name": "zlib1g" }, "version": "1:1.2.13" },
                "operating_system": "debian:12",
                "image": "r.example/app@sha256:00",
            })
        );
        assert_eq!(first["solution"], "Take ` zlib1g ` ` 1:1.3.1 ` or newer");
        assert_eq!(report["scan"]["status"], "success");
        assert_eq!(report["scan"]["start_time"], "2026-11-25T00:00:00");
        assert_eq!(report["scan"]["messages"], json!([]));
        // An advisory of many CVEs is told by its own name.
        let mut many = known("DLA-1-1", Level::Unknown);
        many.others = (0..30).map(|n| format!("CVE-2026-{n}")).collect();
        let report = told(&run(vec![platform("linux/amd64", scan(vec![many]))]));
        let ids = report["vulnerabilities"][0]["identifiers"].as_array().unwrap();
        assert_eq!((ids.len(), &ids[0]["value"]), (MAX_IDENTIFIERS, &json!("DLA-1-1")));
    }

    #[test]
    fn what_signers_say_does_not_count_is_flagged_and_not_hidden() {
        let word = Word {
            signers: "team".to_owned(),
            status: "not_affected",
            justification: None,
            why: Some("it is not called".to_owned()),
            document: "a referrer".to_owned(),
        };
        let one = Known { suppressed: Some(word), ..known("CVE-2026-1", Level::Critical) };
        let other = known("CVE-2026-2", Level::Critical);
        let report = told(&run(vec![platform("linux/amd64", scan(vec![one, other]))]));
        let flags = &report["vulnerabilities"][0]["flags"];
        assert_eq!(flags[0]["type"], "flagged-as-likely-false-positive", "{report:#}");
        assert!(flags[0]["description"].as_str().unwrap().contains("says team in a referrer"));
        assert_eq!(report["vulnerabilities"][1]["flags"], Value::Null);
    }

    /// An empty list says that somebody has looked.
    #[test]
    fn no_look_is_no_clean_report() {
        let clean = told(&run(vec![platform("linux/amd64", scan(Vec::new()))]));
        assert_eq!(clean["scan"]["status"], "success", "the passing twin");
        let trouble = |code| Trouble {
            exit_code: code,
            message: "nobody listens".to_owned(),
            details: Vec::new(),
            finding: None,
        };
        let unread = ImageRun::unread(&"r.example/app:1".parse().unwrap(), trouble(3));
        let broken = Some(Err("it is cut".to_owned()));
        let looked = || platform("linux/amd64", scan(Vec::new()));
        let unlooked =
            scan(Vec::new()).map(|scan| scan.map(|scan| Scan { gaps: 1, unlooked: true, ..scan }));
        for (what, run) in [
            ("no data of the release", run(vec![platform("linux/amd64", unlooked)])),
            ("no data", run(vec![looked(), platform("linux/arm64", None)])),
            ("broken data", run(vec![platform("linux/amd64", broken)])),
            ("no platform", run(Vec::new())),
            ("not read", Run { images: vec![unread], ..Run::new("verify") }),
            ("not made", Run::new("verify").stopped(trouble(2))),
            ("half made", run(vec![looked()]).stopped(trouble(2))),
            ("nothing", Run::new("verify")),
        ] {
            let report = told(&run);
            assert_eq!(report["scan"]["status"], "failure", "{what}: {report:#}");
        }
        let report = told(&Run::new("verify").stopped(trouble(2)));
        let message = &report["scan"]["messages"][0];
        assert_eq!(message["level"], "fatal");
        assert!(message["value"].as_str().unwrap().starts_with("run-usage: nobody listens"));
    }

    #[test]
    fn a_refusal_is_told_beside_the_list() {
        let mut refused = platform("linux/amd64", scan(Vec::new()));
        let subject = Subject::Image("r.example/app".to_owned());
        refused.passed = false;
        refused.findings = vec![Finding::new(Code::SignatureMissing, subject).at(Severity::Error)];
        let report = told(&run(vec![refused]));
        assert_eq!(report["vulnerabilities"], json!([]));
        assert_eq!(report["scan"]["status"], "success", "the packages were looked up");
        let message = &report["scan"]["messages"][0];
        assert_eq!(message["level"], "warn", "{report:#}");
        assert!(message["value"].as_str().unwrap().starts_with("signature-missing: "));
    }

    #[test]
    fn h61_what_strangers_write_is_text() {
        let mut evil = known(EVIL, Level::High);
        evil.summary = EVIL.to_owned();
        evil.package = EVIL.to_owned();
        evil.version = EVIL.to_owned();
        evil.fixed = Some(EVIL.to_owned());
        let mut run = run(vec![platform(EVIL, scan(vec![evil]))]);
        run.images[0].name = EVIL.to_owned();
        let report = told(&run);
        let told = &report["vulnerabilities"][0];
        let description = told["description"].as_str().unwrap();
        let (summary, rest) = description.split_once("\n\n").unwrap();
        assert!(summary.starts_with("\\# x"), "{summary}");
        let bare =
            summary.replace("\\\\", "").replace("\\[", "").replace("\\<", "").replace("\\@", "");
        assert!(!bare.contains(['[', '<', '@']), "{summary}");
        assert!(!rest.contains('\n') && rest.contains("``` "), "in code: {rest}");
        assert_eq!(told["identifiers"][0].get("url"), None, "{told:#}");
        let text = render(&run, "2026-12-01T01:02:03Z".parse().unwrap());
        assert!(!text.contains('\u{202e}') && !text.contains("##["), "{text}");
    }

    #[test]
    fn a_report_ends_where_gitlab_would_take_no_more() {
        let long = "x".repeat(5000);
        let one = |n: usize| Known {
            summary: long.clone(),
            ..known(&format!("CVE-2026-{n}"), Level::Low)
        };
        let mut all: Vec<Known> = (0..3000).map(one).collect();
        all.push(known("CVE-2026-9999", Level::Critical));
        let run = run(vec![platform("linux/amd64", scan(all))]);
        let text = render(&run, "2026-12-01T01:02:03Z".parse().unwrap());
        let report: Value = serde_json::from_str(&text).unwrap();
        let list = report["vulnerabilities"].as_array().unwrap();
        assert_eq!(list[0]["severity"], "Critical");
        let said = report["scan"]["messages"][0]["value"].as_str().unwrap();
        assert_eq!(said, format!("{} more vulnerabilities left out", 3001 - list.len()));
        let length = text.len();
        assert!(list.len() < 3001 && length < 2 * MAX_BYTES, "{length}");
    }
}
