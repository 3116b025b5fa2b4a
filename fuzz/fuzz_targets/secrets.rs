//! Secrets: no file makes the search panic, hang or keep more than it may, however it is cut into pieces.
#![no_main]

use hallmark::{
    contents::secrets::{collector::SecretsCollector, shown_command, shown_variable},
    image::collect::{Collector, HEAD_BYTES, Seen},
    limits::Limits,
};
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 12] = [
    "/app/file",
    "/root/.docker/config.json",
    "/root/.netrc",
    "/root/.npmrc",
    "/root/.git-credentials",
    "/root/.pgpass",
    "/root/.m2/settings.xml",
    "/root/.kube/config",
    "/app/.env",
    "/app/a.tfstate",
    "/root/.vault-token",
    "/etc/ssh/ssh_host_rsa_key",
];

fuzz_target!(|data: &[u8]| {
    let limits = Limits { facts: 8, ..Limits::default() };
    for (path, piece) in PATHS.iter().zip([1 << 16, 1, 7, 511].into_iter().cycle()) {
        let mut collector = SecretsCollector::new(&limits);
        let head = data.get(..HEAD_BYTES).unwrap_or(data);
        let file = Seen { path, mode: 0, size: data.len() as u64, layer: 0, inode: 1, head };
        if collector.wants(&file) {
            data.chunks(piece).for_each(|bytes| collector.take(bytes));
            collector.close();
        }
        assert!(collector.held() < 1 << 20);
    }
    let text = String::from_utf8_lossy(data).into_owned();
    let _ = (shown_variable(&text), shown_command(&[text.clone(), text]));
});
