//! The command line in types.

mod import;
mod inquiry;
mod sbom;

use std::{path::PathBuf, str::FromStr};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::{
    moment,
    reports::{ReportFormat, Reports, Wanted},
    saved_folder,
};
pub use import::PolicyImport;
pub use inquiry::InquiryArgs;
pub use sbom::{FilesListed, Listed, Sbom, SbomCheck, SbomDiff, SbomFormat, SbomGenerate, Sboms};

use crate::{
    digest::Digest,
    image::Platform,
    reference::{Location, Reference, ReferenceError, Repository, Selector},
};

/// The most columns of help.
pub(super) const HELP_COLUMNS: usize = 100;

/// The first command of a new user, before everything else in the help.
const FIRST: &str = "\
Begin with one image and the key of whoever signed it:
  hallmark verify --key cosign.pub registry.example/app:1";

/// What exit codes mean, at the end of the help.
const EXIT_CODES: &str = "\
Exit codes: 0 yes, 1 no, 2 the command line or the configuration is wrong, 3 the image or what
it takes could not be read";

/// Verifies container images: rebuilds them from their provenance, compares, checks signatures and SBOMs, and decides by
/// policy.
#[derive(Debug, Parser)]
#[command(name = "hallmark", version, about, long_about = None, max_term_width = HELP_COLUMNS, before_help = FIRST, after_help = EXIT_CODES)]
pub struct Cli {
    /// Settings that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Configuration file [default: $HALLMARK_CONFIG, $XDG_CONFIG_HOME/hallmark/hallmark.yaml, then
    /// /etc/hallmark/hallmark.yaml]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say less on stderr: errors only; of serve, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more: each step with its time on stderr, and in the report what lies beside the image that no trusted signer signed; twice
    /// for times, places and fields of each step
    #[arg(long, short, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Colours in reports: auto is for terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Colour,
    /// Diagnostic log on stderr, as `hallmark=debug`, which has the time that each stage takes [default of serve:
    /// hallmark=info]
    #[arg(long, global = true, env = "HALLMARK_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// When reports have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify an image and say pass or fail
    Verify(Box<Verify>),
    /// Write a first hallmark.yaml from what an image carries
    Init(Init),
    /// Show what an image carries, and what was proven of it
    Inspect(Inspect),
    /// List what is in an image, and whose every file is
    Inventory(Inventory),
    /// Rebuild an image from its provenance and compare
    Rebuild(Box<Rebuild>),
    /// Keep what rebuilds of an image need
    #[command(
        subcommand,
        after_help = "Examples:\n  hallmark materials fetch --to store/ \\\n    registry.example/app:1"
    )]
    Materials(Materials),
    /// Compare any two images
    Diff(Diff),
    /// Sign an image, or a statement about it, and store the signature beside it
    Sign(Box<Sign>),
    /// Make a build manifest and put it into an image; check provenance in a file
    #[command(
        subcommand,
        after_help = "Examples:\n  hallmark provenance create --engine buildah=1.28.2 \\\n    --source https://git.example/app.git oci:built"
    )]
    Provenance(Provenance),
    /// Work with policies
    #[command(subcommand, after_help = "Examples:\n  hallmark policy test policies/")]
    Policy(Policy),
    /// Work with trusted roots and trust rules
    #[command(subcommand, after_help = "Examples:\n  hallmark trust show")]
    Trust(Trust),
    /// Check, make and compare bills of materials
    #[command(subcommand)]
    Sbom(Sbom),
    /// Work with data about vulnerabilities, which verify reads from a file
    #[command(subcommand)]
    Vulns(Vulns),
    /// Check and show the configuration
    #[command(subcommand, after_help = "Examples:\n  hallmark config check --config hallmark.yaml")]
    Config(Settings),
    /// Answer Kubernetes admission reviews over HTTPS
    Serve(Serve),
    /// Explain a finding code, or print a page of the documents
    Explain(Explain),
    /// Print the JSON Schema of what hallmark prints or writes
    Schema(Schema),
    /// Print what completes hallmark's commands and options in a shell
    Completions(Completions),
    /// Print a manual page, as roff: of hallmark, or of one of its commands
    Man(Man),
}

impl Command {
    /// The reports that it writes, that on stdout first.
    pub fn reports(&self) -> Vec<Wanted> {
        let format = match self {
            Self::Verify(args) => return args.reports.all(),
            Self::Rebuild(args) => return args.reports.all(),
            Self::Inspect(args) => args.output,
            Self::Inventory(Inventory { output: InventoryFormat::Json, .. }) => Format::Json,
            Self::Sign(args) => args.output,
            Self::Provenance(Provenance::Attest(args)) => args.output,
            Self::Provenance(Provenance::Embed(args)) => args.output,
            Self::Provenance(Provenance::Check(args)) => args.output,
            Self::Materials(Materials::Fetch(args)) => args.output,
            Self::Init(args) => args.output,
            Self::Schema(args) => args.output,
            Self::Trust(Trust::Update(args)) => args.output,
            Self::Trust(Trust::Show { output } | Trust::Import { output, .. }) => *output,
            Self::Policy(Policy::Test { output: TestFormat::Junit, .. }) => {
                return vec![Wanted::on_stdout(ReportFormat::Junit)];
            }
            Self::Policy(Policy::Test { output: TestFormat::Json, .. }) => Format::Json,
            Self::Policy(Policy::Check { output, .. }) => *output,
            Self::Policy(Policy::Eval(args)) => args.output,
            Self::Policy(Policy::Explain(args)) => args.output,
            Self::Policy(Policy::Import(args)) => args.output,
            Self::Config(Settings::Check { output } | Settings::Show { output }) => *output,
            Self::Explain(args) => args.output,
            Self::Vulns(Vulns::Import(args)) => args.output,
            Self::Sbom(Sbom::Check(args)) => args.output,
            Self::Sbom(Sbom::Diff(args)) => args.output,
            Self::Vulns(Vulns::Info { output, .. }) => *output,
            Self::Vulns(Vulns::Match(args)) => args.output,
            Self::Diff(Diff { output: DiffFormat::Json, .. }) => Format::Json,
            Self::Diff(_)
            | Self::Policy(
                Policy::Test { .. }
                | Policy::Input(_)
                | Policy::Blueprint(_)
                | Policy::New { .. }
                | Policy::Docs { .. }
                | Policy::Export(_),
            )
            | Self::Inventory(_)
            | Self::Provenance(Provenance::Create(_))
            | Self::Sbom(Sbom::Generate(_))
            | Self::Serve(_)
            | Self::Completions(_)
            | Self::Man(_) => Format::Text,
        };
        vec![Wanted::on_stdout(match format {
            Format::Text => ReportFormat::Text,
            Format::Json => ReportFormat::Json,
        })]
    }

