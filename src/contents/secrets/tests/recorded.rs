//! Keys in what looks like test data: whoever makes an image chooses paths, and no package's records.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::{
    contents::{accounts::Vouchers, collector::InventoryCollector},
    image::rootfs::RootfsBuilder,
};

fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

type Files<'a> = &'a [(&'a str, &'a str)];

/// Paths of the secrets that are told, `hidden` behind those that the tree has no longer, and how many are none.
fn told(layers: &[Files<'_>]) -> (String, usize) {
    let limits = Limits::default();
    let mut inventory = InventoryCollector::new(&limits).with_test_data();
    let mut secrets = SecretsCollector::new(&limits);
    let mut builder =
        RootfsBuilder::new(&limits, |_| false).shown_to(vec![&mut inventory, &mut secrets]);
    for (index, files) in layers.iter().enumerate() {
        builder.add_layer(index, layer(files).as_slice()).unwrap();
    }
    let rootfs = builder.finish();
    let (inventory, lists) = inventory.finish_with_lists(&rootfs);
    let found = secrets.finish(&rootfs, || Some(Vouchers::new(&inventory, &lists, &rootfs)));
    let path = |secret: &Secret| match &secret.source {
        Source::File { spot, hidden, .. } => {
            format!("{}{}", spot.path, if *hidden { " hidden" } else { "" })
        }
        Source::Config { .. } => unreachable!(),
    };
    let paths: Vec<_> = found.found.items.iter().map(path).collect();
    (paths.join(", "), found.fixtures)
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn c50_no_path_excuses_a_secret_and_a_distribution_s_record_of_test_data_does() {
    let random = &mut Sequence(21);
    let (key, other) = (filled("{:pkcs8}", random), filled("{:pkcs8}", random));
    let md5 = |text: &str| hex::encode(md5::Md5::digest(text));
    let url =
        |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    const STATUS: &str = "Package: a\nStatus: install ok installed\nVersion: 1\n\n";
    let sums = |path: &str| format!("{}  {path}\n", md5(&key));
    const TEST: &str = "usr/lib/python3.12/test/certdata/keycert.pem";
    const SITE: &str = "usr/lib/python3.12/site-packages";
    let (test, status) = (sums(TEST), ("var/lib/dpkg/status", STATUS));
    let conffile = format!(
        "Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /{TEST} {}\n\n",
        md5(&key)
    );
    let wheel = format!("{SITE}/a/tests/key.pem");
    let (metadata, record) =
        (format!("{SITE}/a-1.dist-info/METADATA"), format!("{SITE}/a-1.dist-info/RECORD"));
    let recorded = format!("a/tests/key.pem,sha256={},9\n", url(&key));
    let of_app = format!("usr/share/doc/key.pem,sha256={},9\n", url(&key));
    const NAMED: &str = "Name: a\nVersion: 1\n";
    const LIST: &str = "var/lib/dpkg/info/a.md5sums";
    let (app, lib) = (sums("srv/usr/share/doc/key.pem"), sums("usr/lib/app/key.pem"));
    let cases: &[(&str, Files<'_>, (&str, usize))] = &[
        ("a path alone", &[(TEST, &key)], (&format!("/{TEST}"), 0)),
        ("a package", &[status, (LIST, &test), (TEST, &key)], ("", 1)),
        (
            "a package, other bytes",
            &[status, (LIST, &test), (TEST, &other)],
            (&format!("/{TEST}"), 0),
        ),
        (
            "a package that is not installed",
            &[(LIST, &test), (TEST, &key)],
            (&format!("/{TEST}"), 0),
        ),
        (
            "a list without checksums",
            &[status, ("var/lib/dpkg/info/a.list", &format!("/{TEST}\n")), (TEST, &key)],
            (&format!("/{TEST}"), 0),
        ),
        (
            "configuration",
            &[("var/lib/dpkg/status", &conffile), (TEST, &key)],
            (&format!("/{TEST}"), 0),
        ),
        (
            "a package at no place of its manager",
            &[status, (LIST, &app), ("srv/usr/share/doc/key.pem", &key)],
            ("/srv/usr/share/doc/key.pem", 0),
        ),
        (
            "a package, no test data",
            &[status, (LIST, &lib), ("usr/lib/app/key.pem", &key)],
            ("/usr/lib/app/key.pem", 0),
        ),
        (
            "a wheel, whose record whoever made the layer wrote",
            &[(&metadata, NAMED), (&record, &recorded), (&wheel, &key)],
            (&format!("/{wheel}"), 0),
        ),
        (
            "a wheel, other bytes",
            &[(&metadata, NAMED), (&record, &recorded), (&wheel, &other)],
            (&format!("/{wheel}"), 0),
        ),
        (
            "a record that owns an application",
            &[
                ("app/a-1.dist-info/METADATA", NAMED),
                ("app/a-1.dist-info/RECORD", &of_app),
                ("app/usr/share/doc/key.pem", &key),
            ],
            ("/app/usr/share/doc/key.pem", 0),
        ),
        (
            "a folder of npm",
            &[
                ("app/node_modules/a/package.json", r#"{"name":"a","version":"1"}"#),
                ("app/node_modules/a/test/key.pem", &key),
            ],
            ("/app/node_modules/a/test/key.pem", 0),
        ),
    ];
    for (what, files, (paths, fixtures)) in cases {
        assert_eq!(told(&[files]), ((*paths).to_owned(), *fixtures), "{what}");
    }
    // In every layer, also where a later one replaces the file, or the record of it.
    let files: Files<'_> = &[status, (LIST, &test), (TEST, &key)];
    let path = format!("/{TEST}");
    assert_eq!(told(&[files, &[(TEST, "gone")]]), (String::new(), 1));
    assert_eq!(told(&[files, &[(TEST, &other)]]), (path.clone(), 1));
    assert_eq!(told(&[&[(TEST, &other)], files]), (format!("{path} hidden"), 1));
}
