//! Image references: parsing never panics, and what is printed parses to the same, a repository's
//! name also as the reference that it begins.
#![no_main]

use hallmark::reference::{Location, Reference, Repository, Selector};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().ok(), Some(reference));
    }
    if let Ok(repository) = text.parse::<Repository>() {
        assert_eq!(repository.to_string().parse::<Repository>().ok().as_ref(), Some(&repository));
        let tagged = Reference::At(Location::Registry(repository), Selector::Tag("t".to_owned()));
        assert_eq!(tagged.to_string().parse::<Reference>().ok(), Some(tagged));
    }
});
