//! Documents of VEX: reading one never panics, and what was read says something or nothing of an image.
#![no_main]

use std::collections::BTreeSet;

use hallmark::{
    limits::Limits,
    vulnerabilities::vex::{Judged, Question, answer, read::read, unmatched},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(statements) = read(data, &Limits::default()) else { return };
    let judged = Judged {
        digests: vec!["aa".to_owned()],
        repository: "r.example/app".to_owned(),
        distribution: None,
    };
    let question = Question {
        ids: BTreeSet::from(["RLSA-2024:1"]),
        parts: BTreeSet::from(["CVE-2024-1", "CVE-2024-2"]),
        purls: vec!["pkg:deb/debian/openssl@3.0.1-1?arch=amd64"],
    };
    let answers = [answer(&question, &statements, &judged)];
    for statement in &statements {
        let _ = unmatched(std::slice::from_ref(&question), &answers, statement, &judged);
    }
});
