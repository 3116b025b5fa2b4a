//! An SBOM of 50 MB with 100,000 components: read, checked and held against an inventory; and what reading it holds.

#[path = "timing/sized.rs"]
mod sized;

use std::{fmt::Write as _, fs, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use hallmark::{
    contents::{self, Inventory},
    json,
    limits::Limits,
    sbom::{
        self, Sbom,
        quality::{Profile, gaps},
        reconcile::reconcile,
    },
};
use sized::sized;

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COMPONENTS: usize = 100_000;
const BYTES: usize = 50_000_000;

/// A document as generators write it, of about [`BYTES`].
fn spdx() -> Vec<u8> {
    let mut text = String::from(
        r#"{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app","documentNamespace":"https://example.com/1","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: t-1.0","Organization: x"]},"packages":["#,
    );
    for number in 0..sized(COMPONENTS) {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"SPDXID":"SPDXRef-Package-deb-{number}","name":"package-{number}","versionInfo":"1.{number}-1","supplier":"Organization: Debian","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseDeclared":"GPL-2.0-or-later","externalRefs":[{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/package-{number}@1.{number}-1?arch=amd64&distro=debian-12"}}]}}"#,
        );
    }
    text.push_str(r#"],"relationships":["#);
    for number in 0..sized(COMPONENTS) {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-Package-deb-{number}"}}"#
        );
    }
    text.push_str(r#"],"comment":""#);
    let rest = sized(BYTES).checked_sub(text.len()).expect("the components alone take less");
    text.extend(std::iter::repeat_n('x', rest));
    text.push_str("\"}");
    text.into_bytes()
}

fn inventory(limits: &Limits) -> Inventory {
    let mut status = String::new();
    for number in 0..sized(COMPONENTS) {
        let _ = write!(
            status,
            "Package: package-{number}\nStatus: install ok installed\nVersion: 1.{number}-1\nArchitecture: amd64\n\n"
        );
    }
    contents::read([("var/lib/dpkg/status", status.as_bytes())], limits)
}

/// Most memory that the process had at a time, in MB.
fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1000
}

/// Processor time that this thread has had: what else the machine does makes it no longer.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// Prints the processor time of one of some rounds: the kernel counts in steps of a few milliseconds.
fn spent<T>(what: &str, mut work: impl FnMut() -> T) {
    const ROUNDS: u32 = 10;
    let begun = processor_time();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    let each = processor_time().saturating_sub(begun) / ROUNDS;
    println!("{:>7.1} ms of a processor: {what}", each.as_secs_f64() * 1000.0);
}

fn lacking(sbom: &Sbom) -> usize {
    Profile::ALL.iter().map(|profile| gaps(sbom, *profile).len()).sum()
}

fn whole(bytes: &[u8], inventory: &Inventory, limits: &Limits) -> usize {
    let sbom = sbom::parse(bytes, limits).expect("it is SPDX");
    lacking(&sbom) + reconcile(&sbom, sbom.about, inventory).matched
}

fn sboms(criterion: &mut Criterion) {
    let limits = Limits::default();
    let (bytes, inventory) = (spdx(), inventory(&limits));
    let before = peak_mb();
    let matched = whole(&bytes, &inventory, &limits);
    println!(
        "{} bytes, {matched} matched and lacking, {before} MB before and {} MB at most",
        bytes.len(),
        peak_mb()
    );
    let sbom = sbom::parse(&bytes, &limits).expect("it is SPDX");
    spent("check that all parsers read it alike", || json::check(&bytes, limits.sbom()).is_ok());
    spent("read", || sbom::parse(&bytes, &limits).is_ok());
    spent("say what it lacks", || lacking(&sbom));
    spent("reconcile", || reconcile(&sbom, sbom.about, &inventory).matched);
    spent("all of it", || whole(&bytes, &inventory, &limits));
    drop(sbom);
    let mut group = criterion.benchmark_group("an SBOM of 50 MB with 100000 components");
    group.sample_size(10);
    group.bench_function("check that all parsers read it alike", |bencher| {
        bencher.iter(|| black_box(json::check(&bytes, limits.sbom()).is_ok()));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| black_box(sbom::parse(&bytes, &limits).is_ok()));
    });
    group.bench_function("read, check and reconcile", |bencher| {
        bencher.iter(|| black_box(whole(&bytes, &inventory, &limits)));
    });
    group.finish();
}

criterion_group!(benches, sboms);
criterion_main!(benches);
