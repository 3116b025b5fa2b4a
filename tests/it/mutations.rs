//! An honest image and its honest SBOM, changed in one place: each change is caught.
//!
//! The image has packages of seven ecosystems in one layer, and a layer above it that says nothing. Changes to the SBOM are signed by
//! the trusted key, as by somebody who holds it; changes to the image are made in the upper layer, and the SBOM stays.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    layouts::{Parts, digest, gzip},
    server::{Registry, World},
    support::Hallmark,
};

const SITE: &str = "usr/lib/python3/site-packages";
const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0 a program";

type File = (String, Vec<u8>);

fn layer(files: &[File]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(if content.starts_with(b"\x7fELF") || content.starts_with(b"#!") {
            0o755
        } else {
            0o644
        });
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file(path: &str, content: impl Into<Vec<u8>>) -> File {
    (path.to_owned(), content.into())
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(bytes))
}

/// A package of the image: its URL, and what a change of its database is made in.
struct Package {
    purl: &'static str,
    database: String,
}

/// Entries of dpkg's database.
const DEBS: [(&str, &str); 2] = [("zlib1g", "1:1.2.13-1"), ("tool", "2.0-3")];

fn status(names: &[&str]) -> String {
    let all = DEBS.iter().filter(|(name, _)| names.contains(name));
    all.map(|(name, version)| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n\n"
        )
    })
    .collect()
}

fn honest() -> Vec<File> {
    let record = |bytes: &[u8]| {
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
    };
    let sums = |path: &str| format!("{}  {path}\n", md5(ELF));
    let wheel = format!(
        "a/_c.so,sha256={},{}\na-1.0.dist-info/METADATA,,\na-1.0.dist-info/RECORD,,\n",
        record(ELF),
        ELF.len()
    );
    let conda = json!({
        "name": "tk", "version": "8.6", "build": "h_0", "subdir": "linux-64", "files": ["lib/libtk.so"],
        "paths_data": {"paths": [{"_path": "lib/libtk.so", "path_type": "hardlink", "sha256": hex::encode(Sha256::digest(ELF))}]},
    });
    let installed = json!({"packages": [{"name": "psr/log", "version": "1.1.4", "install-path": "../psr/log"}]});
    vec![
        file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        file("var/lib/dpkg/status", status(&["zlib1g", "tool"])),
        file("usr/lib/libz.so.1", ELF),
        file("usr/bin/tool", ELF),
        file("var/lib/dpkg/info/zlib1g.list", "/.\n/usr/lib/libz.so.1\n"),
        file("var/lib/dpkg/info/zlib1g.md5sums", sums("usr/lib/libz.so.1")),
        file("var/lib/dpkg/info/tool.list", "/.\n/usr/bin/tool\n"),
        file("var/lib/dpkg/info/tool.md5sums", sums("usr/bin/tool")),
        file(&format!("{SITE}/a/_c.so"), ELF),
        file(
            &format!("{SITE}/a-1.0.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: a\nVersion: 1.0\n",
        ),
        file(&format!("{SITE}/a-1.0.dist-info/RECORD"), wheel),
        file("app/node_modules/@s/b/package.json", r#"{"name":"@s/b","version":"2.0.0"}"#),
        file(
            "usr/local/bundle/specifications/rack-3.0.gemspec",
            "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"3.0\".freeze\nend\n",
        ),
        file("opt/conda/conda-meta/tk-8.6-h_0.json", conda.to_string()),
        file("opt/conda/lib/libtk.so", ELF),
        file("srv/vendor/composer/installed.json", installed.to_string()),
    ]
}

fn packages() -> Vec<Package> {
    let package = |purl, database: &str| Package { purl, database: database.to_owned() };
    vec![
        package("pkg:deb/debian/zlib1g@1:1.2.13-1?arch=amd64", "var/lib/dpkg/status"),
        package("pkg:deb/debian/tool@2.0-3?arch=amd64", "var/lib/dpkg/status"),
        package("pkg:pypi/a@1.0", &format!("{SITE}/a-1.0.dist-info/METADATA")),
        package("pkg:npm/%40s/b@2.0.0", "app/node_modules/@s/b/package.json"),
        package("pkg:gem/rack@3.0", "usr/local/bundle/specifications/rack-3.0.gemspec"),
        package("pkg:conda/tk@8.6", "opt/conda/conda-meta/tk-8.6-h_0.json"),
        package("pkg:composer/psr/log@1.1.4", "srv/vendor/composer/installed.json"),
    ]
}

fn purls() -> Vec<String> {
    packages().iter().map(|one| one.purl.to_owned()).collect()
}

/// An SPDX document that lists these.
fn sbom(purls: &[String]) -> Value {
    let listed = purls.iter().enumerate().map(|(at, purl)| {
        let (name, version) = purl.split('?').next().unwrap().rsplit_once('@').unwrap();
        let name = name.rsplit('/').next().unwrap();
        json!({
            "SPDXID": format!("SPDXRef-{at}"), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
        })
    });
    json!({
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "image", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.org/sbom",
        "creationInfo": {"created": "2025-01-01T00:00:00Z", "creators": ["Tool: t"]},
        "packages": listed.collect::<Vec<_>>(),
    })
}

/// The exit code, and the codes of all that denied, for an image with this upper layer and a signed SBOM that lists these.
fn judged(upper: &[File], listed: &[String]) -> (i32, Vec<String>, String) {
    judged_with(upper, listed, "sbom: {ghosts: deny}", None)
}

/// The same with these settings, and with these files as the layer of a known base.
fn judged_with(
    upper: &[File],
    listed: &[String],
    settings: &str,
    base: Option<&[File]>,
) -> (i32, Vec<String>, String) {
    let mut parts = Parts::new(&[]);
    let (lower, upper) = (layer(&honest()), layer(upper));
    parts.layer = gzip(&lower);
    parts.config["rootfs"]["diff_ids"] = json!([digest(&lower), digest(&upper)]);
    parts.config["history"] = json!([{"created_by": "COPY base /"}, {"created_by": "RUN ./patch"}]);
    parts.relink();
    let stored = gzip(&upper);
    parts.manifest["layers"].as_array_mut().unwrap().push(json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(&stored), "size": stored.len(),
    }));
    let mut world = World::of(parts);
    world.store.blob("", stored);
    let subject =
        json!([{"name": "app", "digest": {"sha256": world.image.trim_start_matches("sha256:")}}]);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": "https://spdx.dev/Document", "predicate": sbom(listed),
    });
    let envelope = world.key.envelope(statement.to_string().as_bytes());
    let annotations = json!({"predicateType": "https://spdx.dev/Document", "dsseEnvelope": ""});
    let image = world.image.clone();
    world.store.attach(&image, "att", envelope.to_string().as_bytes(), &annotations);
    let registry = Registry::honest(world.store.clone());
    let mut config = world.config("signed").replace(
        "{preset: signed}",
        &format!("{{preset: signed, rules: [ownership], settings: {{{settings}}}}}"),
    );
    if let Some(base) = base {
        let layer = digest(&layer(base));
        config.push_str(&format!("contents:\n  bases:\n    - layers: [\"{layer}\"]\n"));
    }
    let answer = Hallmark::new(["verify", "-o", "json", "--no-rebuild", &registry.image(&image)])
        .config(&config)
        .run();
    let findings =
        answer.json()["platforms"][0]["findings"].as_array().cloned().unwrap_or_default();
    let errors = findings.iter().filter(|one| one["severity"] == "error");
    // What a rule denies has the rule's own code before its package.
    let code = |one: &Value| match one["facts"]["from"].as_str() {
        Some(from) if one["code"] == "policy-denied" => from.split(' ').next().unwrap().to_owned(),
        _ => one["code"].as_str().unwrap().to_owned(),
    };
    let codes = errors.map(code).collect();
    (answer.code, codes, answer.all())
}

