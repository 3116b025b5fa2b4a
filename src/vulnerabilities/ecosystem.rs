//! The names of ecosystems and of what is in them: each spelling of one thing becomes one.
//!
//! Turns `Debian:12`, `Ubuntu:22.04:LTS` or `Red Hat:enterprise_linux:9::baseos` into an ecosystem and a release that
//! an image's own os-release can be held against ([`super::distribution`]).

/// An ecosystem of the OSV schema, and one of its releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem {
    /// The name: `Debian`, `npm`.
    pub name: String,
    /// The release: `12`, `v3.20`; empty where it has none.
    pub release: String,
    /// The product of that release, where there are several.
    pub product: Option<String>,
}

impl Ecosystem {
    /// Reads what a record says.
    pub fn parse(text: &str) -> Self {
        let (name, release) = text.split_once(':').unwrap_or((text, ""));
        let (release, product) = match name {
            "Ubuntu" => (ubuntu(release), None),
            "Red Hat" => red_hat(release),
            "SUSE" => (service_pack(release), Some(release.to_owned())),
            _ => (release.to_owned(), None),
        };
        Self { name: name.to_owned(), release, product }
    }

    /// The same, without a release.
    pub fn bare(name: &str) -> Self {
        Self { name: name.to_owned(), release: String::new(), product: None }
    }

    /// As it is written: `Debian:12`.
    pub fn label(&self) -> String {
        match self.release.is_empty() {
            true => self.name.clone(),
            false => format!("{}:{}", self.name, self.release),
        }
    }
}

/// `22.04:LTS` is the release 22.04, `Pro:22.04:LTS` has fixes of its own.
fn ubuntu(release: &str) -> String {
    let release = release.trim_end_matches(":LTS");
    release.to_owned()
}

/// `enterprise_linux:9::baseos` is a product of `enterprise_linux:9`, and so is one of `enterprise_linux:10.1`, of
/// `enterprise_linux:10`: each point release of the main stream is an update of the one before.
fn red_hat(release: &str) -> (String, Option<String>) {
    let main = release.split_once("::").map_or(release, |(main, _)| main);
    let major =
        main.strip_prefix("enterprise_linux:").and_then(|version| version.split('.').next());
    let main = major.map_or_else(|| main.to_owned(), |major| format!("enterprise_linux:{major}"));
    (main, Some(release.to_owned()))
}

/// Products of Red Hat that go on with a release of Enterprise Linux after the next one has come, by their names in a
/// CPE.
const STREAMS: [&str; 10] = [
    "enterprise_linux_aus",
    "enterprise_linux_e4s",
    "enterprise_linux_els",
    "enterprise_linux_eus",
    "enterprise_linux_tus",
    "rhel_aus",
    "rhel_e4s",
    "rhel_els",
    "rhel_eus",
    "rhel_tus",
];

/// The release of Enterprise Linux that a product of Red Hat's goes on with: `9.4` of `rhel_eus:9.4::appstream`, empty
/// where it names none; nothing where it is no such stream.
pub fn of_stream(product: &str) -> Option<&str> {
    let mut parts = product.split(':');
    parts.next().filter(|name| STREAMS.contains(name))?;
    Some(parts.next().unwrap_or_default())
}

/// The streams that go on with a release of Enterprise Linux.
pub fn streams(release: &str) -> impl Iterator<Item = Ecosystem> {
    STREAMS.iter().map(move |name| of_red_hat(&format!("{name}:{release}")))
}

/// The release that a product of Red Hat's is of, by its name in a CPE: `enterprise_linux:9::baseos`.
pub fn of_red_hat(product: &str) -> Ecosystem {
    Ecosystem { release: red_hat(product).0, ..Ecosystem::bare("Red Hat") }
}

/// The version at the end of a product's name: all modules of `15 SP5` are built for the same system.
fn service_pack(product: &str) -> String {
    let words: Vec<&str> = product.split_whitespace().collect();
    let is_version = |word: &&&str| word.starts_with(|c: char| c.is_ascii_digit());
    let Some(version) = words.iter().rev().find(is_version) else { return product.to_owned() };
    let version = version.split_once('-').map_or(*version, |(version, _)| version);
    let pack = words.iter().find_map(|word| {
        let pack = word.split_once('-').map_or(*word, |(pack, _)| pack);
        pack.strip_prefix("SP").filter(|n| n.chars().all(|c| c.is_ascii_digit()) && !n.is_empty())
    });
    match pack {
        Some(pack) => format!("{version} SP{pack}"),
        None => version.to_owned(),
    }
}

/// The ecosystem of a type of package URL, for packages of languages.
pub fn of_language(purl_type: &str) -> Option<&'static str> {
    Some(match purl_type {
        "npm" => "npm",
        "pypi" => "PyPI",
        "golang" => "Go",
        "cargo" => "crates.io",
        "maven" => "Maven",
        "nuget" => "NuGet",
        "gem" => "RubyGems",
        "composer" => "Packagist",
        "hex" => "Hex",
        "pub" => "Pub",
        "cran" => "CRAN",
        "hackage" => "Hackage",
        "swift" => "SwiftURL",
        "githubactions" => "GitHub Actions",
        "conan" => "ConanCenter",
        "julia" => "Julia",
        _ => return None,
    })
}

