//! The order of versions, as each ecosystem has it.
//!
//! Turns two texts and a [`Scheme`] into an order, or into none: a version that its scheme does not have cannot be
//! compared, and whoever asks has to say so. Semantic versions and PEP 440 are read by their crates; the others have
//! no kept crate that takes every version of its ecosystem and nothing else with it, so each is a few lines here, held
//! against a table in `tests.rs`.

mod apk;
mod composer;
mod digits;
mod dpkg;
mod gem;
mod maven;
mod nuget;
mod rpm;
mod semantic;

use std::{cmp::Ordering, str::FromStr as _};

/// Bytes of one version; those of real packages are up to some hundred.
const VERSION_BYTES: usize = 512;

/// How versions of an ecosystem are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// deb-version(7).
    Dpkg,
    /// apk-package(5).
    Apk,
    /// rpm-version(7).
    Rpm,
    /// Semantic Versioning 2.0.0; a leading `v` is dropped and missing numbers are zeros.
    Semantic,
    /// The same, where versions that differ in build metadata differ (Dart).
    SemanticWithBuild,
    /// PEP 440.
    Python,
    /// Maven's version order specification.
    Maven,
    /// `Gem::Version`.
    Gem,
    /// NuGet's versions of up to four numbers.
    NuGet,
    /// Composer's normal form.
    Composer,
    /// Numbers with dots or hyphens between them (CRAN, Hackage).
    Numbers,
}

impl Scheme {
    /// The scheme of an ecosystem of the OSV schema, by its name without a release.
    pub fn of(ecosystem: &str) -> Option<Self> {
        Some(match ecosystem {
            "Debian" | "Ubuntu" | "Echo" => Self::Dpkg,
            "Alpine"
            | "Wolfi"
            | "Chainguard"
            | "MinimOS"
            | "Alpaquita"
            | "BellSoft Hardened Containers" => Self::Apk,
            "Red Hat" | "Rocky Linux" | "AlmaLinux" | "SUSE" | "openSUSE" | "openEuler"
            | "Mageia" | "Azure Linux" | "Photon OS" => Self::Rpm,
            "npm"
            | "Go"
            | "crates.io"
            | "Hex"
            | "SwiftURL"
            | "GitHub Actions"
            | "Julia"
            | "Bitnami"
            | "Bioconductor"
            | "ConanCenter"
            | "Docker Hardened Images"
            | "VSCode" => Self::Semantic,
            "Pub" => Self::SemanticWithBuild,
            "PyPI" => Self::Python,
            "Maven" => Self::Maven,
            "RubyGems" => Self::Gem,
            "NuGet" => Self::NuGet,
            "Packagist" => Self::Composer,
            "CRAN" | "Hackage" | "GHC" => Self::Numbers,
            _ => return None,
        })
    }

    /// How `a` stands to `b`; `None` where one of them is no version of the scheme.
    pub fn compare(self, a: &str, b: &str) -> Option<Ordering> {
        if a.len() > VERSION_BYTES || b.len() > VERSION_BYTES {
            return None;
        }
        match self {
            Self::Dpkg => dpkg::compare(a, b),
            Self::Apk => apk::compare(a, b),
            Self::Rpm => rpm::compare(a, b),
            Self::Semantic => Some(semantic::parse(a)?.cmp_precedence(&semantic::parse(b)?)),
            Self::SemanticWithBuild => Some(semantic::parse(a)?.cmp(&semantic::parse(b)?)),
            Self::Python => Some(python(a)?.cmp(&python(b)?)),
            Self::Maven => maven::compare(a, b),
            Self::Gem => gem::compare(a, b),
            Self::NuGet => nuget::compare(a, b),
            Self::Composer => composer::compare(a, b),
            Self::Numbers => digits::compare_lists(a, b),
        }
    }

    /// Whether `text` is a version of the scheme.
    pub fn reads(self, text: &str) -> bool {
        self.compare(text, text).is_some()
    }
}

fn python(text: &str) -> Option<pep440_rs::Version> {
    pep440_rs::Version::from_str(text.trim()).ok()
}

#[cfg(test)]
mod tests;
