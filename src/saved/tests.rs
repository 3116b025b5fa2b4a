//! Folders that are written, read again, changed and left unfinished.

use std::{fs, io::ErrorKind, path::Path, sync::Arc};

use jiff::Timestamp;
use serde_json::json;

use super::{Access, Belief, RECORD, Saved, Saver, question};
use crate::{digest::Digest, limits::Limits};

fn time() -> Timestamp {
    "2026-11-25T00:00:00Z".parse().unwrap()
}

/// A folder with one answer and what `fill` puts in, and the digest of its record.
fn saved(folder: &Path, fill: impl FnOnce(&Saver)) -> Digest {
    let saver = Saver::begin(folder, time()).unwrap();
    saver.answer(question(&["a", "b"]), || json!({ "ok": 1 }));
    fill(&saver);
    saver.finish(time(), false, &Limits::default()).unwrap()
}

fn open(folder: &Path, belief: &Belief) -> Result<Saved, String> {
    Saved::open(folder, belief, &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn i12_what_its_maker_has_seen_counts_where_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let digest = saved(folder.path(), |_| {});
    let found = open(folder.path(), &Belief::Nothing).unwrap();
    assert!(!found.is_believed());
    assert_eq!(found.answer(&question(&["a", "b"])), Some(&json!({ "ok": 1 })));
    assert_eq!(found.answer(&question(&["a b"])), None);
    assert!(open(folder.path(), &Belief::Whole).unwrap().is_believed());
    assert!(open(folder.path(), &Belief::Named(digest.clone())).unwrap().is_believed());
    let record = folder.path().join(RECORD);
    let changed = fs::read_to_string(&record).unwrap().replace("11-25", "11-24");
    fs::write(&record, changed).unwrap();
    let why = open(folder.path(), &Belief::Named(digest)).unwrap_err();
    assert!(why.contains("was changed since"), "{why}");
    assert!(open(folder.path(), &Belief::Nothing).is_ok());
}

#[test]
fn i12_a_record_may_be_as_large_as_its_limit_and_no_larger() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), |_| {});
    let size = fs::metadata(folder.path().join(RECORD)).unwrap().len();
    let limits = |saved_record_bytes| Limits { saved_record_bytes, ..Limits::default() };
    assert!(Saved::open(folder.path(), &Belief::Nothing, &limits(size)).is_ok());
    let why = Saved::open(folder.path(), &Belief::Nothing, &limits(size - 1)).unwrap_err();
    assert!(why.to_string().contains("limits.savedRecordBytes"), "{why}");
    let again = |limit| {
        let folder = tempfile::tempdir().unwrap();
        let saver = Saver::begin(folder.path(), time()).unwrap();
        saver.answer(question(&["a", "b"]), || json!({ "ok": 1 }));
        saver.finish(time(), false, &limits(limit)).is_ok()
    };
    assert_eq!([again(size), again(size - 1)], [true, false]);
}

#[test]
fn i12_a_record_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let why = open(folder.path(), &Belief::Nothing).unwrap_err();
    assert!(why.contains(RECORD), "{why}");
    saved(folder.path(), |_| {});
    let record = folder.path().join(RECORD);
    let text = fs::read_to_string(&record).unwrap();
    let strange = [
        String::new(),
        "[]".to_owned(),
        text.replacen("hallmark/evidence/v1", "hallmark/evidence/v9", 1),
        text.replacen("\"asOf\"", "\"asof\"", 1),
        text.replacen('{', "{\"time\": 1,", 1),
    ];
    for text in strange {
        fs::write(&record, &text).unwrap();
        let why = open(folder.path(), &Belief::Whole).unwrap_err();
        assert!(why.contains("no record of saved evidence"), "{text}: {why}");
    }
    let _ = fs::remove_file(&record);
    assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
    assert!(open(folder.path(), &Belief::Whole).is_err(), "a pipe is not waited for");
}

