//! Platforms: operating system, architecture, variant.
//!
//! Reads `linux/arm64/v8` as Docker and containerd write it, brings it into the form that containerd compares
//! (`Normalize` of github.com/containerd/platforms 1.0), and says which images a node of a platform takes (`Only` there).
//! Every other module compares platforms in that form alone: what a runtime takes for `linux/amd64` is `linux/amd64` here,
//! however an index spells it. `unknown/unknown` marks attestation manifests and never is a platform to run.

use std::{fmt, str::FromStr};

/// What an image runs on, in containerd's normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    /// Operating system, a Go `GOOS` value.
    pub os: String,
    /// Architecture, a Go `GOARCH` value.
    pub architecture: String,
    /// Variant of the architecture, as `v7`; `None` for the common one of amd64 (v1) and arm64 (v8).
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {0:?} has not the form os/architecture[/variant], for example linux/amd64")]
pub struct PlatformError(pub String);

/// What a configuration says about its platform: builders leave parts of it out, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stated {
    /// Operating system, as written.
    pub os: Option<String>,
    /// Architecture, as written.
    pub architecture: Option<String>,
    /// Variant, as written.
    pub variant: Option<String>,
}

/// Why a configuration's platform cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatedError {
    /// Nobody says all of it.
    #[error("it has no {0}, and no index says for what platform it is")]
    Missing(String),
    /// The index says otherwise.
    #[error("it is for {own}, the index lists it for {listed}")]
    Contradicts {
        /// The configuration's word.
        own: String,
        /// The index's.
        listed: String,
    },
}

/// How well an image fits a node: the lowest rank is what the node prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fit {
    /// Position in the list of what the node takes, the best first.
    pub rank: usize,
    /// Whether every node of the platform takes it. Where the platform leaves the node's variant open, some do.
    pub certain: bool,
}

impl Platform {
    /// The platform with these words, in normal form.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = variant.unwrap_or_default().to_lowercase();
        let (architecture, variant) = normal(&architecture.to_lowercase(), &variant);
        Self { os, architecture, variant: Some(variant).filter(|v| !v.is_empty()) }
    }

    /// The platform that this program was built for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        // Containers on other systems run in a Linux machine.
        Self::new("linux", architecture, None)
    }

    /// Whether this is the placeholder of attestation manifests.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// Whether an image for `self` is one for `wanted`, which may leave the variant open.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant == wanted.variant)
    }

    /// Whether an index may list an image for `self` under `listed`. Indexes leave the variant out, which for arm reads as v7.
    fn agrees(&self, listed: &Self) -> bool {
        let open = match (listed.architecture.as_str(), listed.variant.as_deref()) {
            (_, None) => true,
            ("arm", Some(variant)) => variant == "v7",
            _ => false,
        };
        self.os == listed.os
            && self.architecture == listed.architecture
            && (open || self.variant == listed.variant)
    }

    /// Whether and how gladly a node of this platform takes an image for another one. It is containerd's list for the
    /// node; a node whose variant is not said may also be of any other variant of its architecture.
    pub fn takes(&self, image: &Self) -> Option<Fit> {
        if self.os != image.os {
            return None;
        }
        let list = self.taken();
        let listed = list.iter().position(|one| one == image);
        let open = self.variant.is_none() && self.architecture == image.architecture;
        match listed {
            Some(rank) => Some(Fit { rank, certain: true }),
            None => open.then_some(Fit { rank: 0, certain: false }),
        }
    }

    /// What a node of this platform takes, the best first (`platformVector` of containerd).
    fn taken(&self) -> Vec<Self> {
        let like = |architecture: &str, variant: &str| {
            Self::new(&self.os, architecture, Some(variant).filter(|v| !v.is_empty()))
        };
        let variant = self.variant.as_deref().unwrap_or_default();
        let version = variant.strip_prefix('v').and_then(|v| v.parse::<u8>().ok());
        let mut list = vec![self.clone()];
        match self.architecture.as_str() {
            "amd64" => {
                let lower = (1..version.unwrap_or(1)).rev();
                list.extend(lower.map(|v| like("amd64", &format!("v{v}"))));
                list.push(like("386", ""));
            }
            "arm" => {
                let lower = (5..version.unwrap_or(5)).rev();
                list.extend(lower.map(|v| like("arm", &format!("v{v}"))));
            }
            "arm64" => {
                let lower = arm64_below(variant);
                list.extend(lower.iter().map(|v| like("arm64", v)));
                list.extend((5..=8).rev().map(|v| like("arm", &format!("v{v}"))));
            }
            _ => {}
        }
        list
    }
}

