//! The one form of a package URL that rules compare (purl-spec, "How to build a PURL string from its components").
//!
//! Turns a package URL, however it is written, into a text that is equal for equal packages: type in lower case, no slashes but those
//! between segments, each segment decoded and encoded anew, the type's rules of case, qualifiers sorted and none of them empty, no
//! subpath. A text that readers take differently is none: no list may be stepped around by a second reading of it.
//!
//! Off-spec: names of npm, Go, NuGet, MLflow and conda are in lower case, too. Whoever publishes them may write them in any case
//! that a registry once took, and a list that tells cases apart is stepped around by one capital letter. Names of Python's are those
//! of PEP 503. A slash that is encoded in a namespace or name separates, since no segment may hold one.

use std::{borrow::Cow, collections::BTreeSet};

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::{names, purl::Purl};
use crate::contents::PURL_ENCODED;

/// Types whose namespaces and names are in lower case; `policies/components.rego` has the same for patterns.
const CASELESS: [&str; 21] = [
    "alpm",
    "apk",
    "bitbucket",
    "bitnami",
    "brew",
    "chrome-extension",
    "composer",
    "conda",
    "deb",
    "github",
    "golang",
    "hex",
    "luarocks",
    "mlflow",
    "npm",
    "nuget",
    "oci",
    "otp",
    "pub",
    "pypi",
    "vscode-extension",
];

/// Types whose namespaces alone are in lower case.
const CASELESS_NAMESPACE: [&str; 3] = ["qpkg", "rpm", "yocto"];

/// Types whose versions are in lower case.
const CASELESS_VERSION: [&str; 4] = ["huggingface", "oci", "pypi", "vscode-extension"];

/// Types that have no namespace.
const BARE: [&str; 18] = [
    "bazel",
    "bitnami",
    "cargo",
    "chrome-extension",
    "cocoapods",
    "conda",
    "cran",
    "gem",
    "hackage",
    "julia",
    "mlflow",
    "nuget",
    "oci",
    "opam",
    "otp",
    "pub",
    "pypi",
    "vcpkg",
];

/// The canonical text of a package URL, with a version that is said beside it where it has none of its own; `None` where it is no package
/// URL, or one that can be read in two ways.
pub fn canonical(text: &str, version: Option<&str>) -> Option<String> {
    if !reads_in_one_way(text) {
        return None;
    }
    let purl = Purl::parse(text)?;
    let mut written = format!("pkg:{}/{}", purl.kind, path(&purl)?);
    let version = purl.version.as_deref().or(version).filter(|version| !version.is_empty());
    if let Some(version) = version {
        written.push('@');
        written.push_str(&encoded(&cased(CASELESS_VERSION.contains(&&*purl.kind), version)));
    }
    let qualifiers = qualifiers(purl.qualifiers)?;
    if !qualifiers.is_empty() {
        written.push('?');
        written.push_str(&qualifiers.into_iter().collect::<Vec<_>>().join("&"));
    }
    Some(written)
}

/// A pattern of package URLs in each form in which it means canonical ones; the first is as it is written. Its stars and other signs
/// stay, as `policies/components.rego` keeps them for its lists. One that means every version means none, too.
pub fn pattern_forms(pattern: &str) -> Vec<String> {
    let mut forms = vec![pattern.to_owned()];
    let Some(canonical) = canonical_pattern(pattern) else { return forms };
    let bare =
        |form: &String| form.strip_suffix("@*").or(form.strip_suffix("@**")).map(str::to_owned);
    forms.push(canonical);
    forms.extend(forms.iter().filter_map(bare).collect::<Vec<_>>());
    forms.dedup();
    forms
}

/// `None` where no type begins it: a star there may be several.
fn canonical_pattern(pattern: &str) -> Option<String> {
    let (scheme, rest) = pattern.split_once(':')?;
    let (kind, path) = rest.trim_start_matches('/').split_once('/')?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let is_type = kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.bytes().all(valid);
    if !scheme.eq_ignore_ascii_case("pkg") || !is_type {
        return None;
    }
    let kind = kind.to_ascii_lowercase();
    let path = path.trim_start_matches('/');
    let mut ats = path.match_indices('@').map(|(at, _)| path.split_at(at));
    // The @ of a scope has a slash before it, or begins the path.
    let (name, version) =
        ats.find(|(before, _)| !before.is_empty() && !before.ends_with('/')).unwrap_or((path, ""));
    let (namespace, last) = name.split_at(name.rfind('/').map_or(0, |at| at + 1));
    let caseless = CASELESS.contains(&&*kind);
    let namespace = folded(caseless || CASELESS_NAMESPACE.contains(&&*kind), namespace);
    let last = folded(caseless, last);
    let name = spelt(&kind, &format!("{namespace}{last}"));
    let version = folded(CASELESS_VERSION.contains(&&*kind), version);
    let name = match name.strip_prefix('@') {
        Some(scope) => format!("%40{scope}"),
        None => name.replace("/@", "/%40"),
    };
    Some(format!("pkg:{kind}/{}", plainly_encoded(&format!("{name}{version}"))))
}

