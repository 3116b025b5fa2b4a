//! SPDX 3 in JSON-LD: reading never panics, whatever is in the graph.
#![no_main]

#[path = "../sboms.rs"]
mod sboms;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
    sboms::read_members(data, &[("@context", context)]);
});
