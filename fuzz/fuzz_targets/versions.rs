//! Versions of every ecosystem: comparing never panics, and two texts have one order from both sides.
#![no_main]

use std::cmp::Ordering;

use hallmark::vulnerabilities::version::Scheme;
use libfuzzer_sys::fuzz_target;

const ECOSYSTEMS: [&str; 11] = [
    "Debian",
    "Alpine",
    "Red Hat",
    "npm",
    "Pub",
    "PyPI",
    "Maven",
    "RubyGems",
    "NuGet",
    "Packagist",
    "CRAN",
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (a, b) = text.split_once('\n').unwrap_or((text, text));
    for scheme in ECOSYSTEMS.into_iter().filter_map(Scheme::of) {
        let order = scheme.compare(a, b);
        assert_eq!(order.map(Ordering::reverse), scheme.compare(b, a));
        assert!(scheme.compare(a, a).is_none_or(Ordering::is_eq));
    }
});
