//! SPDX 2.2 and 2.3 as tags and values (spdx-spec v2.3, chapters 6 to 11).
//!
//! Turns the text into the wire form of `spdx`, so that both have one reader. A line
//! is `Tag: value`; a value in `<text>` ends with `</text>`, whatever lines are between. A package begins with its name and
//! ends where a file, a snippet or the next package begins. Refuses text that never ends, and more packages than are read.

use super::{
    SbomError,
    spdx::{Checksum, CreationInfo, Document, ExternalRef, File, Package, Relationship},
    wire::{WORD_BYTES, Word},
};
use crate::limits::Limits;

const FORMAT: &str = "SPDX";
const OPEN: &str = "<text>";
const CLOSE: &str = "</text>";

/// The document; `None` where the bytes are no such text.
///
/// # Errors
/// Where a value never ends, or there are too many packages.
pub(super) fn read<'t>(text: &'t str, limits: &Limits) -> Result<Option<Document<'t>>, SbomError> {
    // The version comes first, after comments at most (6.1): nothing that is JSON begins so.
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    if !first.is_some_and(|line| line.starts_with("SPDXVersion:")) {
        return Ok(None);
    }
    let mut reader = Reader::default();
    let mut rest = text;
    while let Some((tag, value, after)) = next(rest)? {
        reader.take(tag, value, limits)?;
        rest = after;
    }
    reader.finish().map(Some)
}

/// The next tag with its value, and what comes after it.
fn next(mut text: &str) -> Result<Option<(&str, &str, &str)>, SbomError> {
    loop {
        if text.is_empty() {
            return Ok(None);
        }
        let (line, after) = text.split_once('\n').unwrap_or((text, ""));
        let said = line.trim_start();
        let Some((tag, value)) = said.split_once(':').filter(|_| !said.starts_with('#')) else {
            text = after;
            continue;
        };
        let Some(open) = value.trim_start().strip_prefix(OPEN) else {
            return Ok(Some((tag.trim(), value.trim(), after)));
        };
        // The value may go on over many lines; what is open is the end of this one.
        let long = text.get(line.len() - open.len()..).unwrap_or_default();
        let Some((value, after)) = long.split_once(CLOSE) else {
            let why = format!("the value of {:.40} is a text that never ends", tag.trim());
            return Err(SbomError::Malformed { format: FORMAT, why });
        };
        return Ok(Some((tag.trim(), value.trim(), after)));
    }
}

/// What a tag belongs to.
#[derive(Default, PartialEq, Eq)]
enum Place {
    #[default]
    Document,
    Package,
    File,
    /// Snippets, licences: nothing of them is read.
    Other,
}

/// The document, as far as it has come.
#[derive(Default)]
struct Reader<'t> {
    document: Document<'t>,
    creators: Vec<Word<'t>>,
    created: Option<Word<'t>>,
    packages: Vec<Draft<'t>>,
    files: Vec<File<'t>>,
    relationships: Vec<Relationship<'t>>,
    place: Place,
}

/// A package whose identifier may still come.
struct Draft<'t> {
    id: Option<Word<'t>>,
    package: Package<'t>,
}

impl<'t> Reader<'t> {
    fn take(&mut self, tag: &'t str, value: &'t str, limits: &Limits) -> Result<(), SbomError> {
        if value.len() > WORD_BYTES {
            // Comments and texts of licences may be long; nothing that is kept is.
            return Ok(());
        }
        match tag {
            "PackageName" => return self.begin_package(value, limits),
            "FileName" => {
                self.place = Place::File;
                self.files.push(File { file_name: Some(value.into()), checksums: None });
            }
            "SnippetSPDXID" | "LicenseID" => self.place = Place::Other,
            "Relationship" => return self.relationship(value, limits),
            "Created" => self.created = Some(value.into()),
            "Creator" => self.creators.push(value.into()),
            _ => self.inside(tag, value),
        }
        Ok(())
    }

    /// A tag of the document, or of what is being read.
    fn inside(&mut self, tag: &str, value: &'t str) {
        match self.place {
            Place::Package => {
                if let Some(draft) = self.packages.last_mut() {
                    draft.take(tag, value);
                }
            }
            Place::File if tag == "FileChecksum" => {
                if let Some(file) = self.files.last_mut() {
                    file.checksums.get_or_insert_default().extend(checksum(value));
                }
            }
            Place::Document => match tag {
                "SPDXVersion" => self.document.spdx_version = Some(value.into()),
                "DocumentName" => self.document.name = Some(value.into()),
                "DocumentNamespace" => self.document.document_namespace = Some(value.into()),
                _ => {}
            },
            Place::File | Place::Other => {}
        }
    }

    fn begin_package(&mut self, name: &'t str, limits: &Limits) -> Result<(), SbomError> {
        self.place = Place::Package;
        let found = self.packages.len() + 1;
        if found > limits.packages {
            return Err(SbomError::TooMany { found, limit: limits.packages });
        }
        self.packages.push(Draft { id: None, package: Package::named(name.into()) });
        Ok(())
    }

    /// `SPDXRef-A DESCRIBES SPDXRef-B` (11.1).
    fn relationship(&mut self, value: &'t str, limits: &Limits) -> Result<(), SbomError> {
        if self.relationships.len() >= limits.sbom_relationships {
            return Err(SbomError::Relationships { limit: limits.sbom_relationships });
        }
        let mut words = value.split_whitespace();
        if let (Some(from), Some(kind), Some(to)) = (words.next(), words.next(), words.next()) {
            self.relationships.push(Relationship {
                spdx_element_id: from.into(),
                relationship_type: kind.into(),
                related_spdx_element: to.into(),
            });
        }
        Ok(())
    }

