//! Where a statement says that a product is: the platforms of CSAF by CPE, and `distro` of package URLs.
//!
//! Turns these and the image's own os-release into whether they fit. A package of one release says nothing of that of
//! another: what is not known, or cannot be compared, does not fit. Versions of a CPE are compared by their parts, and
//! one that is missing means any. Where the image is of the release and may or may not be of the part of it that is
//! meant, a [`Misfit`] of its own says so ([`Misfit::is_doubt`]): what suppresses needs more, what says affected does
//! not.

use std::str::FromStr as _;

use packageurl::PackageUrl;

use crate::vulnerabilities::{
    cpe,
    distribution::Distribution,
    ecosystem::{of_red_hat, of_stream},
};

/// Most platforms of one product; a package on more of them at once is on none that can be compared.
const MOST: usize = 8;

/// Why a platform, or a version, is not that of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Misfit {
    /// It is another distribution or release.
    #[error(
        "it is about the package on another platform than the image's distribution and release"
    )]
    Platform,
    /// Nobody can tell whether it is the image's.
    #[error(
        "the platform that it is about cannot be compared with the image's distribution and release"
    )]
    Incomparable,
    /// It is a stream of updates of the image's release, from which the image may have its packages.
    #[error(
        "it is about an extended update stream of the image's release, and nothing says that the image has its packages from there"
    )]
    Stream,
    /// It is a point release of the image's release, which names none.
    #[error(
        "it is about one point release of the platform, and the image does not say of which it is"
    )]
    PointRelease,
    /// The image does not say what it is.
    #[error("it is about one platform, and the image does not say its distribution and release")]
    NoRelease,
    /// It is about a tag, or one platform, of a repository.
    #[error(
        "it is about a tag or one platform of the image's repository, and says by no digest which image that is"
    )]
    Narrow,
    /// It is about other versions.
    #[error("it is about other versions of the package")]
    Version,
    /// Nobody can tell whether it is about the version.
    #[error("the versions that it is about cannot be read, or compared with that of the image")]
    Versions,
}

impl Misfit {
    /// Whether the platform may be the image's all the same.
    pub(super) fn is_doubt(self) -> bool {
        matches!(self, Self::Stream | Self::PointRelease)
    }
}

/// Where a product is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Platform {
    /// By vendor, and product with version, update and edition.
    Named(String, String),
    /// Somewhere that has no name which could be compared.
    Nameless,
}

/// The platforms of a product, all of which have to fit; none means any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platforms(Vec<Platform>);

impl Platforms {
    /// That of something that is nothing but a platform, by its CPE.
    pub(super) fn alone(cpe: Option<&str>) -> Self {
        let named = cpe.and_then(cpe::platform);
        let named = named.map(|one| Platform::Named(one.vendor, one.product));
        Self(vec![named.unwrap_or(Platform::Nameless)])
    }

    /// That of a package by the CPE beside its package URLs, which may be the package's own: it is a platform where it is an
    /// operating system, or another product of who makes one.
    pub(super) fn beside(cpe: Option<&str>, purls: &[String]) -> Self {
        let named = cpe.and_then(cpe::platform).filter(|one| {
            let makes_systems = SYSTEMS.iter().any(|(vendor, ..)| *vendor == one.vendor);
            let name = one.product.split(':').next().unwrap_or_default();
            let is_own = purls
                .iter()
                .any(|purl| PackageUrl::from_str(purl).is_ok_and(|purl| purl.name() == name));
            one.is_system || makes_systems && !is_own
        });
        Self(named.map(|one| Platform::Named(one.vendor, one.product)).into_iter().collect())
    }

    /// Adds others.
    pub(super) fn extend(&mut self, others: &Self) {
        for other in &others.0 {
            if !self.0.contains(other) {
                self.0.push(other.clone());
            }
        }
        if self.0.len() > MOST {
            self.0 = vec![Platform::Nameless];
        }
    }