    /// Why its reports cannot all be written.
    pub fn conflict(&self) -> Option<String> {
        match self {
            Self::Verify(args) => args.reports.conflict().or_else(|| args.no_summary()),
            Self::Rebuild(args) if args.plan => {
                let pipelines = |wanted: &Wanted| wanted.format.is_for_pipelines();
                let all = args.reports.all();
                let only = "a plan is written as text or json: it is no result";
                let conflict = all.iter().any(pipelines).then(|| only.to_owned());
                conflict.or_else(|| args.reports.conflict()).or_else(|| args.idle_signer())
            }
            Self::Rebuild(args) if args.reports.has(ReportFormat::Vsa) => {
                Some(NOT_OF_REBUILD.to_owned())
            }
            Self::Rebuild(args) => args.reports.conflict().or_else(|| args.idle_signer()),
            _ => None,
        }
    }

    /// The one image that it is about, where its reports are for pipelines.
    pub fn image(&self) -> Option<&Reference> {
        match self {
            Self::Verify(args) => match args.images.as_slice() {
                [Given::Image(image)] if args.file.is_empty() => Some(image),
                _ => None,
            },
            Self::Rebuild(args) => Some(&args.image),
            _ => None,
        }
    }

    /// Whether its answer is lines for people, which may have colours, and are set to the width of a terminal.
    pub fn is_report(&self) -> bool {
        match self {
            Self::Policy(
                Policy::Input(_) | Policy::Blueprint(_) | Policy::Docs { .. } | Policy::Export(_),
            )
            | Self::Sbom(Sbom::Generate(_))
            // A document for a program or a file, whatever form is asked for.
            | Self::Schema(Schema { name: Some(_), .. })
            | Self::Trust(Trust::Import { .. }) => false,
            Self::Verify(_)
            | Self::Inspect(_)
            | Self::Inventory(_)
            | Self::Rebuild(_)
            | Self::Policy(_)
            | Self::Sbom(_)
            | Self::Vulns(_)
            | Self::Config(_)
            | Self::Trust(_)
            | Self::Schema(_)
            | Self::Provenance(Provenance::Check(_))
            | Self::Explain(_) => {
                self.reports().first().is_some_and(|wanted| wanted.format == ReportFormat::Text)
            }
            Self::Diff(args) => args.output == DiffFormat::Text,
            // On standard output the draft itself is a document.
            Self::Init(args) => {
                args.output == Format::Text && args.write != std::path::Path::new("-")
            }
            Self::Sign(_)
            | Self::Materials(_)
            | Self::Provenance(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Serve(_) => false,
        }
    }
}

/// Which platforms of an image.
#[derive(Debug, Clone, Args)]
pub struct Platforms {
    /// Platform, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Every platform that the image has
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// An image as `verify` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// This one.
    Image(Reference),
    /// Those that standard input lists.
    Listed,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "-" => Ok(Self::Listed),
            _ if is_list(text) => Err(format!(
                "a list of images is read by -f; type -f {text}, or {text}:latest where an image is called so"
            )),
            _ => image(text).map(Self::Image),
        }
    }
}

/// An image as `verify` takes it; what other programs take gets a word about what to type here.
pub fn image(text: &str) -> Result<Reference, String> {
    match elsewhere(text) {
        Some(help) => Err(help),
        None => text.parse().map_err(|error: ReferenceError| error.to_string()),
    }
}

/// What to type instead of a name that means an image to another program, or to a shell.
fn elsewhere(text: &str) -> Option<String> {
    for scheme in ["docker://", "https://", "http://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return Some(format!("images have no {scheme} here; type {rest}"));
        }
    }
    if let Some(name) = text.strip_prefix("docker-daemon:") {
        let file = "docker-archive:image.tar";
        return Some(format!(
            "hallmark asks no Docker daemon; type docker save -o image.tar {name}, then {file}, or name the image in its registry"
        ));
    }
    if let Some(name) = text.strip_prefix("containers-storage:") {
        return Some(format!(
            "hallmark reads no storage of podman; type podman save --format oci-archive -o image.tar {name}, then oci-archive:image.tar"
        ));
    }
    if let Some(folder) = text.strip_prefix("dir:") {
        return Some(format!(
            "hallmark reads no folder of skopeo's; type skopeo copy dir:{folder} oci:LAYOUT, then oci:LAYOUT"
        ));
    }
    let is_path = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    (is_path || is_archive(text)).then(|| {
        format!(
            "a file or folder has its kind before it; type oci-archive:{text}, docker-archive:{text}, or oci:{text} for a folder"
        )
    })
}