/// Names of these types, in which some signs are one.
fn spelt(kind: &str, name: &str) -> String {
    match kind {
        "pypi" => {
            let mut out = String::with_capacity(name.len());
            for letter in name.chars() {
                match letter {
                    '.' | '_' | '-' if out.ends_with('-') => {}
                    '.' | '_' | '-' => out.push('-'),
                    _ => out.push(letter),
                }
            }
            out
        }
        "pub" => name.replace('-', "_"),
        _ => name.to_owned(),
    }
}

/// In lower case where that is asked for, but for the digits of what is percent-encoded, which are in upper case.
fn folded(is_lower: bool, text: &str) -> String {
    let mut escape = 0_u8;
    let fold = |letter: char| {
        let inside = escape > 0;
        escape = if letter == '%' { 2 } else { escape.saturating_sub(1) };
        match (inside, is_lower) {
            (true, _) => letter.to_ascii_uppercase(),
            (false, true) => letter.to_ascii_lowercase(),
            (false, false) => letter,
        }
    };
    text.chars().map(fold).collect()
}

/// Characters that people write, as package URLs have them: what need not be encoded is not, and a plus is.
fn plainly_encoded(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['%', '+']) {
        let (before, sign) = rest.split_at(at);
        out.push_str(before);
        let byte = sign.strip_prefix('%').and_then(|sign| {
            u8::from_str_radix(sign.get(..2)?, 16).ok().filter(|_| !sign.starts_with('+'))
        });
        rest = sign.get(if byte.is_some() { 3 } else { 1 }..).unwrap_or_default();
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) => {
                out.push(char::from(byte));
            }
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None if sign.starts_with('+') => out.push_str("%2B"),
            None => out.push('%'),
        }
    }
    out.push_str(rest);
    out
}

/// Whether qualifiers and version begin at one place alone, whoever looks for it from whichever end.
fn reads_in_one_way(text: &str) -> bool {
    let url = text.split_once('#').map_or(text, |(url, _)| url);
    let (path, qualifiers) = url.split_once('?').unwrap_or((url, ""));
    // The @ of a scope has a slash before it.
    let mut ats = path.match_indices('@').map(|(at, _)| path.split_at(at));
    let version = ats.find(|(before, _)| !before.ends_with('/')).map_or("", |(_, rest)| rest);
    !qualifiers.contains('?') && !version.contains('/') && version.matches('@').count() < 2
}

/// Namespace and name.
fn path(purl: &Purl<'_>) -> Option<String> {
    let whole = match &purl.namespace {
        Some(namespace) => Cow::Owned(format!("{namespace}/{}", purl.name)),
        None => Cow::Borrowed(&*purl.name),
    };
    let mut segments: Vec<&str> = whole.split('/').filter(|one| !one.is_empty()).collect();
    let kind = &*purl.kind;
    let is_bare = segments.len() < 2 || !BARE.contains(&kind);
    if !is_bare || segments.iter().any(|one| matches!(*one, "." | "..")) {
        return None;
    }
    let name = segments.pop().map(|name| named(kind, name)).filter(|name| !name.is_empty())?;
    let is_lower = CASELESS.contains(&kind) || CASELESS_NAMESPACE.contains(&kind);
    let namespace = segments.into_iter().map(|one| encoded(&cased(is_lower, one)));
    Some(namespace.chain([encoded(&name)]).collect::<Vec<_>>().join("/"))
}

/// A name as its type has it.
fn named<'n>(kind: &str, name: &'n str) -> Cow<'n, str> {
    match kind {
        "pypi" => names::normal(kind, name),
        "pub" => cased(true, name).replace('-', "_").into(),
        _ => cased(CASELESS.contains(&kind), name),
    }
}

fn cased(is_lower: bool, text: &str) -> Cow<'_, str> {
    match is_lower && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PURL_ENCODED).to_string()
}