    /// Whether all are the image's.
    ///
    /// # Errors
    /// One is not, or nobody can tell; a doubt only where there is nothing else.
    pub fn fit(&self, image: Option<&Distribution>) -> Result<(), Misfit> {
        let fits = self.0.iter().map(|one| match one {
            Platform::Nameless => Err(Misfit::Incomparable),
            Platform::Named(vendor, product) => is_of(vendor, product, image),
        });
        let misfits: Vec<Misfit> = fits.filter_map(Result::err).collect();
        let worst = misfits.iter().find(|one| !one.is_doubt()).or(misfits.first());
        worst.map_or(Ok(()), |misfit| Err(*misfit))
    }
}

/// Operating systems by vendor and product of their CPE, with their `ID`s in os-release.
const SYSTEMS: &[(&str, &str, &[&str])] = &[
    ("almalinux", "almalinux", &["almalinux"]),
    ("alpinelinux", "alpine_linux", &["alpine"]),
    ("amazon", "amazon_linux", &["amzn"]),
    ("canonical", "ubuntu_linux", &["ubuntu"]),
    ("centos", "centos", &["centos"]),
    ("debian", "debian_linux", &["debian"]),
    ("fedoraproject", "fedora", &["fedora"]),
    ("opensuse", "leap", &["opensuse-leap"]),
    ("oracle", "linux", &["ol"]),
    ("redhat", "enterprise_linux", &["rhel"]),
    ("rocky", "rocky", &["rocky"]),
    ("suse", "sled", &["sled"]),
    ("suse", "sles", &["sles"]),
    ("suse", "sles_sap", &["sles_sap"]),
];

fn systems(vendor: &str, product: &str) -> Option<&'static [&'static str]> {
    let name = product.split(':').next().unwrap_or_default();
    SYSTEMS.iter().find(|(by, of, _)| *by == vendor && *of == name).map(|(_, _, ids)| *ids)
}

fn is_of(vendor: &str, product: &str, image: Option<&Distribution>) -> Result<(), Misfit> {
    let image = image.ok_or(Misfit::NoRelease)?;
    let Some(ids) = systems(vendor, product) else {
        return if vendor == "redhat" {
            is_stream(product, image)
        } else {
            Err(Misfit::Incomparable)
        };
    };
    if !ids.contains(&image.id.as_str()) {
        return Err(Misfit::Platform);
    }
    let mut parts = product.split(':').skip(1);
    let (version, update) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (version, update) {
        ("", "") => Ok(()),
        ("" | "-", _) => Err(Misfit::Incomparable),
        (version, "" | "-" | "ga") => is_release(version, image),
        (version, update) => {
            let pack = update.strip_prefix("sp").filter(|_| vendor == "suse");
            let pack = pack.ok_or(Misfit::Incomparable)?;
            is_release(&format!("{version}.{pack}"), image)
        }
    }
}

/// Whether a product of Red Hat's other than its system is one that the image has its packages from. The image's vendor
/// says so of each; without a word of his, a stream of the image's own release may be one.
fn is_stream(product: &str, image: &Distribution) -> Result<(), Misfit> {
    let own = image.speaker().map(|speaker| speaker.ecosystems).unwrap_or_default();
    if own.contains(&of_red_hat(product)) {
        return Ok(());
    }
    let release = of_stream(product).ok_or(Misfit::Incomparable)?;
    if image.id != "rhel" || !image.platforms.is_empty() {
        return Err(Misfit::Platform);
    }
    let version = image.version.as_deref().ok_or(Misfit::NoRelease)?;
    match agree(release, version) {
        true => Err(Misfit::Stream),
        false => Err(Misfit::Platform),
    }
}

/// Whether two versions agree in every part that both have.
fn agree(one: &str, other: &str) -> bool {
    let parts = one.split('.').filter(|part| !part.is_empty());
    parts.zip(other.split('.')).all(|(one, other)| one == other)
}