fn caught(what: &str, upper: &[File], listed: &[String], want: &[&str]) {
    let (code, codes, all) = judged(upper, listed);
    assert_eq!(code, 1, "{what}: {all}");
    assert!(codes.iter().any(|code| want.contains(&code.as_str())), "{what}: {codes:?}\n{all}");
}

#[test]
fn the_honest_image_passes() {
    let (code, codes, all) = judged(&[], &purls());
    assert_eq!((code, codes), (0, vec![]), "{all}");
}

#[test]
fn each_entry_of_the_sbom_that_is_removed_renamed_or_downgraded_is_caught() {
    for at in 0..packages().len() {
        let changed = |change: &dyn Fn(&str) -> String| {
            let mut all = purls();
            all[at] = change(&all[at]);
            all
        };
        let mut removed = purls();
        let purl = removed.remove(at);
        caught(&format!("without {purl}"), &[], &removed, &["sbom-package-missing"]);
        let renamed = changed(&|purl| {
            let (name, rest) = purl.rsplit_once('@').unwrap();
            format!("{name}x@{rest}")
        });
        let missing = ["sbom-package-missing", "sbom-package-ghost"];
        caught(&format!("{purl} renamed"), &[], &renamed, &missing);
        let older = changed(&|purl| {
            let (name, rest) = purl.rsplit_once('@').unwrap();
            let qualifiers =
                rest.split_once('?').map(|(_, all)| format!("?{all}")).unwrap_or_default();
            format!("{name}@0.0.1{qualifiers}")
        });
        caught(&format!("{purl} older"), &[], &older, &["sbom-version-mismatch"]);
    }
}

