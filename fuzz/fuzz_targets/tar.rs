//! A layer's tar: reading never panics, gives contents of the stated size, and the same entries twice.
#![no_main]

use std::io::{self, Read};

use hallmark::{
    image::tar::{Entry, TarError, walk},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

fn entries(tar: &[u8]) -> Result<Vec<Entry>, TarError> {
    let limits = Limits { tar_entries: 64, ..Limits::default() };
    let mut found = Vec::new();
    walk(tar, &limits, |entry, content| {
        let read = io::copy(&mut content.take(u64::MAX), &mut io::sink())?;
        assert_eq!(read, entry.size);
        assert!(entry.path.starts_with('/') && !entry.path.split('/').any(|part| part == ".."));
        found.push(entry.clone());
        Ok(())
    })?;
    Ok(found)
}

fuzz_target!(|tar: &[u8]| {
    // Checksums are made right: else hardly any input gets past the first header.
    let mut tar = tar.to_vec();
    for block in tar.chunks_exact_mut(512).filter(|block| block.iter().any(|byte| *byte != 0)) {
        if !block.starts_with(b"\0") && block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    let first = entries(&tar);
    let second = entries(&tar);
    assert_eq!(first.ok(), second.ok());
});
