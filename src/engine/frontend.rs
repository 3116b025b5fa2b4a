//! Which frontend reads a Dockerfile.
//!
//! Turns the Dockerfile that was checked out into the frontend that it names (`# syntax=`), as BuildKit finds it (moby/buildkit,
//! `frontend/dockerfile/parser/directives.go`), and refuses one that the operator does not list, whatever the provenance says of
//! it: a frontend makes the steps (attack G11). Refuses also a Dockerfile that cannot be read here as a plain file, since then
//! another text would be judged than is built.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    git, host,
    inputs::Inputs,
    sandbox::{Environment, Outcome, Shell},
};
use crate::{
    attest::provenance::Frontend,
    digest::Digest,
    image::tar::{self, EntryKind},
    limits::Limits,
    rebuild::{
        EngineReport, Failure, FailureKind, Plan, PlannedRepository, PlannedSource, covered,
        dockerfile,
    },
};

/// Longest Dockerfile that is read, in bytes.
const BYTES: usize = 1 << 20;

/// The frontend image that a plan names, by digest.
pub(super) fn of(plan: &Plan) -> Option<Digest> {
    match &plan.frontend {
        Frontend::Image { reference } => covered::pin(&plan.materials, reference).cloned(),
        Frontend::BuiltIn | Frontend::Unknown => None,
    }
}

/// The frontend image that read the Dockerfile: where the builder was given its inputs here, it is the one that it was given.
pub(super) fn that_read(plan: &Plan, engine: &EngineReport) -> Option<Digest> {
    let given = |digest: &Digest| engine.served.as_ref().is_none_or(|all| all.contains(digest));
    of(plan).filter(given)
}

/// Whether the builder's own frontend reads the Dockerfile, or one that the operator lists. The plan's word counts where it names
/// one: then it is told to the builder, and what the Dockerfile says does not. Gives the texts that were read for it.
///
/// # Errors
/// [`FailureKind::Denied`] for a frontend that nobody lists.
pub(super) async fn judge(
    plan: &Plan,
    inputs: &Inputs<'_>,
    shell: &Shell<'_>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let denied = |why: String| shell.failure(FailureKind::Denied, why);
    let mut texts = Vec::new();
    let named = match plan.build_args.get("BUILDKIT_SYNTAX") {
        Some(given) => vec![given.clone()],
        None if of(plan).is_some() => return Ok(texts),
        None => {
            texts = dockerfiles(plan, inputs, shell).await?;
            texts.iter().flat_map(|text| named(text)).collect()
        }
    };
    let listed = |named: &&String| {
        let reference = named.split_whitespace().next().unwrap_or_default();
        let digest = covered::pin(&plan.materials, reference);
        digest.is_some_and(|digest| plan.frontends.contains(digest))
    };
    let Some(named) = named.iter().find(|named| !listed(named)) else { return Ok(texts) };
    let reference = named.split_whitespace().next().unwrap_or_default();
    Err(denied(format!(
        "{} is read by {reference:?}, a program that the operator does not list (gap frontend-not-allowed); \
         list its digest under rebuild.frontends in hallmark.yaml, or build without a # syntax= line",
        plan.dockerfile_path
    )))
}

/// A BuildKit in a user namespace leaves out what a step mounts below `/sys`, or at any path that begins with these letters, without
/// a word (moby/buildkit, `util/rootless/specconv`): the rebuild would be one of another Dockerfile (attack G49).
///
/// # Errors
/// [`FailureKind::EngineUnavailable`] for such a mount.
pub(super) fn refuse_lost_mounts(
    plan: &Plan,
    texts: &[Vec<u8>],
    shell: &Shell<'_>,
) -> Result<(), Failure> {
    let text = |text: &Vec<u8>| String::from_utf8_lossy(text).into_owned();
    let lost = texts.iter().find_map(|bytes| dockerfile::mount_at(&text(bytes), "/sys"));
    let Some(lost) = lost.filter(|_| shell.ids().is_some()) else { return Ok(()) };
    let why = format!(
        "{}:{}: a step mounts something at {:?}, which BuildKit leaves out where it has numbers of its own; \
         mount it elsewhere, or rebuild with rebuild.numbers: machine, where it is not below /sys",
        plan.dockerfile_path, lost.line, lost.reference
    );
    Err(shell.failure(FailureKind::EngineUnavailable, why))
}

