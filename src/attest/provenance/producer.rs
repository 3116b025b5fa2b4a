//! Who writes provenance, told by the build type.
//!
//! The build type alone says which form the parts of a predicate have that SLSA leaves open (slsa.dev/spec/v1.0/provenance,
//! "buildType"). Refuses to recognise a builder by its id: whoever signs may write any id.

use super::{BUILDKIT_V1_BUILD_TYPE, BUILDKIT_V02_BUILD_TYPE, HALLMARK_BUILD_TYPE};

/// Which producer's form provenance came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Producer {
    /// BuildKit, SLSA v0.2.
    BuildkitV02,
    /// BuildKit, SLSA v1.
    BuildkitV1,
    /// hallmark's build manifest.
    Hallmark,
    /// A workflow of GitHub Actions.
    GithubActions,
    /// A reusable workflow of slsa-github-generator, run by GitHub Actions.
    SlsaGithubGenerator,
    /// npm's command line in a workflow of GitHub Actions.
    Npm,
    /// Google Cloud Build.
    CloudBuild,
    /// Tekton Chains.
    TektonChains,
    /// Another build type: builder, source and materials only.
    Other,
}

/// Build types of GitHub Actions: GitHub's own, and SLSA's before it.
const GITHUB_ACTIONS: [&str; 2] = [
    "https://actions.github.io/buildtypes/workflow/v1",
    "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
];

/// What the build types of slsa-github-generator begin with.
const GENERATOR: [&str; 3] = [
    "https://github.com/slsa-framework/slsa-github-generator/",
    "https://github.com/slsa-framework/slsa-github-generator-go@",
    "https://slsa.dev/container-based-build/",
];

/// What the build types of npm's command line begin with.
const NPM: &str = "https://github.com/npm/cli/gha/";

/// What the build types of Google Cloud Build begin with.
const CLOUD_BUILD: [&str; 3] = [
    "https://cloud.google.com/build/gcb-buildtypes/",
    "https://slsa-framework.github.io/gcb-buildtypes/",
    "https://cloudbuild.googleapis.com/",
];

/// What the build types of Tekton Chains begin with.
const TEKTON: [&str; 4] =
    ["tekton.dev/v1/", "tekton.dev/v1beta1/", "https://tekton.dev/", "https://chains.tekton.dev/"];

impl Producer {
    /// The producer that uses this build type in SLSA v0.1, v0.2 or v1.
    pub fn of(build_type: &str) -> Self {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|p| build_type.starts_with(p));
        match build_type {
            BUILDKIT_V02_BUILD_TYPE => Self::BuildkitV02,
            BUILDKIT_V1_BUILD_TYPE => Self::BuildkitV1,
            HALLMARK_BUILD_TYPE => Self::Hallmark,
            _ if GITHUB_ACTIONS.contains(&build_type) => Self::GithubActions,
            _ if begins(&GENERATOR) => Self::SlsaGithubGenerator,
            _ if begins(&[NPM]) => Self::Npm,
            _ if begins(&CLOUD_BUILD) => Self::CloudBuild,
            _ if begins(&TEKTON) => Self::TektonChains,
            _ => Self::Other,
        }
    }

    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildkitV02 | Self::BuildkitV1 => "buildkit",
            Self::Hallmark => "hallmark",
            Self::GithubActions => "github-actions",
            Self::SlsaGithubGenerator => "slsa-github-generator",
            Self::Npm => "npm",
            Self::CloudBuild => "cloud-build",
            Self::TektonChains => "tekton-chains",
            Self::Other => "other",
        }
    }

    /// Whether the form says enough for a build to be repeated.
    pub fn is_replayable(self) -> bool {
        matches!(self, Self::BuildkitV02 | Self::BuildkitV1 | Self::Hallmark)
    }

    /// Whether the build ran on GitHub Actions, whose identity tokens say what a signing certificate says.
    pub fn is_github(self) -> bool {
        matches!(self, Self::GithubActions | Self::SlsaGithubGenerator | Self::Npm)
    }
}
