//! Programs that nothing but a record of the image vouches for: each attack with its honest twin.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

const SITE: &str = "usr/lib/python3.12/site-packages";
const METADATA: &str = "Name: p\nVersion: 1\n";

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A line of RECORD.
fn line(path: &str, text: &str) -> String {
    format!("{path},sha256={},9\n", URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
}

/// What only a record vouches for: class, path and layer, and the layer of the record.
fn by_itself(layers: &[Files<'_>], named: &NamedFiles) -> String {
    let (_, accounts) = accounted_with(layers, named, &Limits::default());
    let strays: Vec<&str> = accounts.strays.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(strays, Vec::<&str>::new());
    let one = |one: &Stray| {
        let record = one.record_layer.expect("it has a record");
        format!("{} {} {} by {record}", one.class.word(), one.path, one.layer)
    };
    accounts.self_recorded.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn c61_a_record_that_the_image_wrote_is_a_self_description() {
    let at = |path: &str| format!("{SITE}/{path}");
    let (metadata, record) = (at("p-1.dist-info/METADATA"), at("p-1.dist-info/RECORD"));
    let lines =
        [line("p/x.so", ELF), line("../../../bin/evil", ELF), line("p/data", "data")].concat();
    let (library, data) = (at("p/x.so"), at("p/data"));
    let wheel: Files<'_> = &[
        (&metadata, METADATA),
        (&record, &lines),
        (&library, ELF),
        (&data, "data"),
        ("usr/bin/evil", ELF),
    ];
    let none = NamedFiles::default();
    let want = "self-recorded /usr/bin/evil 0 by 0, self-recorded /usr/lib/python3.12/site-packages/p/x.so 0 by 0";
    assert_eq!(by_itself(&[wheel], &none), want);
    // The same package in a layer above says so, and the record of a lower one holds.
    let again: Files<'_> = &[(&metadata, METADATA), (&record, &lines), ("usr/bin/evil", ELF)];
    let mixed = "self-recorded /usr/bin/evil 1 by 1, self-recorded /usr/lib/python3.12/site-packages/p/x.so 0 by 1";
    assert_eq!(by_itself(&[wheel, again], &none), mixed);
    let bytes: Files<'_> = &[("usr/bin/evil", ELF)];
    let by_base = "self-recorded /usr/bin/evil 1 by 0, self-recorded /usr/lib/python3.12/site-packages/p/x.so 0 by 0";
    assert_eq!(by_itself(&[wheel, bytes], &none), by_base);
    // Whoever may vouch for the image is better evidence, and so is the distribution's record.
    let mut named = NamedFiles::default();
    named.add("/usr/bin/evil", sha256(ELF));
    named.add(&format!("/{library}"), sha256(ELF));
    assert_eq!(by_itself(&[wheel], &named), "");
    let mut other = NamedFiles::default();
    other.add("/usr/bin/evil", sha256(OTHER));
    assert_eq!(by_itself(&[wheel], &other), want);
    let status = "Package: q\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n";
    let sums = format!("{}  usr/bin/evil\n{}  {library}\n", md5(ELF), md5(ELF));
    let debian: Files<'_> =
        &[("var/lib/dpkg/status", status), ("var/lib/dpkg/info/q.md5sums", &sums)];
    assert_eq!(by_itself(&[wheel, debian], &none), "");
}

#[test]
fn c64_a_program_in_the_folder_of_a_package_that_records_no_bytes_is_told() {
    const PACKAGE: &str = r#"{"name":"n","version":"1"}"#;
    const SPEC: &str =
        "Gem::Specification.new do |s|\n  s.name = \"g\"\n  s.version = \"1\"\nend\n";
    const GEMS: &str = "usr/lib/ruby/gems/3.2.0";
    let none = NamedFiles::default();
    let honest: Files<'_> = &[
        ("app/node_modules/n/package.json", PACKAGE),
        ("app/node_modules/n/index.js", "x"),
        ("app/node_modules/n/LICENSE", "MIT"),
    ];
    assert_eq!(by_itself(&[honest], &none), "");
    let wasm = "\0asm\u{1}";
    let kinds: Files<'_> = &[
        ("app/node_modules/n/a.node", ELF),
        ("app/node_modules/n/b.so", ELF),
        ("app/node_modules/n/c.wasm", wasm),
        ("app/node_modules/n/d.jar", "PK\u{3}\u{4}"),
        ("app/node_modules/n/e.js", "#!/usr/bin/env node\n"),
    ];
    let told = ["a.node", "b.so", "c.wasm", "d.jar", "e.js"]
        .map(|name| format!("owned-unverified /app/node_modules/n/{name} 1 by 0"));
    assert_eq!(by_itself(&[honest, kinds], &none), told.join(", "));
    let (spec, program) =
        (format!("{GEMS}/specifications/g-1.gemspec"), format!("{GEMS}/gems/g-1/g.so"));
    let gem: Files<'_> = &[(&spec, SPEC), (&program, ELF)];
    assert_eq!(by_itself(&[gem], &none), format!("owned-unverified /{program} 0 by 0"));
    let mut named = NamedFiles::default();
    named.add("/app/node_modules/n/a.node", sha256(ELF));
    assert_eq!(by_itself(&[honest, kinds], &named), told[1..].join(", "));
}

#[test]
fn what_is_self_recorded_is_told_up_to_the_limit_upper_layers_first() {
    let path = |n: usize| format!("app/node_modules/n/{n}.node");
    let paths: Vec<String> = (0..3).map(path).collect();
    let mut files = vec![("app/node_modules/n/package.json", r#"{"name":"n","version":"1"}"#)];
    files.extend(paths.iter().map(|path| (path.as_str(), ELF)));
    let own: Files<'_> = &[("app/node_modules/n/z.node", ELF)];
    for (told_files, told, more) in [(4, 4, 0), (3, 3, 1)] {
        let limits = Limits { told_files, ..Limits::default() };
        let (_, accounts) = accounted(&[&files, own], &limits);
        let found = &accounts.self_recorded;
        assert_eq!((found.len(), accounts.self_recorded_more), (told, more));
        assert_eq!(found[0].path, "/app/node_modules/n/z.node");
    }
}
