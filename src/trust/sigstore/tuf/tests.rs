//! Repositories that are honest, and such as attackers would have them.

use super::*;
use testing::{Key as TestKey, Repository, sealed};

const ROOT: &[u8] = br#"{"a":1}"#;
const LATER: &[u8] = br#"{"a":2}"#;

fn now() -> Timestamp {
    "2026-01-05T00:00:00Z".parse().unwrap()
}

/// Feeds the files that are wanted.
fn run(
    repository: &Repository,
    initial: &[u8],
    kept: Option<&Cache>,
    now: Timestamp,
) -> Result<(Current, Cache), TufError> {
    let mut update = Update::begin(initial, kept, now, &Limits::default())?;
    while let Some(wanted) = update.wanted() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let name = wanted.path.strip_prefix("targets/").unwrap_or(&wanted.path);
        assert!(
            name.chars().all(plain) && !name.contains(".."),
            "a name of a stranger: {wanted:?}"
        );
        update.take(repository.files.get(&wanted.path).cloned())?;
    }
    update.finish()
}

fn refused(repository: &Repository) -> &'static str {
    let initial = repository.initial().to_vec();
    run(repository, &initial, None, now()).expect_err("accepted").rule()
}

fn honest() -> Repository {
    Repository::new(ROOT)
}

fn verified(cache: &Cache, initial: &[u8], now: Timestamp) -> Result<Current, &'static str> {
    cache.verify(initial, now, &Limits::default()).map_err(|error| error.rule())
}

#[test]
fn an_update_gives_the_current_root_and_what_is_kept_gives_it_again() {
    let repository = honest();
    let (current, cache) = run(&repository, repository.initial(), None, now()).unwrap();
    assert_eq!(current.trusted_root, ROOT);
    assert_eq!((current.as_of, current.root_version), (now(), 1));
    assert_eq!(current.expires, "2026-01-10T00:00:00Z".parse().unwrap());
    let again = Cache::parse(&cache.to_bytes().unwrap()).unwrap();
    assert_eq!(again, cache);
    // Long after the metadata expired: it shows its age, and was right then.
    let later = "2028-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(verified(&again, repository.initial(), later), Ok(current));
}

#[test]
fn keys_rotate_over_several_roots() {
    let mut repository = honest();
    let initial = repository.initial().to_vec();
    let (_, cache) = run(&repository, &initial, None, now()).unwrap();
    (2..=4).for_each(|version| repository.rotate(version));
    repository.version = 2;
    repository.trusted_root = LATER.to_vec();
    repository.publish();
    for kept in [None, Some(&cache)] {
        let (current, after) = run(&repository, &initial, kept, now()).unwrap();
        assert_eq!((current.trusted_root.as_slice(), current.root_version), (LATER, 4));
        assert!(verified(&after, &initial, now()).is_ok());
        // A later program begins with a later root.
        assert!(verified(&after, &repository.files["3.root.json"], now()).is_ok());
        assert_eq!(after.roots.len(), 3);
    }
    let missing = repository.files.remove("3.root.json");
    assert!(missing.is_some());
    assert_eq!(refused(&repository), "threshold", "root 2 knows other keys");
}

/// A25: no version is skipped, and old and new keys sign.
#[test]
fn a25_a_root_follows_its_predecessor_in_version_and_by_its_keys() {
    let mut skipped = honest();
    skipped.rotate(3);
    let third = skipped.files.remove("3.root.json").unwrap();
    skipped.files.insert("2.root.json".to_owned(), third);
    assert_eq!(refused(&skipped), "root-version");
    let mut same = honest();
    same.files.insert("2.root.json".to_owned(), same.initial().to_vec());
    assert_eq!(refused(&same), "root-version");
    let strangers = [TestKey::new("x"), TestKey::new("y")];
    let mut foreign = honest();
    foreign.root_keys = strangers.into();
    let root = foreign.root(2);
    let keys: Vec<&TestKey> = foreign.root_keys.iter().collect();
    foreign.files.insert("2.root.json".to_owned(), sealed(&root, &keys));
    assert_eq!(refused(&foreign), "threshold", "signed by itself alone");
    let mut half = honest();
    let root = half.root(2);
    half.files.insert("2.root.json".to_owned(), sealed(&root, &[&half.root_keys[0]]));
    assert_eq!(refused(&half), "threshold");
    let mut expired = honest();
    expired.root_expires = "2026-01-04T00:00:00Z".to_owned();
    let root = expired.root(2);
    let keys: Vec<&TestKey> = expired.root_keys.iter().collect();
    expired.files.insert("2.root.json".to_owned(), sealed(&root, &keys));
    assert_eq!(refused(&expired), "expired");
}