/// Whether a name is that of an archive, there or not: no image without a tag and a digest is called so.
fn is_archive(text: &str) -> bool {
    let ends = [".tar", ".tar.gz", ".tgz"];
    !text.contains([':', '@']) && ends.iter().any(|end| text.ends_with(end))
}

/// Whether a name is that of a list of images, there or not: no image without a tag and a digest is called so.
fn is_list(text: &str) -> bool {
    let ends = [".txt", ".list", ".lst"];
    !text.contains([':', '@']) && ends.iter().any(|end| text.ends_with(end))
}

/// Who may vouch for the images of one call, besides the signers of the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct Vouch {
    /// Public key (file, PEM or DER) that may vouch for the image; adds a signer for everything, under the file's name
    #[arg(long, help_heading = "Trust", value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Whose certificates.
    #[command(flatten)]
    pub certificate: Certificate,
}

/// Whose keyless signatures count.
#[derive(Debug, Clone, Default, Args)]
pub struct Certificate {
    /// Identity in the certificate of a keyless signature: an e-mail address, or the URI of a workflow; adds a signer for
    /// everything, and needs an issuer
    #[arg(
        long,
        help_heading = "Trust",
        value_name = "TEXT",
        conflicts_with = "certificate_identity_regexp"
    )]
    pub certificate_identity: Option<String>,
    /// The same by a regular expression, from ^ to $
    #[arg(long, help_heading = "Trust", value_name = "PATTERN")]
    pub certificate_identity_regexp: Option<String>,
    /// Who says that the identity is right, as https://token.actions.githubusercontent.com
    #[arg(
        long,
        help_heading = "Trust",
        value_name = "URL",
        conflicts_with = "certificate_oidc_issuer_regexp"
    )]
    pub certificate_oidc_issuer: Option<String>,
    /// The same by a regular expression, from ^ to $
    #[arg(long, help_heading = "Trust", value_name = "PATTERN")]
    pub certificate_oidc_issuer_regexp: Option<String>,
    /// Authorities and logs that keyless signatures are judged by: a trusted_root.json, or a root that hallmark trust show
    /// names [default: public-good]
    #[arg(long, help_heading = "Trust", value_name = "FILE|NAME")]
    pub trusted_root: Option<PathBuf>,
    /// Take certificates that no certificate transparency log has recorded, where the trusted root names no such log
    #[arg(long, help_heading = "Trust")]
    pub no_ct_log: bool,
}

/// Evidence in files.
#[derive(Debug, Clone, Default, Args)]
pub struct Bundles {
    /// Sigstore bundle about the image, or a file with one in each line, judged as if it lay beside the image; may be
    /// repeated
    #[arg(long, help_heading = "Trust", value_name = "FILE")]
    pub bundle: Vec<PathBuf>,
}

/// Where bare digests are looked up.
#[derive(Debug, Clone, Default, Args)]
pub struct Lookup {
    /// Where an image that is only named by sha256:… is looked up, instead of the configuration's repositories
    #[arg(long, value_name = "REPOSITORY", value_parser = repository)]
    pub repository: Vec<Location>,
}

/// The URI of a verifier or policy.
fn uri(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(_) if !text.contains(|c: char| c.is_whitespace() || crate::untrusted::misleads(c)) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a URI, as https://verify.example/1".to_owned()),
    }
}

/// A place of images, without tag or digest, as `--repository` takes it.
pub(super) fn repository(text: &str) -> Result<Location, String> {
    const WANTED: &str = "expected a repository without tag or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE";
    if ["oci:", "oci-archive:", "docker-archive:"].iter().any(|kind| text.starts_with(kind)) {
        return match text.parse() {
            Ok(Reference::At(location, Selector::Only)) => Ok(location),
            _ => Err(WANTED.to_owned()),
        };
    }
    let repository = text.parse::<Repository>();
    repository.map(Location::Registry).map_err(|error| format!("{error}; {WANTED}"))
}

/// Evidence that is kept, and a verification of what was kept or of another time.
#[derive(Debug, Clone, Default, Args)]
pub struct SavedEvidence {
    /// Keep all evidence, configuration and time in this folder, which is new or empty, so that --from verifies again
    #[arg(long, help_heading = "Again", value_name = "DIR", conflicts_with = "from")]
    pub save: Option<PathBuf>,
    /// Verify what --save kept, without a network. By itself the folder gives evidence and nothing else: configuration, options and
    /// time are your own. With the digest that --save printed, its time, rebuilds and histories of repositories count, too
    #[arg(long, help_heading = "Again", value_name = "DIR[@DIGEST]", conflicts_with_all = ["attest", "keep"])]
    pub from: Option<saved_folder::Folder>,
    /// Judge by the configuration and the options in the folder: whoever made it decides what passes
    #[arg(
        long,
        help_heading = "Again",
        requires = "from",
        conflicts_with_all = [
            "policy", "key", "certificate_identity", "certificate_identity_regexp",
            "certificate_oidc_issuer", "certificate_oidc_issuer_regexp", "trusted_root", "no_ct_log", "bundle",
            "platform", "rebuild", "no_rebuild", "repository"
        ]
    )]
    pub with_saved_configuration: bool,
    /// Judge by this time instead of now, as 2026-12-24 or 2026-12-24T18:00:00Z: what will be denied then, or what was right
    #[arg(long, help_heading = "Again", value_name = "DATE", value_parser = moment::as_of, conflicts_with = "attest")]
    pub as_of: Option<jiff::Timestamp>,
}

