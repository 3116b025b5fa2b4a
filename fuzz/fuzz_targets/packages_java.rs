//! Archives of Java: reading one never panics, whatever its directory, its manifest and its properties say.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Entries that say which package an archive is, or are archives themselves.
const ENTRIES: [&str; 3] =
    ["META-INF/MANIFEST.MF", "META-INF/maven/org.a/b/pom.properties", "WEB-INF/lib/b-1.jar"];

fn archive(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(name, stored).ok()?;
    archive.write_all(content).ok()?;
    archive.finish().ok().map(Cursor::into_inner)
}

fuzz_target!(|data: &[u8]| {
    packages::read(&["/app/a.jar", "/app/a.war"], data);
    for archive in ENTRIES.iter().filter_map(|name| archive(name, data)) {
        packages::read(&["/app/a-1.jar"], &archive);
    }
});
