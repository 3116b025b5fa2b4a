//! The package URL of a package (purl-spec).
//!
//! Turns what a catalogue lists into the text by which other documents name the package: namespaces as each type has them,
//! names of Python's as PEP 503 compares them.

use packageurl::PackageUrl;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Os, catalogue::Listed, python};

/// Characters that are written as a percent sign and two digits: all but letters, digits, `.-_~` and the colon (purl-spec, "Character
/// encoding"). The crate leaves slashes and ampersands in versions and qualifiers, which end what a pattern of a rule matches.
pub const PURL_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b':');

/// The package URL; `None` where the name cannot be part of one.
pub(super) fn purl(ecosystem: &'static str, package: &Listed, os: Option<&Os>) -> Option<String> {
    let (namespace, name) = parts(ecosystem, &package.name, os);
    if name.is_empty() {
        return None;
    }
    let mut purl = PackageUrl::new(ecosystem, name).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace).ok()?;
    }
    // The epoch of an rpm is a qualifier.
    let (epoch, version) = match package.version.split_once(':').filter(|_| ecosystem == "rpm") {
        Some((epoch, version)) => (Some(epoch), version),
        None => (None, package.version.as_str()),
    };
    purl.with_version(version.to_owned()).ok()?;
    if let Some(epoch) = epoch {
        purl.add_qualifier("epoch", epoch.to_owned()).ok()?;
    }
    if let Some(architecture) = &package.architecture {
        let key = match ecosystem {
            "conda" => "subdir",
            "gem" => "platform",
            _ => "arch",
        };
        purl.add_qualifier(key, architecture.clone()).ok()?;
    }
    let release = os
        .filter(|_| is_distribution(ecosystem))
        .and_then(|os| Some((&os.id, os.version.as_ref()?)));
    if let Some((id, version)) = release {
        purl.add_qualifier("distro", format!("{id}-{version}")).ok()?;
    }
    Some(written(&purl))
}

/// The canonical text of a package URL without a subpath.
fn written(purl: &PackageUrl<'_>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, PURL_ENCODED).to_string();
    let mut text = format!("pkg:{}/", purl.ty());
    let segments = purl.namespace().unwrap_or_default().split('/');
    for segment in segments.filter(|segment| !segment.is_empty()) {
        text.push_str(&encoded(segment));
        text.push('/');
    }
    text.push_str(&encoded(purl.name()));
    if let Some(version) = purl.version().filter(|version| !version.is_empty()) {
        text.push('@');
        text.push_str(&encoded(version));
    }
    let qualifiers = purl.qualifiers().iter().filter(|(_, value)| !value.is_empty());
    let mut qualifiers: Vec<String> =
        qualifiers.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    qualifiers.sort();
    if !qualifiers.is_empty() {
        text.push('?');
        text.push_str(&qualifiers.join("&"));
    }
    text
}

/// Ecosystems whose packages a distribution installs.
pub const DISTRIBUTIONS: [&str; 3] = ["deb", "apk", "rpm"];

/// Whether a distribution installs the packages of an ecosystem, by its type of package URL.
pub fn is_distribution(ecosystem: &str) -> bool {
    DISTRIBUTIONS.contains(&ecosystem)
}

/// Namespace and name.
fn parts(ecosystem: &str, name: &str, os: Option<&Os>) -> (Option<String>, String) {
    let owned = |(namespace, name): (&str, &str)| (Some(namespace.to_owned()), name.to_owned());
    let plain = || (None, name.to_owned());
    match ecosystem {
        "deb" | "apk" | "rpm" => (os.map(|os| os.id.clone()), name.to_owned()),
        // Packagist takes names in any case, and the specification has them in lower case.
        "composer" => match name.rsplit_once('/') {
            Some((vendor, name)) => (Some(vendor.to_ascii_lowercase()), name.to_ascii_lowercase()),
            None => (None, name.to_ascii_lowercase()),
        },
        "npm" | "golang" => name.rsplit_once('/').map_or_else(plain, owned),
        "maven" => name.split_once(':').map_or_else(plain, owned),
        "pypi" => (None, python::normalized(name)),
        _ => plain(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, name, version, architecture, distribution, and the URL.
    type Case<'a> =
        (&'static str, &'a str, &'a str, Option<&'a str>, Option<&'a Os>, Option<&'a str>);

    #[test]
    fn each_type_has_its_form() {
        let debian =
            Os { id: "debian".to_owned(), version: Some("12".to_owned()), ..Os::default() };
        let cases: &[Case<'_>] = &[
            (
                "deb",
                "libstdc++6",
                "1:2-3",
                Some("amd64"),
                Some(&debian),
                Some("pkg:deb/debian/libstdc%2B%2B6@1:2-3?arch=amd64&distro=debian-12"),
            ),
            ("deb", "a", "1", None, None, Some("pkg:deb/a@1")),
            ("npm", "@scope/a", "1.0.0", None, Some(&debian), Some("pkg:npm/%40scope/a@1.0.0")),
            ("npm", "a", "1.0.0", None, None, Some("pkg:npm/a@1.0.0")),
            (
                "golang",
                "example.com/a/b",
                "v1.2.3",
                None,
                None,
                Some("pkg:golang/example.com/a/b@v1.2.3"),
            ),
            ("maven", "org.a:b", "1", None, None, Some("pkg:maven/org.a/b@1")),
            ("pypi", "Typing_Extensions", "4", None, None, Some("pkg:pypi/typing-extensions@4")),
            (
                "rpm",
                "a",
                "2:1-3",
                Some("noarch"),
                Some(&debian),
                Some("pkg:rpm/debian/a@1-3?arch=noarch&distro=debian-12&epoch=2"),
            ),
            ("npm", "", "1", None, None, None),
            ("composer", "a/b", "1", None, None, Some("pkg:composer/a/b@1")),
            ("composer", "Evil/Lib", "1.0.0", None, None, Some("pkg:composer/evil/lib@1.0.0")),
            ("composer", "Lib", "1", None, None, Some("pkg:composer/lib@1")),
            ("conda", "a", "1", Some("linux-64"), None, Some("pkg:conda/a@1?subdir=linux-64")),
            ("gem", "a", "1", Some("java"), None, Some("pkg:gem/a@1?platform=java")),
            ("pypi", "a__b.-C", "1", None, None, Some("pkg:pypi/a-b-c@1")),
            ("deb", "a", "3.0.2-1/x", None, None, Some("pkg:deb/a@3.0.2-1%2Fx")),
            ("apk", "a/b", "1&2@3", None, None, Some("pkg:apk/a%2Fb@1%262%403")),
            ("cargo", "a", "1~2+b?c#d", None, None, Some("pkg:cargo/a@1~2%2Bb%3Fc%23d")),
            ("rpm", "a", "1", Some("x&y/z=1"), None, Some("pkg:rpm/a@1?arch=x%26y%2Fz%3D1")),
            ("npm", "@s/a", "1/2", None, None, Some("pkg:npm/%40s/a@1%2F2")),
        ];
        for (ecosystem, name, version, architecture, os, want) in cases {
            let package = Listed {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                architecture: architecture.map(str::to_owned),
                ..Listed::default()
            };
            assert_eq!(purl(ecosystem, &package, *os).as_deref(), *want, "{name}");
        }
    }
}
