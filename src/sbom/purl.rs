//! A package URL, taken apart (purl-spec, "How to parse a purl string in its components").
//!
//! Off-spec: the crate `packageurl` lowercases namespaces and names of npm and Go, so that packages that differ by case become
//! one; here a name stays as it is written, and who compares decides. A text that it refuses for its type's sake is taken
//! apart all the same.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The components of a package URL, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purl<'a> {
    /// The type in lower case, as `deb`.
    pub kind: Cow<'a, str>,
    /// Namespace, its segments with slashes between.
    pub namespace: Option<Cow<'a, str>>,
    /// Name.
    pub name: Cow<'a, str>,
    /// Version.
    pub version: Option<Cow<'a, str>>,
    /// Qualifiers as they are written.
    pub qualifiers: &'a str,
}

impl<'a> Purl<'a> {
    /// Takes it apart; `None` where it is no package URL.
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.split_once('#').map_or(text, |(rest, _)| rest);
        let (rest, qualifiers) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':')?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return None;
        }
        let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
        if !kind.starts_with(|c: char| c.is_ascii_alphabetic()) || !kind.bytes().all(valid) {
            return None;
        }
        // An unencoded @ of an npm scope is followed by a slash; the one before a version is not.
        let split = rest.rsplit_once('@').filter(|(_, version)| !version.contains('/'));
        let (rest, version) = split.map_or((rest, None), |(rest, version)| (rest, Some(version)));
        let path = rest.trim_matches('/');
        let (namespace, name) = match path.rsplit_once('/') {
            Some((namespace, name)) => (Some(namespace.trim_end_matches('/')), name),
            None => (None, path),
        };
        let name = decoded(name)?;
        if name.is_empty() {
            return None;
        }
        Some(Self {
            kind: lowered(kind),
            namespace: optional(namespace)?,
            name,
            version: optional(version)?,
            qualifiers,
        })
    }

    /// Whether it names a package that an ecosystem distributes.
    pub fn is_of_package(&self) -> bool {
        !matches!(&*self.kind, "oci" | "docker" | "generic" | "swid")
    }

    /// The name of the package as its ecosystem writes it.
    pub fn package_name(&self) -> String {
        let Some(namespace) = self.namespace.as_deref() else { return self.name.to_string() };
        match &*self.kind {
            "npm" | "golang" | "composer" => format!("{namespace}/{}", self.name),
            "maven" => format!("{namespace}:{}", self.name),
            _ => self.name.to_string(),
        }
    }

    /// The version, with the epoch that is a qualifier in front.
    pub fn full_version(&self) -> Option<String> {
        let version = self.version.as_deref()?;
        let epoch = self.qualifier("epoch").filter(|_| matches!(&*self.kind, "deb" | "rpm"));
        Some(match epoch {
            Some(epoch) if !version.contains(':') => format!("{epoch}:{version}"),
            _ => version.to_owned(),
        })
    }

    /// A qualifier by its name.
    pub fn qualifier(&self, key: &str) -> Option<Cow<'a, str>> {
        let pairs = self.qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        let mut values =
            pairs.filter(|(name, value)| name.eq_ignore_ascii_case(key) && !value.is_empty());
        decoded(values.next()?.1)
    }
}

/// The name of what a package URL means, as packages of its type are called, and its version; `None` where it is no package URL.
///
/// Namespaces of distributions are no part of a name; those of other types are, so that no two owners' packages have one name.
pub fn name_and_version(text: &str) -> Option<(String, Option<String>)> {
    let purl = Purl::parse(text)?;
    let name = match (&*purl.kind, purl.namespace.as_deref()) {
        ("maven", Some(namespace)) => format!("{namespace}:{}", purl.name),
        ("deb" | "apk" | "rpm" | "pypi" | "conda", _) | (_, None) => purl.name.to_string(),
        (_, Some(namespace)) => format!("{namespace}/{}", purl.name),
    };
    Some((name, purl.full_version()))
}

fn lowered(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}

/// What stands there, decoded; `None` where it cannot be.
fn optional(text: Option<&str>) -> Option<Option<Cow<'_, str>>> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => decoded(text).map(Some),
        None => Some(None),
    }
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use packageurl::PackageUrl;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_purl_is_taken_apart() {
        // Text, then type, namespace, name, version.
        let cases: &[(&str, Option<[&str; 4]>)] = &[
            (
                "pkg:deb/debian/libstdc%2B%2B6@1%3A2-3?arch=amd64",
                Some(["deb", "debian", "libstdc++6", "1:2-3"]),
            ),
            ("pkg:npm/%40scope/Name@1.0.0", Some(["npm", "@scope", "Name", "1.0.0"])),
            ("pkg:npm/@scope/name", Some(["npm", "@scope", "name", ""])),
            ("pkg:npm/@scope/name@2", Some(["npm", "@scope", "name", "2"])),
            (
                "pkg:golang/github.com/A/b@v1.2.3#sub/path",
                Some(["golang", "github.com/A", "b", "v1.2.3"]),
            ),
            ("PKG:Maven/org.a/b@1", Some(["maven", "org.a", "b", "1"])),
            ("pkg://cargo/a@1", Some(["cargo", "", "a", "1"])),
            ("pkg:generic/a?b=c?d=e", Some(["generic", "", "a?b=c", ""])),
            ("pkg:deb/%ff@1", None),
            ("pkg:deb/", None),
            ("pkg:deb", None),
            ("pkg:1/a", None),
            ("http://a/b", None),
            ("", None),
        ];
        for (text, want) in cases {
            let found = Purl::parse(text);
            let found = found.as_ref().map(|p| {
                let text =
                    |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or_default().to_owned();
                [p.kind.to_string(), text(&p.namespace), p.name.to_string(), text(&p.version)]
            });
            assert_eq!(found, want.map(|parts| parts.map(str::to_owned)), "{text}");
        }
        let purl = Purl::parse("pkg:rpm/a@1?Epoch=2&arch=&distro=fedora%2040").unwrap();
        let values = ["epoch", "arch", "distro", "none"].map(|key| purl.qualifier(key));
        assert_eq!(values, [Some("2".into()), None, Some("fedora 40".into()), None]);
    }

    proptest! {
        #[test]
        fn the_library_reads_the_same(text in "pkg:(gem|cargo|maven)(/[a-zA-Z][a-zA-Z0-9+-]{0,5}){1,3}(@[a-z0-9.:+~-]{1,6})?(\\?arch=[a-z]{1,4})?") {
            let (Some(ours), Ok(theirs)) = (Purl::parse(&text), text.parse::<PackageUrl<'_>>()) else { return Ok(()) };
            prop_assert_eq!(ours.name.as_ref(), theirs.name());
            prop_assert_eq!(ours.version.as_deref(), theirs.version());
            prop_assert_eq!(ours.namespace.as_deref(), theirs.namespace());
        }

        #[test]
        fn no_text_makes_it_panic(text in "(pkg:)?[a-z/@?#%&=: é]{0,30}") {
            let _ = Purl::parse(&text).map(|purl| purl.qualifier("a"));
        }
    }
}
