//! Documents that are made here, read back, held against the inventory and against the published schemas.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{
    contents::{accounts::Hidden, read},
    digest::Digest,
    limits::Limits,
    sbom::{self, Element, ListedFile, quality, reconcile::reconcile},
    trust::testing,
};

const FILES: [(&str, &str); 8] = [
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
    (
        "var/lib/dpkg/status",
        "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2+dfsg\nArchitecture: amd64\nSource: zlib (1:1.2)\n\n\
         Package: libstdc++6\nStatus: install ok installed\nVersion: 12\nArchitecture: amd64\n",
    ),
    (
        "usr/lib/python3/site-packages/a_b-1.0.dist-info/METADATA",
        "Name: a_b\nVersion: 1.0\nLicense: public domain\n",
    ),
    ("app/node_modules/b/package.json", r#"{"name":"@s/b","version":"2.0.0","license":"MIT"}"#),
    ("app/node_modules/c/package.json", r#"{"name":"c","version":"1.0.0","license":"ours <b>"}"#),
    ("app/node_modules/c/node_modules/b/package.json", r#"{"name":"@s/b","version":"1.0.0"}"#),
    ("app/node_modules/d/node_modules/c/package.json", r#"{"name":"c","version":"1.0.0"}"#),
    (
        "opt/conda/conda-meta/e-1-0.json",
        r#"{"name":"e","version":"1","build":"0","subdir":"linux-64"}"#,
    ),
];

fn file(path: &str, class: Class) -> AccountedFile {
    let bytes = <[u8; 32]>::try_from(hex::decode(Digest::sha256(path.as_bytes()).hex()).unwrap());
    let sha1 = Some([7; 20]);
    AccountedFile { path: path.to_owned(), class, layer: 0, sha256: bytes.unwrap(), sha1 }
}

struct Scene {
    image: Image,
    inventory: Inventory,
    accounts: Accounts,
}

impl Scene {
    fn new() -> Self {
        let files = FILES.map(|(path, text)| (path, text.as_bytes()));
        let mut inventory = read(files, &Limits::default());
        inventory.packages.iter_mut().for_each(|package| package.layer = Some(0));
        let accounts = Accounts {
            files: vec![
                file("/usr/lib/libz.so.1", Class::Verified),
                file("/usr/bin/app \u{202e}<b>", Class::Unowned),
            ],
            ..Accounts::default()
        };
        Self { image: testing::image(), inventory, accounts }
    }

    fn document(&self, options: Options<'_>) -> Value {
        let Self { image, inventory, accounts } = self;
        document(Material { image, inventory, accounts }, options)
    }
}

const FORMATS: [Format; 2] = [Format::Spdx23, Format::CycloneDx16];

fn options(format: Format) -> Options<'static> {
    Options { format, files: Files::Own, author: Some("ACME"), epoch: Some(1_700_000_000) }
}

fn parsed(document: &Value) -> sbom::Sbom {
    sbom::parse(document.to_string().as_bytes(), &Limits::default()).expect("it is an SBOM")
}

#[test]
fn what_is_written_is_read_back_and_agrees() {
    let scene = Scene::new();
    let count = scene.inventory.packages.len();
    assert!(count >= 7, "{:#?}", scene.inventory.packages);
    for format in FORMATS {
        let sbom = parsed(&scene.document(options(format)));
        let compared = reconcile(&sbom, sbom.about, &scene.inventory);
        let found = (compared.matched, compared.disagreements(), compared.unchecked);
        assert_eq!(found, (count, 0, 0), "{format:?}: {compared:#?}");
        assert_eq!((compared.agrees(), compared.score()), (true, Some(100)));
        assert_eq!(compared.duplicates, [], "{format:?}");
        assert_eq!(binding_of(&sbom, &scene.image), "image", "{format:?}");
        let [stray] = sbom.files.as_slice() else { panic!("{format:?}: {:?}", sbom.files) };
        let unowned = &scene.accounts.files[1];
        let digest = format!("sha256:{}", hex(&unowned.sha256)).parse().unwrap();
        assert_eq!(*stray, ListedFile { path: unowned.path.clone(), digest }, "{format:?}");
        let licences: Vec<_> =
            sbom.components.iter().filter_map(|c| c.licence.as_deref()).collect();
        assert!(licences.contains(&"MIT"), "{format:?}: {licences:?}");
        assert!(licences.contains(&"LicenseRef-public-domain"), "{format:?}: {licences:?}");
        assert_eq!(sbom.created.as_deref(), Some("2023-11-14T22:13:20Z"));
        assert!(sbom.stated.given.has(Element::Author), "{format:?}");
    }
}

#[test]
fn the_source_package_is_read_back() {
    let scene = Scene::new();
    for format in FORMATS {
        let sbom = parsed(&scene.document(options(format)));
        let list = sbom::diff::List::of_document(&sbom);
        let zlib = list.subjects.iter().find(|one| one.name == "zlib1g").expect("it is listed");
        let source = (zlib.source.as_deref(), zlib.source_version.as_deref());
        assert_eq!(source, (Some("zlib"), Some("1:1.2")), "{format:?}");
        let other = list.subjects.iter().find(|one| one.name == "libstdc++6");
        assert_eq!(other.and_then(|one| one.source.as_deref()), None, "{format:?}");
    }
}

fn binding_of(sbom: &sbom::Sbom, image: &Image) -> &'static str {
    sbom::binding::of(sbom, image).word()
}

#[test]
fn it_lacks_no_more_than_an_image_does_not_tell() {
    let scene = Scene::new();
    for format in FORMATS {
        let sbom = parsed(&scene.document(options(format)));
        let gaps = quality::gaps(&sbom, quality::Profile::Ntia2021);
        let words: Vec<_> = gaps.iter().map(|gap| gap.element).collect();
        assert_eq!(words, ["supplier"], "{format:?}");
    }
}

#[test]
fn equal_images_give_equal_bytes() {
    let scene = Scene::new();
    for format in FORMATS {
        let own = options(format);
        let text = |options| scene.document(options).to_string();
        assert_eq!(text(own), text(own));
        let others = [
            Options { files: Files::All, ..own },
            Options { files: Files::None, ..own },
            Options { author: None, ..own },
            Options { epoch: None, ..own },
        ];
        for other in others {
            assert_ne!(text(own), text(other), "{format:?}: {other:?}");
            let id = |options| {
                let document = scene.document(options);
                let id = ["serialNumber", "documentNamespace"].map(|key| document[key].clone());
                id.into_iter().find(|id| !id.is_null())
            };
            assert_ne!(id(own), id(other), "{format:?}: {other:?}");
        }
        // An image that names no time has the first that there is.
        let unsaid = scene.document(Options { epoch: None, ..own }).to_string();
        assert!(unsaid.contains("1970-01-01T00:00:00Z"), "{unsaid}");
    }
}

#[test]
fn files_are_listed_as_asked() {
    let scene = Scene::new();
    for format in FORMATS {
        for (files, count) in [(Files::None, 0), (Files::Own, 1), (Files::All, 2)] {
            let sbom = parsed(&scene.document(Options { files, ..options(format) }));
            assert_eq!(sbom.files.len(), count, "{format:?} {files:?}");
        }
    }
}

#[test]
fn what_was_not_read_is_said_and_no_list_is_called_complete() {
    let completeness = |scene: &Scene| {
        FORMATS.map(|format| {
            let document = scene.document(options(format));
            (parsed(&document).completeness.word(), document.to_string())
        })
    };
    let whole = completeness(&Scene::new());
    assert_eq!(whole[1].0, Some("complete"));
    assert!(whole[0].1.contains("Every package database of the image was read"));
    let mut partly = Scene::new();
    let (path, why) = ("/app/x.jar".to_owned(), "it is too large".to_owned());
    let left_out = crate::contents::Incomplete { catalogue: "java", path, why, files: 2 };
    partly.inventory.incomplete.push(left_out);
    let said = completeness(&partly);
    assert_eq!(said[1].0, Some("incomplete"));
    for (_, text) in &said {
        assert!(text.contains("not read: /app/x.jar (2 files): it is too large"), "{text}");
    }
    assert!(said[0].1.contains("This list is incomplete"), "{}", said[0].1);
    let mut hidden = Scene::new();
    hidden.accounts.hidden.push(Hidden {
        ecosystem: "deb",
        name: "gone".to_owned(),
        evidence: "/var/lib/dpkg/info/gone.list".to_owned(),
        layer: None,
        why: "its files are there",
        files: 1,
        first: None,
    });
    assert_eq!(completeness(&hidden)[1].0, Some("incomplete"));
    let mut strange = Scene::new();
    strange.accounts.more = 3;
    let said = completeness(&strange);
    assert_eq!(said[1].0, Some("unknown"));
    assert!(said[0].1.contains("3 files that can be run"), "{}", said[0].1);
}

/// The published schema of CycloneDX 1.6 and those that it refers to; SPDX's own where somebody has put it there.
fn schemas() -> Vec<(Format, Value)> {
    let root = std::env::var("HALLMARK_CONFORMANCE").unwrap_or("../shared/conformance".to_owned());
    let published = std::env::var_os("HALLMARK_PUBLISHED_SCHEMAS");
    let folder = Path::new(&root).join("sbom-cyclonedx/_common/schema");
    let schema = |path: &Path| {
        let text = std::fs::read_to_string(path).ok();
        if text.is_none() {
            eprintln!("skipped: {} is not there", path.display());
        }
        text.map(|text| serde_json::from_str::<Value>(&text).expect("a schema is JSON"))
    };
    let cyclonedx = schema(&folder.join("bom-1.6.schema.json"));
    let mut found: Vec<_> = cyclonedx.map(|one| (Format::CycloneDx16, one)).into_iter().collect();
    if let Some(published) = published {
        let spdx = schema(&Path::new(&published).join("spdx-2.3.json"));
        found.extend(spdx.map(|one| (Format::Spdx23, one)));
    }
    found
}

/// The schemas that CycloneDX's refers to, by their `$id`.
fn others() -> Vec<(String, Value)> {
    let root = std::env::var("HALLMARK_CONFORMANCE").unwrap_or("../shared/conformance".to_owned());
    let folder = Path::new(&root).join("sbom-cyclonedx/_common/schema");
    let names = ["spdx.schema.json", "jsf-0.82.schema.json", "cryptography-defs.schema.json"];
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        let schema: Value = serde_json::from_str(&text).ok()?;
        Some((schema.get("$id")?.as_str()?.to_owned(), schema))
    };
    names.into_iter().filter_map(read).collect()
}

#[test]
fn the_published_schemas_take_what_is_written() {
    let scene = Scene::new();
    for (format, schema) in schemas() {
        let mut registry = jsonschema::Registry::new();
        for (id, other) in others() {
            registry = registry.add(&id, other).expect("a schema");
        }
        let registry = registry.prepare().expect("schemas");
        let validator = jsonschema::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .build(&schema)
            .expect("a schema");
        for files in [Files::Own, Files::All, Files::None] {
            let document = scene.document(Options { files, ..options(format) });
            let errors: Vec<String> = validator
                .iter_errors(&document)
                .map(|error| format!("{}: {error:.300}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new(), "{format:?}");
        }
        let mut wrong = scene.document(options(format));
        wrong.as_object_mut().unwrap().insert("unknown".to_owned(), json!(1));
        assert!(!validator.is_valid(&wrong), "{format:?}: the schema is one that refuses");
    }
}

#[test]
fn other_readers_read_what_is_written() {
    let scene = Scene::new();
    let spdx = scene.document(options(Format::Spdx23)).to_string();
    let read: spdx_rs::models::SPDX = serde_json::from_str(&spdx).expect("spdx-rs reads it");
    // The image and its distribution are packages there, too.
    assert_eq!(read.package_information.len(), scene.inventory.packages.len() + 2);
    assert_eq!(read.file_information.len(), 1);
    // cyclonedx-bom ends at 1.5, of which this document uses nothing that 1.6 changed but the words of a licence's author.
    let mut older = scene.document(options(Format::CycloneDx16));
    older["specVersion"] = json!("1.5");
    older.as_object_mut().unwrap().remove("$schema");
    let metadata = older["metadata"].as_object_mut().unwrap();
    metadata.remove("manufacturer");
    for component in older["components"].as_array_mut().unwrap() {
        for licence in component["licenses"].as_array_mut().into_iter().flatten() {
            licence.as_object_mut().unwrap().remove("acknowledgement");
            if let Some(named) = licence.get_mut("license") {
                named.as_object_mut().unwrap().remove("acknowledgement");
            }
        }
    }
    let text = older.to_string();
    let read = cyclonedx_bom::prelude::Bom::parse_from_json(text.as_bytes()).expect("it is 1.5");
    let listed = read.components.map_or(0, |components| components.0.len());
    // The distribution and one file stand beside the packages.
    assert_eq!(listed, scene.inventory.packages.len() + 2);
}
