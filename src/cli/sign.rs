//! `hallmark sign`: a signature, or a signed statement, beside an image.
//!
//! The image is resolved once, and what is signed is that digest. A statement that names another one is refused. What the
//! signer has signed before is not signed again: the signature that is there is named instead.

use std::{
    fmt::Display,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Answer, Failure,
    args::{Format, Global, ProgramReads, Sign, SignWith},
    context,
    files::Operand,
    output,
};
use crate::{
    attest::{
        Carrier, Statement,
        approval::{APPROVAL, Approval},
        blueprint::{BLUEPRINT, Blueprint},
        bundle, provenance,
        rebuilt::{REBUILD_VERDICT, RebuildVerdict},
    },
    config::Config,
    digest::ManifestDigest,
    image::{Document, FormatError, Image, MediaType, Platform},
    json,
    limits::Limits,
    reference::{PinnedReference, Reference},
    report, sbom,
    scratch::read_file,
    sign::{
        self, Password, PrivateKey, Program, ProgramInput, SignError, SignedStatement, Signer,
        key::MAX_KEY_BYTES, program::PASSWORDS,
    },
    source::{
        self, Attachment, Doubt, PlatformChoice, Published, Source, SourceError, SourceSettings,
    },
    trust::{PredicateClass, PublicKey, predicate_type},
    untrusted::{Page, line, unmarked},
};

/// What to do where a signature may be lost.
const CERTAINTY: &str = "sign again when nobody else signs: it says \"signed already\" if it stays";
/// What to do where the list is full.
const FULL: &str = "whoever may push to the repository can fill the list. Remove entries that are nobody's, raise the limit \
    as far as the registry takes such a manifest, or keep the signature in a file (--bundle FILE)";

/// Schema of what `sign` answers.
const SIGNED: &str = "hallmark/signed/v1";

/// What is to be signed.
#[derive(Debug, Clone)]
pub enum What {
    /// The image itself.
    Image(Documents),
    /// The statement in this file.
    Statement(PathBuf),
    /// A statement with the predicate in this file.
    Predicate {
        /// The file.
        file: PathBuf,
        /// Type of the predicate, a word or a URI.
        kind: String,
        /// The platform that it is about, if it is about one.
        platform: Option<Platform>,
    },
}

/// Which documents of an image a plain signature is about.
#[derive(Debug, Clone)]
pub enum Documents {
    /// What the reference names.
    Named,
    /// The manifest of one platform.
    Platform(Platform),
    /// What the reference names, and every platform's manifest.
    All,
}

/// What to sign, of which image, with what.
#[derive(Debug)]
pub struct Order {
    /// The image.
    pub image: Reference,
    /// What is to be signed.
    pub what: What,
    /// The file for the bundle, if it does not go beside the image.
    pub bundle: Option<PathBuf>,
    /// Who signs.
    pub with: SignWith,
}

/// A manifest or index that can be signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    digest: ManifestDigest,
    media_type: MediaType,
    bytes: u64,
}

/// The image and what is known about it.
struct Place<'a> {
    pinned: PinnedReference,
    source: std::sync::Arc<dyn Source>,
    sources: SourceSettings,
    limits: &'a Limits,
}

/// Runs the command.
pub async fn run(args: &Sign, global: &Global) -> Result<Answer, Failure> {
    let what = match (&args.statement, &args.predicate, &args.predicate_type) {
        (Some(file), _, _) => What::Statement(file.clone()),
        (None, Some(file), Some(kind)) => What::Predicate {
            file: file.clone(),
            kind: kind.clone(),
            platform: args.platform.clone(),
        },
        _ if args.all_platforms => What::Image(Documents::All),
        _ => What::Image(args.platform.clone().map_or(Documents::Named, Documents::Platform)),
    };
    let (image, bundle, with) = (args.image.clone(), args.bundle.clone(), args.with.clone());
    answer(&Order { image, what, bundle, with }, args.output, global).await
}

/// A document that is signed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    digest: ManifestDigest,
    kept: Kept,
}