/// Every text that the builder may take for the Dockerfile.
async fn dockerfiles(
    plan: &Plan,
    inputs: &Inputs<'_>,
    shell: &Shell<'_>,
) -> Result<Vec<Vec<u8>>, Failure> {
    match &plan.source {
        PlannedSource::Repository(repository) => {
            committed(plan, repository, inputs, shell).await.map(|text| vec![text])
        }
        PlannedSource::Download { digest, .. } => {
            let (file, path) = (inputs.store().download(digest), plan.dockerfile_path.clone());
            let limits = inputs.limits().clone();
            let read = tokio::task::spawn_blocking(move || downloaded(&file, &path, &limits));
            let read = read.await.unwrap_or_else(|_| Err("reading it panicked".to_owned()));
            read.map_err(|why| {
                let why = format!("{} of the downloaded context: {why}", plan.dockerfile_path);
                shell.failure(FailureKind::SourceGone, why)
            })
        }
    }
}

/// The texts in a download that a builder may take for the Dockerfile: the download itself, or what an archive has at the path.
///
/// # Errors
/// Why another text could be read than is judged.
fn downloaded(file: &Path, path: &str, limits: &Limits) -> Result<Vec<Vec<u8>>, String> {
    let open = || File::open(file).map_err(|error| error.to_string());
    let mut head = [0; 6];
    let read = open()?.read(&mut head).map_err(|error| error.to_string())?;
    match head.get(..read).unwrap_or_default() {
        [0x1f, 0x8b, ..] => archived(MultiGzDecoder::new(BufReader::new(open()?)), path, limits),
        [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Err("archives are read here as tar or tar.gz alone".to_owned())
        }
        _ => match archived(open()?, path, limits) {
            Err(why) => {
                // No archive: then it is a Dockerfile itself.
                let mut text = Vec::new();
                let most = BYTES as u64;
                open()?.take(most).read_to_end(&mut text).map_err(|error| error.to_string())?;
                let plain = (text.len() as u64) < most && !text.contains(&0);
                if plain { Ok(vec![text]) } else { Err(why) }
            }
            texts => texts,
        },
    }
}

/// What a tar has at a path. It has to be a plain file, once, in folders: builders differ in what else they make of it.
fn archived(archive: impl Read, path: &str, limits: &Limits) -> Result<Vec<Vec<u8>>, String> {
    let plain = |path: &str| {
        path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
    };
    let wanted = plain(path);
    let (mut texts, mut odd) = (Vec::new(), None);
    let mut links = BTreeSet::new();
    let mut bounded = archive.take(limits.rebuild_disk_bytes);
    let walked = tar::walk(&mut bounded, limits, |entry, content| {
        let here = plain(&entry.path);
        let above = wanted.strip_prefix(&here).is_some_and(|rest| rest.starts_with('/'));
        if here == wanted && entry.kind == EntryKind::File && entry.size < BYTES as u64 {
            let mut text = Vec::new();
            content.read_to_end(&mut text)?;
            texts.push(text);
        } else if here == wanted || above && entry.kind != EntryKind::Directory {
            odd = Some("it is no plain file in plain folders, or too long");
        }
        // What is unpacked through a link, or by a second name, may come to lie where the Dockerfile does.
        let leads = entry.kind == EntryKind::HardLink
            || here.split('/').any(|part| part == "..")
            || here.match_indices('/').any(|(at, _)| links.contains(&here[..at]));
        if leads {
            odd = Some("the archive has hard links, or entries below links");
        }
        if entry.kind == EntryKind::Symlink {
            links.insert(here);
        }
        Ok(())
    });
    walked.map_err(|error| error.to_string())?;
    match (odd, texts.len()) {
        (Some(why), _) => Err(why.to_owned()),
        (None, 1) => Ok(texts),
        (None, count) => Err(format!("the archive has it {count} times")),
    }
}

/// The Dockerfile of a commit.
async fn committed(
    plan: &Plan,
    repository: &PlannedRepository,
    inputs: &Inputs<'_>,
    shell: &Shell<'_>,
) -> Result<Vec<u8>, Failure> {
    let path = match repository.folder.as_deref() {
        Some(folder) => Path::new(folder).join(&plan.dockerfile_path),
        None => plan.dockerfile_path.as_str().into(),
    };
    let clean: Vec<_> = path.components().filter(|part| part.as_os_str() != ".").collect();
    let path: std::path::PathBuf = clean.into_iter().collect();
    let objects = tempfile::Builder::new().prefix("objects-").tempdir_in(shell.work);
    let objects = objects.map_err(|e| shell.broken("cannot make a folder", &e))?;
    let folder = objects.path().to_owned();
    let stored = inputs.store().repository(&repository.url);
    git::objects_of(&stored, repository.commit.as_str(), &folder)
        .map_err(|e| shell.broken("the stored repository", &e))?;
    let (commit, name) = (repository.commit.as_str(), path.display().to_string());
    let entry = read(shell, &folder, &["ls-tree", commit, "--", &name]).await?.stdout;
    let plain = entry.starts_with("100644 blob ") || entry.starts_with("100755 blob ");
    let missing = || {
        let why = format!("{name} is no plain file of the repository at this commit, or too long");
        shell.failure(FailureKind::SourceGone, why)
    };
    if !plain {
        return Err(missing());
    }
    let text = read(shell, &folder, &["cat-file", "blob", &format!("{commit}:{name}")]).await?;
    if !text.success || text.stdout.len() >= BYTES {
        return Err(missing());
    }
    if is_encoded(shell, &folder, commit, &path).await? {
        let why = format!(
            "{name} is checked out in another encoding than it is stored in (gitattributes)"
        );
        return Err(shell.failure(FailureKind::Denied, why));
    }
    Ok(text.stdout.into_bytes())
}

