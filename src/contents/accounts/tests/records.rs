//! Records that were taken away, changed or widened: each attack with its honest twin.

use super::*;

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn c51_records_that_were_taken_away_or_changed_are_told_and_hold() {
    let debian = Debian::new();
    let files = debian.files();
    let (a, b) = ("var/lib/dpkg/info/a.md5sums", "var/lib/dpkg/info/b:amd64.md5sums");
    let other = format!("{}  usr/bin/a\n", md5(OTHER));
    let shorter = format!("{}  usr/share/doc/b/copyright\n", md5("free"));
    let upgraded = debian.status.replace("Version: 1\n", "Version: 1.1\n");
    let dropped = debian.status.replace(&format!(" /etc/b.conf {}\n", md5("conf")), "");
    let changed = "modified executable /usr/bin/a 1";
    let cases: &[(&str, Files<'_>, &str)] = &[
        (
            "checksums deleted",
            &[("var/lib/dpkg/info/.wh.a.md5sums", "")],
            "Gone deb a by /var/lib/dpkg/info/a.md5sums 1",
        ),
        (
            "checksums deleted, and a program swapped",
            &[("var/lib/dpkg/info/.wh.a.md5sums", ""), ("usr/bin/a", OTHER)],
            &format!("{changed}, Gone deb a by /var/lib/dpkg/info/a.md5sums 1"),
        ),
        (
            "checksums emptied, and a program swapped",
            &[(a, ""), ("usr/bin/a", OTHER)],
            &format!("{changed}, Gone deb a by /var/lib/dpkg/info/a.md5sums 1"),
        ),
        (
            "checksums rewritten for a swapped program",
            &[(a, &other), ("usr/bin/a", OTHER)],
            &format!("{changed}, Changed deb a by /var/lib/dpkg/info/a.md5sums 1"),
        ),
        (
            "a line of the checksums taken out",
            &[(b, &shorter), ("usr/lib/b.so.1", OTHER)],
            "modified library /usr/lib/b.so.1 1, Gone deb b by /var/lib/dpkg/info/b:amd64.md5sums 1",
        ),
        (
            "every list deleted, with a new version",
            &[
                ("var/lib/dpkg/status", &upgraded),
                ("var/lib/dpkg/info/.wh.a.md5sums", ""),
                ("usr/bin/a", OTHER),
            ],
            "Gone deb a by /var/lib/dpkg/info/a.md5sums 1",
        ),
        (
            "a conffile taken out of the status",
            &[("var/lib/dpkg/status", &dropped)],
            "Gone deb b by /var/lib/dpkg/status 1",
        ),
        (
            "another version alone",
            &[("var/lib/dpkg/status", &upgraded)],
            "Reversioned deb a by /var/lib/dpkg/status 1",
        ),
        (
            "another version, and the same checksums again",
            &[("var/lib/dpkg/status", &upgraded), (a, &debian.a)],
            "Reversioned deb a by /var/lib/dpkg/status 1",
        ),
        ("the same checksums again", &[(a, &debian.a)], ""),
        (
            "the list under its other name",
            &[
                ("var/lib/dpkg/info/.wh.a.md5sums", ""),
                ("var/lib/dpkg/info/a:amd64.md5sums", &debian.a),
            ],
            "",
        ),
        (
            "upgraded as apt upgrades",
            &[("var/lib/dpkg/status", &upgraded), (a, &other), ("usr/bin/a", OTHER)],
            "",
        ),
        (
            "deleted with its files",
            &[("var/lib/dpkg/info/.wh.a.md5sums", ""), ("usr/bin/.wh.a", "")],
            "",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[&files, upper]), *want, "{what}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn c66_files_that_a_later_layer_adds_to_a_package_are_not_its_own() {
    let debian = Debian::new();
    let files = debian.files();
    let (a, list) = ("var/lib/dpkg/info/a.md5sums", "var/lib/dpkg/info/a.list");
    let listed = "/.\n/usr\n/usr/bin\n/usr/bin/a\n/usr/bin/evil\n";
    let grown = format!("{}{}  usr/bin/evil\n", debian.a, md5(ELF));
    let upgraded = debian.status.replace("Version: 1\n", "Version: 1.1\n");
    let other = format!("{}  usr/bin/a\n{}  usr/bin/evil\n", md5(OTHER), md5(ELF));
    let unowned = "unowned executable /usr/bin/evil 1";
    let told = format!("{unowned}, Grown deb a by /var/lib/dpkg/info/a.md5sums 1");
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("a line of the checksums added", &[(a, &grown), ("usr/bin/evil", ELF)], &told),
        (
            "one of the list besides",
            &[(a, &grown), (list, listed), ("usr/bin/evil", ELF)],
            &format!(
                "{unowned}, Grown deb a by /var/lib/dpkg/info/a.list 1, Grown deb a by /var/lib/dpkg/info/a.md5sums 1"
            ),
        ),
        (
            "under the list's other name",
            &[("var/lib/dpkg/info/a:amd64.md5sums", &grown), ("usr/bin/evil", ELF)],
            &format!("{unowned}, Grown deb a by /var/lib/dpkg/info/a:amd64.md5sums 1"),
        ),
        ("of a file that is not there", &[(a, &grown)], ""),
        (
            "with another version, as apt upgrades",
            &[
                ("var/lib/dpkg/status", &upgraded),
                (a, &other),
                ("usr/bin/a", OTHER),
                ("usr/bin/evil", ELF),
            ],
            "",
        ),
    ];
    for (what, upper, want) in cases {
        assert_eq!(said(&[&files, upper]), *want, "{what}");
    }
    // What is written once more later is not older for it, and what an upgrade brought goes on to be the package's.
    let twice = said(&[&files, &[(a, &grown), ("usr/bin/evil", ELF)], &[(a, &grown)]]);
    assert_eq!(twice, told);
    let upgrade: Files<'_> = &[
        ("var/lib/dpkg/status", &upgraded),
        (a, &other),
        ("usr/bin/a", OTHER),
        ("usr/bin/evil", ELF),
    ];
    assert_eq!(said(&[&files, upgrade, &[(a, &other)]]), "");
    // An architecture that is another, or gone, makes no other package, nor does a path of an earlier version make a file its own.
    for architecture in ["", "Architecture: all\n", "Architecture: AMD64\n"] {
        let status = debian.status.replacen("Architecture: amd64\n", architecture, 1);
        let upper: Files<'_> =
            &[("var/lib/dpkg/status", &status), (a, &grown), ("usr/bin/evil", ELF)];
        let found = said(&[&files, upper]);
        assert!(found.starts_with(&told), "{architecture}: {found}");
    }
    let with_old = format!("{}{}  usr/bin/old\n", debian.a, md5(OTHER));
    let mut before = files.clone();
    before.retain(|(path, _)| *path != a);
    before.extend([(a, with_old.as_str()), ("usr/bin/old", OTHER)]);
    let without_old = format!("{}  usr/bin/a\n", md5(ELF));
    let upgrade: Files<'_> =
        &[("var/lib/dpkg/status", &upgraded), (a, &without_old), ("usr/bin/.wh.old", "")];
    for (planted, what) in [(ELF, "other bytes"), (OTHER, "the bytes of before")] {
        let back = format!("{without_old}{}  usr/bin/old\n", md5(planted));
        let found = said(&[&before, upgrade, &[(a, &back), ("usr/bin/old", planted)]]);
        let want =
            "unowned executable /usr/bin/old 2, Grown deb a by /var/lib/dpkg/info/a.md5sums 1";
        assert_eq!(found, want, "{what}");
    }
    // What a list left out, and a later one has again, is as old as it was.
    let without = debian.a.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
    let (touched, back) = (format!("{}\n", debian.a), format!("{}\n\n", debian.a));
    let layers: [Files<'_>; 4] = [&files, &[(a, &touched)], &[(a, &without)], &[(a, &back)]];
    assert_eq!(said(&layers), "");
    // A removed package that is installed again in the same version.
    let removed: Files<'_> = &[
        (
            "var/lib/dpkg/status",
            &debian.status.replace("install ok installed", "deinstall ok config-files"),
        ),
        ("var/lib/dpkg/info/.wh.a.md5sums", ""),
        ("usr/bin/.wh.a", ""),
    ];
    let again: Files<'_> =
        &[("var/lib/dpkg/status", &debian.status), (a, &debian.a), ("usr/bin/a", ELF)];
    assert_eq!(said(&[&files, removed, again]), "");
}