/// Where its signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    /// In the file that was asked for.
    File,
    /// Beside the image, since now; why it may not stay listed.
    Stored(Carrier, Option<Doubt>),
    /// Beside the image, since an earlier time.
    There(Carrier),
}

/// Signs, and says what was signed; where something goes wrong half way, what was signed before it.
pub async fn answer(order: &Order, form: Format, global: &Global) -> Result<Answer, Failure> {
    let mut signed = Vec::new();
    let done = sign(order, global, &mut signed).await;
    let text = match form {
        Format::Text => text(&signed),
        Format::Json => json(&signed, &order.image),
    };
    match done {
        Ok(()) => Ok(Answer::data(text)),
        Err(failure) if signed.is_empty() => Err(failure),
        Err(failure) => Err(failure.after(text)),
    }
}

fn text(signed: &[Signature]) -> String {
    let mut page = Page::default();
    for Signature { digest, kept } in signed {
        match kept {
            Kept::File => line!(page, "{digest}"),
            Kept::Stored(carrier, doubt) => {
                line!(page, "{digest} signed: {carrier}");
                if let Some(doubt) = doubt {
                    line!(page, "  warning: {doubt}; {CERTAINTY}");
                }
            }
            Kept::There(carrier) => line!(page, "{digest} signed already: {carrier}"),
        }
    }
    page.into_text()
}

fn json(signed: &[Signature], image: &Reference) -> String {
    let one = |Signature { digest, kept }: &Signature| {
        let (kept, carrier, doubt) = match kept {
            Kept::File => ("file", None, None),
            Kept::Stored(carrier, doubt) => ("stored", Some(carrier), doubt.as_ref()),
            Kept::There(carrier) => ("there", Some(carrier), None),
        };
        let mut one = serde_json::json!({
            "digest": digest.to_string(),
            "kept": kept,
            "place": carrier.map(ToString::to_string),
        });
        if let Some(doubt) = doubt {
            one["warning"] = format!("{doubt}; {CERTAINTY}").into();
        }
        one
    };
    report::json::lines(&serde_json::json!({
        "schema": SIGNED,
        "image": image.to_string(),
        "signed": signed.iter().map(one).collect::<Vec<_>>(),
    }))
}

/// Signs, stores the signatures, and tells each as soon as it is kept.
pub async fn sign(
    order: &Order,
    global: &Global,
    done: &mut Vec<Signature>,
) -> Result<(), Failure> {
    let config = context::configuration(global)?;
    let signer = signer(&order.with, global, &config.limits)?;
    sign_by(order, &signer, &config, done).await
}

/// The same with what was read before: whoever works long before it signs knows by then that it can.
pub async fn sign_by(
    order: &Order,
    signer: &Signer,
    config: &Config,
    done: &mut Vec<Signature>,
) -> Result<(), Failure> {
    let limits = &config.limits;
    if let (None, Reference::At(location, _)) = (&order.bundle, source::located(&order.image))
        && sign::is_archive(&location)
    {
        let why = "an archive is not written to; unpack it into a layout, or take --bundle FILE";
        return Err(Failure::usage(format!("{location}: {why}")));
    }
    let place = place(&order.image, config).await?;
    for (target, payload) in payloads(&order.what, &place).await? {
        let signed = signer.sign_statement(&payload, &target.digest, limits).await;
        let signed = signed.map_err(|error| refused(&error))?;
        let kept = match &order.bundle {
            Some(file) => {
                output::to_file(file, &signed.bundle)?;
                Kept::File
            }
            None => place.store(signer, &target, &signed).await?,
        };
        done.push(Signature { digest: target.digest, kept });
    }
    Ok(())
}

async fn place<'a>(image: &Reference, config: &'a Config) -> Result<Place<'a>, Failure> {
    let (sources, limits) = (context::sources(config), &config.limits);
    let (pinned, source) = context::open(image, config, &sources).await?;
    Ok(Place { pinned, source, sources, limits })
}

