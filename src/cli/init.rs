//! `hallmark init`: a first `hallmark.yaml` from what an image carries.
//!
//! Turns the evidence beside an image into a draft that names who signed it. A draft is a question: whoever may push to a repository
//! chooses what lies beside its images, so that it says of each signer what was seen, and asks the reader. Nothing that a stranger
//! wrote gets into it but inside a quoted text.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Init, Vouch},
    context, output, vouch,
};
use crate::{
    attest::{Carrier, statement::SIGNATURE},
    config::{Config, InForce},
    image::Image,
    reference::{Location, PinnedReference, Reference},
    report, sign,
    source::PlatformChoice,
    trust::{
        ImagePattern, PredicateClass, TrustRules, examine,
        examine::{Build, Examined, Look, Maker, Said, Seen},
        sigstore::{Pattern, SubjectName, TrustedRoot},
    },
    untrusted::{Page, line},
    verify,
};

/// Kinds of claims that the shipped policies ask for, in the order in which a rule lists them.
const KINDS: [PredicateClass; 3] =
    [PredicateClass::Signature, PredicateClass::Provenance, PredicateClass::Sbom];

/// Runs the command.
pub async fn run(args: &Init, global: &Global) -> Result<Answer, Failure> {
    let to_stdout = args.write == Path::new("-");
    if !to_stdout && !args.force && args.write.symlink_metadata().is_ok() {
        let file = args.write.display();
        return Err(Failure::of_operator(&format!(
            "{file} is there already\n  help: --force replaces it; --write FILE names another, and --write - is standard output"
        )));
    }
    let (config, world) = context::world(global, PlatformChoice::default())?;
    let keys = Vouch { key: args.key.clone(), ..Vouch::default() };
    // Nobody but the named keys: whom another configuration trusts is no news, and no part of this one.
    let nobody = Config { trust: TrustRules::default(), ..config.clone() };
    let trust = vouch::trust(&nobody, Some(&keys))?.judged_at(jiff::Timestamp::now());
    let roots = config.roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?;
    let known: Vec<(String, &TrustedRoot)> =
        roots.iter().map(|(name, InForce { root, .. })| (name.clone(), &**root)).collect();

    let reference = context::pin(&args.image, &config, &world).await?;
    let (source, images) = verify::open(&reference, &world).await?;
    let mut draft = Draft::default();
    for image in &images {
        let found = verify::find(&*source, image, &world).await;
        let seen = examine(&found.raws, image, &trust, &known, &world.limits);
        draft.hear(&seen, image);
    }
    let unheard = draft.unheard(&args.key);
    if !unheard.is_empty() {
        return Err(draft.refusal(&reference, &args.image, &unheard));
    }
    let folder = folder_of(&args.write).filter(|_| !to_stdout);
    let text = draft.text(&reference, !config.registries.is_empty(), folder.as_deref());
    if !to_stdout {
        output::to_file(&args.write, text.as_bytes())?;
    }
    Ok(Answer::data(match (args.output, to_stdout) {
        (Format::Json, _) => {
            let file = (!to_stdout).then(|| args.write.display().to_string());
            report::json::lines(&draft.document(&reference, file.as_deref(), &text))
        }
        (Format::Text, true) => text,
        (Format::Text, false) => draft.told(args, &reference).into_text(),
    }))
}

/// Schema of a draft.
const DRAFT: &str = "hallmark/draft/v1";

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// A key that the command line names, by its path.
    Key(String),
    /// An identity that a known root vouches for.
    Keyless { root: String, issuer: Option<String>, subject: SubjectName },
}

/// What was seen beside an image.
#[derive(Debug, Default)]
struct Draft {
    /// Who signed it, and what each of them vouches for.
    signers: BTreeMap<Who, BTreeSet<PredicateClass>>,
    /// Signatures of the image by nobody who can be named.
    unknown: usize,
    /// What provenance that one of them vouches for does not say, of that which `slsa-l2` asks for.
    lacking: BTreeSet<&'static str>,
}

