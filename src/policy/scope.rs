//! What of a denial an exception is about: components, or paths.
//!
//! Holds the things that a result is about (`scope/things.rs` reads them) against patterns. A result is lifted whole or not at all: only
//! where every thing that it names is excepted. Of a result that does not say what it is about no scope means anything.

mod things;

use std::{fmt, str::FromStr};

use self::things::{Thing, readings};
use super::RuleResult;
use crate::{
    compare::{PathPattern, matches_pattern},
    sbom::pattern_forms,
    untrusted::misleads,
};

/// Longest pattern of a component, in bytes.
const MAX_BYTES: usize = 1024;

/// Which things of a result an exception is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Packages, by name, `name@version`, `name version` or package URL.
    Component(ComponentPattern),
    /// Files, by their path.
    Path(PathPattern),
}

/// A pattern that components match whole: `*` stands for anything but `/`, `**` for anything. Rules name package URLs in their one
/// form, so that a pattern of package URLs means that form however it is written. What stands behind a blank, or behind the last `@`
/// that does not begin it, is the version: no name that is written like name and version passes for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPattern {
    written: String,
    /// It, and its one form.
    forms: Vec<String>,
}

/// Why a text is no pattern of components.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern of components has at most {MAX_BYTES} bytes and one blank, before the version, and names something"
)]
pub struct ComponentPatternError;

impl FromStr for ComponentPattern {
    type Err = ComponentPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As reports write it: the name, a blank, the version.
        let (name, version) = text.split_once(' ').unwrap_or((text, "*"));
        let blank = |c: char| c.is_whitespace() || misleads(c);
        let is_plain = |part: &str| !part.is_empty() && !part.contains(blank);
        let says_something = name.contains(|c: char| c != '*');
        match says_something && text.len() <= MAX_BYTES && is_plain(name) && is_plain(version) {
            true => Ok(Self { written: text.to_owned(), forms: pattern_forms(text) }),
            false => Err(ComponentPatternError),
        }
    }
}

impl ComponentPattern {
    fn means(&self, thing: &Thing) -> bool {
        self.forms.iter().any(|form| {
            let (name, version) = apart(form);
            let is_named = |(own, its): &(String, Option<String>)| {
                let is_version = version.is_none_or(|version| {
                    its.as_deref().is_some_and(|its| matches_pattern(version, its))
                });
                is_version && matches_pattern(name, own)
            };
            thing.named.iter().any(is_named)
                || thing.texts.iter().any(|text| matches_pattern(form, text))
        })
    }
}

/// Name and version of a pattern; without the second it means all versions, and what has none.
fn apart(form: &str) -> (&str, Option<&str>) {
    let at = || form.rsplit_once('@').filter(|(name, _)| !name.is_empty());
    form.split_once(' ').or_else(at).map_or((form, None), |(name, version)| (name, Some(version)))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(pattern) => write!(f, "component {}", pattern.written),
            Self::Path(pattern) => write!(f, "path {pattern}"),
        }
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Scope {
    fn means(&self, thing: &Thing) -> bool {
        match self {
            Self::Component(pattern) => pattern.means(thing),
            Self::Path(pattern) => thing.paths.iter().any(|path| pattern.matches(path)),
        }
    }

    /// Whether a result is about something that it means.
    pub(super) fn touches(&self, result: &RuleResult) -> bool {
        readings(result).iter().flatten().any(|thing| self.means(thing))
    }
}

