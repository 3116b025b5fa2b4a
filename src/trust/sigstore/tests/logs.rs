//! What entries of logs prove: that a log of the root has them, in which tree, and when it took them.

use jiff::Timestamp;

use super::*;
use crate::attest::{Form, LogEntry};

/// What a log that counts in these days says of an entry.
fn logged(
    log: &Log,
    days: std::ops::Range<u64>,
    entry: &LogEntry,
    form: Form,
) -> Result<Option<Timestamp>, LogFault> {
    let root = trusted(&[], &[log.listed(&days)], &[], &[]);
    log::verify(entry, form, &root).map(|logged| logged.time)
}

/// An entry of Rekor v1 that the log promised to take, on a day or at no time that it says.
fn promised(log: &Log, day: Option<u64>) -> LogEntry {
    let mut entry = LogEntry {
        kind: "hashedrekord".to_owned(),
        version: "0.0.1".to_owned(),
        log_id: log.id(),
        index: 7,
        integrated_time: day.map(|day| at(day).as_second()),
        promise: None,
        proof: None,
        body: b"{}".to_vec(),
    };
    entry.promise = Some(log.sign(entry.promised().as_bytes()));
    entry
}

/// An entry of Rekor v2 with its proof.
fn proven(log: &Log) -> LogEntry {
    log.entry(b"a signature", &by_key(b"a key"))
}

#[test]
fn a_promise_counts_while_the_key_of_its_log_does() {
    let log = Log::new();
    let entry = promised(&log, Some(11));
    assert_eq!(logged(&log, 0..20, &entry, Form::Bundle01), Ok(Some(at(11))));
    assert_eq!(logged(&log, 11..11, &entry, Form::Bundle01), Ok(Some(at(11))), "both ends count");
    for days in [0..10, 12..20] {
        let found = logged(&log, days.clone(), &entry, Form::Bundle01);
        assert_eq!(found, Err(LogFault::KeyValidity(at(11))), "{days:?}");
    }
    let timeless = promised(&log, None);
    assert_eq!(logged(&log, 0..10, &timeless, Form::Bundle01), Ok(None), "it says no time");
}

#[test]
fn a_promise_is_of_its_log_over_this_entry() {
    let log = Log::new();
    let changes: [fn(&mut LogEntry); 5] = [
        |entry| entry.integrated_time = Some(at(12).as_second()),
        |entry| entry.index += 1,
        |entry| entry.body.push(b' '),
        |entry| entry.promise = Some(Log::new().sign(entry.promised().as_bytes())),
        |entry| entry.integrated_time = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut entry = promised(&log, Some(11));
        change(&mut entry);
        let found = logged(&log, 0..20, &entry, Form::Bundle01);
        assert_eq!(found, Err(LogFault::Promise), "change {number}");
    }
    let mut never = promised(&log, Some(11));
    never.integrated_time = Some(i64::MAX);
    never.promise = Some(log.sign(never.promised().as_bytes()));
    let found = logged(&log, 0..20, &never, Form::Bundle01);
    assert_eq!(found, Err(LogFault::Promise), "no time of this calendar");
}

#[test]
fn each_form_asks_for_its_own_evidence() {
    let log = Log::new();
    let (promise, proof) = (promised(&log, Some(11)), proven(&log));
    // A proof of Rekor v1: the index of the entry counts over all shards, that of its proof in one.
    let old = LogEntry { version: "0.0.1".to_owned(), index: 1000, ..proof.clone() };
    let both = LogEntry { promise: promise.promise.clone(), ..proof.clone() };
    let neither = LogEntry { promise: None, proof: None, ..promise.clone() };
    let cases = [
        (&promise, Form::Bundle01, Ok(Some(at(11)))),
        (&promise, Form::Cosign, Ok(Some(at(11)))),
        (&promise, Form::Bundle02, Err(LogFault::NoProof)),
        (&promise, Form::Bundle03, Err(LogFault::NoProof)),
        (&proof, Form::Bundle01, Err(LogFault::NoPromise)),
        (&proof, Form::Cosign, Ok(None)),
        (&proof, Form::Bundle02, Ok(None)),
        (&proof, Form::Bundle03, Ok(None)),
        (&old, Form::Bundle02, Ok(None)),
        (&old, Form::Cosign, Err(LogFault::NoPromise)),
        (&both, Form::Bundle02, Err(LogFault::Promise)),
        (&neither, Form::Bundle01, Err(LogFault::NoPromise)),
        (&neither, Form::Bundle03, Err(LogFault::NoProof)),
    ];
    for (number, (entry, form, want)) in cases.into_iter().enumerate() {
        assert_eq!(logged(&log, 0..20, entry, form), want, "case {number}");
    }
    let stranger = Log::new();
    let found = logged(&stranger, 0..20, &proof, Form::Bundle03);
    assert_eq!(found, Err(LogFault::UnknownLog));
}

