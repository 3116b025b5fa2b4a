//! How each ecosystem compares names and versions.
//!
//! Turns a package of the inventory and a component's package URL into keys that are equal where they mean one package. The
//! namespace of a distribution's package is no part of it: `pkg:deb/debian/a` and `pkg:deb/ubuntu/a` are the same entry of the
//! one database. Names that registries take in any case are lowercased on both sides.

use std::borrow::Cow;

use super::purl::Purl;
use crate::contents::Package;

/// Bytes of a key that stand beside it.
const HEAD_BYTES: usize = 24;

/// Ecosystem and name. The first bytes stand in it, so that most keys are compared without a look at their texts, which
/// lie all over memory; the order is that of the texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    head: [u8; HEAD_BYTES],
    text: String,
}

/// The key of an installed package.
pub(super) fn of_package(package: &Package) -> Key {
    let name = match package.ecosystem {
        // A jar without a group is told apart by its artifact alone.
        "maven" => {
            package.name.rsplit_once(':').map_or(package.name.as_str(), |(_, artifact)| artifact)
        }
        _ => &package.name,
    };
    Key::new(package.ecosystem, &normal(package.ecosystem, name))
}

/// The key of what a package URL names.
pub(super) fn of_purl(purl: &Purl<'_>) -> Key {
    let whole = match (&*purl.kind, &purl.namespace) {
        ("deb" | "apk" | "rpm" | "maven" | "pypi" | "conda", _) | (_, None) => purl.name.clone(),
        (_, Some(namespace)) => format!("{namespace}/{}", purl.name).into(),
    };
    Key::new(&purl.kind, &normal(&purl.kind, &whole))
}

impl Key {
    /// One text, which is hashed and compared as one: documents have hundreds of thousands.
    fn new(ecosystem: &str, name: &str) -> Self {
        let mut key = String::with_capacity(ecosystem.len() + 1 + name.len());
        key.push_str(ecosystem);
        key.push('/');
        key.push_str(name);
        Self::of(key)
    }

    fn of(text: String) -> Self {
        let mut head = [0; HEAD_BYTES];
        head.iter_mut().zip(text.bytes()).for_each(|(own, byte)| *own = byte);
        Self { head, text }
    }

    /// The key of what has a name and no package URL.
    pub fn bare(name: &str) -> Self {
        Self::of(format!("/{name}"))
    }

    /// The ecosystem.
    pub fn ecosystem(&self) -> &str {
        self.text.split_once('/').map_or("", |(ecosystem, _)| ecosystem)
    }
}

/// The group of a Maven artifact, where one is known.
pub(super) fn group(package: &Package) -> Option<&str> {
    let (group, _) = package.name.rsplit_once(':').filter(|_| package.ecosystem == "maven")?;
    Some(group).filter(|group| !group.is_empty())
}

/// The name as its registry compares it.
pub(super) fn normal<'n>(ecosystem: &str, name: &'n str) -> Cow<'n, str> {
    match ecosystem {
        // PEP 503: runs of -, _ and . are one -.
        "pypi" => {
            let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join("-").to_lowercase().into()
        }
        // crates.io takes no two names that differ by these alone.
        "cargo" => name.replace('_', "-").into(),
        "npm" | "golang" | "composer" | "nuget" | "conda" => {
            match name.chars().any(char::is_uppercase) {
                true => name.to_lowercase().into(),
                false => name.into(),
            }
        }
        _ => name.into(),
    }
}

/// The version as its ecosystem compares it, as far as two spellings of one are known.
pub(super) fn version<'v>(ecosystem: &str, version: &'v str) -> Cow<'v, str> {
    match ecosystem {
        // An epoch of 0 is the same as none (deb-version(7)).
        "deb" | "rpm" => version.strip_prefix("0:").unwrap_or(version).into(),
        "golang" | "npm" | "composer" => unprefixed(version).into(),
        // PEP 440: case, a v in front, and - before a local version's digits say nothing.
        "pypi" => unprefixed(version).to_lowercase().into(),
        "nuget" => {
            // Build metadata is no part of the identity, nor is a fourth part of 0.
            let plain = version.split_once('+').map_or(version, |(plain, _)| plain);
            let four = plain.matches('.').count() == 3;
            plain.strip_suffix(".0").filter(|_| four).unwrap_or(plain).to_lowercase().into()
        }
        _ => version.into(),
    }
}

/// Without the `v` of a tag.
fn unprefixed(version: &str) -> &str {
    let plain = version.strip_prefix(['v', 'V']);
    plain.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_texts(one in "[a-c\0]{0,3}x{0,24}[a-c\0]{0,3}", two in "[a-c\0]{0,3}x{0,24}[a-c\0]{0,3}") {
            let order = Key::of(one.clone()).cmp(&Key::of(two.clone()));
            proptest::prop_assert_eq!(order, one.cmp(&two));
        }
    }

    #[test]
    fn names_and_versions_meet_as_their_registries_compare_them() {
        let key = |purl: &str| of_purl(&Purl::parse(purl).unwrap());
        let cases: &[(&'static str, &str, &str, bool)] = &[
            ("pypi", "typing_extensions", "pkg:pypi/Typing.Extensions@1", true),
            ("pypi", "a--b", "pkg:pypi/a_b@1", true),
            ("npm", "@Scope/JSONStream", "pkg:npm/%40scope/jsonstream@1", true),
            ("npm", "name", "pkg:npm/%40scope/name@1", false),
            (
                "golang",
                "github.com/BurntSushi/toml",
                "pkg:golang/github.com/burntsushi/toml@v1",
                true,
            ),
            ("golang", "stdlib", "pkg:golang/stdlib@1.22.1", true),
            ("maven", "org.a:b", "pkg:maven/org.a/b@1", true),
            ("maven", "b", "pkg:maven/org.a/b@1", true),
            ("maven", "B", "pkg:maven/org.a/b@1", false),
            ("deb", "libstdc++6", "pkg:deb/ubuntu/libstdc%2B%2B6@1", true),
            ("composer", "Monolog/Monolog", "pkg:composer/monolog/monolog@1", true),
            ("nuget", "Newtonsoft.Json", "pkg:nuget/newtonsoft.json@1", true),
            ("cargo", "serde_json", "pkg:cargo/serde-json@1", true),
            ("gem", "Ascii85", "pkg:gem/ascii85@1", false),
            ("deb", "a", "pkg:rpm/a@1", false),
        ];
        for (ecosystem, name, purl, same) in cases {
            let package = crate::sbom::reconcile::tests::package(ecosystem, name, "1", None);
            assert_eq!(of_package(&package) == key(purl), *same, "{name} {purl}");
        }
        let cases: &[(&str, &str, &str, bool)] = &[
            ("golang", "v1.2.3", "1.2.3", true),
            ("golang", "v1.2.3+incompatible", "1.2.3", false),
            ("npm", "v1.2.3", "1.2.3", true),
            ("pypi", "1.0RC1", "1.0rc1", true),
            ("nuget", "1.2.3.0", "1.2.3+abc", true),
            ("nuget", "1.2.0", "1.2", false),
            ("deb", "0:1", "1", true),
            ("deb", "v1", "1", false),
            ("composer", "vendor", "endor", false),
        ];
        for (ecosystem, one, two, same) in cases {
            assert_eq!(version(ecosystem, one) == version(ecosystem, two), *same, "{one} {two}");
        }
    }
}