#[test]
fn each_entry_of_a_database_that_is_deleted_is_caught() {
    for package in packages() {
        let name = DEBS.iter().find(|(name, _)| package.purl.contains(name));
        let upper = match name {
            Some((gone, _)) => {
                let kept: Vec<_> =
                    DEBS.iter().map(|(name, _)| *name).filter(|name| name != gone).collect();
                vec![file("var/lib/dpkg/status", status(&kept))]
            }
            None => {
                let (folder, name) = package.database.rsplit_once('/').unwrap();
                vec![file(&format!("{folder}/.wh.{name}"), "")]
            }
        };
        let mut listed = purls();
        // The SBOM says it, and the image does not.
        caught(
            &format!("{} not in its database", package.purl),
            &upper,
            &listed,
            &["sbom-package-ghost", "contents-package-hidden"],
        );
        // Whoever makes the SBOM from the doctored image: for dpkg the files that stayed tell.
        if name.is_some() {
            listed.retain(|purl| purl != package.purl);
            caught(
                &format!("{} nowhere", package.purl),
                &upper,
                &listed,
                &["contents-package-hidden"],
            );
        }
    }
}

#[test]
fn each_owned_file_that_is_swapped_is_caught() {
    let other = [ELF, b" and more"].concat();
    let owned = ["usr/lib/libz.so.1", "usr/bin/tool", "opt/conda/lib/libtk.so"];
    for path in owned.map(str::to_owned).into_iter().chain([format!("{SITE}/a/_c.so")]) {
        caught(&path, &[file(&path, other.clone())], &purls(), &["contents-file-modified"]);
    }
}

#[test]
fn programs_that_are_planted_are_caught_wherever_they_lie() {
    let places = [
        "usr/bin/planted",
        "tmp/.x",
        "usr/share/doc/zlib1g/copyright.so",
        "usr/lib/libz.so.1.2",
        "var/lib/dpkg/info/tool.postrm.sh",
        "opt/conda/lib/libtk2.so",
        "etc/cron.daily/x",
    ];
    let beside = format!("{SITE}/a/_d.so");
    for path in places.into_iter().chain([beside.as_str()]) {
        caught(path, &[file(path, ELF)], &purls(), &["contents-file-unowned"]);
    }
    let script = vec![file("usr/local/sbin/x", "#!/bin/sh\n")];
    caught("a script", &script, &purls(), &["contents-file-unowned"]);
}

/// A record that whoever made the layer wrote vouches for nothing, where the base's does.
#[test]
fn c61_a_program_that_its_own_record_names_is_caught() {
    let strict = "sbom: {ghosts: deny, uncovered: deny}, ownership: {selfRecorded: deny}";
    let record = |path: &str| {
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
        format!("{path},sha256={},9\n", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(ELF)))
    };
    let base = honest();
    let (code, codes, all) = judged_with(&[], &purls(), strict, Some(&base));
    assert_eq!((code, codes), (0, vec![]), "{all}");
    // The base's record of the same bytes.
    let again = [file(&format!("{SITE}/a/_c.so"), ELF)];
    let (code, codes, all) = judged_with(&again, &purls(), strict, Some(&base));
    assert_eq!((code, codes), (0, vec![]), "{all}");
    let own = format!("{SITE}/e-1.dist-info");
    let wheel = [
        file(&format!("{own}/METADATA"), "Metadata-Version: 2.1\nName: e\nVersion: 1\n"),
        file(&format!("{own}/RECORD"), record("../../../bin/planted")),
        file("usr/bin/planted", ELF),
    ];
    let folder = [file("app/node_modules/@s/b/lib/planted.node", ELF)];
    let (mut listed, whole) = (purls(), purls());
    listed.push("pkg:pypi/e@1".to_owned());
    let cases: [(&str, &[File], &[String]); 2] =
        [("a wheel", &wheel, &listed), ("a folder of npm", &folder, &whole)];
    for (what, upper, listed) in cases {
        let (code, codes, all) = judged_with(upper, listed, strict, Some(&base));
        assert_eq!(
            (code, codes),
            (1, vec!["contents-file-self-recorded".to_owned()]),
            "{what}: {all}"
        );
        // Where the setting does not deny it is told.
        let (code, _, all) = judged_with(upper, listed, "sbom: {ghosts: deny}", Some(&base));
        assert_eq!(code, 0, "{what}: {all}");
        assert!(all.contains("contents-file-self-recorded"), "{what}: {all}");
    }
}