#[test]
fn c66_files_that_a_later_layer_adds_to_a_package_of_apk_are_not_its_own() {
    let database = |files: &str| {
        format!(
            "P:a\nV:1\nA:x86_64\nF:usr/bin\n{files}\nP:b\nV:2\nA:x86_64\nF:usr/lib\nR:b.so\nZ:{}\n\n",
            q1(OTHER)
        )
    };
    let own = format!("R:a\nZ:{}\n", q1(ELF));
    let (honest, grown) = (database(&own), database(&format!("{own}R:evil\nZ:{}\n", q1("evil"))));
    let base: Files<'_> = &[
        ("etc/os-release", "ID=alpine\nVERSION_ID=3.20\n"),
        ("lib/apk/db/installed", &honest),
        ("usr/bin/a", ELF),
        ("usr/lib/b.so", OTHER),
    ];
    assert_eq!(said(&[base]), "");
    let evil = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 evil";
    let grown = grown.replace(&q1("evil"), &q1(evil));
    let found = said(&[base, &[("lib/apk/db/installed", &grown), ("usr/bin/evil", evil)]]);
    let want = "unowned executable /usr/bin/evil 1, Grown apk a by /lib/apk/db/installed 1";
    assert_eq!(found, want);
    // Where each layer has the database of its own packages, the last one has them all.
    let (one, both) = honest.split_at(honest.find("P:b").unwrap());
    let parts: [Files<'_>; 3] = [
        &[
            ("etc/os-release", "ID=alpine\nVERSION_ID=3.20\n"),
            ("lib/apk/db/installed", one),
            ("usr/bin/a", ELF),
        ],
        &[("lib/apk/db/installed", both), ("usr/lib/b.so", OTHER)],
        &[("lib/apk/db/installed", &honest)],
    ];
    assert_eq!(said(&parts), "");
}

