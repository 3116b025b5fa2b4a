//! SBOMs and package databases: reading never panics, and packages stay within the limit.
#![no_main]

use hallmark::{
    contents,
    json::{Raw, from_slice},
    limits::Limits,
    sbom::{from_predicate, parse},
};
use libfuzzer_sys::fuzz_target;

const DATABASES: [&str; 15] = [
    "var/lib/chisel/manifest.wall",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/base",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite-wal",
    "etc/os-release",
    "usr/lib/python3/site-packages/a.dist-info/METADATA",
    "app/node_modules/a/package.json",
    "usr/local/bundle/specifications/a-1.gemspec",
    "app/a.jar",
    "app/vendor/composer/installed.json",
    "app/a.deps.json",
    "opt/conda/conda-meta/a-1-0.json",
    "usr/bin/program",
];

const LISTS: [&str; 9] = [
    "/var/lib/dpkg/info/a.list",
    "/var/lib/dpkg/info/a:amd64.md5sums",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/diversions",
    "/var/lib/chisel/manifest.wall",
    "/lib/apk/db/installed",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/python3/site-packages/a.dist-info/RECORD",
    "/opt/conda/conda-meta/a-1-0.json",
];

fuzz_target!(|data: &[u8]| {
    let limits = Limits { packages: 100, ..Limits::default() };
    if let Ok(sbom) = parse(data, &limits) {
        assert!(sbom.components.len() <= limits.packages);
    }
    if let Ok(predicate) = from_slice::<Raw>(data, data.len()) {
        let _ = from_predicate(&predicate, &limits);
    }
    for path in LISTS {
        contents::lists::read(path, data, &limits);
    }
    for path in DATABASES {
        assert!(contents::read([(path, data)], &limits).packages.len() <= limits.packages);
    }
});