impl Draft {
    fn hear(&mut self, seen: &[Examined], image: &Image) {
        // A signature over the index vouches for what the index lists, too.
        let listed: Vec<&Said> = seen
            .iter()
            .filter(|examined| matches!(examined.carrier, Carrier::IndexAttestation { .. }))
            .filter_map(|examined| match &examined.look {
                Look::Bare(said) => Some(said),
                _ => None,
            })
            .collect();
        let covered: BTreeSet<PredicateClass> =
            listed.iter().filter_map(|said| kind(&said.predicate_type)).collect();
        for examined in seen {
            let Look::Signed { said, signatures, .. } = &examined.look else { continue };
            let Some(class) = kind(&said.predicate_type) else { continue };
            if said.subjects.is_empty() {
                continue;
            }
            let over_index = said.predicate_type == SIGNATURE
                && said.subjects.iter().any(|subject| *subject != image.manifest.document.digest);
            for signature in signatures {
                let makers = who(signature);
                self.unknown += usize::from(makers.is_empty());
                if !makers.is_empty() {
                    self.lacking.extend(lacks(said));
                    let listed = listed.iter().filter(|_| over_index);
                    self.lacking.extend(listed.flat_map(|said| lacks(said)));
                }
                for who in makers {
                    let kinds = self.signers.entry(who).or_default();
                    kinds.insert(class.clone());
                    if over_index {
                        kinds.extend(covered.iter().cloned());
                    }
                }
            }
        }
    }

    fn vouched(&self, class: &PredicateClass) -> bool {
        self.signers.values().any(|kinds| kinds.contains(class))
    }