impl From<&Platform> for Stated {
    fn from(platform: &Platform) -> Self {
        Self {
            os: Some(platform.os.clone()),
            architecture: Some(platform.architecture.clone()),
            variant: platform.variant.clone(),
        }
    }
}

impl Stated {
    /// The platform of the image: what the configuration says, and where it says nothing what the index does.
    ///
    /// # Errors
    /// Where neither says it, and where they differ: one program goes by the index, another by the configuration.
    pub fn resolve(&self, listed: Option<&Platform>) -> Result<Platform, StatedError> {
        let os = self.os.as_deref().or(listed.map(|l| l.os.as_str()));
        let architecture = self.architecture.as_deref().or(listed.map(|l| l.architecture.as_str()));
        let (Some(os), Some(architecture)) = (os, architecture) else {
            let missing = [("os", &self.os), ("architecture", &self.architecture)];
            let missing = missing.iter().filter(|(_, said)| said.is_none()).map(|(name, _)| *name);
            return Err(StatedError::Missing(missing.collect::<Vec<_>>().join(" and no ")));
        };
        let variant = self.variant.as_deref().or(listed.and_then(|l| l.variant.as_deref()));
        let own = Platform::new(os, architecture, variant);
        match listed {
            Some(listed) if !own.agrees(listed) => {
                let (own, listed) = (own.to_string(), listed.to_string());
                Err(StatedError::Contradicts { own, listed })
            }
            _ => Ok(own),
        }
    }
}