/// Whether every thing that a result is about is meant by one of these.
pub(super) fn cover(result: &RuleResult, scopes: &[&Scope]) -> bool {
    let meant = |thing: &Thing| scopes.iter().any(|scope| scope.means(thing));
    readings(result).iter().any(|things| !things.is_empty() && things.iter().all(meant))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn result(facts: Value) -> RuleResult {
        RuleResult {
            code: "c".to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.x".to_owned(),
            solution: None,
            about: Vec::new(),
            early: false,
            lacks: None,
            facts: facts.as_object().unwrap().clone().into_iter().collect(),
        }
    }

    fn component(text: &str) -> Scope {
        Scope::Component(text.parse().unwrap())
    }

    fn path(text: &str) -> Scope {
        Scope::Path(text.parse().unwrap())
    }

    #[test]
    fn a_result_is_lifted_where_everything_that_it_names_is_meant() {
        let vulnerability = json!({"package": "zlib", "version": "1.2", "id": "CVE-1"});
        let files = json!({"files": ["/bin/a", "/opt/b"]});
        let purls = json!({"packages": ["pkg:npm/a@1", "pkg:npm/%40s/b@2"]});
        let cases = [
            (vulnerability.clone(), vec![component("zlib")], true),
            (vulnerability.clone(), vec![component("zlib@1.2")], true),
            (vulnerability.clone(), vec![component("zlib@1.3")], false),
            (vulnerability.clone(), vec![component("lib")], false),
            (vulnerability, vec![path("/**")], false),
            (files.clone(), vec![path("/bin/*")], false),
            (files.clone(), vec![path("/bin/*"), path("/opt/b")], true),
            (files, vec![component("**a")], false),
            (purls.clone(), vec![component("pkg:npm/a@*")], false),
            (purls, vec![component("pkg:npm/**")], true),
            (json!({"files": []}), vec![path("/**")], false),
            (json!({"files": ["/a", 1]}), vec![path("/**")], false),
            (json!({"files": ["/a (x)"]}), vec![path("/a")], false),
            (json!({"other": "x"}), vec![path("/**"), component("x**")], false),
            (json!({"path": "/a"}), vec![path("/a")], true),
        ];
        for (facts, scopes, lifted) in cases {
            let scopes: Vec<&Scope> = scopes.iter().collect();
            assert_eq!(cover(&result(facts.clone()), &scopes), lifted, "{facts} {scopes:?}");
        }
        assert!(path("/bin/*").touches(&result(json!({"files": ["/bin/a", "/opt/b"]}))));
        assert!(!path("/usr/*").touches(&result(json!({"files": ["/bin/a", "/opt/b"]}))));
    }

    fn of_rule(package: &str, code: &str, facts: Value) -> RuleResult {
        RuleResult {
            code: code.to_owned(),
            package: format!("hallmark.{package}"),
            ..result(facts)
        }
    }

    /// Package, code, facts, patterns that mean what they name, and patterns that do not.
    type Row = (
        &'static str,
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );

    /// A fact of each shipped rule that says which components it is about, as its .rego file writes it.
    const COMPONENTS: &[Row] = &[
        (
            "licences",
            "licence-unknown",
            r#"{"packages": ["media-types 13.0.0"]}"#,
            &["media-types", "media-types@13.0.0", "media-types 13.0.0", "media-types*"],
            &["media-types@13.0.1", "media", "13.0.0", "media-types 13"],
        ),
        ("licences", "licence-unknown", r#"{"packages": ["app "]}"#, &["app"], &["app@*"]),
        (
            "licences",
            "licence-denied",
            r#"{"packages": ["app 1.0 ((MIT OR A) AND (B OR C))"]}"#,
            &["app", "app@1.0"],
            &["app@2"],
        ),
        (
            "sbom_agrees",
            "sbom-package-missing",
            r#"{"packages": ["app 1:1.0"]}"#,
            &["app", "app@1:1.0"],
            &["app@1.0"],
        ),
        (
            "sbom_agrees",
            "sbom-version-mismatch",
            r#"{"packages": ["zlib1g 1:1.3 (SBOM: 1:1.2)"]}"#,
            &["zlib1g", "zlib1g@1:1.3"],
            &["zlib1g@1:1.2"],
        ),
        (
            "sbom_agrees",
            "sbom-package-ghost",
            r#"{"packages": ["zlib1g"]}"#,
            &["zlib1g", "zlib*"],
            &["zlib1g@*"],
        ),
        (
            "binding",
            "sbom-contradicts",
            r#"{"packages": ["npm/@s/b (1, 2)"]}"#,
            &["@s/b"],
            &["@s/b@1", "b", "npm/@s/b"],
        ),
        (
            "components",
            "component-denied",
            r#"{"packages": ["pkg:deb/debian/libstdc%2B%2B6@13-1"]}"#,
            &["libstdc++6", "libstdc++6@13-1", "pkg:deb/debian/libstdc%2B%2B6@*", "pkg:deb/**"],
            &["debian/libstdc++6", "libstdc++6@14"],
        ),
        (
            "components",
            "component-denied",
            r#"{"packages": ["name:left-pad@1.3.0"]}"#,
            &["name:left-pad@1.3.0", "name:left-pad@*"],
            &["left-pad", "left-pad@1.3.0", "pkg:**"],
        ),
        (
            "components",
            "component-not-allowed",
            r#"{"packages": ["pkg:npm/%40s/b@2"]}"#,
            &["@s/b", "@s/b@2", "@s/b 2"],
            &["b"],
        ),
        (
            "components",
            "component-source",
            r#"{"packages": ["pkg:npm/app@1.0.0 from https://other.example"]}"#,
            &["app", "app@1.0.0", "pkg:npm/app@1.0.0"],
            &["pkg:npm/app"],
        ),
        (
            "ownership",
            "contents-package-hidden",
            r#"{"packages": ["deb a (/usr/share/doc/a)"]}"#,
            &["a"],
            &["deb", "a@*"],
        ),
        (
            "ownership",
            "contents-record-faded",
            r#"{"packages": ["deb zlib1g (/info/zlib1g.list of layer 1: a later layer deletes it)"]}"#,
            &["zlib1g"],
            &["deb"],
        ),
        (
            "files",
            "tool-present",
            r#"{"files": ["package apt (package-manager)"]}"#,
            &["apt"],
            &["apt@*"],
        ),
        (
            "vulnerabilities",
            "vulnerability-severe",
            r#"{"package": "zlib1g", "version": "1:1.3"}"#,
            &["zlib1g", "zlib1g@1:1.3", "zlib1g 1:1.3"],
            &["zlib1g@1"],
        ),
    ];

    /// The same of paths.
    const PATHS: &[(&str, &str, &str, &str, &str)] = &[
        ("files", "file-set-id", r#"{"files": ["/bin/su"]}"#, "/bin/su", "/bin/s"),
        (
            "files",
            "tool-present",
            r#"{"files": ["/usr/bin/dpkg (package-manager)"]}"#,
            "/usr/bin/dpkg",
            "/usr/bin/d",
        ),
        ("ownership", "contents-file-unowned", r#"{"files": ["/x"]}"#, "/x", "/y"),
        ("ownership", "contents-file-modified", r#"{"files": ["/y (a, layer 1)"]}"#, "/y", "/a"),
        (
            "ownership",
            "contents-file-self-recorded",
            r#"{"files": ["/x (of a package)"]}"#,
            "/x",
            "/y",
        ),
        (
            "components",
            "packages-unknown",
            r#"{"path": "/var/lib/dpkg/status"}"#,
            "/var/lib/**",
            "/var/*",
        ),
        (
            "licences",
            "licence-unknown",
            r#"{"databases": ["/var/lib/dpkg/status"]}"#,
            "/var/lib/**",
            "/var/*",
        ),
        ("licences", "licence-unknown", r#"{"files": ["/app/p.json"]}"#, "/app/*", "/app"),
        (
            "sbom_agrees",
            "sbom-digest-mismatch",
            r#"{"files": ["/usr/lib/libz.so"]}"#,
            "/usr/lib/*",
            "/usr/*",
        ),
        (
            "malware",
            "malware-match",
            r#"{"matches": ["Miner (own.yar) in /tmp/xmr of layer 1"]}"#,
            "/tmp/xmr",
            "/tmp",
        ),
        (
            "malware",
            "malware-match",
            r#"{"matches": ["M (o.yar) in /a of layer 9/b of layer 1, which a later layer deletes"]}"#,
            "/a of layer 9/b",
            "/a",
        ),
    ];

    #[test]
    fn facts_of_shipped_rules_are_read_as_they_are_written() {
        let read = |facts: &str| -> Value { serde_json::from_str(facts).unwrap() };
        for (package, code, facts, meant, others) in COMPONENTS {
            let result = of_rule(package, code, read(facts));
            for (patterns, lifted) in [(meant, true), (others, false)] {
                for pattern in patterns.iter() {
                    assert_eq!(cover(&result, &[&component(pattern)]), lifted, "{facts} {pattern}");
                }
            }
            assert!(!cover(&result, &[&path("/**")]), "{facts}");
        }
        for (package, code, facts, meant, other) in PATHS {
            let result = of_rule(package, code, read(facts));
            assert!(cover(&result, &[&path(meant)]), "{facts}");
            assert!(!cover(&result, &[&path(other)]), "{facts}");
            assert!(!cover(&result, &[&component("a**")]), "{facts}");
        }
    }

    #[test]
    fn e40_a_name_that_is_written_like_name_and_version_passes_for_neither() {
        // Package, code, facts of a component whose name has an @ or a blank, then patterns that mean it, and those of others.
        let rows: &[Row] = &[
            (
                "components",
                "component-denied",
                r#"{"packages": ["pkg:npm/a%401@2"]}"#,
                &["pkg:npm/a%401@2", "pkg:npm/a%401@*", "a@1@2", "a@1@*", "a@1 2", "a*"],
                &["a@1", "a@*", "a 1", "a", "pkg:npm/a@1", "pkg:npm/a@*", "a@1@3"],
            ),
            (
                "components",
                "component-denied",
                r#"{"packages": ["name:a@1@2"]}"#,
                &[],
                &["name:a@1", "name:a@*", "name:a@1@*", "name:a@1@2", "a@1"],
            ),
            (
                "licences",
                "licence-unknown",
                r#"{"packages": ["a@1 2"]}"#,
                &["a@1@2", "a@1 2"],
                &["a@1", "a@*", "a"],
            ),
            ("licences", "licence-unknown", r#"{"packages": ["a@1 "]}"#, &["a*"], &["a@1", "a@*"]),
            ("sbom_agrees", "sbom-package-ghost", r#"{"packages": ["a@1"]}"#, &["a*"], &["a@1"]),
            ("files", "tool-present", r#"{"files": ["package a@1 (shell)"]}"#, &["a*"], &["a@1"]),
            (
                "vulnerabilities",
                "vulnerability-severe",
                r#"{"package": "a 1", "version": "2"}"#,
                &["a*@2"],
                &["a 1", "a 2", "a@1"],
            ),
            (
                "vulnerabilities",
                "vulnerability-severe",
                r#"{"package": "@s/a", "version": "2"}"#,
                &["@s/a", "@s/a@2", "@s/*", "@s/a 2"],
                &["@s/a@1", "@s", "s/a"],
            ),
            // Rules of the operator's own: what they write without a version is taken as it is.
            ("x", "c", r#"{"packages": ["a@1"]}"#, &["a@1"], &["a"]),
            ("x", "c", r#"{"package": "a@1"}"#, &["a@1"], &["a"]),
            ("x", "c", r#"{"package": "a@1", "version": ""}"#, &["a*"], &["a@1"]),
            (
                "x",
                "c",
                r#"{"purl": "pkg:npm/a%401", "version": "2"}"#,
                &["pkg:npm/a%401", "pkg:npm/a%401@2", "a@1@2"],
                &["a@1", "pkg:npm/a@1"],
            ),
        ];
        for (package, code, facts, meant, others) in rows {
            let result = of_rule(package, code, serde_json::from_str(facts).unwrap());
            for (patterns, lifted) in [(meant, true), (others, false)] {
                for pattern in patterns.iter() {
                    assert_eq!(cover(&result, &[&component(pattern)]), lifted, "{facts} {pattern}");
                }
            }
        }
    }

    #[test]
    fn c91_a_package_url_is_meant_however_it_is_written() {
        // As rules name them, and as people write them.
        let cases: [(&str, &[&str], &[&str]); 4] = [
            (
                "pkg:npm/event-stream@3.3.6",
                &["pkg:NPM/Event-Stream@3.3.6", "pkg:npm/event%2Dstream@*", "pkg:npm/Event-*"],
                &["pkg:npm/Event-Stream@3.3.7", "pkg:npm/event_stream@*"],
            ),
            (
                "pkg:deb/debian/libstdc%2B%2B6@1:2",
                &["pkg:deb/debian/libstdc++6@*", "pkg:deb/debian/libstdc++6@1%3A2"],
                &["pkg:deb/debian/libstdc6@*"],
            ),
            ("pkg:npm/%40s/b", &["pkg:npm/@s/b@*", "pkg:npm/@S/*"], &["pkg:npm/b"]),
            (
                "pkg:pypi/typing-extensions@4",
                &["pkg:pypi/Typing_.Extensions@4"],
                &["pkg:pypi/typing@*"],
            ),
        ];
        for (name, meant, others) in cases {
            let denied = of_rule("components", "component-denied", json!({"packages": [name]}));
            let own = result(json!({"purl": format!("{name}?arch=amd64")}));
            for result in [denied, own] {
                for (patterns, lifted) in [(meant, true), (others, false)] {
                    for pattern in patterns {
                        assert_eq!(
                            cover(&result, &[&component(pattern)]),
                            lifted,
                            "{name} {pattern}"
                        );
                    }
                }
            }
        }
        assert_eq!(component("pkg:NPM/A").to_string(), "component pkg:NPM/A");
    }

    #[test]
    fn what_a_result_names_beside_is_not_lifted_and_no_name_passes_for_another() {
        let tools =
            json!({"files": ["/usr/bin/dpkg (package-manager)", "package apt (package-manager)"]});
        let tools = of_rule("files", "tool-present", tools);
        assert!(!cover(&tools, &[&path("/usr/bin/dpkg")]));
        assert!(!cover(&tools, &[&component("apt")]));
        assert!(cover(&tools, &[&path("/usr/bin/dpkg"), &component("apt")]));
        // Texts in which an image's own words look like those of a rule.
        let texts = [
            ("licences", "licence-unknown", "packages", "zlib 1.0 x"),
            ("licences", "licence-denied", "packages", "zlib 1.0 (x 2 (MIT)"),
            ("licences", "licence-denied", "packages", "zlib 1.0 (x) 2 (MIT)"),
            ("sbom_agrees", "sbom-version-mismatch", "packages", "zlib 1.0 (x 2 (SBOM: 3)"),
            ("ownership", "contents-file-modified", "files", "/a (x (y, layer 1)"),
            ("ownership", "contents-package-hidden", "packages", "deb zlib x (/a)"),
            ("components", "component-denied", "packages", "pkg:gem/zlib?x@1"),
            ("malware", "malware-match", "matches", "/a"),
        ];
        for (package, code, fact, text) in texts {
            let result = of_rule(package, code, json!({ fact: [text] }));
            assert!(!cover(&result, &[&component("zlib*"), &path("/a*")]), "{text}");
        }
        // A rule of the operator's writes what it likes: nothing is cut there.
        assert!(!cover(&result(json!({"packages": ["zlib 1.0"]})), &[&component("zlib")]));
    }

    #[test]
    fn patterns_name_something() {
        let long = "a".repeat(MAX_BYTES + 1);
        for text in ["", "*", "**", "a b c", " a", "a ", "* 1", "a\tb", "a\u{202e}", &long] {
            assert!(text.parse::<ComponentPattern>().is_err(), "{text}");
        }
        assert!("a 1.0".parse::<ComponentPattern>().is_ok());
        assert!("a".repeat(MAX_BYTES).parse::<ComponentPattern>().is_ok());
    }
}