    /// The strictest preset that needs no rebuild and asks for nothing that is not there.
    fn preset(&self) -> &'static str {
        if self.vouched(&PredicateClass::Provenance) && self.lacking.is_empty() {
            "slsa-l2"
        } else if self.vouched(&PredicateClass::Signature) {
            "signed"
        } else {
            "baseline"
        }
    }

    /// Why the preset asks for no provenance, though there is some.
    fn falls_short(&self) -> Option<String> {
        let lacking: Vec<&str> = self.lacking.iter().copied().collect();
        let is_there = self.vouched(&PredicateClass::Provenance) && !lacking.is_empty();
        is_there.then(|| {
            let builder = lacking.contains(&"builder");
            let builder = if builder { "; BuildKit names one with builder-id=URL" } else { "" };
            let lacking = lacking.join(", ");
            format!(
                "slsa-l2 would refuse the image: its provenance does not say: {lacking}{builder}"
            )
        })
    }

    /// The signers with the names that they get: short, and each once.
    fn named(&self) -> Vec<(String, &Who, &BTreeSet<PredicateClass>)> {
        let mut named: Vec<(String, &Who, &BTreeSet<PredicateClass>)> = Vec::new();
        for (who, kinds) in &self.signers {
            let base = short(who);
            let taken = |name: &str| named.iter().any(|(other, ..)| other == name);
            let mut name = base.clone();
            for number in 2.. {
                if !taken(&name) {
                    break;
                }
                name = format!("{base}-{number}");
            }
            named.push((name, who, kinds));
        }
        named
    }

    /// Keys of the command line that signed nothing.
    fn unheard(&self, keys: &[PathBuf]) -> Vec<String> {
        let keys = keys.iter().map(|key| key.display().to_string());
        keys.filter(|key| !self.signers.contains_key(&Who::Key(key.clone()))).collect()
    }

    /// That nothing is written: with the key left out, the draft would trust whoever else signed, or ask for nobody's signature, and
    /// pass what the operator means to refuse.
    fn refusal(
        &self,
        reference: &PinnedReference,
        image: &Reference,
        unheard: &[String],
    ) -> Failure {
        let keys = if unheard.len() == 1 { "the key" } else { "the keys" };
        let mut failure = Failure::refused(format!(
            "{keys} {} signed nothing of {reference}; nothing is written",
            unheard.join(", ")
        ));
        for (name, who, kinds) in self.named() {
            line!(failure.more, "seen: {}", said(&name, who, kinds));
        }
        if self.unknown > 0 {
            line!(failure.more, "seen: {} of makers who cannot be named", signatures(self.unknown));
        }
        if self.signers.is_empty() && self.unknown == 0 {
            line!(failure.more, "seen: no signature at all");
        }
        let sign = sign::with_key("PRIVATE", &reference.location, image);
        failure.help(&format!(
            "hallmark inspect {image} shows what lies beside it; without --key the draft begins from \
             whom it names; {sign} signs it"
        ));
        failure
    }

    /// The configuration, as it is written into a folder; where that is not known, its paths are absolute.
    fn text(&self, reference: &PinnedReference, own: bool, folder: Option<&Path>) -> String {
        let mut page = Page::default();
        let image = quoted(&reference.to_string());
        line!(page, "# A first configuration, by hallmark init from what lies beside {image}.");
        line!(
            page,
            "# Whoever may push to a repository chooses what lies beside its images: check that the signers are yours"
        );
        let settings = page!("configuration");
        line!(page, "# before you rely on it. {settings} has every setting.");
        line!(page, "version: 1");
        if own {
            line!(
                page,
                "# Copy `registries` from the configuration that this image was read by: it is not in here."
            );
        }
        line!(page, "trust:");
        let named = self.named();
        if named.is_empty() {
            match self.unknown {
                0 => line!(
                    page,
                    "  # Nothing is signed: {} signs the image.",
                    sign::with_key("PRIVATE", &reference.location, &"IMAGE")
                ),
                unknown => line!(
                    page,
                    "  # No signer could be identified: {} of unknown makers.",
                    signatures(unknown)
                ),
            }
            line!(
                page,
                "  # With the key: hallmark init --key cosign.pub --force IMAGE. Then it reads, for example:"
            );
            line!(page, "  # signers: [{{name: release, key: cosign.pub}}]");
            line!(
                page,
                "  # rules: [{{images: [{}], predicates: [signature], signers: [release]}}]",
                pattern(&reference.location)
            );
            line!(page, "  signers: []");
            line!(page, "  rules: []");
        } else {
            line!(page, "  signers:");
            named.iter().for_each(|(name, who, _)| signer(&mut page, name, who, folder));
            line!(page, "  rules:");
            for (name, _, kinds) in &named {
                let words: Vec<String> = KINDS
                    .iter()
                    .filter(|class| kinds.contains(class))
                    .map(ToString::to_string)
                    .collect();
                line!(page, "    - images: [{}]", pattern(&reference.location));
                line!(page, "      predicates: [{}]", words.join(", "));
                line!(page, "      signers: [{name}]");
            }
        }
        line!(page, "policy:");
        line!(
            page,
            "  # baseline: nothing is wrong; signed: and a signer above vouches for it; slsa-l2: and for provenance, which names"
        );
        line!(
            page,
            "  # builder, build type, source and commit; reproducible: and for an SBOM, and a rebuild gives the same image."
        );
        if let Some(why) = self.falls_short() {
            line!(page, "  # {why}.");
        }
        line!(page, "  preset: {}", self.preset());
        page.into_text()
    }

    fn document(&self, reference: &PinnedReference, file: Option<&str>, text: &str) -> Value {
        let signer = |(name, who, kinds): (String, &Who, &BTreeSet<PredicateClass>)| {
            let (key, keyless) = match who {
                Who::Key(path) => (Some(path), None),
                Who::Keyless { root, issuer, subject } => {
                    (None, Some((subject.as_str(), issuer, root)))
                }
            };
            json!({
                "name": name,
                "predicates": kinds.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "key": key,
                "identity": keyless.map(|(subject, ..)| subject),
                "issuer": keyless.and_then(|(_, issuer, _)| issuer.as_deref()),
                "root": keyless.map(|(.., root)| root),
            })
        };
        let images = pattern(&reference.location);
        json!({
            "schema": DRAFT,
            "image": reference.to_string(),
            "file": file,
            "configuration": text,
            "preset": self.preset(),
            "images": serde_json::from_str::<Value>(&images).unwrap_or_default(),
            "signers": self.named().into_iter().map(signer).collect::<Vec<_>>(),
            "unknownSignatures": self.unknown,
            "provenanceLacks": match self.falls_short() {
                Some(_) => self.lacking.iter().collect(),
                None => Vec::new(),
            },
        })
    }

    fn told(&self, args: &Init, reference: &PinnedReference) -> Page {
        let mut page = Page::default();
        let file = args.write.display();
        line!(
            page,
            "wrote {file}: preset {}, images {}",
            self.preset(),
            pattern(&reference.location)
        );
        for (name, who, kinds) in self.named() {
            line!(page, "  would trust {}", said(&name, who, kinds));
        }
        if self.signers.is_empty() {
            let image = &args.image;
            match self.unknown {
                0 => line!(
                    page,
                    "  would trust nobody: nothing is signed; {} signs it",
                    sign::with_key("PRIVATE", &reference.location, image)
                ),
                unknown => {
                    line!(page, "  would trust nobody: {} of unknown makers", signatures(unknown));
                }
            }
            // What was written just now would be in the way.
            let place = match args.write == Path::new("hallmark.yaml") {
                true => String::new(),
                false => format!(" --write {file}"),
            };
            line!(page, "  with a key: hallmark init --key cosign.pub --force{place} {image}");
        }
        if let Some(why) = self.falls_short() {
            line!(page, "  {why}");
        }
        line!(
            page,
            "check that the signers are yours: whoever may push to a repository chooses what lies beside its images"
        );
        line!(page, "next: hallmark verify --config {file} {}", args.image);
        page
    }
}