/// Architecture and variant, both in lower case, in normal form (`normalizeArch` of containerd).
fn normal(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64", other) => ("arm64", other),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

/// Variants of arm64 that a machine of `variant` runs besides it: v9.x runs v8.(x+5) and what is below.
fn arm64_below(variant: &str) -> Vec<String> {
    let parts = variant.strip_prefix('v').map(|v| v.split_once('.').unwrap_or((v, "0")));
    let version = parts.and_then(|(major, minor)| Some((major, minor.parse::<u8>().ok()?)));
    let versions = |major: u8, minors: std::ops::Range<u8>| {
        minors.rev().map(move |minor| match minor {
            0 => format!("v{major}"),
            _ => format!("v{major}.{minor}"),
        })
    };
    match version {
        Some(("9", minor)) => {
            let minor = minor.min(9);
            versions(9, 0..minor).chain(versions(8, 0..(minor + 6).min(10))).collect()
        }
        Some(("8", minor)) => versions(8, 0..minor.min(10)).collect(),
        _ => Vec::new(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|v| write!(f, "/{v}"))
    }
}

/// Whether a text can be an operating system, an architecture or a variant.
pub fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, rest @ ..]
                if rest.len() <= 1 && parts.iter().all(|part| is_word(part)) =>
            {
                Ok(Self::new(os, architecture, rest.first().copied()))
            }
            _ => Err(PlatformError(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_matches() {
        let cases = [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/amd64", "linux/arm64", false),
            ("windows/amd64", "linux/amd64", false),
        ];
        for (have, want, serves) in cases {
            assert_eq!(platform(have).serves(&platform(want)), serves, "{have} for {want}");
        }
        for bad in
            ["", "linux", "linux/", "/amd64", "linux/amd64/v8/x", "linux/a b", "linux/\u{1b}"]
        {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_spelling_of_a_platform_is_one_platform() {
        let cases = [
            ("Linux/AMD64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/x86-64/v1", "linux/amd64"),
            ("linux/amd64/V3", "linux/amd64/v3"),
            ("linux/i386/v2", "linux/386"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/8", "linux/arm64"),
            ("linux/arm64/v8.0", "linux/arm64"),
            ("linux/arm64/9.0", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf/v5", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/arm/8", "linux/arm/v8"),
            ("macOS/arm64", "darwin/arm64"),
            ("Unknown/UNKNOWN", "unknown/unknown"),
        ];
        for (written, normal) in cases {
            assert_eq!(platform(written).to_string(), normal, "{written}");
            assert_eq!(platform(normal).to_string(), normal, "a normal form stays");
        }
    }

    #[test]
    fn a_configuration_may_be_silent_and_may_not_contradict() {
        let said = |os: &str, architecture: &str, variant: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
            Stated { os: some(os), architecture: some(architecture), variant: some(variant) }
        };
        let cases = [
            (said("linux", "amd64", ""), None, Ok("linux/amd64")),
            (said("", "", ""), Some("linux/amd64"), Ok("linux/amd64")),
            (said("Linux", "", ""), Some("linux/amd64"), Ok("linux/amd64")),
            (said("", "x86_64", ""), Some("linux/amd64"), Ok("linux/amd64")),
            // Old images for arm say no variant in one of the two places.
            (said("linux", "arm", ""), Some("linux/arm/v6"), Ok("linux/arm/v6")),
            (said("linux", "arm", "v6"), Some("linux/arm"), Ok("linux/arm/v6")),
            (said("linux", "arm64", "v8"), Some("linux/arm64"), Ok("linux/arm64")),
            (said("", "", ""), None, Err("it has no os and no architecture,")),
            (said("linux", "", ""), None, Err("it has no architecture,")),
            (said("", "arm64", ""), None, Err("it has no os,")),
            (said("windows", "", ""), Some("linux/amd64"), Err("it is for windows/amd64")),
            (said("linux", "arm64", ""), Some("linux/amd64"), Err("it is for linux/arm64")),
            (said("linux", "amd64", "v3"), Some("linux/amd64/v2"), Err("lists it for")),
            (said("linux", "arm", "v7"), Some("linux/arm/v6"), Err("lists it for")),
        ];
        for (said, listed, want) in cases {
            let listed = listed.map(platform);
            let got = said.resolve(listed.as_ref());
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got.to_string(), want, "{said:?}"),
                (Err(error), Err(want)) => {
                    assert!(error.to_string().contains(want), "{said:?}: {error}");
                }
                (got, _) => panic!("{said:?} under {listed:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn nodes_take_what_containerd_lists() {
        let sure = |rank| Some(Fit { rank, certain: true });
        let perhaps = Some(Fit { rank: 0, certain: false });
        let cases = [
            ("linux/amd64", "linux/x86_64", sure(0)),
            ("linux/amd64", "linux/386", sure(1)),
            ("linux/amd64", "linux/amd64/v3", perhaps),
            ("linux/amd64/v3", "linux/amd64/v2", sure(1)),
            ("linux/amd64/v3", "linux/amd64", sure(2)),
            ("linux/amd64/v3", "linux/amd64/v4", None),
            ("linux/386", "linux/amd64", None),
            ("linux/arm64", "linux/arm/v8", sure(1)),
            ("linux/arm64", "linux/arm", sure(2)),
            ("linux/arm64", "linux/arm64/v9", perhaps),
            ("linux/arm64/v9.6", "linux/arm64/v9", sure(6)),
            ("linux/arm64/v9", "linux/arm64/v8.5", sure(1)),
            ("linux/arm64/v9", "linux/arm64/v8.6", None),
            ("linux/arm64/v8.1", "linux/arm64", sure(1)),
            ("linux/arm/v7", "linux/arm/v6", sure(1)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm/v7", "linux/arm/v4", None),
            ("windows/amd64", "linux/amd64", None),
            ("linux/riscv64", "linux/riscv64", sure(0)),
        ];
        for (node, image, fit) in cases {
            assert_eq!(platform(node).takes(&platform(image)), fit, "{node} takes {image}");
        }
    }
}