/// A25: what was known is a floor, and what was refused is never kept.
#[test]
fn a25_nothing_goes_back_and_nothing_refused_is_kept() {
    let mut repository = honest();
    let initial = repository.initial().to_vec();
    let old = repository.files.clone();
    repository.version = 5;
    repository.publish();
    let (_, cache) = run(&repository, &initial, None, now()).unwrap();
    let rule = |files: &std::collections::BTreeMap<String, Vec<u8>>,
                repository: &mut Repository| {
        repository.files = files.clone();
        run(repository, &initial, Some(&cache), now()).expect_err("accepted").rule()
    };
    assert_eq!(rule(&old, &mut repository), "rollback");
    // The same timestamp again is no update and no fault.
    repository.version = 5;
    repository.publish();
    assert!(run(&repository, &initial, Some(&cache), now()).is_ok());
    // A later timestamp that points at earlier files.
    repository.version = 4;
    repository.publish();
    let stale = repository.files.clone();
    let mut timestamp: Value = serde_json::from_slice(&stale["timestamp.json"]).unwrap();
    timestamp["signed"]["version"] = 6.into();
    let forward = sealed(&timestamp["signed"], &[&repository.online]);
    let mut mixed = stale;
    mixed.insert("timestamp.json".to_owned(), forward);
    assert_eq!(rule(&mixed, &mut repository), "rollback");
    // Whoever replaces the online key starts again, as after a theft of it (5.3.11).
    repository.rotate(2);
    repository.version = 1;
    repository.publish();
    assert!(run(&repository, &initial, Some(&cache), now()).is_ok());
    // An update that ended early gives nothing that could be kept.
    let update = Update::begin(&initial, Some(&cache), now(), &Limits::default()).unwrap();
    assert_eq!(update.finish().expect_err("nothing was taken").rule(), "missing");
}

#[test]
fn a25_a_frozen_repository_is_noticed() {
    let mut repository = honest();
    let initial = repository.initial().to_vec();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let rule = |repository: &Repository, kept: Option<&Cache>, time| {
        run(repository, &initial, kept, time).map(drop).map_err(|error| error.rule())
    };
    assert_eq!(rule(&repository, None, at("2026-01-10T00:00:00Z")), Ok(()));
    assert_eq!(rule(&repository, None, at("2026-01-10T00:00:01Z")), Err("expired"));
    let (_, cache) = run(&repository, &initial, None, now()).unwrap();
    assert_eq!(rule(&repository, Some(&cache), at("2026-01-11T00:00:00Z")), Err("expired"));
    repository.expires = "2026-02-01T00:00:00Z".to_owned();
    repository.version = 2;
    repository.publish();
    assert_eq!(rule(&repository, Some(&cache), at("2026-01-11T00:00:00Z")), Ok(()));
}