/// A signer, what it vouches for, and who it is.
fn said(name: &str, who: &Who, kinds: &BTreeSet<PredicateClass>) -> String {
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let whom = match who {
        Who::Key(path) => format!("the key {path}"),
        Who::Keyless { root, issuer, subject, .. } => {
            let issuer = issuer.as_deref().unwrap_or("a private authority");
            format!("{subject} by {issuer}, certified by {root}")
        }
    };
    format!("{name} for {}: {whom}", kinds.join(", "))
}

fn signatures(count: usize) -> String {
    crate::report::text::plural(count, "signature")
}

/// What a claim is to the shipped policies; `None` for kinds that they do not ask for.
fn kind(predicate_type: &str) -> Option<PredicateClass> {
    KINDS.into_iter().find(|class| class.includes(predicate_type))
}

/// What provenance leaves out.
fn lacks(said: &Said) -> Vec<&'static str> {
    match &said.build {
        Some(Build::Lacks(lacks)) => lacks.clone(),
        Some(Build::Unreadable) => vec!["anything that can be read"],
        None => Vec::new(),
    }
}

/// Who made a signature, as far as anybody can be named.
fn who(seen: &Seen) -> Vec<Who> {
    match &seen.maker {
        Maker::Configured(signers) => {
            signers.iter().map(|signer| Who::Key(signer.name.clone())).collect()
        }
        Maker::Stranger { root, vouched } => vec![Who::Keyless {
            root: root.clone(),
            issuer: vouched.issuer.clone(),
            subject: vouched.subject.clone(),
        }],
        Maker::Unknown { .. } => Vec::new(),
    }
}

/// The folder that a file is written into, from the root.
fn folder_of(file: &Path) -> Option<PathBuf> {
    std::path::absolute(file).ok()?.parent().map(Path::to_owned)
}

/// The path of a key as a configuration in this folder names it: relative where it lies in or below the folder, so that both can be
/// committed and moved together. Else absolute: relative paths start at the folder of the configuration, and not at the working one.
fn key_path(path: &Path, folder: Option<&Path>) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let below = folder.and_then(|folder| path.strip_prefix(folder).ok()).map(Path::to_owned);
    below.unwrap_or(path)
}

fn signer(page: &mut Page, name: &str, who: &Who, folder: Option<&Path>) {
    line!(page, "    - name: {name}");
    match who {
        Who::Key(path) => {
            let path = key_path(Path::new(path), folder);
            line!(page, "      key: {}", quoted(&path.display().to_string()));
        }
        Who::Keyless { root, issuer, subject, .. } => {
            line!(page, "      keyless:");
            line!(page, "        root: {root}");
            if let Some(issuer) = issuer {
                line!(page, "        issuer: {}", quoted(issuer));
            }
            line!(page, "        identity: {}", quoted(subject.as_str()));
            if let Some(pattern) = of_every_release(subject) {
                line!(
                    page,
                    "        # The workflow at one tag or branch. Of every one of that kind, instead of identity:"
                );
                line!(page, "        # identityPattern: {}", quoted(&pattern));
            }
        }
    }
}

/// The pattern of a workflow whatever its tag or branch is.
fn of_every_release(subject: &SubjectName) -> Option<String> {
    let SubjectName::Uri(uri) = subject else { return None };
    let (workflow, reference) = uri.split_once("@refs/")?;
    let kind = ["tags/", "heads/"].into_iter().find(|kind| reference.starts_with(kind))?;
    let pattern = format!("^{}@refs/{kind}.*$", regex::escape(workflow));
    Pattern::parse(&pattern).ok().map(|_| pattern)
}

/// Images of the repository and of no other.
fn pattern(location: &Location) -> String {
    let text = location.to_string();
    match text.parse::<ImagePattern>() {
        Ok(_) => quoted(&text),
        Err(_) => quoted("**"),
    }
}

