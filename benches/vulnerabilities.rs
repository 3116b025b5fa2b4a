//! 1,000 packages against 300,000 advisories: the database opened, and everything matched.

#[path = "timing/sized.rs"]
mod sized;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hallmark::{
    limits::Limits,
    vulnerabilities::{
        database::{Builder, Database},
        distribution::Distribution,
        matching::{Subject, known},
        osv,
    },
};
use sized::sized;

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADVISORIES: usize = 300_000;
/// Packages that advisories are about; some have many of them.
const NAMES: usize = 40_000;

/// A database of Debian and npm, a third with a language's packages.
fn database(limits: &Limits) -> Vec<u8> {
    let mut builder = Builder::new(limits);
    for number in 0..sized(ADVISORIES) {
        // Few packages have many advisories, as the kernel has.
        let name = if number % 50 == 0 { number % 200 } else { number.wrapping_mul(7919) % NAMES };
        let (ecosystem, id) = match number % 3 {
            0 => ("npm", format!("GHSA-{number}")),
            _ => ("Debian:12", format!("DEBIAN-CVE-2024-{number}")),
        };
        let text = format!(
            r#"{{"id":"{id}","aliases":[],"upstream":["CVE-2024-{number}"],"modified":"2024-01-01T00:00:00Z","published":"2024-01-01T00:00:00Z",
            "summary":"A flaw in the parser of package {name} lets a document read what is not its own",
            "severity":[{{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}}],
            "affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"package-{name}"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{}.{}.0"}}]}}]}}]}}"#,
            number % 9,
            number % 7
        );
        let record = osv::read(text.as_bytes(), limits).expect("a record");
        builder.add(record).expect("within the limits");
    }
    builder.finish("2026-01-02").expect("a database")
}

fn subjects() -> Vec<Subject> {
    let subject = |place: usize| Subject {
        place,
        purl_type: if place.is_multiple_of(3) { "npm" } else { "deb" }.to_owned(),
        name: format!("package-{}", place * 37 % NAMES),
        version: "4.3.0".to_owned(),
        ..Subject::default()
    };
    (0..1000).map(subject).collect()
}

fn vulnerabilities(criterion: &mut Criterion) {
    let limits = Limits::default();
    let bytes = database(&limits);
    println!("{} bytes of database", bytes.len());
    let debian = Distribution {
        id: "debian".to_owned(),
        version: Some("12".to_owned()),
        ..Distribution::default()
    };
    let subjects = subjects();
    let opened = Database::open(bytes.clone(), &limits).expect("a database");
    let found = known(&opened, Some(&debian), &subjects, "2026-01-02").expect("whole");
    println!("{} vulnerabilities", found.vulnerabilities.len());
    criterion.bench_function("match 1000 packages against 300000 advisories", |bencher| {
        bencher.iter(|| black_box(known(&opened, Some(&debian), &subjects, "2026-01-02")));
    });
    criterion.bench_function("open a database of 300000 advisories", |bencher| {
        bencher.iter(|| black_box(Database::open(bytes.clone(), &limits)));
    });
}

criterion_group!(benches, vulnerabilities);
criterion_main!(benches);