/// Whether a version of the image's distribution is the image's: the release that advisories go by, and as much beyond
/// as is said.
fn is_release(version: &str, image: &Distribution) -> Result<(), Misfit> {
    let own = image.version.as_deref().ok_or(Misfit::NoRelease)?;
    if own == version {
        return Ok(());
    }
    let other =
        Distribution { version: Some(version.to_owned()), platforms: Vec::new(), ..image.clone() };
    let plain = Distribution { platforms: Vec::new(), ..image.clone() };
    let (Some(own_release), Some(release)) = (plain.speaker(), other.speaker()) else {
        return Err(Misfit::Platform);
    };
    let within = |whole: &str, part: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
    };
    if own_release.ecosystems != release.ecosystems {
        return Err(Misfit::Platform);
    }
    match (within(version, own), within(own, version)) {
        (true, _) => Ok(()),
        // Point releases of Debian are one release, and its os-release does not name them.
        (_, true) if image.id == "debian" => Ok(()),
        (_, true) => Err(Misfit::PointRelease),
        _ => Err(Misfit::Platform),
    }
}

/// Whether what a package URL says of its distribution is the image's: `debian-12`, `bookworm`, `rhel-9.4`, `alpine`.
///
/// # Errors
/// It is not, or nobody can tell.
pub(super) fn distro(text: &str, image: Option<&Distribution>) -> Result<(), Misfit> {
    let image = image.ok_or(Misfit::NoRelease)?;
    let is_codename = |word: &str| image.codename.as_deref() == Some(word);
    let ids = [image.id.as_str(), vendor(&image.id)];
    if ids.contains(&text) || is_codename(text) {
        return Ok(());
    }
    let of_own = ids.iter().find_map(|id| text.strip_prefix(id)?.strip_prefix('-'));
    match of_own {
        Some(release) if is_codename(release) => Ok(()),
        Some(release) if release.starts_with(|c: char| c.is_ascii_digit()) => {
            is_release(release, image)
        }
        Some(_) => Err(Misfit::Incomparable),
        None if text.contains('-') => Err(Misfit::Platform),
        None => Err(Misfit::Incomparable),
    }
}

