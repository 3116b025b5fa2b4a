//! The database: what is written is read, and what is damaged is refused.

use super::*;
use crate::vulnerabilities::{feeds, osv, record::Level};

fn database(records: &[&str], change: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let limits = Limits::default();
    let mut builder = Builder::new(&limits);
    for record in records {
        builder.add(osv::read(record.as_bytes(), &limits).unwrap()).unwrap();
    }
    change(&mut builder);
    builder.finish("2026-01-02").unwrap()
}

fn open(bytes: Vec<u8>) -> Database {
    Database::open(bytes, &Limits::default()).unwrap()
}

const DEBIAN: &str = r#"{"id":"DEBIAN-CVE-2024-1","upstream":["CVE-2024-1"],"modified":"2024-02-02T00:00:00Z","affected":[
    {"package":{"ecosystem":"Debian:12","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.1-1"}]}]},
    {"package":{"ecosystem":"Debian:13","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"ecosystem_specific":{"urgency":"unimportant"}}]}"#;
const CVE: &str = r#"{"id":"CVE-2024-1","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected":[{"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}"#;

#[test]
fn what_distributions_do_not_say_is_joined_with_its_source() {
    let kev = r#"{"count":1,"vulnerabilities":[{"cveID":"CVE-2024-1","dateAdded":"2024-03-03"}]}"#;
    let bytes = database(&[DEBIAN, CVE], |builder| {
        builder.exploited(feeds::exploited(kev.as_bytes(), &Limits::default()).unwrap());
        builder.forecasts(feeds::forecasts("cve,epss,percentile\nCVE-2024-1,0.5,0.9\n").unwrap());
    });
    let database = open(bytes);
    let advisory = database.reader().unwrap().advisory("DEBIAN-CVE-2024-1").unwrap();
    let rating = &advisory.ratings[0];
    assert_eq!(
        (rating.level, rating.tenths, rating.source.as_str()),
        (Level::Critical, Some(98), "CVE-2024-1")
    );
    assert_eq!(advisory.exploited.unwrap().added, "2024-03-03");
    assert_eq!(advisory.forecast.unwrap().score, 0.5);
    let bookworm =
        database.reader().unwrap().affected(&Ecosystem::parse("Debian:12"), "openssl").unwrap();
    assert_eq!(bookworm[0].fixes().collect::<Vec<_>>(), ["3.0.1-1"]);
    let trixie =
        database.reader().unwrap().affected(&Ecosystem::parse("Debian:13"), "openssl").unwrap();
    assert_eq!(trixie[0].urgency.as_deref(), Some("unimportant"));
    assert_eq!(
        database.reader().unwrap().affected(&Ecosystem::parse("Debian:14"), "openssl").unwrap(),
        []
    );
    let header = database.header();
    assert_eq!(header.ecosystems.keys().collect::<Vec<_>>(), ["Debian:12", "Debian:13"]);
    assert_eq!(
        (header.ecosystems["Debian:12"].unfixed, header.ecosystems["Debian:13"].unfixed),
        (0, 1)
    );
}

#[test]
fn equal_inputs_in_any_order_give_equal_bytes() {
    assert_eq!(database(&[DEBIAN, CVE], |_| ()), database(&[CVE, DEBIAN], |_| ()));
    assert_eq!(database(&[DEBIAN, CVE], |_| ()), database(&[CVE, DEBIAN, DEBIAN], |_| ()));
}

#[test]
fn days_are_kept_from_one_import_to_the_next() {
    let unfixed = DEBIAN.replace(r#",{"fixed":"3.0.1-1"}"#, "");
    let first = open(database(&[&unfixed], |_| ()));
    let limits = Limits::default();
    let mut builder = Builder::new(&limits);
    builder.continue_from(&first).unwrap();
    builder.add(osv::read(DEBIAN.as_bytes(), &limits).unwrap()).unwrap();
    builder.add(osv::read(CVE.as_bytes(), &limits).unwrap()).unwrap();
    let second = open(builder.finish("2026-02-03").unwrap());
    let affected =
        second.reader().unwrap().affected(&Ecosystem::parse("Debian:12"), "openssl").unwrap();
    assert_eq!(affected[0].first_seen.as_deref(), Some("2026-01-02"));
    assert_eq!(affected[0].fix_seen.as_deref(), Some("2026-02-03"));
    assert_eq!(
        second.reader().unwrap().advisory("CVE-2024-1").unwrap().first_seen.as_deref(),
        Some("2026-02-03")
    );
    // The day of the fix is kept, too.
    let mut builder = Builder::new(&limits);
    builder.continue_from(&second).unwrap();
    builder.add(osv::read(DEBIAN.as_bytes(), &limits).unwrap()).unwrap();
    let third = open(builder.finish("2026-03-04").unwrap());
    let affected =
        third.reader().unwrap().affected(&Ecosystem::parse("Debian:12"), "openssl").unwrap();
    assert_eq!(affected[0].fix_seen.as_deref(), Some("2026-02-03"));
}

#[test]
fn c28_a_damaged_database_is_refused_and_never_empty() {
    let whole = database(&[DEBIAN, CVE], |_| ());
    let limits = Limits::default();
    for length in 0..whole.len() {
        assert!(Database::open(whole[..length].to_vec(), &limits).is_err(), "cut to {length}");
    }
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        let found = Database::open(changed, &limits).map(|d| d.digest().clone());
        // A changed day or source is a valid header; the digest of the file tells.
        let told = found.map_or(true, |digest| digest != *open(whole.clone()).digest());
        assert!(told, "byte {place}");
    }
    let small =
        Limits { vulnerability_database_bytes: whole.len() as u64 - 1, ..Limits::default() };
    assert!(matches!(Database::open(whole.clone(), &small), Err(DatabaseError::Large(_))));
    let exact = Limits { vulnerability_database_bytes: whole.len() as u64, ..Limits::default() };
    assert!(Database::open(whole, &exact).is_ok());
}

#[test]
fn c28_advisories_are_counted() {
    let limits = Limits { advisories: 2, ..Limits::default() };
    let mut builder = Builder::new(&limits);
    let record = |id: &str| {
        let text = format!(
            r#"{{"id":"{id}","affected":[{{"package":{{"ecosystem":"npm","name":"a"}},"versions":["1.0.0"]}}]}}"#
        );
        osv::read(text.as_bytes(), &limits).unwrap()
    };
    builder.add(record("A-1")).unwrap();
    builder.add(record("A-2")).unwrap();
    builder.add(record("A-2")).unwrap();
    assert!(matches!(builder.add(record("A-3")), Err(BuildError::TooMany(2))));
}
