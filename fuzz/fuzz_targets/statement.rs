//! In-toto statements: reading never panics, stays within the limits, and gives the same twice.
#![no_main]

use hallmark::{attest::Statement, limits::Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { subjects: 8, subject_digests: 4, ..Limits::default() };
    let first = Statement::parse(data, &limits).ok();
    if let Some(statement) = &first {
        assert!((1..=limits.subjects).contains(&statement.subjects.len()));
        for subject in &statement.subjects {
            assert!(subject.digests.len() + subject.weak.len() <= limits.subject_digests);
        }
        assert!(!statement.predicate_type.is_empty());
    }
    assert_eq!(first, Statement::parse(data, &limits).ok());
});
