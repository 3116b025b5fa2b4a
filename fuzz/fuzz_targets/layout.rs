//! in-toto layouts and links: reading and verifying never panic, patterns match every name in bounded time, and nothing is
//! proven without a key. The input is a layout and links, divided by zero bytes.
#![no_main]

use hallmark::{
    attest::in_toto::{Body, Document, Rule},
    limits::Limits,
    trust::layout::{Demands, Inspections, Links, Offered, verify},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let documents = data.split(|byte| *byte == 0).map(|part| Document::open(part, &limits));
    let mut documents = documents.filter_map(Result::ok);
    let Some(layout) = documents.next() else { return };
    let offered = |document| Offered { file: Some("build.00112233.link".to_owned()), document };
    let links = Links { here: documents.map(offered).collect(), shared: true, ..Links::default() };
    if let Body::Layout(layout) = &layout.body {
        for rule in layout.steps.iter().flat_map(|step| &step.rules.materials) {
            let (Rule::Allow(pattern) | Rule::Disallow(pattern)) = rule else { continue };
            for offered in &links.here {
                let Body::Link(link) = &offered.document.body else { continue };
                link.materials.keys().for_each(|name| {
                    let _ = pattern.matches(name);
                });
            }
        }
    }
    let now = "2026-06-01T00:00:00Z".parse().expect("a time");
    let demands = Demands { keys: &[], now, inspections: Inspections::UnsafeSkip, limits: &limits };
    assert!(verify(&layout, &links, &demands).is_err(), "proven by nobody");
});