/// A signer that says no is a fault of what it was given: exit code 2. A program that fails is outside: 3.
fn refused(error: &SignError) -> Failure {
    match error {
        SignError::Program(_) => Failure::unavailable(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}

/// The statement that is signed.
const STATEMENT: Operand = Operand {
    option: "",
    form: "it takes an in-toto statement, as hallmark provenance embed --statement and verify --attest write one",
};
const PREDICATE: Operand = Operand {
    option: "--predicate ",
    form: "it takes the predicate in JSON, as an SBOM that hallmark sbom generate writes, and its kind in --type",
};
/// The key that signs.
const KEY: Operand = Operand {
    option: "--key ",
    form: "it takes a private key in PEM, as cosign generate-key-pair and openssl genpkey write it",
};
const PASSWORD: Operand = Operand {
    option: "--password-file ",
    form: "it takes a file with the password of the key, and nothing else",
};
const PUBLIC_KEY: Operand = Operand {
    option: "--public-key ",
    form: "it takes the public key of what the program signs, in PEM or DER",
};

fn unusable(file: &Path, error: &dyn Display) -> Failure {
    Failure::usage(format!("{}: {error}", file.display()))
}

/// The statements to sign, each with what it is about.
async fn payloads(what: &What, place: &Place<'_>) -> Result<Vec<(Target, Vec<u8>)>, Failure> {
    match what {
        What::Image(documents) => {
            let targets = match documents {
                Documents::Named => vec![place.named().await?],
                Documents::Platform(platform) => vec![place.platform(platform).await?],
                Documents::All => place.all().await?,
            };
            let plain = |target: Target| {
                let payload = sign::plain(&target.digest);
                (target, payload)
            };
            Ok(targets.into_iter().map(plain).collect())
        }
        What::Statement(file) => {
            let payload = read_document(STATEMENT, file, place.limits)?;
            let statement = Statement::parse_to_sign(&payload, place.limits);
            let statement = statement.map_err(|error| STATEMENT.refused(file, &payload, &error))?;
            let target = place.subject(&statement).await.map_err(|e| e.in_file(file))?;
            understood(&statement, place.limits).map_err(|error| unusable(file, &error))?;
            Ok(vec![(target, payload)])
        }
        What::Predicate { file, kind, platform } => {
            let bytes = read_document(PREDICATE, file, place.limits)?;
            let predicate: Value =
                json::from_slice(unmarked(&bytes), place.limits.attestation_bytes)
                    .map_err(|error| PREDICATE.refused(file, &bytes, &error))?;
            let kind = predicate_type(kind).map_err(|error| Failure::usage(error.to_string()))?;
            let target = match platform {
                Some(platform) => place.platform(platform).await?,
                None => place.named().await?,
            };
            let payload = Statement::write(&target.digest, &kind, &predicate);
            let statement = Statement::parse(&payload, place.limits);
            let statement = statement.map_err(|error| unusable(file, &error))?;
            understood(&statement, place.limits).map_err(|error| unusable(file, &error))?;
            Ok(vec![(target, payload)])
        }
    }
}

/// Whether the predicate is what its type says, for the types that hallmark reads: a signed SBOM that nobody can read
/// fails every image that it is about.
fn understood(statement: &Statement, limits: &Limits) -> Result<(), String> {
    let kind = &statement.predicate_type;
    if PredicateClass::Sbom.includes(kind) {
        let read = sbom::from_predicate(&statement.predicate, limits);
        return read.map(|_| ()).map_err(|error| error.to_string());
    }
    if PredicateClass::Provenance.includes(kind) {
        let read = provenance::parse(statement);
        return read.map(|_| ()).map_err(|error| error.to_string());
    }
    if kind == REBUILD_VERDICT {
        let predicate = statement.predicate.value().map_err(|error| error.to_string())?;
        let read = RebuildVerdict::parse(&predicate, limits);
        return read.map(|_| ()).map_err(|error| error.to_string());
    }
    if [BLUEPRINT, APPROVAL].contains(&kind.as_str()) {
        let predicate = statement.predicate.value().map_err(|error| error.to_string())?;
        return match kind == BLUEPRINT {
            true => Blueprint::parse(&predicate).map(drop).map_err(|error| error.to_string()),
            false => Approval::parse(&predicate).map(drop).map_err(|error| error.to_string()),
        };
    }
    if let Some(read) = statement.read() {
        return read.map(|_| ()).map_err(|error| error.to_string());
    }
    if statement.predicate.text().starts_with('{') {
        return Ok(());
    }
    Err(format!("a predicate of type {kind} is a JSON object, and this is none"))
}

impl Place<'_> {
    /// What the reference names.
    async fn named(&self) -> Result<Target, Failure> {
        let stored = self.source.manifest(&self.pinned.digest).await?;
        let bytes = stored.document.bytes.len() as u64;
        let digest = stored.document.digest.clone();
        let document = Document::parse(stored.document, stored.media_type.as_ref(), self.limits);
        let document = document.map_err(|error| {
            let place = self.pinned.location.to_string();
            Failure::from(source::SourceError::Format { place, error })
        })?;
        let media_type = match document {
            Document::Index(index) => index.media_type,
            Document::Manifest(manifest) => manifest.media_type,
        };
        Ok(Target { digest, media_type, bytes })
    }

    async fn platform(&self, platform: &Platform) -> Result<Target, Failure> {
        let images = self.images(&PlatformChoice::One(platform.clone())).await?;
        let first = images.iter().find(|image| image.platform.serves(platform)).map(of_manifest);
        first.ok_or_else(|| Failure::refused(format!("{} has no {platform}", self.pinned)))
    }

    async fn all(&self) -> Result<Vec<Target>, Failure> {
        let mut targets = vec![self.named().await?];
        let manifests: Vec<Target> =
            self.images(&PlatformChoice::All).await?.iter().map(of_manifest).collect();
        targets.extend(manifests.into_iter().filter(|m| m.digest != self.pinned.digest));
        Ok(targets)
    }

    async fn images(&self, choice: &PlatformChoice) -> Result<Vec<Image>, Failure> {
        Ok(source::images::load(&*self.source, &self.pinned, choice, self.limits).await?)
    }

    /// The document of the image that a statement is about.
    async fn subject(&self, statement: &Statement) -> Result<Target, Failure> {
        let targets = self.all().await?;
        let about = targets.iter().find(|target| statement.speaks_about(target.digest.digest()));
        about.cloned().ok_or_else(|| {
            let subjects = statement.subjects.iter().flat_map(|subject| &subject.digests);
            let found: Vec<String> = subjects.take(4).map(ToString::to_string).collect();
            let found = found.join(", ");
            Failure::usage(format!("it is about {found}, which is no part of {}", self.pinned))
        })
    }

    /// Stores a bundle beside the image, unless the signer's is there already.
    async fn store(
        &self,
        signer: &Signer,
        target: &Target,
        signed: &SignedStatement,
    ) -> Result<Kept, Failure> {
        if let Some(carrier) = self.there(signer, target, signed).await? {
            return Ok(Kept::There(carrier));
        }
        let attachment = Attachment {
            subject: target.digest.clone(),
            subject_media_type: target.media_type.clone(),
            subject_bytes: target.bytes,
            media_type: bundle::V03.to_owned(),
            bytes: signed.bundle.clone(),
            annotations: signed.annotations(&now()),
        };
        let location = &self.pinned.location;
        let published =
            source::push_referrer(location, &attachment, &self.sources, self.limits).await;
        let Published { manifest, via, doubt } = published.map_err(unlisted)?;
        Ok(Kept::Stored(Carrier::Referrer { manifest, via }, doubt))
    }

    /// The referrer that holds the same statement by the same signer.
    async fn there(
        &self,
        signer: &Signer,
        target: &Target,
        signed: &SignedStatement,
    ) -> Result<Option<Carrier>, Failure> {
        let listed = source::discover::bundles(&*self.source, &target.digest, self.limits).await?;
        let ours = |(_, bundle): &(Carrier, Bytes)| signer.made(bundle, signed, self.limits);
        Ok(listed.into_iter().find(ours).map(|(carrier, _)| carrier))
    }
}

/// What to do where a list of referrers takes no further entry.
fn unlisted(error: SourceError) -> Failure {
    let full = matches!(error, SourceError::Format { error: FormatError::Limit { .. }, .. });
    let mut failure = Failure::from(error);
    if full {
        failure.help(FULL);
    }
    failure
}

fn of_manifest(image: &Image) -> Target {
    Target {
        digest: image.manifest.document.digest.clone(),
        media_type: image.manifest.media_type.clone(),
        bytes: image.manifest.document.bytes.len() as u64,
    }
}

/// Seconds are enough for an annotation, and what cosign writes.
fn now() -> String {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default().to_string()
}

impl Failure {
    fn in_file(self, file: &Path) -> Self {
        Self { message: format!("{}: {}", file.display(), self.message), ..self }
    }
}

/// A document to sign, of at most as many bytes as one that is verified.
fn read_document(it: Operand, file: &Path, limits: &Limits) -> Result<Vec<u8>, Failure> {
    let (limit, key) = (limits.attestation_bytes, crate::limits::key("attestation_bytes"));
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    read_file(file, most).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => unusable(file, &format!("{error}; {key} is {limit}")),
        _ => it.unreadable(file, &error),
    })
}