    fn finish(self) -> Result<Document<'t>, SbomError> {
        let whole = |draft: Draft<'t>| match draft.id {
            Some(id) => Ok(Package { id, ..draft.package }),
            None => {
                let why = format!("the package {:.80?} has no SPDXID", &*draft.package.name);
                Err(SbomError::Malformed { format: FORMAT, why })
            }
        };
        let packages: Vec<Package<'t>> =
            self.packages.into_iter().map(whole).collect::<Result<_, _>>()?;
        Ok(Document {
            creation_info: Some(CreationInfo {
                created: self.created,
                creators: Some(self.creators),
            }),
            packages: Some(packages),
            files: Some(self.files),
            relationships: Some(self.relationships),
            ..self.document
        })
    }
}

impl<'t> Draft<'t> {
    /// What a tag says of a package (chapter 7).
    fn take(&mut self, tag: &str, value: &'t str) {
        let package = &mut self.package;
        match tag {
            "SPDXID" => self.id = Some(value.into()),
            "PackageVersion" => package.version_info = Some(value.into()),
            "PackageSupplier" => package.supplier = Some(value.into()),
            "PackageFileName" => package.package_file_name = Some(value.into()),
            "PackageLicenseConcluded" => package.license_concluded = Some(value.into()),
            "PackageLicenseDeclared" => package.license_declared = Some(value.into()),
            "PrimaryPackagePurpose" => package.primary_package_purpose = Some(value.into()),
            "PackageChecksum" => package.checksums.get_or_insert_default().extend(checksum(value)),
            "ExternalRef" => package.external_refs.get_or_insert_default().extend(external(value)),
            _ => {}
        }
    }
}

/// `SHA1: d6a7…` (7.10).
fn checksum(value: &str) -> Option<Checksum<'_>> {
    let (algorithm, hex) = value.split_once(':')?;
    Some(Checksum { algorithm: algorithm.trim().into(), checksum_value: hex.trim().into() })
}

/// `PACKAGE-MANAGER purl pkg:…` (7.21).
fn external(value: &str) -> Option<ExternalRef<'_>> {
    let mut words = value.split_whitespace();
    let (_, kind, locator) = (words.next()?, words.next()?, words.next()?);
    let one = ExternalRef { reference_type: kind.into(), reference_locator: locator.into() };
    words.next().is_none().then_some(one)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sbom::{from_predicate, parse};

    const TEXT: &str = "\u{feff}# by hand\nSPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\n\
        DocumentName: app\nCreator: Tool: syft-1.0\nCreated: 2026-01-02T03:04:05Z\n\n\
        PackageName: zlib1g\r\nSPDXID: SPDXRef-a\nPackageVersion: 1:1.2\n\
        PackageComment: <text>several\nPackageName: not-one\nlines</text>\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/zlib1g@1%3A1.2?arch=amd64\n\
        PackageName: app\nSPDXID: SPDXRef-root\nPrimaryPackagePurpose: CONTAINER\n\
        PackageChecksum: SHA256: d6a770ba38583ed4bb4525bd96e50461655d2758d6a770ba38583ed4bb4525bd\n\
        FileName: ./x\nSPDXID: SPDXRef-x\n\
        Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-root\n";

    #[test]
    fn text_says_what_its_json_says() {
        let sbom = parse(TEXT.as_bytes(), &Limits::default()).unwrap();
        let [component] = sbom.components.as_slice() else { panic!("{sbom:?}") };
        assert_eq!(
            (component.name.as_str(), component.version.as_deref()),
            ("zlib1g", Some("1:1.2"))
        );
        assert_eq!(component.ecosystem.as_deref(), Some("deb"));
        assert_eq!(
            (sbom.name.as_deref(), sbom.tools.as_slice()),
            (Some("app"), &["syft-1.0".to_owned()][..])
        );
        assert_eq!(sbom.names_image.len(), 1);
        // As `cosign attest --type spdx` puts it into the predicate, and as cosign 1 did.
        for predicate in [json!(TEXT), json!({ "Data": TEXT })] {
            assert_eq!(from_predicate(&predicate.into(), &Limits::default()).unwrap(), sbom);
        }
        let json =
            json!({ "spdxVersion": "SPDX-2.3", "packages": [{ "SPDXID": "a", "name": "b" }] });
        let inside = from_predicate(&json!(json.to_string()).into(), &Limits::default()).unwrap();
        assert_eq!(inside.components.len(), 1, "JSON as text");
    }

    #[test]
    fn what_never_ends_or_is_too_much_is_refused() {
        let head = "SPDXVersion: SPDX-2.3\nPackageName: a\nSPDXID: SPDXRef-a\n";
        let open = format!("{head}PackageComment: <text>open");
        let error = parse(open.as_bytes(), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("never ends"), "{error}");
        let limits = |packages| Limits { packages, ..Limits::default() };
        assert!(parse(head.as_bytes(), &limits(1)).is_ok());
        let two = format!("{head}PackageName: b\nSPDXID: SPDXRef-b\n");
        let beyond = parse(two.as_bytes(), &limits(1)).unwrap_err();
        assert!(matches!(beyond, SbomError::TooMany { found: 2, limit: 1 }), "{beyond}");
        assert!(parse(b"SPDXVersion: SPDX-3.0\n", &Limits::default()).is_err());
        assert!(parse(b"PackageName: a\n", &Limits::default()).is_err(), "no SPDX text");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(SPDXVersion: SPDX-2.3\n)?([A-Za-z]{0,9}(: |:<text>|</text>|\n|é)){0,40}") {
            let _ = parse(text.as_bytes(), &Limits::default());
        }
    }
}