/// Whether attributes of the commit may have git write a file in another encoding when it is checked out: then another text is
/// built than the commit holds. Only the files of attributes in the folders above count.
async fn is_encoded(
    shell: &Shell<'_>,
    folder: &Path,
    commit: &str,
    path: &Path,
) -> Result<bool, Failure> {
    for above in path.ancestors().skip(1) {
        let name = above.join(".gitattributes").display().to_string();
        let entry = read(shell, folder, &["ls-tree", commit, "--", &name]).await?.stdout;
        if entry.is_empty() {
            continue;
        }
        let blob = format!("{commit}:{name}");
        let text = read(shell, folder, &["cat-file", "blob", &blob]).await?;
        let whole = text.success && text.stdout.len() < BYTES;
        if !whole || text.stdout.contains("working-tree-encoding") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Asks git about objects of the store. An operator's store may lie anywhere and belong to anybody: nothing but objects is taken
/// of it.
async fn read(shell: &Shell<'_>, folder: &Path, words: &[&str]) -> Result<Outcome, Failure> {
    let program = host::find_program("git");
    let program = program.ok_or_else(|| super::unavailable("git is not on PATH".to_owned()))?;
    let all = git::arguments(folder, words);
    // What a stranger wrote is no word of a builder's.
    let shell = shell.among_files();
    let shell = shell.quietly();
    shell.run(&program, all, &Environment::new(shell.work)).await
}

/// The frontends that a Dockerfile names. Everything is taken for a directive that any version of BuildKit could take for one, and
/// a text that begins as JSON, which no Dockerfile does, for one that names a frontend here unread: readers of JSON differ.
fn named(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches('\u{feff}');
    let is_comment =
        |line: &&str| line.is_empty() || line.starts_with('#') || line.starts_with("//");
    let lines = || text.lines().map(str::trim);
    let directive = |line: &str| {
        let inside = line.trim_start_matches(['#', '/']).trim_start();
        let (name, value) = inside.split_once('=')?;
        name.trim().eq_ignore_ascii_case("syntax").then(|| value.trim().to_owned())
    };
    let mut found: Vec<String> = lines().take_while(is_comment).filter_map(directive).collect();
    let begins = lines().find(|line| !is_comment(line));
    found.extend(begins.filter(|line| line.starts_with('{')).map(str::to_owned));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar of these files: kind, path, content or target.
    fn tarball(entries: &[(::tar::EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = ::tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let data: &[u8] = match kind {
                ::tar::EntryType::Symlink | ::tar::EntryType::Link => {
                    header.set_link_name(content).unwrap();
                    b""
                }
                _ => content.as_bytes(),
            };
            header.set_size(data.len() as u64);
            builder.append_data(&mut header, path, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn h28_a_frontend_is_named_where_the_builder_was_given_it() {
        use crate::{
            attest::provenance::Network,
            rebuild::{EngineKind, Numbers},
        };
        let mut plan = crate::rebuild::tests::plan();
        plan.frontend = Frontend::Image { reference: "golang:1.24".to_owned() };
        let digest = of(&plan).unwrap();
        let report = |served: Option<&[&Digest]>| EngineReport {
            kind: EngineKind::Buildkit,
            driver: "d".to_owned(),
            version: "v".to_owned(),
            reason: String::new(),
            network: Network::None,
            numbers: Numbers::Own,
            ephemeral: true,
            served: served.map(|served| served.iter().copied().cloned().collect()),
            unbounded: None,
        };
        let other = Digest::sha256(b"other");
        assert_eq!(that_read(&plan, &report(Some(&[&digest, &other]))), Some(digest.clone()));
        assert_eq!(that_read(&plan, &report(Some(&[&other]))), None);
        // Nobody here knows what a builder elsewhere was given.
        assert_eq!(that_read(&plan, &report(None)), Some(digest));
    }

    #[test]
    fn g11_a_frontend_is_found_in_an_archive() {
        use ::tar::EntryType::{Directory, Link, Regular, Symlink};
        let gzip = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, bytes).unwrap();
            encoder.finish().unwrap()
        };
        let evil = "# syntax=evil/frontend:1\nFROM x\n";
        let found = |bytes: &[u8], path: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            let texts = downloaded(file.path(), path, &Limits::default())?;
            Ok::<_, String>(texts.iter().flat_map(|text| named(text)).collect::<Vec<_>>())
        };
        let plain = tarball(&[(Regular, "Dockerfile", evil), (Regular, "x", "y")]);
        let deep = tarball(&[(Directory, "a", ""), (Regular, "./a/Dockerfile", evil)]);
        for (bytes, path) in [
            (plain.clone(), "Dockerfile"),
            (gzip(&plain), "./Dockerfile"),
            (gzip(&deep), "a/Dockerfile"),
            (evil.as_bytes().to_vec(), "Dockerfile"),
        ] {
            assert_eq!(found(&bytes, path), Ok(vec!["evil/frontend:1".to_owned()]), "{path}");
        }
        let honest = tarball(&[(Regular, "Dockerfile", "FROM x\n"), (Regular, "y", evil)]);
        assert_eq!(found(&gzip(&honest), "Dockerfile"), Ok(vec![]));
        let refused = [
            tarball(&[(Regular, "y", evil), (Symlink, "Dockerfile", "y")]),
            tarball(&[(Regular, "y", evil), (Link, "Dockerfile", "y")]),
            tarball(&[(Regular, "Dockerfile", "FROM x\n"), (Regular, "./Dockerfile", evil)]),
            tarball(&[(Regular, "y", evil)]),
            tarball(&[]),
        ];
        for bytes in &refused {
            assert!(found(bytes, "Dockerfile").is_err(), "{:?}", found(bytes, "Dockerfile"));
            assert!(found(&gzip(bytes), "Dockerfile").is_err());
        }
        for odd in [
            tarball(&[
                (Regular, "Dockerfile", "FROM x\n"),
                (Symlink, "d", "."),
                (Regular, "d/Dockerfile", evil),
            ]),
            tarball(&[(Regular, "Dockerfile", "FROM x\n"), (Regular, "y", evil), (Link, "z", "y")]),
        ] {
            assert!(found(&odd, "Dockerfile").is_err());
        }
        let through = tarball(&[(Symlink, "a", "b"), (Regular, "a/Dockerfile", "FROM x\n")]);
        assert!(found(&through, "a/Dockerfile").is_err());
        for unread in [b"BZh91AY".as_slice(), b"\xfd7zXZ\0", &[0x1f, 0x8b, 0], &[0; 600]] {
            assert!(found(unread, "Dockerfile").is_err(), "{unread:?}");
        }
    }

    #[test]
    fn g11_a_frontend_is_found_where_buildkit_finds_it() {
        let evil = "evil/frontend:1";
        for (text, want) in [
            ("# syntax=evil/frontend:1\nFROM x\n", evil),
            ("#syntax = evil/frontend:1\nFROM x\n", evil),
            ("\u{feff}# SYNTAX=evil/frontend:1\n", evil),
            ("#!/usr/bin/env x\n# syntax=evil/frontend:1\n", evil),
            ("# escape=`\n# syntax=evil/frontend:1\nFROM x\n", evil),
            ("# syntax=a\n# syntax=evil/frontend:1\n", evil),
            ("# syntax=a\n// syntax=evil/frontend:1\n", evil),
            ("// syntax=evil/frontend:1\n", evil),
            ("  # syntax=evil/frontend:1\r\nFROM x\n", evil),
            ("#!{\n{\"syntax\": \"evil/frontend:1\"}", "{\"syntax\": \"evil/frontend:1\"}"),
            ("#!/x\n{\"syntax\": \"evil\"}", "{\"syntax\": \"evil\"}"),
            ("\u{feff}\n {\n\"syntax\": \"\\ud800\"}", "{"),
        ] {
            assert!(named(text.as_bytes()).contains(&want.to_owned()), "{text}");
        }
        for text in
            ["FROM x\n# syntax=evil/frontend:1\n", "", "# a comment\nFROM x\n", "\0\u{1f}\u{8b}"]
        {
            assert_eq!(named(text.as_bytes()), Vec::<String>::new(), "{text}");
        }
    }
}