#[test]
fn a24_a_threshold_counts_keys_and_each_once() {
    let forge = |change: &dyn Fn(&mut Repository, &mut Value), signers: &[usize]| {
        let mut repository = honest();
        let mut root = repository.root(1);
        change(&mut repository, &mut root);
        let keys: Vec<&TestKey> = signers.iter().map(|at| &repository.root_keys[*at]).collect();
        let sealed = sealed(&root, &keys);
        repository.files.insert("1.root.json".to_owned(), sealed);
        run(&repository, &repository.files["1.root.json"], None, now())
            .map(drop)
            .map_err(|error| error.rule())
    };
    let threshold = |threshold: i64| {
        move |_: &mut Repository, root: &mut Value| {
            root["roles"]["root"]["threshold"] = threshold.into();
        }
    };
    let nothing = |_: &mut Repository, _: &mut Value| {};
    assert_eq!(forge(&nothing, &[0, 1]), Ok(()));
    assert_eq!(forge(&nothing, &[0]), Err("threshold"));
    assert_eq!(forge(&nothing, &[0, 0]), Err("duplicate-signature"));
    assert_eq!(forge(&nothing, &[]), Err("threshold"));
    assert_eq!(forge(&threshold(0), &[0]), Err("malformed"));
    assert_eq!(forge(&threshold(-1), &[0]), Err("malformed"));
    let listed_twice = |_: &mut Repository, root: &mut Value| {
        root["roles"]["root"]["keyids"] = serde_json::json!(["root-a", "root-a", "root-b"]);
    };
    assert_eq!(forge(&listed_twice, &[0, 1]), Err("duplicate-key"));
    // One key under two ids signs twice.
    let two_ids = |repository: &mut Repository, root: &mut Value| {
        let first = repository.root_keys.remove(0);
        let again = root["keys"]["root-a"].clone();
        root["keys"]["root-b"] = again;
        repository.root_keys = vec![first];
    };
    assert_eq!(forge(&two_ids, &[0]), Err("duplicate-key"));
    // The same key in another notation.
    let in_pem = |_: &mut Repository, root: &mut Value| {
        let raw = hex::decode(root["keys"]["root-a"]["keyval"]["public"].as_str().unwrap());
        const FRAME: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
        let der = [&FRAME[..], &raw.unwrap()].concat();
        let pem = DerPublicKey::from_bytes(&der).to_pem();
        root["keys"]["root-b"]["keyval"]["public"] = pem.into();
    };
    assert_eq!(forge(&in_pem, &[0, 1]), Err("duplicate-key"));
}

#[test]
fn files_of_different_versions_do_not_mix() {
    let mut repository = honest();
    repository.version = 2;
    repository.trusted_root = LATER.to_vec();
    repository.publish();
    let swap = |to: &str, from: &str| {
        let mut mixed = honest();
        mixed.files.clone_from(&repository.files);
        let other = mixed.files[from].clone();
        mixed.files.insert(to.to_owned(), other);
        run(&mixed, repository.initial(), None, now()).expect_err("accepted").rule()
    };
    assert_eq!(swap("2.snapshot.json", "1.snapshot.json"), "mismatch");
    assert_eq!(swap("2.targets.json", "1.targets.json"), "mismatch");
    assert_eq!(swap("timestamp.json", "2.snapshot.json"), "malformed");
    let name = |bytes: &[u8]| format!("targets/{}.trusted_root.json", Digest::sha256(bytes).hex());
    assert_eq!(swap(&name(LATER), &name(ROOT)), "mismatch");
}

#[test]
fn files_without_end_are_refused_at_n_plus_one() {
    let padded = |path: &str, limit: usize| {
        let mut repository = honest();
        let bytes = repository.files.get_mut(path).unwrap();
        bytes.resize(limit, b' ');
        let exactly = run(&repository, &honest_root(&repository), None, now());
        let exactly = exactly.map(drop).map_err(|error| error.rule());
        repository.files.get_mut(path).unwrap().push(b' ');
        (exactly, refused(&repository))
    };
    // Blanks at the end change no signature, and every pinned length.
    assert_eq!(padded("timestamp.json", TIMESTAMP_BYTES), (Ok(()), "too-large"));
    assert_eq!(padded("1.snapshot.json", SNAPSHOT_BYTES), (Err("mismatch"), "too-large"));
    assert_eq!(padded("1.targets.json", TARGETS_BYTES), (Err("mismatch"), "too-large"));
    let name = format!("targets/{}.trusted_root.json", Digest::sha256(ROOT).hex());
    let limit = Limits::default().trusted_root_bytes;
    assert_eq!(padded(&name, limit), (Err("mismatch"), "too-large"));
    let mut row = honest();
    let limit = u64::try_from(MAX_ROTATIONS).unwrap();
    (2..=limit + 1).for_each(|version| row.rotate(version));
    row.publish();
    assert!(run(&row, row.initial(), None, now()).is_ok());
    row.rotate(limit + 2);
    row.publish();
    assert_eq!(refused(&row), "too-many-roots");
}

fn honest_root(repository: &Repository) -> Vec<u8> {
    repository.initial().to_vec()
}

