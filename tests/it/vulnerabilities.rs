//! Known vulnerabilities: a labelled table of packages and advisories, beside osv-scanner.
//!
//! Each row is a pair of a package and an advisory whose truth follows from how it was made: a ladder of versions of
//! each ecosystem, with the traps of its order, and every kind of range with the versions around its ends. osv-scanner
//! (`scripts/peers osv-scanner`) judges the same pairs from the same files; without it that part says that it was
//! skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use hallmark::{
    limits::Limits,
    vulnerabilities::{
        database::{Builder, Database},
        distribution::Distribution,
        matching::{Subject, known},
        osv,
    },
};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

/// An ecosystem: its name in records, the type of package URL, what the name of a package begins with, `ID` and
/// `VERSION_ID` of the distribution, and five versions in ascending order.
type Ladder = (&'static str, &'static str, &'static str, &'static str, [&'static str; 5]);

const LADDERS: [Ladder; 15] = [
    ("npm", "npm", "", "", ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0"]),
    ("PyPI", "pypi", "", "", ["0.9", "1.0rc1", "1.0", "1.0.post1", "1.10"]),
    (
        "Go",
        "golang",
        "example.com/",
        "",
        ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.0.1-0.20240101000000-abcdefabcdef", "1.10.0"],
    ),
    ("crates.io", "cargo", "", "", ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0"]),
    ("Maven", "maven", "org.example:", "", ["0.9", "1.0-rc1", "1.0", "1.0.1", "1.10"]),
    ("NuGet", "nuget", "", "", ["0.9.0", "1.0.0-alpha", "1.0.0", "1.0.0.1", "1.10.0"]),
    ("RubyGems", "gem", "", "", ["0.9", "1.0.0.rc1", "1.0.0", "1.0.1", "1.10.0"]),
    ("Packagist", "composer", "example/", "", ["0.9.0", "1.0.0-RC1", "1.0.0", "1.9.0", "1.10.0"]),
    (
        "Debian:12",
        "deb",
        "",
        "debian 12 bookworm",
        ["0.9-1", "1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1:0.1-1"],
    ),
    (
        "Ubuntu:22.04:LTS",
        "deb",
        "",
        "ubuntu 22.04 jammy",
        ["0.9-1", "1.0~rc1-1ubuntu1", "1.0-1", "1.0-1ubuntu0.22.04.1", "1:0.1-1"],
    ),
    (
        "Alpine:v3.20",
        "apk",
        "",
        "alpine 3.20.1 3.20.1",
        ["0.9-r0", "1.0_rc1-r0", "1.0-r0", "1.0-r1", "1.10-r0"],
    ),
    (
        "Red Hat:enterprise_linux:9::appstream",
        "rpm",
        "",
        "rhel 9.4",
        ["0.9-1.el9", "1.0~rc1-1.el9", "1.0-1.el9", "1.0-2.el9", "1:0.1-1.el9"],
    ),
    (
        "Rocky Linux:9",
        "rpm",
        "",
        "rocky 9.4",
        ["0.9-1.el9", "1.0~rc1-1.el9", "1.0-1.el9", "1.0-2.el9", "1:0.1-1.el9"],
    ),
    (
        "AlmaLinux:9",
        "rpm",
        "",
        "almalinux 9.4",
        ["0.9-1.el9", "1.0~rc1-1.el9", "1.0-1.el9", "1.0-2.el9", "1:0.1-1.el9"],
    ),
    (
        "openSUSE:Leap 15.6",
        "rpm",
        "",
        "opensuse-leap 15.6",
        ["0.9-1.1", "1.0~rc1-1.1", "1.0-1.1", "1.0-2.1", "1:0.1-1.1"],
    ),
];

/// A kind of advisory: its name, its ranges as events on the ladder (`i`, `f`, `l` and `m` for introduced, fixed, last
/// affected and limit, each with the step, `0` being before the first), the steps that are listed, and the steps that
/// are judged with the truth.
type Kind = (&'static str, &'static str, &'static [usize], &'static [(usize, bool)]);

const KINDS: [Kind; 12] = [
    ("fixed", "i0 f3", &[], &[(2, true), (3, false), (4, false)]),
    ("span", "i2 f4", &[], &[(1, false), (2, true), (3, true), (4, false)]),
    ("last", "i0 l3", &[], &[(3, true), (4, false)]),
    ("single", "i2 l2", &[], &[(1, false), (2, true), (3, false)]),
    ("unfixed", "i0", &[], &[(5, true)]),
    ("two-spans", "i0 f2 i3 f4", &[], &[(1, true), (2, false), (3, true), (4, false)]),
    ("unsorted", "f4 i3 f2 i0", &[], &[(1, true), (2, false), (3, true), (4, false)]),
    ("listed", "", &[2, 4], &[(2, true), (3, false), (4, true)]),
    ("git-first", "git i0 f3", &[], &[(2, true), (3, false)]),
    ("withdrawn", "i0 f3", &[], &[(2, false)]),
    ("limit", "i0 m3", &[], &[(2, true), (3, false)]),
    ("list-and-range", "i0 f2", &[5], &[(1, true), (3, false), (5, true)]),
];

/// One row of the table.
struct Pair {
    ladder: Ladder,
    kind: &'static str,
    name: String,
    version: &'static str,
    affected: bool,
}

impl Pair {
    fn id(&self) -> String {
        id(&self.ladder, self.kind)
    }
}

fn id(ladder: &Ladder, kind: &str) -> String {
    format!("T-{}-{kind}", ladder.0.split(':').next().unwrap().replace(' ', ""))
}

fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for ladder in LADDERS {
        for (kind, _, _, rows) in KINDS {
            for (step, affected) in rows {
                let (name, version) = (format!("{}case-{kind}", ladder.2), ladder.4[step - 1]);
                pairs.push(Pair { ladder, kind, name, version, affected: *affected });
            }
        }
    }
    pairs
}

/// The advisory of a kind about the package of a ladder.
fn record(ladder: &Ladder, kind: &Kind) -> Value {
    let (name, events, listed, _) = kind;
    let version = |step: usize| match step {
        0 => "0",
        step => ladder.4[step - 1],
    };
    let event = |word: &str| {
        let key = match &word[..1] {
            "i" => "introduced",
            "f" => "fixed",
            "l" => "last_affected",
            _ => "limit",
        };
        json!({ key: version(word[1..].parse().unwrap()) })
    };
    let mut ranges = Vec::new();
    if events.starts_with("git") {
        let events = json!([{"introduced": "0"}, {"fixed": "abcdef"}]);
        ranges.push(json!({"type": "GIT", "repo": "https://git.example/r", "events": events}));
    }
    let events: Vec<Value> = events.split(' ').filter(|word| word.len() == 2).map(event).collect();
    if !events.is_empty() {
        let kind =
            if matches!(ladder.0, "npm" | "Go" | "crates.io") { "SEMVER" } else { "ECOSYSTEM" };
        ranges.push(json!({"type": kind, "events": events}));
    }
    let versions: Vec<&str> = listed.iter().map(|step| version(*step)).collect();
    let package = json!({"ecosystem": ladder.0, "name": format!("{}case-{name}", ladder.2)});
    let mut record = json!({
        "schema_version": "1.7.0", "id": id(ladder, name), "modified": "2024-01-01T00:00:00Z", "published": "2024-01-01T00:00:00Z",
        "affected": [{"package": package, "ranges": ranges, "versions": versions}],
    });
    if *name == "withdrawn" {
        record["withdrawn"] = json!("2024-02-01T00:00:00Z");
    }
    record
}

fn records() -> BTreeMap<String, Vec<(String, String)>> {
    let mut records: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for ladder in &LADDERS {
        for kind in &KINDS {
            let ecosystem = ladder.0.split(':').next().unwrap().to_owned();
            let record = (id(ladder, kind.0), record(ladder, kind).to_string());
            records.entry(ecosystem).or_default().push(record);
        }
    }
    records
}

#[test]
fn every_labelled_pair_is_judged_as_it_is() {
    let limits = Limits::default();
    let mut builder = Builder::new(&limits);
    for (_, text) in records().values().flatten() {
        builder.add(osv::read(text.as_bytes(), &limits).unwrap()).unwrap();
    }
    let database = Database::open(builder.finish("2026-01-02").unwrap(), &limits).unwrap();
    let pairs = pairs();
    assert!(pairs.len() >= 300, "{}", pairs.len());
    for pair in &pairs {
        let mut os = pair.ladder.3.split(' ');
        let distribution = Distribution {
            id: os.next().unwrap().to_owned(),
            version: os.next().map(str::to_owned),
            ..Distribution::default()
        };
        let version = if pair.ladder.0 == "Go" {
            format!("v{}", pair.version)
        } else {
            pair.version.to_owned()
        };
        let subject = Subject {
            purl_type: pair.ladder.1.to_owned(),
            name: pair.name.clone(),
            version,
            ..Subject::default()
        };
        let known = known(&database, Some(&distribution), &[subject], "2026-01-02").unwrap();
        let ids: Vec<_> = known.vulnerabilities.iter().map(|one| one.advisory.id.clone()).collect();
        let want: Vec<_> = pair.affected.then(|| pair.id()).into_iter().collect();
        assert_eq!(ids, want, "{} {}", pair.name, pair.version);
        assert_eq!(known.unknown, [], "{} {}", pair.name, pair.version);
    }
}

fn osv_scanner() -> Option<PathBuf> {
    let home = || PathBuf::from(env::var("HOME").unwrap_or_default()).join(".cache/hallmark");
    let cache = env::var("HALLMARK_CACHE").map_or_else(|_| home(), PathBuf::from);
    Some(cache.join("peers/bin/osv-scanner")).filter(|program| program.is_file())
}

/// The package URL that osv-scanner takes a package of a distribution from; it reads no rpms from an SBOM.
fn purl(pair: &Pair) -> Option<String> {
    let mut os = pair.ladder.3.split(' ');
    let (id, name) = (os.next()?, os.nth(1)?);
    let version = pair.version.replace(':', "%3A").replace('+', "%2B");
    Some(format!("pkg:{}/{id}/{}@{version}?distro={name}", pair.ladder.1, pair.name))
}

/// What osv-scanner finds: package, version and advisory.
fn theirs(program: &Path, input: &str, folder: &Path) -> BTreeSet<(String, String, String)> {
    let mut call = Command::new(program);
    call.args(["scan", "source", "--offline", "--format", "json", "--all-packages", "-L", input]);
    let output = call.arg("--local-db-path").arg("db").current_dir(folder).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut found = BTreeSet::new();
    for package in list(&report, "results").iter().flat_map(|result| list(result, "packages")) {
        let text = |key: &str| package["package"][key].as_str().unwrap_or_default().to_owned();
        for one in list(&package, "vulnerabilities") {
            let id = one["id"].as_str().unwrap_or_default().to_owned();
            found.insert((text("name"), text("version"), id));
        }
    }
    assert!(!found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    found
}

/// Pairs on which osv-scanner answers otherwise, with the reason; docs/vulnerabilities.md has both.
fn is_known_difference(pair: &Pair) -> bool {
    match pair.kind {
        // A record whose first range is of commits is given up.
        "git-first" => pair.affected,
        // `limit` is not read.
        "limit" => !pair.affected,
        _ => false,
    }
}

#[test]
fn osv_scanner_differs_where_it_is_said_and_nowhere_else() {
    let Some(program) = osv_scanner() else {
        eprintln!("SKIPPED: no osv-scanner; scripts/peers builds it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // Without records of the ecosystem GIT, it answers that nothing is vulnerable.
    for (ecosystem, records) in records().into_iter().chain([("GIT".to_owned(), Vec::new())]) {
        let place = folder.path().join("db/osv-scalibr").join(ecosystem);
        fs::create_dir_all(&place).unwrap();
        let mut zip = ZipWriter::new(fs::File::create(place.join("all.zip")).unwrap());
        for (id, text) in records {
            zip.start_file(format!("{id}.json"), SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }
    let (languages, others): (Vec<_>, Vec<_>) =
        pairs().into_iter().partition(|pair| pair.ladder.3.is_empty());
    let of_distributions: Vec<_> = others.into_iter().filter(|pair| purl(pair).is_some()).collect();
    let package = |pair: &Pair| json!({"package": {"name": pair.name, "version": pair.version, "ecosystem": pair.ladder.0}});
    let packages: Vec<_> = languages.iter().map(package).collect();
    let source = json!({"path": "x", "type": "lockfile"});
    let list = json!({"results": [{"source": source, "packages": packages}]});
    fs::write(folder.path().join("list.json"), list.to_string()).unwrap();
    let mut found = theirs(&program, "osv-scanner:list.json", folder.path());
    let component = |pair: &Pair| json!({"type": "library", "name": pair.name, "version": pair.version, "purl": purl(pair)});
    let components: Vec<_> = of_distributions.iter().map(component).collect();
    let bom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components});
    fs::write(folder.path().join("bom.json"), bom.to_string()).unwrap();
    found.extend(theirs(&program, "bom.json", folder.path()));
    let judged: Vec<_> = languages.iter().chain(&of_distributions).collect();
    assert!(judged.len() >= 300, "{}", judged.len());
    for pair in judged {
        let key = (pair.name.clone(), pair.version.to_owned(), pair.id());
        let same = found.contains(&key) == pair.affected;
        assert_eq!(!same, is_known_difference(pair), "{} {}", pair.id(), pair.version);
    }
}