#[test]
fn i12_files_come_back_as_they_were_or_not_at_all() {
    let from = tempfile::tempdir().unwrap();
    let (there, gone) = (from.path().join("key.pem"), from.path().join("gone"));
    let folder = tempfile::tempdir().unwrap();
    let fresh = Saver::begin(folder.path(), time()).unwrap();
    let saving = Access::Saving(Arc::new(fresh));
    let read = |access: &Access, path: &Path| access.file(path, 100, || Ok(b"a key".to_vec()));
    assert_eq!(read(&saving, &there).unwrap(), b"a key");
    let none = || Err(ErrorKind::NotFound.into());
    assert_eq!(saving.file(&gone, 100, none).unwrap_err().kind(), ErrorKind::NotFound);
    let files = vec![("a.rego".to_owned(), "package a\n".to_owned())];
    let rules = from.path().join("rules");
    let listed = saving.folder(&rules, 100, || Ok::<_, std::io::Error>(files.clone()));
    assert_eq!(listed.unwrap(), files);
    let secret = b"-----BEGIN PRIVATE KEY-----\n".to_vec();
    let why = saving.file(&from.path().join("k"), 100, || Ok(secret)).unwrap_err().to_string();
    assert!(why.contains("private key"), "{why}");
    saving.saver().unwrap().finish(time(), false, &Limits::default()).unwrap();
    let opened = || open(folder.path(), &Belief::Whole).map(|saved| Access::Saved(Arc::new(saved)));
    let again = opened().unwrap();
    let never = |path: &Path, most| again.file(path, most, || panic!("the disk is not asked"));
    assert_eq!(never(&there, 100).unwrap(), b"a key");
    assert!(never(&there, 4).is_err(), "more than is read");
    assert_eq!(never(&gone, 100).unwrap_err().kind(), ErrorKind::NotFound);
    let other = never(&from.path().join("other"), 100).unwrap_err();
    assert_ne!(other.kind(), ErrorKind::NotFound, "nobody knows whether it was there");
    let listed = again.folder(&rules, 100, || Err(std::io::Error::other("not asked")));
    assert_eq!(listed.unwrap(), files);
    assert!(again.has_folder(&rules) && !again.has_folder(from.path()));
    let blob = folder.path().join("blobs/sha256").join(Digest::sha256(b"a key").hex());
    fs::write(blob, b"a kEy").unwrap();
    let why = never(&there, 100).unwrap_err().to_string();
    assert!(why.contains("does not hash to its name"), "{why}");
}

#[test]
fn what_is_written_is_a_layout_in_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), |saver| {
        saver.manifest(&Digest::sha256(b"{}"), "application/vnd.oci.image.index.v1+json", b"{}");
        saver.blob(&Digest::sha256(b"layer"), &mut &b"layer"[..]);
    });
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("oci-layout").contains("1.0.0"));
    assert!(read("index.json").contains(&Digest::sha256(b"{}").to_string()));
    assert_eq!(read(&format!("blobs/sha256/{}", Digest::sha256(b"layer").hex())), "layer");
    let why = Saver::begin(folder.path(), time()).unwrap_err().to_string();
    assert!(why.contains("not empty"), "{why}");
    // Bytes that are not what they are called are not kept, and nobody is told that all were.
    let other = tempfile::tempdir().unwrap();
    let saver = Saver::begin(other.path(), time()).unwrap();
    saver.blob(&Digest::sha256(b"right"), &mut &b"wrong"[..]);
    let why = saver.finish(time(), false, &Limits::default()).unwrap_err().to_string();
    assert!(why.contains("not all could be kept"), "{why}");
    assert!(!other.path().join(RECORD).exists());
}

#[test]
fn i15_nothing_is_said_of_a_file_that_the_folder_names() {
    let from = tempfile::tempdir().unwrap();
    let path = from.path().join("database");
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), |saver| saver.elsewhere(path.to_str().unwrap(), b"a database"));
    let again = Access::Saved(Arc::new(open(folder.path(), &Belief::Whole).unwrap()));
    let read = || again.large(&path, || crate::scratch::read_regular(&path, 100));
    fs::write(&path, "a database").unwrap();
    assert_eq!(read().unwrap(), b"a database");
    fs::write(&path, "a secret").unwrap();
    let why = read().unwrap_err().to_string();
    assert_eq!(why, "it is another file than the one that was kept");
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let why = read().unwrap_err().to_string();
    assert!(why.contains("no regular file"), "{why}");
}

#[test]
fn a_save_that_does_not_finish_leaves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let (new, empty) = (base.path().join("new"), base.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for folder in [&new, &empty] {
        let saver = Saver::begin(folder, time()).unwrap();
        saver.blob(&Digest::sha256(b"layer"), &mut &b"layer"[..]);
        let why = open(folder, &Belief::Nothing).unwrap_err();
        assert!(why.contains("did not finish"), "{why}");
        saver.lost("a layer".to_owned());
        assert!(saver.finish(time(), false, &Limits::default()).is_err());
    }
    assert!(!new.exists() && fs::read_dir(&empty).unwrap().next().is_none());
    for folder in [&new, &empty] {
        saved(folder, |_| {});
        assert!(open(folder, &Belief::Nothing).is_ok());
    }
}