#[test]
fn a17_no_name_in_the_metadata_becomes_a_path() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut repository = honest();
        let mut targets = repository.targets();
        change(&mut targets["targets"]);
        repository.publish_targets(&targets);
        run(&repository, repository.initial(), None, now()).map(drop).map_err(|error| error.rule())
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(
        with(&|targets| {
            let target = targets["trusted_root.json"].take();
            *targets = serde_json::json!({ "../../x": target, "/etc/x": target });
        }),
        Err("missing")
    );
    // Beside the target such names say nothing.
    assert_eq!(with(&|t| t["../../x"] = t["trusted_root.json"].clone()), Ok(()));
    for hash in ["../../x", "", "00", &"zz".repeat(32)] {
        let lies = |targets: &mut Value| {
            targets["trusted_root.json"]["hashes"]["sha256"] = hash.into();
        };
        assert_eq!(with(&lies), Err("missing"), "{hash}");
    }
    let unknown = |targets: &mut Value| {
        targets["trusted_root.json"]["hashes"] = serde_json::json!({ "md5": "00" });
    };
    assert_eq!(with(&unknown), Err("missing"));
    let longer = |t: &mut Value| t["trusted_root.json"]["length"] = 8.into();
    assert_eq!(with(&longer), Err("mismatch"));
}

#[test]
fn a17_what_is_kept_is_verified_whenever_it_is_read() {
    let repository = honest();
    let (_, cache) = run(&repository, repository.initial(), None, now()).unwrap();
    let kept: Value = serde_json::from_slice(&cache.to_bytes().unwrap()).unwrap();
    let poisoned = |pointer: &str, value: Value| {
        let mut kept = kept.clone();
        *kept.pointer_mut(pointer).unwrap() = value;
        let read = Cache::parse(kept.to_string().as_bytes()).map_err(|error| error.rule())?;
        verified(&read, repository.initial(), now())
    };
    assert!(poisoned("/format", FORMAT.into()).is_ok());
    let evil = r#"{"a":3}"#;
    assert_eq!(poisoned("/trustedRoot", evil.into()), Err("mismatch"));
    for file in ["/timestamp", "/snapshot", "/targets"] {
        let text = kept.pointer(file).unwrap().as_str().unwrap();
        let edited = text.replacen("2026-01-10", "2036-01-10", 1).replacen("2100-", "2101-", 1);
        assert_ne!(edited, text);
        assert!(poisoned(file, edited.into()).is_err(), "{file}");
        assert!(poisoned(file, "".into()).is_err(), "{file}");
    }
    assert_eq!(poisoned("/format", "other".into()), Err("kept"));
    assert_eq!(poisoned("/fetched", "2026-01-05T00:01:01Z".into()), Err("kept"), "of the future");
    // Kept by an update that ended after the reader took its time.
    assert!(poisoned("/fetched", "2026-01-05T00:01:00Z".into()).is_ok());
    // Made younger than it is: the signed expiry says otherwise.
    let mut younger = kept.clone();
    younger["fetched"] = "2026-06-01T00:00:00Z".into();
    let younger = Cache::parse(younger.to_string().as_bytes()).unwrap();
    let later = "2026-06-02T00:00:00Z".parse().unwrap();
    assert_eq!(verified(&younger, repository.initial(), later), Err("expired"));
    // Of a repository with another initial root.
    assert_eq!(verified(&cache, honest().initial(), now()), Err("threshold"));
    let twice = cache.to_bytes().unwrap();
    let twice = String::from_utf8(twice).unwrap().replacen('{', r#"{"format":"x","#, 1);
    assert_eq!(Cache::parse(twice.as_bytes()).expect_err("accepted").rule(), "malformed");
}

#[test]
fn the_embedded_repositories_can_be_begun() {
    for known in KNOWN {
        let update = Update::begin(known.root, None, Timestamp::MIN, &Limits::default()).unwrap();
        let version = update.root.signed().version;
        let next = format!("{}.root.json", version + 1);
        assert_eq!(update.wanted().map(|wanted| wanted.path), Some(next), "{}", known.name);
    }
}

#[test]
fn files_that_parsers_read_differently_are_refused() {
    let mut repository = honest();
    let timestamp = repository.files.get_mut("timestamp.json").unwrap();
    let text = String::from_utf8(timestamp.clone()).unwrap();
    *timestamp = text.replacen("\"version\":1", "\"version\":1,\"version\":9", 1).into_bytes();
    assert_eq!(refused(&repository), "malformed");
}