fn read(it: Operand, file: &Path, limit_bytes: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    it.read(file, most)
}

/// The signer that the command line names.
pub fn signer(with: &SignWith, global: &Global, limits: &Limits) -> Result<Signer, Failure> {
    match (&with.key, &with.program, &with.public_key) {
        (Some(file), _, _) => key(file, with.password_file.as_deref(), global),
        (None, Some(program), Some(public_key)) => {
            let pem = read(PUBLIC_KEY, public_key, MAX_KEY_BYTES)?;
            let public = PublicKey::from_file(&pem);
            let public = public.map_err(|e| PUBLIC_KEY.refused_key(public_key, &pem, &e))?;
            let input = match with.program_input {
                ProgramReads::Digest => ProgramInput::Digest,
                ProgramReads::Message => ProgramInput::Message,
            };
            Ok(Signer::Program(Program::new(
                program.clone(),
                with.program_arg.clone(),
                input,
                public,
                limits.signing,
            )))
        }
        _ => Err(Failure::usage("who signs? give --key FILE, or --program with --public-key")),
    }
}

fn key(file: &Path, password_file: Option<&Path>, global: &Global) -> Result<Signer, Failure> {
    let pem = zeroize::Zeroizing::new(read(KEY, file, MAX_KEY_BYTES)?);
    if PublicKey::from_file(&pem).is_ok() {
        let why = "it is a public key; --key takes the private one that belongs to it";
        return Err(KEY.unusable(file, &why));
    }
    warn_of_readers(file, global);
    let password = match password_file {
        Some(file) => {
            warn_of_readers(file, global);
            let mut text = read(PASSWORD, file, MAX_KEY_BYTES)?;
            let end = text.len() - text.iter().rev().take_while(|b| b"\r\n".contains(b)).count();
            text.truncate(end);
            Some(Password::new(text))
        }
        None => context::password(&PASSWORDS),
    };
    let key = PrivateKey::from_pem(&pem, password.as_ref()).map_err(|error| match error {
        sign::KeyFileError::NoPassword => {
            let variables = PASSWORDS.join(" or ");
            KEY.unusable(file, &format!("{error}; set {variables} or give --password-file"))
        }
        sign::KeyFileError::NotPem => KEY.refused(file, &pem, &error),
        _ => KEY.unusable(file, &error),
    })?;
    Ok(Signer::Key(Box::new(key)))
}

/// A key that others can read is a key of theirs too.
fn warn_of_readers(file: &Path, global: &Global) {
    let mode = fs::metadata(file).map(|found| found.permissions().mode()).unwrap_or_default();
    if mode & 0o077 != 0 && !global.quiet {
        let (file, mode) = (file.display(), mode & 0o777);
        let mut page = Page::default();
        line!(page, "warning: {file} can be read by others (mode {mode:o}); chmod 600 {file}");
        // A closed stderr must not end the signing.
        let _ = std::io::stderr().write_all(page.as_str().as_bytes());
    }
}
