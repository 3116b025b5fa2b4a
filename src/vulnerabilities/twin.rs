//! One thing seen twice: a language's package that a distribution's package of the same project installed.
//!
//! Such a package has the distribution's fixes under the version of the project. What a package brings of other projects
//! (`pip/_vendor/urllib3` in python3-pip) is judged by itself: nobody mends it under its name.
//!
//! Names are those that distributions give by their own rules: Debian's policies for Python (section 4.3), Ruby, Node.js and Java
//! (section 2.4), Fedora's guidelines for Python, Ruby and Node.js, Alpine's `py3-` and `ruby-`, SUSE's with the interpreter's version.
//! Versions agree where that of the distribution, without its epoch, its revision and what it says of the sources (`+dfsg`), is the
//! version of the project. Neither says who installed what, which is for recorded bytes.

use std::cmp::Ordering;

use super::{
    ecosystem::{normal_name, of_language},
    version::Scheme,
};
use crate::contents::Package;

/// Whether two packages are of one project, by the name of the distribution's package or of its source.
pub(super) fn is_same_project(language: &Package, distribution: &Package) -> bool {
    let Some(wanted) = project(language) else { return false };
    let source = distribution.source.as_deref();
    let names = source.into_iter().chain([distribution.name.as_str()]);
    names.flat_map(|name| called(language.ecosystem, name)).any(|name| name == wanted)
}

/// Whether the distribution's version is the language's, as the distribution writes it.
pub(super) fn is_same_version(language: &Package, distribution: &Package) -> bool {
    let Some(scheme) = of_language(language.ecosystem).and_then(Scheme::of) else { return false };
    let upstream = upstream(distribution.ecosystem, &distribution.version);
    // What is left of a snapshot (`+git20230101`) is another version, also where the order of versions ignores it.
    if upstream.contains('+') {
        return false;
    }
    scheme.compare(&language.version, &upstream) == Some(Ordering::Equal)
}

/// What follows the project's own version where Debian changes the sources, or builds them again.
const CHANGED: [&str; 9] =
    ["+b", "+deb", "+dfsg", "+ds", "+nmu", "+repack", ".dfsg", "~dfsg", "~ds"];

/// The project's own version.
fn upstream(ecosystem: &str, version: &str) -> String {
    let version = match ecosystem {
        "deb" | "rpm" => {
            let version = version.split_once(':').map_or(version, |(_, version)| version);
            version.rsplit_once('-').map_or(version, |(version, _)| version)
        }
        _ => version.rsplit_once("-r").map_or(version, |(version, _)| version),
    };
    let changed = CHANGED.iter().filter(|_| ecosystem == "deb");
    let end = changed.filter_map(|mark| {
        let (at, _) = version.match_indices(mark).find(|(at, _)| is_mark(version, *at, mark))?;
        Some(at)
    });
    let version = version.get(..end.min().unwrap_or(version.len())).unwrap_or(version);
    // Before a release: `1.0~rc1` and `1.0_rc1`.
    version.replace(['~', '_'], "")
}

/// Whether a mark ends where its word does: `+ds1`, and not `+dsync`.
fn is_mark(version: &str, at: usize, mark: &str) -> bool {
    let rest = version.get(at + mark.len()..).unwrap_or_default();
    !rest.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// What the project of a language's package is called.
fn project(language: &Package) -> Option<String> {
    let name = language.name.as_str();
    let name = match language.ecosystem {
        "pypi" => Some(normal_name("PyPI", name)),
        "gem" => Some(name.to_ascii_lowercase()),
        // Debian writes a scope as a word of the name.
        "npm" => Some(name.trim_start_matches('@').replace('/', "-").to_ascii_lowercase()),
        "maven" => Some(name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase()),
        _ => None,
    };
    name.filter(|name| !name.is_empty())
}

/// What the project is called of which a distribution makes a package of this name.
fn called(ecosystem: &str, name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let within = match ecosystem {
        "pypi" => behind(&name, &["python", "py", "pypy"]),
        "gem" => behind(&name, &["ruby"]).map(|rest| behind_word(rest, "rubygem").unwrap_or(rest)),
        "npm" => behind(&name, &["node", "nodejs"]),
        "maven" => name.strip_prefix("lib").and_then(|rest| rest.strip_suffix("-java")),
        _ => None,
    };
    let within = within.or_else(|| behind_word(&name, "rubygem").filter(|_| ecosystem == "gem"));
    let all = within.into_iter().chain([name.as_str()]);
    all.map(|name| if ecosystem == "pypi" { normal_name("PyPI", name) } else { name.to_owned() })
        .collect()
}

/// What follows one of these words, an interpreter's version and a hyphen: `python3.11-`, `ruby3.1-`, `py3-`.
fn behind<'n>(name: &'n str, words: &[&str]) -> Option<&'n str> {
    words.iter().find_map(|word| {
        let rest = name.strip_prefix(word)?;
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').strip_prefix('-')
    })
}