#[test]
fn c76_a_source_that_a_later_layer_gives_to_a_package_is_told() {
    let debian = Debian::new();
    let files = debian.files();
    let told = "Resourced deb a by /var/lib/dpkg/status 1";
    let cases = [
        ("Version: 1\nSource: other\n", told),
        ("Version: 1\nSource: a (9)\n", told),
        // As it is without the field.
        ("Version: 1\nSource: a\n", ""),
        ("Version: 1\nSource: a (1)\n", ""),
        ("Version: 1\n", ""),
    ];
    for (field, want) in cases {
        let status = debian.status.replacen("Version: 1\n", field, 1);
        assert_eq!(said(&[&files, &[("var/lib/dpkg/status", &status)]]), want, "{field}");
    }
    let apk =
        |origin: &str| format!("P:a\nV:1\nA:x86_64\n{origin}F:usr/bin\nR:a\nZ:{}\n\n", q1(ELF));
    let (honest, forged) = (apk("o:a-src\n"), apk("o:busybox\n"));
    let base: Files<'_> = &[
        ("etc/os-release", "ID=alpine\nVERSION_ID=3.20\n"),
        ("lib/apk/db/installed", &honest),
        ("usr/bin/a", ELF),
    ];
    let found = said(&[base, &[("lib/apk/db/installed", &forged)]]);
    assert_eq!(found, "Resourced apk a by /lib/apk/db/installed 1");
}