/// `hallmark verify`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  hallmark verify --key cosign.pub registry.example/app:1\n  hallmark verify --policy signed -o json \\\n    registry.example/app:1\n  hallmark verify -f images.txt \\\n    -o sarif=hallmark.sarif -o junit=hallmark.xml"
)]
pub struct Verify {
    /// REGISTRY/REPOSITORY[:TAG|@DIGEST], sha256:…, oci:DIR[:TAG|@DIGEST], oci-archive:FILE or docker-archive:FILE;
    /// several are verified one after the other, and - reads a list from standard input
    #[arg(value_name = "IMAGE", required_unless_present = "file")]
    pub images: Vec<Given>,
    /// File that lists images, one a line; blank lines and lines that begin with # count for nothing, - is standard input
    #[arg(long, short, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Where bare digests are looked up.
    #[command(flatten)]
    pub lookup: Lookup,
    /// Judge this platform alone, as linux/arm64 [default: every platform that the image has]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Judge every platform that the image has: the default
    #[arg(long, conflicts_with = "platform", hide = true)]
    pub all_platforms: bool,
    /// Policy preset, instead of the configuration's, or a folder or .tar.gz of rules that are added to it
    #[arg(long, value_name = "PRESET|DIR")]
    pub policy: Option<String>,
    /// Who may vouch.
    #[command(flatten)]
    pub vouch: Vouch,
    /// Evidence in files.
    #[command(flatten)]
    pub bundles: Bundles,
    /// SBOMs in files.
    #[command(flatten)]
    pub sboms: Sboms,
    /// Signed approval of a difference from a blueprint, beside those of the configuration, which says who may sign one; may be given
    /// several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "with_saved_configuration"])]
    pub approval: Vec<PathBuf>,
    /// Rebuild even if the policy does not ask for it
    #[arg(long, conflicts_with = "no_rebuild")]
    pub rebuild: bool,
    /// Never rebuild: a policy that asks for it fails
    #[arg(long)]
    pub no_rebuild: bool,
    /// Keep the rebuilt image here, as rebuild --keep does: each platform's has a tag of its own, as rebuilt-linux-amd64; with
    /// --platform it is TAG itself
    #[arg(long, value_name = "oci:DIR[:TAG]", value_parser = image, conflicts_with = "no_rebuild")]
    pub keep: Option<Reference>,
    /// Evidence that is kept, or was.
    #[command(flatten)]
    pub saved: SavedEvidence,
    /// The verdict as a statement for others.
    #[command(flatten)]
    pub summary: SummaryFor,
    /// Which reports are written.
    #[command(flatten)]
    pub reports: Reports,
}

/// Why `rebuild` has no summary.
const NOT_OF_REBUILD: &str = "-o vsa is of verify: a rebuild alone is no verification, and rebuild --attest writes what came of it";

impl Verify {
    /// Why the summary that is asked for cannot be written.
    fn no_summary(&self) -> Option<String> {
        let (vsa, attest) = (self.reports.has(ReportFormat::Vsa), self.summary.attest.is_some());
        let why = match () {
            () if vsa && self.summary.verifier.is_none() => {
                "-o vsa needs --verifier URI: whoever relies on a summary names its verifier beside the key"
            }
            () if vsa && (self.saved.from.is_some() || self.saved.as_of.is_some()) => {
                "-o vsa cannot be used with --from or --as-of: a summary is of what is there now"
            }
            () if !vsa && !attest && self.summary.policy_uri.is_some() => {
                "--policy-uri is for a summary: add --attest FILE, or -o vsa"
            }
            () => return None,
        };
        Some(why.to_owned())
    }
}

/// The verdict as a statement for others: SLSA's verification summary.
#[derive(Debug, Clone, Default, Args)]
pub struct SummaryFor {
    /// Write the verdict, passed or failed, as a SLSA verification summary to be signed (hallmark sign --statement), one for each
    /// platform: vsa.json becomes vsa-linux-amd64.json; with --platform it is FILE itself
    #[arg(long, value_name = "FILE", requires = "verifier")]
    pub attest: Option<PathBuf>,
    /// URI of this verifier, for the summary: whoever relies on it names it beside the key
    #[arg(long, env = "HALLMARK_VERIFIER", value_name = "URI", value_parser = uri)]
    pub verifier: Option<String>,
    /// URI of the policy, for the summary [default: https://hallmark.dev/policy/PRESET]
    #[arg(long, value_name = "URI", value_parser = uri)]
    pub policy_uri: Option<String>,
}

/// `hallmark inspect`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark inspect registry.example/app:1\n  hallmark inspect --key cosign.pub --all-platforms \\\n    registry.example/app:1"
)]
pub struct Inspect {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
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

/// `hallmark inventory`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark inventory registry.example/app:1\n  hallmark inventory -o json registry.example/app:1\n  hallmark inventory -o html registry.example/app:1"
)]
pub struct Inventory {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Where a bare digest is looked up.
    #[command(flatten)]
    pub lookup: Lookup,
    /// Which platforms.
    #[command(flatten)]
    pub platforms: Platforms,
    /// Report format on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: InventoryFormat,
}

/// How an inventory is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InventoryFormat {
    /// For people.
    Text,
    /// For machines: hallmark/inventory/v1.
    Json,
    /// For people with a browser: one page that needs nothing else, with tables that sort and filter.
    Html,
}

