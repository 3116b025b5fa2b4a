//! Licences: reading never panics, leaves a bounded number of choices, and reads what it wrote as the same.
#![no_main]

use hallmark::licences::{of_copyright, of_text, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for ecosystem in ["deb", "apk", "rpm", "npm", "pypi", "maven"] {
        if let Ok(licence) = read(ecosystem, &text) {
            assert!((1..=64).contains(&licence.choices.len()));
            let again = read("cargo", &licence.expression).map(|again| again.choices);
            assert!(again.is_ok_and(|again| again == licence.choices));
        }
    }
    let _ = of_text(data);
    let _ = of_copyright(data);
    let _ = of_copyright(&[b"Format: copyright-format\n\nFiles: *\nLicense: ", data].concat());
});
