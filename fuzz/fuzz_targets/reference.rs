//! Image references: parsing never panics, and what is printed parses to the same.
#![no_main]

use hallmark::reference::{Reference, Repository};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().ok(), Some(reference));
    }
    if let Ok(repository) = text.parse::<Repository>() {
        assert_eq!(repository.to_string().parse::<Repository>().ok(), Some(repository));
    }
});