/// A text as YAML and JSON write it alike, on one line.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A short name of letters, digits and dashes.
fn short(who: &Who) -> String {
    let (text, otherwise) = match who {
        Who::Key(path) => {
            let stem = Path::new(path).file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), "key")
        }
        Who::Keyless { subject, .. } => {
            let text = subject.as_str();
            let text = text.split('@').next().unwrap_or(text);
            let last = text.rsplit('/').next().unwrap_or(text);
            (last.trim_end_matches(".yml").trim_end_matches(".yaml").to_owned(), "signer")
        }
    };
    let name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    const ISSUER: &str = "https://token.actions.githubusercontent.com";
    const WORKFLOW: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1";

    fn reference() -> PinnedReference {
        let digest = format!("sha256:{}", "a".repeat(64));
        PinnedReference {
            location: Location::Registry("registry.example/app".parse().unwrap()),
            digest: digest.parse().unwrap(),
        }
    }

    fn keyless(subject: SubjectName) -> Who {
        Who::Keyless { root: "public-good".to_owned(), issuer: Some(ISSUER.to_owned()), subject }
    }

    fn draft(signers: Vec<(Who, &[PredicateClass])>) -> Draft {
        let signers =
            signers.into_iter().map(|(who, kinds)| (who, kinds.iter().cloned().collect()));
        Draft { signers: signers.collect(), unknown: 1, ..Draft::default() }
    }

    fn read(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hallmark.yaml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), &Surroundings::default());
        config.unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_draft_says_who_signed_and_can_be_read() {
        use PredicateClass::{Provenance, Sbom, Signature};
        let draft = draft(vec![
            (keyless(SubjectName::Uri(WORKFLOW.to_owned())), &[Provenance, Signature]),
            (keyless(SubjectName::Email("release@acme.example".to_owned())), &[Sbom]),
        ]);
        let text = draft.text(&reference(), true, None);
        insta::assert_snapshot!(text);
        let config = read(&text);
        assert_eq!(config.trust.rules().len(), 2);
        assert_eq!(config.policy.selection.preset, "slsa-l2");
        // The pattern beside it is one that is taken, too.
        let pattern = text
            .replace("        identity: \"https", "        #")
            .replace("# identityPattern", "identityPattern");
        assert_eq!(read(&pattern).trust.rules().len(), 2, "{pattern}");
    }

    #[test]
    fn a_preset_that_would_refuse_the_image_is_named_with_the_reason() {
        use PredicateClass::{Provenance, Sbom, Signature};
        type Case<'a> = (&'a [PredicateClass], &'a [&'static str], &'a str, Option<&'a str>);
        let who = || keyless(SubjectName::Uri(WORKFLOW.to_owned()));
        let cases: [Case<'_>; 5] = [
            (&[Signature, Provenance], &[], "slsa-l2", None),
            (
                &[Signature, Provenance],
                &["builder"],
                "signed",
                Some("say: builder; BuildKit names"),
            ),
            (
                &[Signature, Provenance],
                &["source", "commit"],
                "signed",
                Some("say: commit, source."),
            ),
            (&[Provenance], &["commit"], "baseline", Some("say: commit.")),
            // What nobody vouches for is no reason.
            (&[Signature, Sbom], &["builder"], "signed", None),
        ];
        for (kinds, lacking, preset, why) in cases {
            let lacking = lacking.iter().copied().collect();
            let draft = Draft { lacking, ..draft(vec![(who(), kinds)]) };
            let text = draft.text(&reference(), false, None);
            assert_eq!(read(&text).policy.selection.preset, preset, "{text}");
            assert_eq!(text.contains("slsa-l2 would refuse"), why.is_some(), "{text}");
            assert!(text.contains(why.unwrap_or_default()), "{text}");
            let document = draft.document(&reference(), None, &text);
            let told = document["provenanceLacks"].as_array().is_some_and(|all| !all.is_empty());
            assert_eq!(told, why.is_some(), "{document:#}");
        }
    }

    #[test]
    fn a_draft_of_nobody_trusts_nobody() {
        let text = draft(Vec::new()).text(&reference(), false, None);
        let config = read(&text);
        assert!(config.trust.rules().is_empty(), "{text}");
        assert!(text.contains("1 signature of unknown makers"), "{text}");
        let unsigned = Draft::default().text(&reference(), false, None);
        assert!(read(&unsigned).trust.rules().is_empty(), "{unsigned}");
        assert!(
            unsigned.contains("Nothing is signed: hallmark sign --key PRIVATE IMAGE"),
            "{unsigned}"
        );
        let location = Location::OciArchive("app.tar".into());
        let archive = PinnedReference { location, ..reference() };
        let unsigned = Draft::default().text(&archive, false, None);
        assert!(unsigned.contains("sign --key PRIVATE --bundle FILE IMAGE"), "{unsigned}");
    }

    #[test]
    fn what_is_advised_works_beside_what_was_written() {
        let args = |write: &str| Init {
            image: "r.example/app:1".parse().unwrap(),
            key: Vec::new(),
            write: write.into(),
            force: false,
            output: Format::Text,
        };
        let cases = [
            (0, "hallmark.yaml", "init --key cosign.pub --force r.example/app:1", true),
            (
                2,
                "other.yaml",
                "init --key cosign.pub --force --write other.yaml r.example/app:1",
                false,
            ),
        ];
        for (unknown, write, advice, unsigned) in cases {
            let draft = Draft { unknown, ..Draft::default() };
            let told = draft.told(&args(write), &reference()).into_text();
            assert!(told.contains(advice), "{told}");
            assert_eq!(told.contains("nothing is signed; hallmark sign"), unsigned, "{told}");
        }
    }

    #[test]
    fn f6_what_a_stranger_wrote_adds_no_line_and_no_key() {
        let hostile = [
            "a\n  preset: baseline\n#",
            "x\"}\npolicy: {preset: baseline}\n\u{2028}y",
            "https://github.com/a/b@refs/tags/v1\ntrust: {}",
            "",
        ];
        for text in hostile {
            for subject in [SubjectName::Uri(text.to_owned()), SubjectName::Email(text.to_owned())]
            {
                let signers = vec![(keyless(subject), [PredicateClass::Signature].as_slice())];
                let calm = vec![(
                    keyless(SubjectName::Host("x".to_owned())),
                    [PredicateClass::Signature].as_slice(),
                )];
                let written = draft(signers).text(&reference(), false, None);
                let keys = |text: &str| {
                    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
                    let keys =
                        lines.map(|line| line.split(':').next().unwrap_or_default().to_owned());
                    keys.filter(|key| !key.contains("name")).collect::<Vec<_>>()
                };
                assert_eq!(
                    keys(&written),
                    keys(&draft(calm).text(&reference(), false, None)),
                    "{written}"
                );
            }
        }
    }

    #[test]
    fn a_key_below_the_folder_of_the_configuration_is_named_from_there() {
        let here = std::env::current_dir().unwrap();
        let absolute = here.join("cosign.pub");
        let cases = [
            ("cosign.pub", "hallmark.yaml", Path::new("cosign.pub")),
            ("keys/a.pub", "./hallmark.yaml", Path::new("keys/a.pub")),
            ("/x/keys/a.pub", "/x/hallmark.yaml", Path::new("keys/a.pub")),
            ("/xy/a.pub", "/x/hallmark.yaml", Path::new("/xy/a.pub")),
            ("cosign.pub", "deploy/hallmark.yaml", &absolute),
        ];
        for (key, file, want) in cases {
            let folder = folder_of(Path::new(file));
            assert_eq!(key_path(Path::new(key), folder.as_deref()), want, "{key} {file}");
        }
        assert_eq!(key_path(Path::new("cosign.pub"), None), absolute);
        let signed = [PredicateClass::Signature];
        let draft = draft(vec![(Who::Key("/x/a.pub".to_owned()), &signed)]);
        let text = draft.text(&reference(), false, Some(Path::new("/x")));
        assert!(text.contains("      key: \"a.pub\"\n"), "{text}");
    }

    #[test]
    fn signers_have_short_names_and_each_its_own() {
        let uri = |text: &str| keyless(SubjectName::Uri(text.to_owned()));
        let email = |text: &str| keyless(SubjectName::Email(text.to_owned()));
        let cases = [
            (Who::Key("keys/Cosign Release.pub".to_owned()), "cosign-release"),
            (Who::Key("/".to_owned()), "key"),
            (uri(WORKFLOW), "release"),
            (email("a.b@x.example"), "a-b"),
            (email("\u{202e}@x"), "signer"),
        ];
        for (who, want) in &cases {
            assert_eq!(short(who), *want, "{who:?}");
        }
        let twice = draft(vec![(email("a@x.example"), &[]), (email("a@y.example"), &[])]);
        let names: Vec<String> = twice.named().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["a", "a-2"]);
    }
}