/// Qualifiers in order. One that is given twice stays twice: each is a place that a list may be about.
fn qualifiers(text: &str) -> Option<BTreeSet<String>> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(_, value)| !value.is_empty()).map(|(key, value)| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_key = !key.is_empty() && key.bytes().all(valid);
        let value = percent_decode_str(value).decode_utf8().ok().filter(|_| is_key)?;
        Some(format!("{}={}", key.to_ascii_lowercase(), encoded(&value)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c87_a_package_url_has_one_form_however_it_is_written() {
        let cases = [
            ("pkg:npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:NPM/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("PKG:npm/Event-Stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event%2Dstream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event-stream%403.3.6", "pkg:npm/event-stream%403.3.6"),
            ("pkg://npm/event-stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:///npm///event-stream@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event-stream/@3.3.6", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/event-stream@%33.3.6?#x/y", "pkg:npm/event-stream@3.3.6"),
            ("pkg:npm/@Scope/a@1", "pkg:npm/%40scope/a@1"),
            ("pkg:npm/%40scope%2Fa@1", "pkg:npm/%40scope/a@1"),
            ("pkg:npm/%40scope///a@1%2F2", "pkg:npm/%40scope/a@1%2F2"),
            ("pkg:npm/a@", "pkg:npm/a"),
            ("pkg:composer/Evil/Lib@1.0.0", "pkg:composer/evil/lib@1.0.0"),
            ("pkg:github/Owner/Repo@Main", "pkg:github/owner/repo@Main"),
            ("pkg:bitbucket/Owner/Repo", "pkg:bitbucket/owner/repo"),
            (
                "pkg:golang/github.com/BurntSushi/TOML@v1",
                "pkg:golang/github.com/burntsushi/toml@v1",
            ),
            ("pkg:pypi/Typing_.Extensions@4RC1", "pkg:pypi/typing-extensions@4rc1"),
            ("pkg:nuget/Newtonsoft.Json@13.0.1", "pkg:nuget/newtonsoft.json@13.0.1"),
            ("pkg:hex/Acme/Foo@1", "pkg:hex/acme/foo@1"),
            (
                "pkg:deb/Debian/libstdc++6@1%3A2?Distro=d&arch=amd64&x=",
                "pkg:deb/debian/libstdc%2B%2B6@1:2?arch=amd64&distro=d",
            ),
            ("pkg:rpm/Fedora/ImageMagick@1", "pkg:rpm/fedora/ImageMagick@1"),
            ("pkg:apk/Alpine/Curl@1", "pkg:apk/alpine/curl@1"),
            ("pkg:maven/Org.A/B@1-SNAPSHOT", "pkg:maven/Org.A/B@1-SNAPSHOT"),
            ("pkg:cargo/Serde_json@1", "pkg:cargo/Serde_json@1"),
            ("pkg:gem/Ascii85@1", "pkg:gem/Ascii85@1"),
            ("pkg:conan/Acme/Foo@1", "pkg:conan/Acme/Foo@1"),
            ("pkg:huggingface/Org/Model@ABC", "pkg:huggingface/Org/Model@abc"),
            ("pkg:mlflow/Model@3", "pkg:mlflow/model@3"),
            ("pkg:pub/Flutter-Rust@1", "pkg:pub/flutter_rust@1"),
            ("pkg:oci/App@SHA256%3AAB", "pkg:oci/app@sha256:ab"),
            (
                "pkg:npm/a@1?vcs_url=git+https://x/y&repository_url=https%3A%2F%2Fr",
                "pkg:npm/a@1?repository_url=https:%2F%2Fr&vcs_url=git%2Bhttps:%2F%2Fx%2Fy",
            ),
            ("pkg:npm/a?vcs_url=x&vcs_url=y", "pkg:npm/a?vcs_url=x&vcs_url=y"),
        ];
        for (text, want) in cases {
            assert_eq!(canonical(text, None).as_deref(), Some(want), "{text}");
            assert_eq!(canonical(want, None).as_deref(), Some(want), "of its own form: {want}");
        }
        assert_eq!(canonical("pkg:npm/a", Some("1/2")).as_deref(), Some("pkg:npm/a@1%2F2"));
        assert_eq!(canonical("pkg:npm/a@3", Some("1")).as_deref(), Some("pkg:npm/a@3"));
        assert_eq!(canonical("pkg:npm/a", Some("")).as_deref(), Some("pkg:npm/a"));
    }

    #[test]
    fn c87_what_can_be_read_in_two_ways_is_no_package_url() {
        for text in [
            "",
            "event-stream",
            " pkg:npm/a@1",
            "npm/a@1",
            "pkg:npm",
            "pkg:npm/",
            "pkg:npm/%ff@1",
            "pkg:npm/./a@1",
            "pkg:npm/x/%2E%2E/a@1",
            "pkg:npm/a@1@2",
            "pkg:npm/a@1/b",
            "pkg:npm/a@1?x=y?z=1",
            "pkg:npm/a@1?x=https://r/?b@2",
            "pkg:npm/a@1?a%62=x",
            "pkg:npm/a@1?x=%ff",
            "pkg:gem/x/a@1",
            "pkg:pypi/x%2Fa@1",
            "pkg:pypi/-@1",
        ] {
            assert_eq!(canonical(text, Some("1")), None, "{text}");
        }
    }

    #[test]
    fn c91_patterns_mean_canonical_package_urls() {
        for (pattern, want) in [
            ("event-stream@3", &["event-stream@3"][..]),
            ("pkg:*/a", &["pkg:*/a"]),
            ("pkg:**", &["pkg:**"]),
            ("pkg:npm/**", &["pkg:npm/**"]),
            ("PKG:NPM/Event-Stream@3", &["PKG:NPM/Event-Stream@3", "pkg:npm/event-stream@3"]),
            (
                "pkg:npm/event%2dstream@*",
                &[
                    "pkg:npm/event%2dstream@*",
                    "pkg:npm/event-stream@*",
                    "pkg:npm/event%2dstream",
                    "pkg:npm/event-stream",
                ],
            ),
            ("pkg://npm/@Scope/B@1", &["pkg://npm/@Scope/B@1", "pkg:npm/%40scope/b@1"]),
            (
                "pkg:deb/Debian/libstdc++6@1%3A2",
                &["pkg:deb/Debian/libstdc++6@1%3A2", "pkg:deb/debian/libstdc%2B%2B6@1:2"],
            ),
            ("pkg:pypi/A._b@1RC1", &["pkg:pypi/A._b@1RC1", "pkg:pypi/a-b@1rc1"]),
            ("pkg:pub/A-b", &["pkg:pub/A-b", "pkg:pub/a_b"]),
            (
                "pkg:rpm/Fedora/ImageMagick@1",
                &["pkg:rpm/Fedora/ImageMagick@1", "pkg:rpm/fedora/ImageMagick@1"],
            ),
            ("pkg:maven/Org.A/B@1-S%2f", &["pkg:maven/Org.A/B@1-S%2f", "pkg:maven/Org.A/B@1-S%2F"]),
            ("pkg:gem/a%zé", &["pkg:gem/a%zé", "pkg:gem/a%Zé"]),
        ] {
            assert_eq!(pattern_forms(pattern), want, "{pattern}");
        }
    }

    /// Types in a set of the rules, which bring patterns into this form.
    fn of_rules(set: &str) -> BTreeSet<&'static str> {
        let rules = include_str!("../../policies/components.rego");
        let (_, rest) = rules.split_once(&format!("\n{set} := {{")).expect("the set");
        let (types, _) = rest.split_once('}').expect("its end");
        let types = types.split(',').map(|one| one.trim().trim_matches('"'));
        types.filter(|one| !one.is_empty()).collect()
    }

    #[test]
    fn patterns_and_package_urls_have_the_same_types() {
        assert_eq!(of_rules("caseless"), BTreeSet::from(CASELESS));
        assert_eq!(of_rules("caseless_namespace"), BTreeSet::from(CASELESS_NAMESPACE));
        assert_eq!(of_rules("caseless_version"), BTreeSet::from(CASELESS_VERSION));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_that_of_itself(text in "(pkg|PKG):/{0,2}(npm|Deb|rpm|pypi|gem|x)/[a-zA-Z/@?#%&=:+._é0-9-]{0,24}") {
            let Some(once) = canonical(&text, None) else { return Ok(()) };
            prop_assert!(pattern_forms(&once).contains(&once));
            prop_assert_eq!(canonical(&once, None), Some(once));
        }

        #[test]
        fn a_package_url_as_pattern_means_its_canonical_form(text in "(pkg|PKG):/{0,2}(npm|Deb|rpm|pypi|x)/@?[a-zA-Z][a-zA-Z+._-]{0,6}[a-z](/[a-zA-Z][a-zA-Z+._-]{0,6}[a-z])?(@[a-zA-Z0-9.:+~-]{1,9})?") {
            let Some(canonical) = canonical(&text, None) else { return Ok(()) };
            prop_assert!(pattern_forms(&text).contains(&canonical), "{canonical}");
        }
    }
}