/// `hallmark rebuild`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark rebuild --plan registry.example/app:1\n  hallmark rebuild --materials store/ registry.example/app:1"
)]
pub struct Rebuild {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Which platforms.
    #[command(flatten)]
    pub platforms: Platforms,
    /// Print the plan and do nothing
    #[arg(long)]
    pub plan: bool,
    /// Take every input from this folder, which hallmark materials fetch has filled, and reach no network
    #[arg(long, value_name = "DIR", conflicts_with = "plan")]
    pub materials: Option<PathBuf>,
    /// Compare with what somebody else rebuilt, instead of building: oci:DIR[:TAG|@DIGEST] or an archive
    #[arg(long, value_name = "IMAGE", value_parser = image, conflicts_with = "plan")]
    pub rebuilt: Option<Reference>,
    /// Keep the rebuilt image here, as an OCI image layout that other tools read; a folder that holds anything else is never
    /// written to. The tag is rebuilt where none is named; with --all-platforms each has its own, as rebuilt-linux-amd64
    #[arg(long, value_name = "oci:DIR[:TAG]", value_parser = image, conflicts_with = "plan")]
    pub keep: Option<Reference>,
    /// Write what came of it to this file, as an in-toto statement to be signed (hallmark/rebuild-verdict); with
    /// --all-platforms to one for each: verdict.json becomes verdict-linux-amd64.json, verdict-linux-arm64.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "rebuilt"], requires_all = ["rebuilder", "operator"])]
    pub attest: Option<PathBuf>,
    /// URI of this rebuilder, for the statement
    #[arg(long, env = "HALLMARK_REBUILDER", value_name = "URI")]
    pub rebuilder: Option<String>,
    /// Who operates it, for the statement
    #[arg(long, env = "HALLMARK_OPERATOR", value_name = "NAME")]
    pub operator: Option<String>,
    /// Sign the statement and store it beside the image; nothing is stored before every platform's is written
    #[arg(long, requires = "attest")]
    pub push: bool,
    /// Who signs.
    #[command(flatten)]
    pub with: SignWith,
    /// Which reports are written.
    #[command(flatten)]
    pub reports: Reports,
}

impl Rebuild {
    /// That somebody is named who signs, and nothing is signed.
    fn idle_signer(&self) -> Option<String> {
        let option = match (&self.with.key, &self.with.program) {
            (Some(_), _) => "--key",
            (None, Some(_)) => "--program",
            (None, None) => return None,
        };
        (!self.push).then(|| {
            format!(
                "{option} is for what --push signs: add --attest FILE and --push, or leave it out"
            )
        })
    }
}

/// `hallmark materials`
#[derive(Debug, Subcommand)]
pub enum Materials {
    /// Fetch base images, commits and files that the image's provenance pins
    Fetch(MaterialsFetch),
}

