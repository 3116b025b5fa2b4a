//! Which releases of which ecosystem speak about an image's distribution, and until when it is maintained.
//!
//! Turns what os-release says into ecosystems, by `ID` and never by `ID_LIKE`: a derivative has versions of its own,
//! and the data of another distribution would find fixes in it that are not there.

use super::{
    cpe,
    ecosystem::{Ecosystem, of_red_hat, streams},
};

/// What os-release says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`.
    pub version: Option<String>,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
    /// `VERSION`, which tells service packs.
    pub version_text: Option<String>,
    /// The platforms that the vendor says it is built from, as CPE; Red Hat's images list them.
    pub platforms: Vec<String>,
}

/// Which of a package's names records of a distribution go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The source package, with its version.
    Source,
    /// The package itself.
    Binary,
    /// Either, with the one version that both have.
    Either,
}

/// What speaks about a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Ecosystems: of two that have one advisory, the first decides.
    pub ecosystems: Vec<Ecosystem>,
    /// Those of streams that the image may have its packages from, where it does not say so. They come last, so that
    /// they say what is affected and never that something is not.
    pub streams: Vec<Ecosystem>,
    /// Which names they go by.
    pub naming: Naming,
    /// Last day of public support, as published by the distribution.
    pub ends: Option<&'static str>,
}

