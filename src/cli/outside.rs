//! `hallmark provenance check`: provenance in a file, of Google Cloud Build or of the npm registry; no verdict.

use std::path::Path;

use serde_json::json;

use super::{
    Answer, Failure,
    args::{Format, NamedKey, ProvenanceCheck},
    files::Operand,
    vouch,
};
use crate::{
    attest::{cloud_build::Described, npm::Pair},
    config::Config,
    limits::Limits,
    report,
    scratch::seen,
    trust::{
        Expectations, KeyRing, PublicKey,
        outside::{self, Proven, Refused},
    },
    untrusted::{Page, line},
};

/// How the options that take a file stand before it in messages.
const NAMED_KEY: &str = "--named-key ";
const NPM_KEYS: &str = "--npm-keys ";

/// Largest key or list of keys that is read, in bytes.
const MAX_KEY_BYTES: u64 = 1 << 20;

/// Runs the command.
pub(super) fn check(args: &ProvenanceCheck, config: &Config) -> Result<Answer, Failure> {
    let most = u64::try_from(config.limits.attestation_bytes).unwrap_or(u64::MAX);
    let bytes = read("", &args.file, most)?;
    if let Some(what) = seen(&bytes) {
        return Err(Failure { code: 1, ..file("").unusable(&args.file, &what) });
    }
    let proven = match (&args.npm_keys, args.named_key.as_slice()) {
        (Some(list), []) => package(args, &bytes, list, config)?,
        (None, keys @ [_, ..]) => image(args, &bytes, keys, &config.limits)?,
        _ => {
            let mut failure = Failure::usage("provenance check needs the keys that may vouch");
            failure.help("of Google Cloud Build: --named-key NAME=FILE; of the npm registry: --npm-keys FILE");
            return Err(failure);
        }
    };
    Ok(Answer::data(match args.output {
        Format::Text => told(args, &proven),
        Format::Json => document(args, &proven),
    }))
}

/// What an argument or option of the command takes.
fn file(option: &'static str) -> Operand {
    let form = match option {
        "" => {
            "it takes what gcloud artifacts docker images describe IMAGE --show-provenance --format json prints, \
             or what the npm registry answers for /-/npm/v1/attestations/PACKAGE@VERSION"
        }
        NPM_KEYS => {
            "it takes the npm registry's keys, which its TUF repository has as registry.npmjs.org/keys.json"
        }
        _ => "it takes NAME=FILE, with a public key in PEM or DER",
    };
    Operand { option, form }
}

fn read(option: &'static str, path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    file(option).read(path, most)
}

/// What is refused is a no, as of an image: exit code 1.
fn refused(args: &ProvenanceCheck, why: &Refused) -> Failure {
    Failure::refused(format!("{}: {why}", args.file.display()))
}

fn image(
    args: &ProvenanceCheck,
    bytes: &[u8],
    keys: &[NamedKey],
    limits: &Limits,
) -> Result<Proven, Failure> {
    let mut ring = KeyRing::default();
    for NamedKey { name, file: path } in keys {
        let bytes = read(NAMED_KEY, path, MAX_KEY_BYTES)?;
        let key = PublicKey::from_file(&bytes);
        let key = key.map_err(|error| file(NAMED_KEY).refused_key(path, &bytes, &error))?;
        ring.add(name, key).map_err(|error| {
            Failure::usage(format!("--named-key {name}={}: {error}", path.display()))
        })?;
    }
    let described = Described::parse(bytes, limits).map_err(Refused::from);
    let proven = described
        .and_then(|found| outside::cloud_build(found, &ring, &args.digest, &expected(args)));
    proven.map_err(|why| refused(args, &why))
}

fn package(
    args: &ProvenanceCheck,
    bytes: &[u8],
    list: &Path,
    config: &Config,
) -> Result<Proven, Failure> {
    let Some(builder) = vouch::certificate(&args.certificate, config)? else {
        let mut failure = Failure::usage("--npm-keys needs the identity of the builder, too");
        failure.help("add --certificate-identity URI and --certificate-oidc-issuer URL: whoever publishes a package could have built it anywhere");
        return Err(failure);
    };
    let bytes_of_keys = read(NPM_KEYS, list, MAX_KEY_BYTES)?;
    let keys = KeyRing::of_npm(&bytes_of_keys, &config.limits)
        .map_err(|error| file(NPM_KEYS).refused(list, &bytes_of_keys, &error))?;
    let pair = Pair::parse(bytes, &config.limits).map_err(Refused::from);
    let proven =
        pair.and_then(|pair| outside::npm(&pair, &keys, &builder, &args.digest, &expected(args)));
    proven.map_err(|why| refused(args, &why))
}

fn expected(args: &ProvenanceCheck) -> Expectations {
    Expectations {
        source: Some(args.source.clone()),
        branch: args.branch.clone(),
        tag: args.tag.clone(),
        version: args.versioned_tag.clone(),
        builder: args.builder.clone(),
        build_type: args.build_type.clone(),
        entry_point: args.entry_point.clone(),
    }
}