/// `hallmark materials fetch`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark materials fetch --to store/ \\\n    registry.example/app:1"
)]
pub struct MaterialsFetch {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Which platforms.
    #[command(flatten)]
    pub platforms: Platforms,
    /// Folder that is filled; what it has already is not fetched again
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark diff`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark diff registry.example/app:1 \\\n    registry.example/app:2\n  hallmark diff -o html oci:before oci:after \\\n    > difference.html"
)]
pub struct Diff {
    /// One image
    #[arg(value_name = "LEFT", value_parser = image)]
    pub left: Reference,
    /// The other image
    #[arg(value_name = "RIGHT", value_parser = image)]
    pub right: Reference,
    /// Platform of both, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Report format on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: DiffFormat,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    Text,
    /// For machines: hallmark/comparison/v1.
    Json,
    /// For people with a browser: one page that needs nothing else.
    Html,
}

/// `hallmark vulns`
#[derive(Debug, Subcommand)]
pub enum Vulns {
    /// Make one database of advisories and what is said of them
    Import(VulnsImport),
    /// Show what a database was made from, and what it covers
    #[command(after_help = "Examples:\n  hallmark vulns info vulns.db")]
    Info {
        /// A database that import wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
    /// Show what is known of an image's packages; this is no verdict
    Match(VulnsMatch),
}

/// `hallmark vulns import`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark vulns import osv/ kev.json --out vulns.db\n  hallmark vulns import osv/ --previous vulns.db --out v2.db"
)]
pub struct VulnsImport {
    /// Advisories in OSV's format (zip, file or folder, also that of osv-scanner) or Red Hat's CSAF, CISA's catalogue of known exploited
    /// vulnerabilities (JSON), scores of EPSS (CSV, also gzip)
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The database of the import before, from which it is taken since when each advisory is known here
    #[arg(long, value_name = "FILE")]
    pub previous: Option<PathBuf>,
    /// The day of this import [default: today, in UTC]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<jiff::civil::Date>,
    /// Leave out records that cannot be read, and list them in the database, instead of making none
    #[arg(long)]
    pub skip_refused: bool,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark vulns match`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hallmark vulns match vulns.db registry.example/app:1")]
pub struct VulnsMatch {
    /// A database that import wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// REGISTRY/REPOSITORY[:TAG|@DIGEST], sha256:…, oci:DIR[:TAG|@DIGEST], oci-archive:FILE or docker-archive:FILE
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Which platforms.
    #[command(flatten)]
    pub platforms: Platforms,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark provenance`
#[derive(Debug, Subcommand)]
pub enum Provenance {
    /// Write the build manifest of an image that was just built
    Create(Box<ProvenanceCreate>),
    /// Put a build manifest into the last layer of an image, and its digest into a label
    Embed(ProvenanceEmbed),
    /// Sign the statement that embed wrote and store it beside the image: sign --statement under another name
    Attest(Box<ProvenanceAttest>),
    /// Check provenance in a file: what Google Cloud Build says of an image, or the npm registry of a package
    Check(Box<ProvenanceCheck>),
}

/// `hallmark provenance check`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gcloud artifacts docker images describe IMAGE \\\n    --show-provenance --format json > described.json\n  hallmark provenance check described.json --digest DIGEST \\\n    --source https://github.com/acme/app \\\n    --named-key KEYNAME=worker.pem"
)]
pub struct ProvenanceCheck {
    /// What gcloud artifacts docker images describe IMAGE --show-provenance --format json prints, or what the npm registry
    /// answers for /-/npm/v1/attestations/PACKAGE@VERSION
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it has to be about: the image, as sha256:…, or the archive of the package, as sha512:…
    #[arg(long, value_name = "DIGEST")]
    pub digest: Digest,
    /// The repository that it has to be built from; https:// may be left out
    #[arg(long, value_name = "URL", help_heading = "Expected")]
    pub source: String,
    /// The branch
    #[arg(long, value_name = "NAME", help_heading = "Expected")]
    pub branch: Option<String>,
    /// The tag, exactly
    #[arg(long, value_name = "NAME", help_heading = "Expected")]
    pub tag: Option<String>,
    /// The tag as far as it is written: v1.2 is met by v1.2.3
    #[arg(long, value_name = "NAME", help_heading = "Expected")]
    pub versioned_tag: Option<String>,
    /// The builder, with or without a version after @
    #[arg(long, value_name = "URI", help_heading = "Expected")]
    pub builder: Option<String>,
    /// The build type
    #[arg(long, value_name = "URI", help_heading = "Expected")]
    pub build_type: Option<String>,
    /// The file in the repository that told the builder what to do
    #[arg(long, value_name = "PATH", help_heading = "Expected")]
    pub entry_point: Option<String>,
    /// Public key (PEM file) of Google Cloud Build, under the name by which signatures ask for it
    #[arg(
        long,
        help_heading = "Trust",
        value_name = "NAME=FILE",
        value_parser = named_key,
        conflicts_with = "npm_keys"
    )]
    pub named_key: Vec<NamedKey>,
    /// The npm registry's keys, as its TUF repository has them (registry.npmjs.org/keys.json)
    #[arg(long, help_heading = "Trust", value_name = "FILE")]
    pub npm_keys: Option<PathBuf>,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Who built a package.
    #[command(flatten)]
    pub certificate: Certificate,
}

/// A public key and the name by which signatures ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// The name.
    pub name: String,
    /// The PEM file.
    pub file: PathBuf,
}

fn named_key(text: &str) -> Result<NamedKey, String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok(NamedKey { name: name.to_owned(), file: file.into() })
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

/// Who signs.
#[derive(Debug, Clone, Args)]
pub struct SignWith {
    /// Private key (PEM file); the password of an encrypted one is in HALLMARK_KEY_PASSWORD or COSIGN_PASSWORD
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    pub key: Option<PathBuf>,
    /// File with the key's password; a line end at its end is not part of it
    #[arg(long, value_name = "FILE", requires = "key")]
    pub password_file: Option<PathBuf>,
    /// Program that signs: it reads from standard input and writes the signature, raw or in base64
    #[arg(long, value_name = "PROGRAM", requires = "public_key")]
    pub program: Option<std::ffi::OsString>,
    /// Argument of the program; one for each, in their order
    #[arg(long, value_name = "ARGUMENT", requires = "program", allow_hyphen_values = true)]
    pub program_arg: Vec<std::ffi::OsString>,
    /// What the program reads
    #[arg(long, value_enum, default_value = "digest", value_name = "WHAT")]
    pub program_input: ProgramReads,
    /// Public key (PEM file) of the program's signatures
    #[arg(long, value_name = "FILE", requires = "program")]
    pub public_key: Option<PathBuf>,
}

/// What a program that signs reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgramReads {
    /// The hash, raw: SHA-256, or SHA-384 and SHA-512 for keys on P-384 and P-521.
    Digest,
    /// The message, as keys of kind Ed25519 need it.
    Message,
}

/// `hallmark sign`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark sign --key release.key registry.example/app:1\n  hallmark sign --key release.key --predicate scan.json \\\n    --type vuln registry.example/app:1"
)]
pub struct Sign {
    /// The image, as for verify; archives cannot be signed
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Sign this in-toto statement, instead of the image itself
    #[arg(long, value_name = "FILE", conflicts_with = "predicate")]
    pub statement: Option<PathBuf>,
    /// Sign a statement about the image with this predicate (JSON)
    #[arg(long, value_name = "FILE", requires = "predicate_type")]
    pub predicate: Option<PathBuf>,
    /// Type of the predicate: slsaprovenance1, slsaprovenance02, spdx, cyclonedx, vuln, openvex, vsa, rebuild or a URI
    #[arg(long = "type", value_name = "TYPE", requires = "predicate")]
    pub predicate_type: Option<String>,
    /// Sign the manifest of this platform, as linux/arm64, and not the index
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "statement")]
    pub platform: Option<Platform>,
    /// Sign the index and every platform's manifest
    #[arg(long, conflicts_with_all = ["platform", "statement", "predicate"])]
    pub all_platforms: bool,
    /// Write the bundle to this file and store nothing beside the image
    #[arg(long, value_name = "FILE", conflicts_with = "all_platforms")]
    pub bundle: Option<PathBuf>,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Who signs.
    #[command(flatten)]
    pub with: SignWith,
}

/// `hallmark provenance attest`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark provenance attest --key release.key \\\n    registry.example/app:1 statement.json"
)]
pub struct ProvenanceAttest {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// The statement, from `hallmark provenance embed --statement`
    #[arg(value_name = "STATEMENT")]
    pub statement: PathBuf,
    /// Write the bundle to this file and store nothing beside the image
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Who signs.
    #[command(flatten)]
    pub with: SignWith,
}

/// `hallmark provenance create`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark provenance create --engine buildah=1.28.2 \\\n    --source https://git.example/app.git \\\n    --output manifest.json oci:built"
)]
pub struct ProvenanceCreate {
    /// The image that was built: oci:DIR[:TAG]
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// URL under which others can fetch the source repository
    #[arg(long, value_name = "URL")]
    pub source: String,
    /// Folder with the checked-out source; its HEAD is the recorded commit, and it must be clean
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub checkout: PathBuf,
    /// Folder in the repository that was the build context
    #[arg(long, value_name = "PATH")]
    pub folder: Option<String>,
    /// Dockerfile under that folder
    #[arg(long, default_value = "Dockerfile", value_name = "PATH")]
    pub dockerfile: String,
    /// Stage that became the image
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Build argument, as it was given to the builder; everybody who has the image can read its value
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_arg: Vec<String>,
    /// Build argument whose value nobody may read; the image cannot be rebuilt without it
    #[arg(long, value_name = "NAME")]
    pub hidden_build_arg: Vec<String>,
    /// Base image or other image input, as the Dockerfile names it, with its digest
    #[arg(long, value_name = "NAME[:TAG]@DIGEST")]
    pub base: Vec<String>,
    /// Toolchain and its version, as rustc=1.95.0
    #[arg(long, value_name = "NAME=VERSION")]
    pub toolchain: Vec<String>,
    /// Lock file under the folder; its digest is recorded
    #[arg(long, value_name = "PATH")]
    pub lockfile: Vec<String>,
    /// SOURCE_DATE_EPOCH of the build, seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", value_name = "SECONDS")]
    pub epoch: Option<i64>,
    /// What the build's steps could reach
    #[arg(long, default_value = "none", value_parser = ["none", "default", "host"], value_name = "MODE")]
    pub network: String,
    /// Builder and its version, as buildah=1.28.2
    #[arg(long, value_name = "NAME=VERSION")]
    pub engine: String,
    /// Option of the builder that decides how the image is written, as layers=true
    #[arg(long, value_name = "NAME=VALUE")]
    pub exporter: Vec<String>,
    /// Identity of the builder
    #[arg(long, default_value = "", value_name = "URI")]
    pub builder_id: String,
    /// Where to write it [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `hallmark provenance embed`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark provenance embed oci:built manifest.json \\\n    --statement statement.json"
)]
pub struct ProvenanceEmbed {
    /// The image: oci:DIR[:TAG]
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// The build manifest, from `hallmark provenance create`
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,
    /// Tag of the new image in the same layout [default: the tag of IMAGE, which then names the new image]
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Write the in-toto statement about the new image, to be signed
    #[arg(long, value_name = "FILE")]
    pub statement: Option<PathBuf>,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark policy`
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Run the `test_` rules of a folder of policies
    #[command(
        after_help = "Examples:\n  hallmark policy test policies/\n  hallmark policy test --coverage policies/"
    )]
    Test {
        /// Folder with .rego files
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Say which lines of the rules no test comes by
        #[arg(long)]
        coverage: bool,
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: TestFormat,
    },
    /// Say what is wrong with a folder of policies, and what no test notices
    #[command(after_help = "Examples:\n  hallmark policy check policies/")]
    Check {
        /// Folder with .rego files
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
    /// Judge by a saved input, without the image
    Eval(PolicyEval),
    /// Say which rule denies a saved input, and what it read of it
    Explain(PolicyExplain),
    /// Write a first rule, with tests of it
    #[command(after_help = "Examples:\n  hallmark policy new owner --to policies/")]
    New {
        /// Name of its package, below hallmark: lower-case letters, digits and _
        #[arg(value_name = "NAME")]
        name: String,
        /// Folder, which is made where there is none; no file in it is overwritten
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Write what podman, skopeo and BuildKit decide by, from trust in hallmark.yaml
    #[command(
        after_help = "Examples:\n  hallmark policy export --containers-policy > policy.json\n  hallmark policy export --buildx > Dockerfile.rego"
    )]
    Export(PolicyExport),
    /// Turn policies of Kyverno, Conforma or policy-controller into hallmark.yaml
    Import(PolicyImport),
    /// Print what a folder of policies asks for, as Markdown made from METADATA
    #[command(after_help = "Examples:\n  hallmark policy docs policies/ > RULES.md")]
    Docs {
        /// Folder with .rego files
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print what the policies see of an image, for eval and for tests
    Input(PolicyInput),
    /// Write a first blueprint from an image: its stages, bases and edges, to be looked at and signed
    Blueprint(PolicyBlueprint),
}

