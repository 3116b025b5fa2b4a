//! Programs of Go and Rust: searching one never panics, however its build information goes on.
#![no_main]

#[path = "../packages.rs"]
mod packages;

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use libfuzzer_sys::fuzz_target;

/// How a program begins, as long as what Go's information stands at a multiple of.
const HEAD: &[u8; 16] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0";
const GO: &[u8] = b"\xff Go buildinf:";
const CRATES: &[u8] = b"{\"packages\":";

fn deflated(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&parts.concat()).and_then(|()| encoder.finish()).expect("writing to memory")
}

fuzz_target!(|data: &[u8]| {
    let paths = ["/usr/bin/program"];
    packages::read(&paths, data);
    packages::read(&paths, &[HEAD, data].concat());
    packages::read(&paths, &[HEAD, GO, data].concat());
    packages::read(&paths, &[HEAD.as_slice(), &deflated(&[CRATES, data])].concat());
});