/// What was proven, a line for each fact.
fn told(args: &ProvenanceCheck, proven: &Proven) -> String {
    let Proven { provenance, signer, package } = proven;
    let mut page = Page::default();
    if let Some(package) = package {
        line!(page, "package     {} {}", package.name, package.version);
    }
    line!(page, "digest      {}", args.digest);
    line!(page, "signer      {signer}");
    line!(page, "builder     {}", provenance.builder_id);
    line!(page, "build type  {}", provenance.build_type);
    if let Some(source) = &provenance.source {
        line!(page, "source      {}", source.url);
    }
    for (what, said) in [
        ("branch", &provenance.branch),
        ("tag", &provenance.tag),
        ("entry", &provenance.entry_point),
    ] {
        if let Some(said) = said {
            line!(page, "{what:<11} {said}");
        }
    }
    line!(page, "the provenance is signed, is about this digest, and says what was expected");
    page.into_text()
}

/// Schema of what was proven.
const CHECKED: &str = "hallmark/provenance-check/v1";

fn document(args: &ProvenanceCheck, proven: &Proven) -> String {
    let Proven { provenance, signer, package } = proven;
    let source = provenance.source.as_ref();
    let commit = source.and_then(|source| source.commit.as_ref());
    let package = package.as_ref();
    report::json::lines(&json!({
        "schema": CHECKED,
        "digest": args.digest.to_string(),
        "signer": signer,
        "builder": provenance.builder_id,
        "buildType": provenance.build_type,
        "source": source.map(|source| source.url.to_string()),
        "commit": commit.map(|commit| commit.as_str()),
        "branch": provenance.branch,
        "tag": provenance.tag,
        "entryPoint": provenance.entry_point,
        "package": package.map(|package| json!({ "name": package.name, "version": package.version })),
    }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::args::{Cli, Command, Provenance},
        trust::{
            outside::tests::{KEY, document, image},
            testing::TestKey,
        },
    };

    /// What the command answers, and its exit code where it gives none.
    fn run(folder: &Path, words: &[&str]) -> Result<String, (u8, String)> {
        let file = folder.join("described.json").display().to_string();
        let digest = image().to_string();
        let start = ["hallmark", "provenance", "check", &file, "--digest", &digest];
        let cli = Cli::try_parse_from(start.into_iter().chain(words.iter().copied())).unwrap();
        let Command::Provenance(Provenance::Check(args)) = cli.command else { panic!("{words:?}") };
        let answer = check(&args, &Config::load(None, &Default::default()).unwrap());
        answer.map(|answer| answer.text).map_err(|failure| (failure.code, failure.to_string()))
    }

    #[test]
    fn a_file_of_cloud_build_is_checked_by_the_keys_that_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (key, stranger) = (TestKey::p256(), TestKey::p256());
        let place = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(place("described.json"), document(&key, |_| {})).unwrap();
        std::fs::write(place("key.pem"), &key.pem).unwrap();
        std::fs::write(place("stranger.pem"), &stranger.pem).unwrap();
        let named = |name: &str, file: &str| format!("{name}={}", place(file));
        let good = named(KEY, "key.pem");
        let source = ["--source", "github.com/org/app"];
        let run = |words: &[&str]| run(folder.path(), &[&source[..], words].concat());

        let said = run(&["--named-key", &good, "--branch", "main", "--tag", "v1"]).unwrap();
        for wanted in [KEY, "https://github.com/org/app", "branch      main", "is signed"] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        let said = run(&["--named-key", &good, "-o", "json"]).unwrap();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let wanted = [
            ("schema", json!(CHECKED)),
            ("signer", json!(KEY)),
            ("source", json!("https://github.com/org/app")),
            ("branch", json!("main")),
            ("package", json!(null)),
        ];
        wanted.iter().for_each(|(key, value)| assert_eq!(said[key], *value, "{said:#}"));
        let schema = report::schema::find(CHECKED).unwrap().bundled();
        let errors = jsonschema::validator_for(&schema).unwrap();
        assert!(errors.is_valid(&said), "{said:#}");
        let refused = [
            (vec!["--named-key", &good, "--branch", "other"], 1, "the branch is main"),
            (vec!["--named-key", &good, "--builder", "x"], 1, "the builder is"),
            (vec![], 2, "--named-key NAME=FILE"),
        ];
        for (words, code, wanted) in refused {
            let (found, said) = run(&words).unwrap_err();
            assert!(found == code && said.contains(wanted), "{words:?}: {found} {said}");
        }
        for (name, file, code) in [
            (KEY, "stranger.pem", 1),
            ("another", "key.pem", 1),
            (KEY, "absent", 2),
            (KEY, "described.json", 2),
        ] {
            let (found, said) = run(&["--named-key", &named(name, file)]).unwrap_err();
            assert_eq!(found, code, "{name} {file}: {said}");
        }
        std::fs::write(place("described.json"), "{}").unwrap();
        assert_eq!(run(&["--named-key", &good]).unwrap_err().0, 1);
    }

    #[test]
    fn a_package_needs_the_identity_of_its_builder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("described.json"), "{}").unwrap();
        let keys = folder.path().join("keys.json");
        std::fs::write(&keys, r#"{"keys": []}"#).unwrap();
        let keys = keys.display().to_string();
        let npm = ["--source", "github.com/org/app", "--npm-keys", &keys];
        let (code, said) = run(folder.path(), &npm).unwrap_err();
        assert!(code == 2 && said.contains("--certificate-identity"), "{code} {said}");
        let issuer = "https://token.actions.githubusercontent.com";
        let who =
            ["--certificate-identity", "https://x.example", "--certificate-oidc-issuer", issuer];
        let (code, said) = run(folder.path(), &[&npm[..], &who].concat()).unwrap_err();
        assert!(code == 1 && said.contains("npm"), "{code} {said}");
    }
}
