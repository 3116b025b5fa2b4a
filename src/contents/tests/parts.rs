//! On which layers it rests that a file is a part of the distribution's package: what a later layer writes is its maker's word.

use md5::{Digest as _, Md5};

use super::*;

const SITE: &str = "usr/lib/python3/dist-packages";
const METADATA: &str = "Name: requests\nVersion: 2.28.1\n";
const MODULE: &str = "import sessions\n";
const OWN: &str = "Package: python3-requests\nStatus: install ok installed\nArchitecture: all\nSource: requests\nVersion: 2.28.1-1\n\n";
const OTHER: &str = "Package: python3-six\nStatus: install ok installed\nVersion: 1.16-1\n\n";
const STATUS: &str = "var/lib/dpkg/status";
const SUMS: &str = "var/lib/dpkg/info/python3-requests.md5sums";
const RELEASE: &str = "usr/lib/os-release";
const LISTED: &str = "usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA";
const INIT: &str = "usr/lib/python3/dist-packages/requests/__init__.py";

fn sums(files: &[(&str, &str)]) -> String {
    let line =
        |(path, text): &(&str, &str)| format!("{}  {path}\n", hex::encode(Md5::digest(text)));
    files.iter().map(line).collect()
}

/// The highest layer on which it rests that the file is a part of python3-requests, where it is: alike whether all lists of files
/// were asked for or not.
fn rests_on(layers: &[&[(&str, &str)]]) -> Option<Option<usize>> {
    let limits = Limits::default();
    let of = |collector: InventoryCollector| {
        let mut collector = collector;
        let mut builder = RootfsBuilder::new(&limits, |_| false).shown_to(vec![&mut collector]);
        for (index, files) in layers.iter().enumerate() {
            builder.add_layer(index, layer(files).as_slice()).unwrap();
        }
        let rootfs = builder.finish();
        collector.finish(&rootfs).owned.get(&format!("/{LISTED}")).cloned()
    };
    let few = of(InventoryCollector::new(&limits));
    assert_eq!(few, of(InventoryCollector::new(&limits).with_lists()), "{layers:?}");
    few.map(|part| {
        assert_eq!(part.package, "python3-requests");
        part.rests_on
    })
}

#[test]
fn c106_what_a_later_layer_says_of_a_package_or_does_to_it_is_that_layer_s_word() {
    let recorded = sums(&[(LISTED, METADATA), (INIT, MODULE)]);
    let base: &[(&str, &str)] =
        &[(RELEASE, DEBIAN), (STATUS, OWN), (SUMS, &recorded), (LISTED, METADATA), (INIT, MODULE)];
    let both = format!("{OTHER}{OWN}");
    let (six, six_sums) =
        (format!("{SITE}/six.py"), sums(&[("usr/lib/python3/dist-packages/six.py", "six")]));
    let newer = OWN.replace("2.28.1-1", "9:2.28.1-1");
    let resourced = OWN.replace("Source: requests", "Source: other");
    let (grown, few) = (
        sums(&[
            (LISTED, METADATA),
            (INIT, MODULE),
            ("usr/lib/python3/dist-packages/requests/x.py", "x"),
        ]),
        sums(&[(LISTED, METADATA)]),
    );
    let fake = METADATA.replace("2.28.1", "2.28.2");
    let resummed = sums(&[(LISTED, &fake), (INIT, MODULE)]);
    let (beside, compiled) = (
        format!("{SITE}/requests/sessions/__init__.py"),
        format!("{SITE}/requests/__pycache__/__init__.cpython-311.pyc"),
    );
    let extension = format!("{SITE}/requests.so");
    let (gone, no_sums) = (
        format!("{SITE}/requests/.wh.__init__.py"),
        "var/lib/dpkg/info/.wh.python3-requests.md5sums",
    );
    let away = format!("{SITE}/requests -> /opt/requests");
    let diverted = format!("/{INIT}\n/{INIT}.orig\n:\n");
    let hard = format!("{INIT}.orig => {INIT}");
    let cases: [(&str, &[(&str, &str)], Option<Option<usize>>); 21] = [
        ("nothing", &[], Some(Some(0))),
        (
            "another package",
            &[(STATUS, &both), (&six, "six"), ("var/lib/dpkg/info/python3-six.md5sums", &six_sums)],
            Some(Some(0)),
        ),
        (
            "a library of its own",
            &[("usr/local/lib/python3/dist-packages/a.py", "a")],
            Some(Some(0)),
        ),
        ("the same release", &[("etc/os-release", DEBIAN)], Some(Some(0))),
        ("a version", &[(STATUS, &newer)], Some(Some(1))),
        ("a source", &[(STATUS, &resourced)], Some(Some(1))),
        ("a release", &[("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n")], Some(Some(1))),
        ("the file, as it was", &[(LISTED, METADATA)], Some(None)),
        ("the file, with a checksum", &[(LISTED, &fake), (SUMS, &resummed)], None),
        ("the file alone", &[(LISTED, &fake)], None),
        ("a module", &[(INIT, "import old\n")], Some(None)),
        ("a module, as it was", &[(INIT, MODULE)], Some(None)),
        ("a module is deleted", &[(&gone, "")], Some(None)),
        ("a module beside", &[(&beside, "import old\n")], Some(Some(1))),
        ("a compiled module", &[(&compiled, "old")], Some(Some(1))),
        ("an extension in its place", &[(&extension, "old")], Some(Some(1))),
        ("a folder elsewhere", &[(&away, ""), ("opt/requests/__init__.py", "old")], Some(None)),
        (
            "a checksum more",
            &[(SUMS, &grown), ("usr/lib/python3/dist-packages/requests/x.py", "x")],
            Some(Some(1)),
        ),
        ("a module and fewer checksums", &[(SUMS, &few), (INIT, "old")], Some(None)),
        ("checksums are deleted", &[(no_sums, "")], Some(Some(0))),
        (
            "a diverted module",
            &[("var/lib/dpkg/diversions", &diverted), (&hard, ""), (INIT, "old")],
            Some(None),
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(rests_on(&[base, upper]), want, "{what}");
    }
    assert_eq!(rests_on(&[base, &[(STATUS, &newer)], &[(STATUS, OWN)]]), Some(Some(2)), "and back");
    assert_eq!(rests_on(&[&[], base]), Some(Some(1)), "all of it");
    assert_eq!(rests_on(&[&base[..1], &base[1..]]), Some(Some(1)), "all but the release");
    assert_eq!(rests_on(&[&base[1..], &base[..1]]), Some(Some(1)), "the release alone");
    assert_eq!(rests_on(&[&base[1..]]), Some(None), "no release");
}