/// Debian's releases by their names.
const DEBIAN: [(&str, &str); 7] = [
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// Last days of public security support: the release's own and long-term support that everybody gets, and nothing that
/// is paid for.
const ENDS: &[(&str, &str)] = &[
    ("AlmaLinux:8", "2029-03-01"),
    ("AlmaLinux:9", "2032-05-31"),
    ("AlmaLinux:10", "2035-05-31"),
    ("Alpine:v3.14", "2023-05-01"),
    ("Alpine:v3.15", "2023-11-01"),
    ("Alpine:v3.16", "2024-05-23"),
    ("Alpine:v3.17", "2024-11-22"),
    ("Alpine:v3.18", "2025-05-09"),
    ("Alpine:v3.19", "2025-11-01"),
    ("Alpine:v3.20", "2026-04-01"),
    ("Alpine:v3.21", "2026-11-01"),
    ("Alpine:v3.22", "2027-05-01"),
    ("Debian:8", "2020-06-30"),
    ("Debian:9", "2022-06-30"),
    ("Debian:10", "2024-06-30"),
    ("Debian:11", "2026-08-31"),
    ("Debian:12", "2028-06-30"),
    ("Debian:13", "2030-06-30"),
    ("Red Hat:enterprise_linux:6", "2020-11-30"),
    ("Red Hat:enterprise_linux:7", "2024-06-30"),
    ("Red Hat:enterprise_linux:8", "2029-05-31"),
    ("Red Hat:enterprise_linux:9", "2032-05-31"),
    ("Red Hat:enterprise_linux:10", "2035-05-31"),
    ("Rocky Linux:8", "2029-05-31"),
    ("Rocky Linux:9", "2032-05-31"),
    ("Rocky Linux:10", "2035-05-31"),
    ("Ubuntu:14.04", "2019-04-25"),
    ("Ubuntu:16.04", "2021-04-30"),
    ("Ubuntu:18.04", "2023-05-31"),
    ("Ubuntu:20.04", "2025-05-31"),
    ("Ubuntu:22.04", "2027-06-01"),
    ("Ubuntu:24.04", "2029-05-31"),
    ("Ubuntu:23.10", "2024-07-11"),
    ("Ubuntu:24.10", "2025-07-10"),
    ("Ubuntu:25.04", "2026-01-15"),
    ("Ubuntu:25.10", "2026-07-09"),
    ("openSUSE:Leap 15.4", "2023-12-07"),
    ("openSUSE:Leap 15.5", "2024-12-31"),
    ("openSUSE:Leap 15.6", "2026-04-30"),
];

impl Distribution {
    /// What speaks about it; none where no ecosystem does.
    pub fn speaker(&self) -> Option<Speaker> {
        let version = self.version.as_deref().unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default();
        let of = |name: &str, release: &str, naming| {
            let release = release.to_owned();
            let ecosystem = Ecosystem { release, ..Ecosystem::bare(name) };
            let label = ecosystem.label();
            let ends = ENDS.iter().find(|(known, _)| *known == label).map(|(_, day)| *day);
            Some(Speaker { ecosystems: vec![ecosystem], streams: Vec::new(), naming, ends })
        };
        match self.id.as_str() {
            "debian" => of("Debian", self.debian(major), Naming::Source),
            "ubuntu" => of("Ubuntu", version, Naming::Source),
            "alpine" => of("Alpine", &alpine(version), Naming::Either),
            "wolfi" => of("Wolfi", "", Naming::Either),
            "chainguard" => of("Chainguard", "", Naming::Either),
            "minimos" => of("MinimOS", "", Naming::Either),
            "echo" => of("Echo", "", Naming::Source),
            "rhel" => {
                let mut speaker =
                    of("Red Hat", &format!("enterprise_linux:{major}"), Naming::Binary)?;
                if self.platforms.is_empty() {
                    let whole = Some(version).filter(|version| *version != major);
                    let releases = whole.into_iter().chain([major]);
                    let releases = releases.filter(|release| !release.is_empty());
                    speaker.streams = releases.flat_map(streams).collect();
                }
                let named = self.platforms.iter().filter_map(|cpe| platform(cpe));
                let own: Vec<_> = named.filter(|own| !speaker.ecosystems.contains(own)).collect();
                speaker.ecosystems.splice(0..0, own);
                Some(speaker)
            }
            "rocky" => of("Rocky Linux", major, Naming::Binary),
            "almalinux" => of("AlmaLinux", major, Naming::Binary),
            "sles" | "sled" | "sles_sap" | "sle_hpc" => {
                let pack = version.split_once('.').filter(|(_, pack)| *pack != "0");
                let release =
                    pack.map_or(major.to_owned(), |(major, pack)| format!("{major} SP{pack}"));
                of("SUSE", &release, Naming::Binary)
            }
            "sl-micro" | "sle-micro" => of("SUSE", version, Naming::Binary),
            "opensuse-leap" => of("openSUSE", &format!("Leap {version}"), Naming::Binary),
            "opensuse-tumbleweed" => of("openSUSE", "Tumbleweed", Naming::Binary),
            "openeuler" | "openEuler" => of("openEuler", &self.open_euler(version), Naming::Binary),
            "mageia" => of("Mageia", version, Naming::Binary),
            "azurelinux" | "mariner" => of("Azure Linux", major, Naming::Binary),
            "photon" => of("Photon OS", version, Naming::Binary),
            _ => None,
        }
    }

    /// Testing and unstable have no `VERSION_ID`, and testing has the name of the release to be.
    fn debian<'d>(&'d self, major: &'d str) -> &'d str {
        let named = |codename: &str| DEBIAN.iter().find(|(name, _)| *name == codename);
        match major {
            "" => {
                self.codename.as_deref().and_then(named).map_or("unknown", |(_, version)| *version)
            }
            major => major,
        }
    }

    /// `22.03` and `22.03 (LTS-SP3)` are the release `22.03-LTS-SP3`.
    fn open_euler(&self, version: &str) -> String {
        let text = self.version_text.as_deref().unwrap_or_default();
        let pack = text.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
        pack.map_or(version.to_owned(), |(pack, _)| format!("{version}-{pack}"))
    }
}

/// `3.20.3` is of the branch `v3.20`; what has a day in its version is of `edge`.
fn alpine(version: &str) -> String {
    let mut parts = version.split('.');
    match (version.contains('_'), parts.next(), parts.next()) {
        (false, Some(major), Some(minor)) => format!("v{major}.{minor}"),
        _ => "edge".to_owned(),
    }
}

/// `cpe:/a:redhat:rhel_eus:9.2::appstream` is a product of `rhel_eus:9.2`.
fn platform(cpe: &str) -> Option<Ecosystem> {
    let named = cpe::platform(cpe).filter(|named| named.vendor == "redhat")?;
    let own = of_red_hat(&named.product);
    (own.release.matches(':').count() == 1).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_is_spoken_about_by_its_own() {
        let cases: &[(&str, &str, &str, &[&str], &str)] = &[
            ("debian", "12", "bookworm", &["Debian:12"], "2028-06-30"),
            ("debian", "", "trixie", &["Debian:13"], "2030-06-30"),
            ("debian", "", "", &["Debian:unknown"], ""),
            ("ubuntu", "22.04", "jammy", &["Ubuntu:22.04"], "2027-06-01"),
            ("alpine", "3.20.3", "", &["Alpine:v3.20"], "2026-04-01"),
            ("alpine", "3.23.0_alpha20250612", "", &["Alpine:edge"], ""),
            ("wolfi", "20230201", "", &["Wolfi"], ""),
            ("rhel", "9.4", "", &["Red Hat:enterprise_linux:9"], "2032-05-31"),
            ("rhel", "10.1", "", &["Red Hat:enterprise_linux:10"], "2035-05-31"),
            ("rocky", "8.10", "", &["Rocky Linux:8"], "2029-05-31"),
            ("almalinux", "9.4", "", &["AlmaLinux:9"], "2032-05-31"),
            ("sles", "15.5", "", &["SUSE:15 SP5"], ""),
            ("sles", "15", "", &["SUSE:15"], ""),
            ("opensuse-leap", "15.6", "", &["openSUSE:Leap 15.6"], "2026-04-30"),
            ("opensuse-tumbleweed", "20260101", "", &["openSUSE:Tumbleweed"], ""),
            ("azurelinux", "3.0", "", &["Azure Linux:3"], ""),
        ];
        for (id, version, codename, labels, ends) in cases {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let distribution = Distribution {
                id: (*id).to_owned(),
                version: text(version),
                codename: text(codename),
                ..Distribution::default()
            };
            let speaker = distribution.speaker().unwrap();
            let got: Vec<String> = speaker.ecosystems.iter().map(Ecosystem::label).collect();
            assert_eq!(got, *labels, "{id} {version}");
            assert_eq!(speaker.ends.unwrap_or_default(), *ends, "{id} {version}");
        }
        for id in ["amzn", "fedora", "centos", "linuxmint", "raspbian", "kali", ""] {
            let derived = Distribution {
                id: id.to_owned(),
                version: Some("12".to_owned()),
                ..Distribution::default()
            };
            assert_eq!(derived.speaker(), None, "{id}");
        }
    }

    #[test]
    fn extended_streams_of_red_hat_come_first() {
        let distribution = Distribution {
            id: "rhel".to_owned(),
            version: Some("9.2".to_owned()),
            platforms: [
                "cpe:/a:redhat:rhel_eus:9.2::appstream",
                "cpe:/o:redhat:enterprise_linux:9::baseos",
                "nonsense",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..Distribution::default()
        };
        let speaker = distribution.speaker().unwrap();
        let got: Vec<String> = speaker.ecosystems.iter().map(Ecosystem::label).collect();
        assert_eq!(got, ["Red Hat:rhel_eus:9.2", "Red Hat:enterprise_linux:9"]);
        assert_eq!(speaker.streams, [], "the image says where its packages are from");
    }

    #[test]
    fn c83_streams_of_its_own_release_may_be_the_image_s() {
        let streams = |id: &str, version: &str| {
            let version = Some(version.to_owned()).filter(|version| !version.is_empty());
            let image = Distribution { id: id.to_owned(), version, ..Distribution::default() };
            let speaker = image.speaker().unwrap();
            speaker.streams.iter().map(Ecosystem::label).collect::<Vec<_>>()
        };
        let all = streams("rhel", "9.4");
        for (label, want) in [
            ("Red Hat:rhel_eus:9.4", true),
            ("Red Hat:rhel_e4s:9.4", true),
            ("Red Hat:rhel_els:9", true),
            ("Red Hat:enterprise_linux_eus:9.4", true),
            ("Red Hat:rhel_eus:9.2", false),
        ] {
            assert_eq!(all.iter().any(|one| one == label), want, "{label}");
        }
        for (id, version) in [("rhel", ""), ("rocky", "9.4"), ("debian", "12")] {
            assert_eq!(streams(id, version), [""; 0], "{id} {version}");
        }
    }
}