#[test]
fn c58_an_os_release_that_a_later_layer_rewrites_is_told_unless_a_package_recorded_it() {
    let debian = Debian::new();
    let files = debian.files();
    let told = "Renamed generic os-release by /etc/os-release 1";
    let next = "ID=debian\nVERSION_ID=13\n";
    let upgraded = debian.status.replace("Version: 1\n", "Version: 1.1\n");
    let sums = format!("{}  usr/bin/a\n{}  etc/os-release\n", md5(OTHER), md5(next));
    let cases: &[(&str, Files<'_>, &str)] = &[
        ("another distribution", &[("etc/os-release", "ID=alpine\nVERSION_ID=12\n")], told),
        ("another release", &[("etc/os-release", next)], told),
        ("none", &[("etc/os-release", "NAME=x\n")], told),
        (
            "the next release, as its package records it",
            &[
                ("etc/os-release", next),
                ("usr/bin/a", OTHER),
                ("var/lib/dpkg/status", &upgraded),
                ("var/lib/dpkg/info/a.md5sums", &sums),
            ],
            "",
        ),
        ("other words", &[("etc/os-release", "ID=debian\nVERSION_ID=12\nNAME=x\n")], ""),
    ];
    for (what, upper, want) in cases {
        let found = said(&[&files, upper]);
        // An unknown distribution or another's may lack a database besides.
        let found: Vec<_> = found.split(", ").filter(|one| !one.starts_with("broken")).collect();
        assert_eq!(found.join(", "), *want, "{what}");
    }
}

#[test]
fn c59_a_version_that_is_written_after_an_honest_upgrade_is_told() {
    let debian = Debian::new();
    let files = debian.files();
    let version = |number: &str| debian.status.replace("Version: 1\n", number);
    let (upgraded, forged) = (version("Version: 1.1\n"), version("Version: 9\n"));
    let sums = format!("{}  usr/bin/a\n", md5(OTHER));
    let upgrade: Files<'_> = &[
        ("var/lib/dpkg/status", &upgraded),
        ("var/lib/dpkg/info/a.md5sums", &sums),
        ("usr/bin/a", OTHER),
    ];
    assert_eq!(said(&[&files, upgrade]), "");
    let forged: Files<'_> = &[("var/lib/dpkg/status", &forged)];
    let told = "Reversioned deb a by /var/lib/dpkg/status 1";
    assert_eq!(said(&[&files, upgrade, forged]), told);
}

#[test]
fn c52_no_program_is_vouched_for_by_a_name_without_a_checksum_or_as_configuration() {
    let debian = Debian::new();
    let with = |path: &str, text: &str| {
        let line = format!("Conffiles:\n {path} {}\n", md5(text));
        debian.status.replace("Conffiles:\n", &line)
    };
    let list = "/.\n/usr\n/usr/bin\n/usr/bin/a\n/usr/bin/evil\n";
    let evil = with("/usr/bin/evil", ELF);
    let swapped = format!("Conffiles:\n /usr/bin/a {}\n", md5(OTHER));
    let swapped = debian.status.replace(
        "Version: 1\nArchitecture: amd64\n",
        &format!("Version: 1\nArchitecture: amd64\n{swapped}"),
    );
    let (program, script) = (with("/etc/evil", ELF), with("/etc/init.d/b", "#!/bin/sh\n"));
    let elsewhere = with("/opt/run", "#!/bin/sh\n");
    let cases: &[(&str, Files<'_>, &str)] = &[
        (
            "a planted program as a conffile",
            &[("var/lib/dpkg/status", &evil), ("usr/bin/evil", ELF)],
            "unowned executable /usr/bin/evil 0",
        ),
        (
            "a swapped program as a conffile of its package",
            &[("var/lib/dpkg/status", &swapped), ("usr/bin/a", OTHER)],
            "modified executable /usr/bin/a 0",
        ),
        (
            "a program in /etc as a conffile",
            &[("var/lib/dpkg/status", &program), ("etc/evil", ELF)],
            "unowned executable /etc/evil 0",
        ),
        (
            "a script elsewhere as a conffile",
            &[("var/lib/dpkg/status", &elsewhere), ("opt/run", "#!/bin/sh\n")],
            "unowned script /opt/run 0",
        ),
        (
            "a planted program in the list of a package with checksums",
            &[("var/lib/dpkg/info/a.list", list), ("usr/bin/evil", ELF)],
            "unowned executable /usr/bin/evil 0",
        ),
        (
            "a script of its package",
            &[("var/lib/dpkg/status", &script), ("etc/init.d/b", "#!/bin/sh\n")],
            "",
        ),
        (
            "a script of its package, changed",
            &[("var/lib/dpkg/status", &script), ("etc/init.d/b", "#!/bin/sh\nevil\n")],
            "modified script /etc/init.d/b 0",
        ),
    ];
    for (what, more, want) in cases {
        let mut files = debian.files();
        files.retain(|(path, _)| !more.iter().any(|(other, _)| other == path));
        files.extend(*more);
        assert_eq!(said(&[&files]), *want, "{what}");
    }
}