/// The namespace of package URLs of a distribution, where it is not its `ID` (purl-spec, `rpm`: the vendor).
pub(super) fn vendor(id: &str) -> &str {
    match id {
        "rhel" => "redhat",
        id => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, version: &str, codename: &str) -> Distribution {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Distribution {
            id: id.to_owned(),
            version: text(version),
            codename: text(codename),
            ..Distribution::default()
        }
    }

    const OTHER: Result<(), Misfit> = Err(Misfit::Platform);
    const DOUBT: Result<(), Misfit> = Err(Misfit::Incomparable);
    const UNSAID: Result<(), Misfit> = Err(Misfit::NoRelease);
    const STREAM: Result<(), Misfit> = Err(Misfit::Stream);
    const POINT: Result<(), Misfit> = Err(Misfit::PointRelease);

    #[test]
    fn c74_a_platform_fits_its_own_distribution_and_release() {
        let cases = [
            ("cpe:/o:redhat:enterprise_linux:9", "rhel", "9.4", Ok(())),
            ("cpe:/a:redhat:enterprise_linux:9::appstream", "rhel", "9.4", Ok(())),
            ("cpe:2.3:o:redhat:enterprise_linux:9:*:*:*:*:*:*:*", "rhel", "9.4", Ok(())),
            ("cpe:/o:redhat:enterprise_linux", "rhel", "9.4", Ok(())),
            ("cpe:/o:redhat:enterprise_linux:10.0", "rhel", "10.0", Ok(())),
            ("cpe:/o:redhat:enterprise_linux:10.0", "rhel", "10.1", OTHER),
            ("cpe:/o:redhat:enterprise_linux:9", "rhel", "8.10", OTHER),
            ("cpe:/o:redhat:enterprise_linux:9", "rhel", "90.1", OTHER),
            ("cpe:/o:redhat:enterprise_linux:9", "rocky", "9.4", OTHER),
            ("cpe:/o:redhat:enterprise_linux:9", "centos", "9", OTHER),
            ("cpe:/o:redhat:enterprise_linux:9", "rhel", "", UNSAID),
            ("cpe:/o:redhat:enterprise_linux:9.4", "rhel", "9", POINT),
            ("cpe:/o:redhat:enterprise_linux:10.0", "rhel", "10", POINT),
            ("cpe:/o:redhat:enterprise_linux:10", "rhel", "10.0", Ok(())),
            ("cpe:/o:redhat:enterprise_linux:1", "rhel", "10.0", OTHER),
            ("cpe:/o:redhat:enterprise_linux:-", "rhel", "9.4", DOUBT),
            ("cpe:/a:redhat:rhel_eus:9.4::appstream", "rhel", "9.4", STREAM),
            ("cpe:/o:redhat:rhel_e4s:9.4::baseos", "rhel", "9.4", STREAM),
            ("cpe:/o:redhat:rhel_aus:9.4", "rhel", "9", STREAM),
            ("cpe:/o:redhat:rhel_els:7", "rhel", "7.9", STREAM),
            ("cpe:/a:redhat:rhel_tus", "rhel", "9.4", STREAM),
            ("cpe:/o:redhat:enterprise_linux_eus:10.0", "rhel", "10.0", STREAM),
            ("cpe:/o:redhat:rhel_eus:9.2", "rhel", "9.4", OTHER),
            ("cpe:/o:redhat:rhel_eus:9.40", "rhel", "9.4", OTHER),
            ("cpe:/o:redhat:rhel_eus:8.4", "rhel", "9.4", OTHER),
            ("cpe:/o:redhat:rhel_eus:9.4", "rocky", "9.4", OTHER),
            ("cpe:/o:redhat:rhel_eus:9.4", "rhel", "", UNSAID),
            ("cpe:/a:redhat:openshift:4.12::el9", "rhel", "9.4", DOUBT),
            ("cpe:/o:acme:os:1", "rhel", "9.4", DOUBT),
            ("no CPE", "rhel", "9.4", DOUBT),
            ("cpe:/o:suse:sles:15:sp5", "sles", "15.5", Ok(())),
            ("cpe:/o:suse:sles:15:sp4", "sles", "15.5", OTHER),
            ("cpe:/o:suse:sles:15", "sles", "15.5", OTHER),
            ("cpe:/o:debian:debian_linux:12.0", "debian", "12", Ok(())),
            ("cpe:/o:debian:debian_linux:11", "debian", "12", OTHER),
            ("cpe:/o:canonical:ubuntu_linux:22.04", "ubuntu", "22.04", Ok(())),
            ("cpe:/o:canonical:ubuntu_linux:22", "ubuntu", "22.04", OTHER),
            ("cpe:/o:alpinelinux:alpine_linux:3.20", "alpine", "3.20.3", Ok(())),
            ("cpe:/o:alpinelinux:alpine_linux:3", "alpine", "3.20.3", OTHER),
            ("cpe:/o:fedoraproject:fedora:40", "fedora", "40", Ok(())),
            ("cpe:/o:fedoraproject:fedora:40", "fedora", "41", OTHER),
        ];
        for (cpe, id, version, want) in cases {
            let image = image(id, version, "");
            assert_eq!(Platforms::alone(Some(cpe)).fit(Some(&image)), want, "{cpe} {id} {version}");
            assert!(Platforms::alone(Some(cpe)).fit(None).is_err(), "{cpe}");
        }
        assert_eq!(Platforms::alone(None).fit(Some(&image("rhel", "9.4", ""))), DOUBT);
        assert_eq!(Platforms::default().fit(None), Ok(()));
        let extended = Distribution {
            platforms: vec!["cpe:/a:redhat:rhel_eus:9.4::appstream".to_owned()],
            ..image("rhel", "9.4", "")
        };
        for cpe in ["cpe:/a:redhat:rhel_eus:9.4::baseos", "cpe:/o:redhat:enterprise_linux:9"] {
            assert_eq!(Platforms::alone(Some(cpe)).fit(Some(&extended)), Ok(()), "{cpe}");
        }
        // What the vendor does not list is none of the image's.
        let other = Platforms::alone(Some("cpe:/a:redhat:rhel_e4s:9.4::baseos"));
        assert_eq!(other.fit(Some(&extended)), OTHER);
        // A doubt is told only where nothing else is in the way.
        let mut both = Platforms::alone(Some("cpe:/a:redhat:rhel_eus:9.4"));
        both.extend(&Platforms::alone(Some("cpe:/o:redhat:enterprise_linux:8")));
        assert_eq!(both.fit(Some(&image("rhel", "9.4", ""))), OTHER);
    }

    #[test]
    fn a_cpe_beside_a_package_is_its_platform_or_its_own() {
        let purls = ["pkg:rpm/redhat/openssl".to_owned()];
        let platforms = |cpe| Platforms::beside(Some(cpe), &purls).0.len();
        assert_eq!(platforms("cpe:/a:openssl:openssl:3.0.7"), 0);
        assert_eq!(platforms("cpe:/a:redhat:openssl:3.0.7"), 0);
        assert_eq!(platforms("cpe:/a:redhat:enterprise_linux:9::appstream"), 1);
        assert_eq!(platforms("cpe:/a:redhat:rhel_eus:9.2::appstream"), 1);
        assert_eq!(platforms("cpe:/a:redhat:openshift:4.12::el9"), 1);
        assert_eq!(platforms("cpe:/o:acme:os:1"), 1);
    }

    #[test]
    fn many_platforms_at_once_are_none_that_fits() {
        let image = image("rhel", "9.4", "");
        let mut all = Platforms::default();
        for place in 0..1000 {
            let one = format!("cpe:/o:redhat:enterprise_linux:9::{place}");
            all.extend(&Platforms::alone(Some(&one)));
            assert_eq!(all.fit(Some(&image)).is_ok(), place < MOST, "{place}");
            assert!(all.0.len() <= MOST);
        }
    }

    #[test]
    fn c74_a_package_url_names_its_distribution() {
        let cases = [
            ("debian-12", "debian", "12", "bookworm", Ok(())),
            ("debian-12.5", "debian", "12", "bookworm", Ok(())),
            ("bookworm", "debian", "12", "bookworm", Ok(())),
            ("debian-bookworm", "debian", "12", "bookworm", Ok(())),
            ("debian", "debian", "12", "bookworm", Ok(())),
            ("debian-11", "debian", "12", "bookworm", OTHER),
            ("bullseye", "debian", "12", "bookworm", DOUBT),
            ("ubuntu-22.04", "debian", "12", "bookworm", OTHER),
            ("alpine-3.20", "alpine", "3.20.3", "", Ok(())),
            ("alpine-3.19", "alpine", "3.20.3", "", OTHER),
            ("rhel-9.4", "rhel", "9.4", "", Ok(())),
            ("redhat-9", "rhel", "9.4", "", Ok(())),
            ("rhel-8.10", "rhel", "9.4", "", OTHER),
            ("opensuse-leap-15.6", "opensuse-leap", "15.6", "", Ok(())),
            ("12", "debian", "12", "bookworm", DOUBT),
            ("debian-", "debian", "12", "bookworm", DOUBT),
            ("debian-12", "debian", "", "", UNSAID),
        ];
        for (text, id, version, codename, want) in cases {
            let image = image(id, version, codename);
            assert_eq!(distro(text, Some(&image)), want, "{text} {id} {version}");
        }
        assert_eq!(distro("debian-12", None), UNSAID);
    }
}
