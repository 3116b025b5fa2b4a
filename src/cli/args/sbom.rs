//! The words of `hallmark sbom`, and of `--sbom`.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, InquiryArgs, Lookup, Platforms, image};
use crate::{image::Platform, reference::Reference, sbom::quality::Profile};

/// SBOMs in files.
#[derive(Debug, Clone, Default, Args)]
pub struct Sboms {
    /// SBOM of the image in a file: it counts by your word, as if a signer who may vouch for it had signed it; may be repeated
    #[arg(long, help_heading = "Trust", value_name = "FILE")]
    pub sbom: Vec<PathBuf>,
}

/// `hallmark sbom`
#[derive(Debug, Subcommand)]
pub enum Sbom {
    /// Say what a bill of materials is, what it lacks, and whether it agrees with its image
    ///
    /// Exit codes: 0 where a file can be read and has what --profile asks for; of an image, where an SBOM is proven, and each that is
    /// names no other image, agrees with what is in this one and has what --profile asks for. 1 where not.
    Check(Box<SbomCheck>),
    /// Write a bill of materials of what is in an image
    Generate(SbomGenerate),
    /// Compare what two images, or two bills of materials, list
    ///
    /// Exit codes: 0 where nothing differs, 1 where something does.
    Diff(SbomDiff),
}

/// A document on this disk, or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// An SBOM.
    File(PathBuf),
    /// An image, whose files say what is in it.
    Image(Reference),
}

impl FromStr for Listed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
        if is_path || is_document(text) || Path::new(text).exists() {
            return Ok(Self::File(text.into()));
        }
        image(text).map(Self::Image).map_err(|error| format!("no such file, and no image: {error}"))
    }
}

/// Whether a name is that of a document, there or not: no image without a tag and a digest is called so.
fn is_document(text: &str) -> bool {
    let ends = [".json", ".xml", ".spdx", ".cdx", ".yaml", ".yml", ".rdf", ".tag", ".txt"];
    let low = text.to_ascii_lowercase();
    !text.contains([':', '@']) && ends.iter().any(|end| low.ends_with(end))
}

/// `hallmark sbom check`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark sbom check app.spdx.json\n  hallmark sbom check --profile ntia-2021 app.cdx.json\n  hallmark sbom check --key cosign.pub \\\n    registry.example/app:1"
)]
pub struct SbomCheck {
    /// An SBOM in a file, or an image as for verify, of which all SBOMs are looked at
    #[arg(value_name = "FILE|IMAGE")]
    pub listed: Listed,
    /// What the document has to say [default: all are shown, none is asked for]
    #[arg(long, value_name = "PROFILE", value_parser = profile())]
    pub profile: Vec<Profile>,
    /// Which platforms.
    #[command(flatten)]
    pub platforms: Platforms,
    /// What is handed in.
    #[command(flatten)]
    pub inquiry: InquiryArgs,
    /// Report format on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// The profiles, by name.
fn profile() -> impl clap::builder::TypedValueParser<Value = Profile> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    let names = PossibleValuesParser::new(Profile::ALL.map(Profile::name));
    // The parser takes no other name.
    names.map(|name| Profile::named(&name).unwrap_or(Profile::Ntia2021))
}

/// `hallmark sbom generate`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark sbom generate --format spdx-2.3 \\\n    registry.example/app:1 -o app.spdx.json\n  hallmark sbom generate --format cyclonedx-1.6 \\\n    registry.example/app:1 > app.cdx.json"
)]
pub struct SbomGenerate {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Where a bare digest is looked up.
    #[command(flatten)]
    pub lookup: Lookup,
    /// Platform, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Which format
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: SbomFormat,
    /// Which files are listed with their digests
    #[arg(long, value_enum, default_value = "own", value_name = "WHICH")]
    pub files: FilesListed,
    /// Who makes the document, as an organisation
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Time of the document, in seconds since 1970 [default: when the image was created, as it says]
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    pub epoch: Option<i64>,
    /// Where to write it [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// SPDX 2.3, as JSON.
    #[value(name = "spdx-2.3")]
    Spdx23,
    /// CycloneDX 1.6, as JSON.
    #[value(name = "cyclonedx-1.6")]
    CycloneDx16,
}

/// Which files a document lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FilesListed {
    /// Those for whose bytes no package's own record vouches.
    Own,
    /// All regular files.
    All,
    /// None.
    None,
}

/// `hallmark sbom diff`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark sbom diff registry.example/app:1 \\\n    registry.example/app:2\n  hallmark sbom diff before.spdx.json after.cdx.json"
)]
pub struct SbomDiff {
    /// The one before: an SBOM in a file, or an image
    #[arg(value_name = "BEFORE")]
    pub before: Listed,
    /// The one after
    #[arg(value_name = "AFTER")]
    pub after: Listed,
    /// Platform of both, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Say which vulnerabilities come and go, too, by a database that vulns import wrote
    #[arg(long, value_name = "FILE")]
    pub vulns: Option<PathBuf>,
    /// Report format on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_not_there_is_no_image() {
        for text in ["nosuch.json", "a.cdx.JSON", "sub/app.spdx", "./app", "/tmp/app"] {
            assert_eq!(text.parse(), Ok(Listed::File(text.into())), "{text}");
        }
        for text in ["nginx", "registry.example/app.json:1", "registry.example/app", "oci:dir"] {
            assert!(matches!(text.parse(), Ok(Listed::Image(_))), "{text}");
        }
    }
}