/// `hallmark policy blueprint`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark policy blueprint \\\n    registry.example/app:1 > app.json"
)]
pub struct PolicyBlueprint {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// The platform; this machine's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// Who may vouch.
    #[command(flatten)]
    pub vouch: Vouch,
}

/// `hallmark policy eval`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hallmark policy eval --policy policies/ input.json")]
pub struct PolicyEval {
    /// What hallmark policy input printed
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Policy preset, instead of the configuration's, or a folder or .tar.gz of rules that are added to it
    #[arg(long, value_name = "PRESET|DIR")]
    pub policy: Option<String>,
    /// Judge by this time instead of the input's, as 2026-12-24 or 2026-12-24T18:00:00Z: rules and exceptions see it; what was
    /// computed when the input was made, as proofs of certificates, stays
    #[arg(long, value_name = "DATE", value_parser = moment::as_of)]
    pub as_of: Option<jiff::Timestamp>,
}

/// `hallmark policy export`
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PolicyExport {
    /// A policy.json for podman, skopeo and CRI-O: signatures by keys, and everything else rejected
    #[arg(long)]
    pub containers_policy: bool,
    /// BuildKit's Dockerfile.rego: a build takes what trust.sources names, and nothing else
    #[arg(long)]
    pub buildx: bool,
}

