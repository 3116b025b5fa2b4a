//! Dockerfiles: finding the external images never panics and never hangs.
#![no_main]

use std::collections::BTreeMap;

use hallmark::{image::Platform, rebuild::dockerfile::externals};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let platform =
        Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None };
    let arguments = BTreeMap::from([("BASE".to_owned(), "debian:12".to_owned())]);
    for target in [None, Some("build"), Some("0")] {
        let _ = externals(text, target, &arguments, &platform);
    }
});