/// What a package of Maven is called where its group is not known: its artifact, or the name that Maven gives it as a bundle of OSGi
/// (maven-bundle-plugin, `Bundle-SymbolicName`). Only what is written as group and artifact has such names.
pub fn without_group(name: &str) -> Vec<String> {
    let Some((group, artifact)) = name.split_once(':') else { return Vec::new() };
    let last = group.rsplit('.').next().unwrap_or_default();
    let mut names = vec![artifact.to_owned(), format!("{group}.{artifact}")];
    match artifact.strip_prefix(last) {
        Some("") => names.push(group.to_owned()),
        Some(rest) if rest.starts_with(['-', '.']) => {
            names.push(format!("{group}.{}", rest.get(1..).unwrap_or_default()));
        }
        _ => {}
    }
    names
}

/// The one spelling of a package's name, as its registry compares names.
pub fn normal_name(ecosystem: &str, name: &str) -> String {
    match ecosystem {
        // PEP 503.
        "PyPI" => {
            let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
        }
        "NuGet" | "Packagist" | "GitHub Actions" => name.to_ascii_lowercase(),
        // The registry takes both for one crate.
        "crates.io" => name.to_ascii_lowercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_of_maven_has_names_without_its_group() {
        let cases: [(&str, &[&str]); 5] = [
            (
                "org.springframework:spring-core",
                &["spring-core", "org.springframework.spring-core"],
            ),
            (
                "org.apache.maven:maven-core",
                &["maven-core", "org.apache.maven.maven-core", "org.apache.maven.core"],
            ),
            ("org.yaml:yaml", &["yaml", "org.yaml.yaml", "org.yaml"]),
            ("org.yaml:snakeyaml", &["snakeyaml", "org.yaml.snakeyaml"]),
            ("snakeyaml", &[]),
        ];
        for (name, want) in cases {
            assert_eq!(without_group(name), want, "{name}");
        }
    }

    #[test]
    fn ecosystems_have_releases() {
        let cases = [
            ("npm", "npm", "", None),
            ("Debian:12", "Debian", "12", None),
            ("Alpine:v3.20", "Alpine", "v3.20", None),
            ("Ubuntu:22.04:LTS", "Ubuntu", "22.04", None),
            ("Ubuntu:24.10", "Ubuntu", "24.10", None),
            ("Ubuntu:Pro:18.04:LTS", "Ubuntu", "Pro:18.04", None),
            ("Ubuntu:Pro:FIPS-updates:20.04:LTS", "Ubuntu", "Pro:FIPS-updates:20.04", None),
            (
                "Red Hat:enterprise_linux:9::baseos",
                "Red Hat",
                "enterprise_linux:9",
                Some("enterprise_linux:9::baseos"),
            ),
            (
                "Red Hat:rhel_eus:9.2::appstream",
                "Red Hat",
                "rhel_eus:9.2",
                Some("rhel_eus:9.2::appstream"),
            ),
            (
                "Red Hat:enterprise_linux:10.1",
                "Red Hat",
                "enterprise_linux:10",
                Some("enterprise_linux:10.1"),
            ),
            (
                "Red Hat:enterprise_linux:10.0::appstream",
                "Red Hat",
                "enterprise_linux:10",
                Some("enterprise_linux:10.0::appstream"),
            ),
            (
                "Red Hat:enterprise_linux_eus:10.0",
                "Red Hat",
                "enterprise_linux_eus:10.0",
                Some("enterprise_linux_eus:10.0"),
            ),
            (
                "SUSE:Linux Enterprise Module for Basesystem 15 SP5",
                "SUSE",
                "15 SP5",
                Some("Linux Enterprise Module for Basesystem 15 SP5"),
            ),
            (
                "SUSE:Linux Enterprise Server 15 SP3-LTSS",
                "SUSE",
                "15 SP3",
                Some("Linux Enterprise Server 15 SP3-LTSS"),
            ),
            ("SUSE:Linux Micro 6.0", "SUSE", "6.0", Some("Linux Micro 6.0")),
            ("openSUSE:Leap 15.6", "openSUSE", "Leap 15.6", None),
        ];
        for (text, name, release, product) in cases {
            let got = Ecosystem::parse(text);
            assert_eq!(
                (got.name.as_str(), got.release.as_str(), got.product.as_deref()),
                (name, release, product),
                "{text}"
            );
        }
    }

    #[test]
    fn a_stream_goes_on_with_one_release() {
        for (product, release) in [
            ("rhel_eus:9.4::appstream", Some("9.4")),
            ("enterprise_linux_eus:10.0", Some("10.0")),
            ("rhel_els:7", Some("7")),
            ("rhel_aus", Some("")),
            ("enterprise_linux:9", None),
            ("openshift:4.12::el9", None),
            ("rhel_eusx:9.4", None),
        ] {
            assert_eq!(of_stream(product), release, "{product}");
        }
        assert!(streams("9.4").all(|one| one.label().ends_with(":9.4")));
        assert!(streams("9.4").any(|one| one.label() == "Red Hat:rhel_eus:9.4"));
    }

    #[test]
    fn names_are_compared_as_registries_compare_them() {
        let cases = [
            ("PyPI", "Typing_Extensions", "typing-extensions"),
            ("PyPI", "zope.interface", "zope-interface"),
            ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
            ("Packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel"),
            ("npm", "JSONStream", "JSONStream"),
            ("Go", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"),
            ("crates.io", "serde_json", "serde-json"),
            ("Maven", "org.apache:A", "org.apache:A"),
        ];
        for (ecosystem, name, want) in cases {
            assert_eq!(normal_name(ecosystem, name), want);
        }
    }
}