#[test]
fn a_proof_leads_from_this_entry_to_the_tree_that_the_log_signed() {
    let log = Log::new();
    type Change = fn(&mut LogEntry, &Log);
    let cases: [(&str, Change, LogFault); 9] = [
        ("another body", |entry, _| entry.body.push(b' '), LogFault::Inclusion),
        (
            "a hash too many",
            |entry, _| entry.proof.as_mut().unwrap().hashes.push([0; 32]),
            LogFault::Inclusion,
        ),
        ("another place", |entry, _| entry.index = 1, LogFault::OtherTree),
        (
            "another place in its proof",
            |entry, _| entry.proof.as_mut().unwrap().index = 1,
            LogFault::OtherTree,
        ),
        (
            "another size",
            |entry, _| entry.proof.as_mut().unwrap().tree_size = 2,
            LogFault::OtherTree,
        ),
        (
            "another root",
            |entry, _| entry.proof.as_mut().unwrap().root = vec![0; 32],
            LogFault::OtherTree,
        ),
        (
            "no checkpoint",
            |entry, _| entry.proof.as_mut().unwrap().checkpoint.clear(),
            LogFault::CheckpointForm,
        ),
        (
            "a checkpoint by another log",
            |entry, _| {
                let proof = entry.proof.as_mut().unwrap();
                proof.checkpoint = Log::new().checkpoint(1, &proof.root, "log.example");
            },
            LogFault::CheckpointSignature,
        ),
        (
            "a checkpoint that the log signed under another name",
            |entry, log| {
                let proof = entry.proof.as_mut().unwrap();
                proof.checkpoint = log.checkpoint(1, &proof.root, "log.exam");
            },
            LogFault::CheckpointSignature,
        ),
    ];
    assert_eq!(logged(&log, 0..20, &proven(&log), Form::Bundle03), Ok(None));
    for (what, change, want) in cases {
        let mut entry = proven(&log);
        change(&mut entry, &log);
        assert_eq!(logged(&log, 0..20, &entry, Form::Bundle03), Err(want), "{what}");
    }
}

#[test]
fn a_checkpoint_may_have_witnesses_and_so_many_signatures() {
    let (log, witness) = (Log::new(), Log::new());
    let with = |witnesses: usize| {
        let mut entry = proven(&log);
        let proof = entry.proof.as_mut().unwrap();
        let (note, own) = proof.checkpoint.split_once("\n\n").unwrap();
        let note = format!("{note}\n");
        let beside = witness.note_signature(&note, "log.example").repeat(witnesses);
        proof.checkpoint = format!("{note}\n{beside}{own}");
        logged(&log, 0..20, &entry, Form::Bundle03)
    };
    assert_eq!(with(0), Ok(None));
    assert_eq!(with(31), Ok(None));
    assert_eq!(with(32), Err(LogFault::CheckpointSignature));
}

#[test]
fn two_entries_of_one_log_are_one_log() {
    let (scene, one, other) = (Scene::new(), Log::new(), Log::new());
    let root =
        trusted(&[scene.ca()], &[one.listed(&ALWAYS), other.listed(&ALWAYS)], &[], &[scene.tsa()]);
    let demands = Demands { logs: 2, ..demands() };
    let found = |entries: Vec<LogEntry>| {
        let beside = material(&[&scene.alice], entries, vec![scene.stamp(11)]);
        judged(&scene.signature, &beside, &root, &demands).map(|vouched| vouched.log_indices)
    };
    assert_eq!(found(vec![scene.entry(&one), scene.entry(&other)]), Ok(vec![0, 0]));
    let by_key = by_key(&scene.alice.key.subject_public_key_info());
    let twice = one.entries(&scene.signature, [&by_certificate(&scene.alice), &by_key]);
    assert_eq!(found(twice.to_vec()), Err(SigstoreError::Logs { found: 1, expected: 2 }));
    let [first, second] = twice;
    assert_eq!(found(vec![first.clone(), second, scene.entry(&other)]), Ok(vec![0, 1, 0]));
    assert_eq!(found(vec![first]), Err(SigstoreError::Logs { found: 1, expected: 2 }));
}