/// How the outcome of tests is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// JUnit's XML: a suite for each file.
    Junit,
}

/// `hallmark policy explain`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hallmark policy explain --policy policies/ input.json")]
pub struct PolicyExplain {
    /// What hallmark policy input printed
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Results with this code alone
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
    /// Policy preset, instead of the configuration's, or a folder or .tar.gz of rules that are added to it
    #[arg(long, value_name = "PRESET|DIR")]
    pub policy: Option<String>,
    /// Judge by this time instead of the input's, as policy eval does
    #[arg(long, value_name = "DATE", value_parser = moment::as_of)]
    pub as_of: Option<jiff::Timestamp>,
}

/// `hallmark policy input`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark policy input --key cosign.pub \\\n    registry.example/app:1 > input.json"
)]
pub struct PolicyInput {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Platform, as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Policy preset, instead of the configuration's, or a folder or .tar.gz of rules that are added to it
    #[arg(long, value_name = "PRESET|DIR")]
    pub policy: Option<String>,
    /// Never rebuild
    #[arg(long)]
    pub no_rebuild: bool,
    /// What is handed in.
    #[command(flatten)]
    pub inquiry: InquiryArgs,
}

/// `hallmark trust`
#[derive(Debug, Subcommand)]
pub enum Trust {
    /// Fetch the current trusted roots; nothing else fetches any
    Update(TrustUpdate),
    /// Show the trusted roots that are in force
    #[command(after_help = "Examples:\n  hallmark trust show -o json")]
    Show {
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
    /// Turn a ClusterImagePolicy of policy-controller into hallmark.yaml
    #[command(after_help = "Examples:\n  hallmark trust import policy.yaml > hallmark.yaml")]
    Import {
        /// The policy, one document of YAML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
}

/// `hallmark trust update`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark trust update\n  hallmark trust update public-good \\\n    --mirror https://mirror.example/tuf"
)]
pub struct TrustUpdate {
    /// Which: public-good, github, or a name under trust.roots [default: all of them]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Folder or address to read one root from, instead of its repository's own
    #[arg(long, value_name = "URL|DIR", requires = "names")]
    pub mirror: Option<String>,
    /// Forget what was kept where it cannot be read or believed, and begin again from the initial root: an older root
    /// counts as news then
    #[arg(long, requires = "names")]
    pub reset: bool,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark init`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark init --key cosign.pub registry.example/app:1\n  hallmark init --write - registry.example/app:1"
)]
pub struct Init {
    /// The image, as for verify
    #[arg(value_name = "IMAGE", value_parser = image)]
    pub image: Reference,
    /// Public key (file, PEM or DER) that may have signed it; identities in certificates are found without being named
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// File that is written; - is standard output
    #[arg(long, value_name = "FILE", default_value = "hallmark.yaml")]
    pub write: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark config`
#[derive(Debug, Subcommand)]
pub enum Settings {
    /// Read the configuration with its keys and policies, and say what is wrong
    #[command(after_help = "Examples:\n  hallmark config check --config hallmark.yaml")]
    Check {
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
    /// Show what is in force, and where each value comes from
    #[command(after_help = "Examples:\n  hallmark config show --config hallmark.yaml")]
    Show {
        /// Form of the answer on stdout
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
        output: Format,
    },
}

/// `hallmark serve`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  hallmark serve --config hallmark.yaml\n  hallmark serve --listen 0.0.0.0:8443 \\\n    --tls-certificate tls.crt --tls-key tls.key"
)]
pub struct Serve {
    /// Address, instead of the configuration's [default: 0.0.0.0:8443]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}

/// `hallmark explain`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark explain rebuild-differs\n  hallmark explain configuration\n  hallmark explain --list"
)]
pub struct Explain {
    /// A finding code, as rebuild-differs, or a page of the documents, as configuration
    #[arg(value_name = "CODE|PAGE", required_unless_present = "list")]
    pub code: Option<String>,
    /// List all codes and pages
    #[arg(long)]
    pub list: bool,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark schema`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark schema\n  hallmark schema verdict > verdict.schema.json"
)]
pub struct Schema {
    /// As verdict, or as the document has it: hallmark/verdict/v1 [default: list all]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Form of the list; a schema is JSON by itself
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// `hallmark completions`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark completions bash \\\n    > /etc/bash_completion.d/hallmark\n  hallmark completions zsh > \"${fpath[1]}/_hallmark\""
)]
pub struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `hallmark man`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hallmark man verify | man -l -\n  hallmark man > /usr/local/share/man/man1/hallmark.1"
)]
pub struct Man {
    /// The command, as policy test [default: hallmark itself]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `NAME[:TAG]@DIGEST`, as `--base` takes it.
pub fn split_base(text: &str) -> Option<(String, Digest)> {
    let (name, digest) = text.rsplit_once('@')?;
    Some((name.to_owned(), digest.parse().ok()?))
}
