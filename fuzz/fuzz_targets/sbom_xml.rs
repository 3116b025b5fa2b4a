//! CycloneDX in XML: reading never panics, whatever the elements are.
#![no_main]

#[path = "../sboms.rs"]
mod sboms;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    sboms::read(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    for version in ["1.1", "1.4", "1.7"] {
        let namespace = format!("http://cyclonedx.org/schema/bom/{version}");
        sboms::read(format!(r#"<bom xmlns="{namespace}" version="1">{text}</bom>"#).as_bytes());
    }
});