fn behind_word<'n>(name: &'n str, word: &str) -> Option<&'n str> {
    name.strip_prefix(word)?.strip_prefix('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: &'static str, name: &str, source: Option<&str>) -> Package {
        Package {
            ecosystem,
            name: name.to_owned(),
            version: "1".to_owned(),
            architecture: None,
            purl: None,
            licence: None,
            source: source.map(str::to_owned),
            source_version: None,
            module: None,
            database: String::new(),
            layer: None,
        }
    }

    #[test]
    fn versions_of_one_project_agree_as_distributions_write_them() {
        let cases = [
            ("pypi", "2.28.1", "deb", "2.28.1-1", true),
            ("pypi", "2.28.1", "deb", "2.28.1+dfsg-1+deb12u1", true),
            ("pypi", "2.28.1", "deb", "1:2.28.1~ds1-2", true),
            ("pypi", "2.28.1", "deb", "2.28.1.dfsg.1-2", true),
            ("pypi", "2.28.1", "deb", "2.28.1+b2", true),
            ("pypi", "2.28.1", "deb", "2.28.2-1", false),
            ("pypi", "2.28.1", "deb", "2.28.2+really2.28.1-1", false),
            ("pypi", "2.28.1", "deb", "2.28.1+git20230101-1", false),
            ("pypi", "2.28.1", "deb", "", false),
            ("pypi", "1.0rc1", "deb", "1.0~rc1-1", true),
            ("pypi", "1.0", "deb", "1.0~rc1-1", false),
            ("pypi", "2.28.1", "apk", "2.28.1-r0", true),
            ("pypi", "1.0rc1", "apk", "1.0_rc1-r0", true),
            ("pypi", "2.28.1", "apk", "2.28.1_p1-r0", false),
            ("gem", "2.2.4", "rpm", "1:2.2.4-3.el9", true),
            ("gem", "2.2.4", "rpm", "2.2.5-3.el9", false),
            ("npm", "7.3.5", "deb", "7.3.5+~7.3.9-2", false),
            ("maven", "2.11.0", "deb", "2.11.0-2", true),
            ("maven", "2.11.0", "deb", "2.11-2", true),
        ];
        for (ecosystem, language, manager, version, want) in cases {
            let of = |ecosystem, version: &str| Package {
                version: version.to_owned(),
                ..package(ecosystem, "a", None)
            };
            let (one, other) = (of(ecosystem, language), of(manager, version));
            assert_eq!(is_same_version(&one, &other), want, "{language} {version}");
        }
    }

    #[test]
    fn names_of_one_project_are_told_from_what_a_package_brings_along() {
        // Language, its package, the distribution's, its source.
        let same = [
            ("pypi", "requests", "python3-requests", None),
            ("pypi", "PyYAML", "python3-yaml", Some("pyyaml")),
            ("pypi", "typing_extensions", "python3-typing-extensions", None),
            ("pypi", "pip", "python3-pip", Some("python-pip")),
            ("pypi", "requests", "py3-requests", Some("py3-requests")),
            ("pypi", "requests", "python3.11-requests", None),
            ("pypi", "ansible-core", "ansible-core", None),
            ("gem", "rack", "ruby-rack", None),
            ("gem", "rack", "rubygem-rack", None),
            ("gem", "rack", "ruby3.1-rubygem-rack", None),
            ("npm", "semver", "node-semver", None),
            ("npm", "@babel/core", "node-babel-core", None),
            ("npm", "semver", "nodejs-semver", None),
            ("maven", "commons-io:commons-io", "libcommons-io-java", Some("commons-io")),
        ];
        let others = [
            ("pypi", "urllib3", "python3-pip", Some("python-pip")),
            ("pypi", "requests", "python3-requests-oauthlib", None),
            ("pypi", "requests", "ruby-requests", None),
            ("pypi", "", "python3-", None),
            ("npm", "semver", "npm", None),
            ("npm", "@evil/semver", "node-semver", None),
            ("gem", "rack", "ruby3.1", None),
            ("maven", "a:b", "libc-java", None),
            ("golang", "github.com/docker/docker", "docker", None),
            ("cargo", "ripgrep", "ripgrep", None),
        ];
        for (cases, want) in [(&same[..], true), (&others[..], false)] {
            for &(ecosystem, language, name, source) in cases {
                let (one, other) =
                    (package(ecosystem, language, None), package("deb", name, source));
                assert_eq!(is_same_project(&one, &other), want, "{language} {name} {source:?}");
            }
        }
    }
}
