//! SPDX 2.2 and 2.3 as tags and values (spdx-spec v2.3, chapters 6 to 11).
//!
//! Turns the text into the wire form of `spdx`, so that both have one reader. A line
//! is `Tag: value`, with blanks around the colon or not; a value in `<text>` ends with `</text>`, whatever lines are
//! between. Lines end with LF, CR LF or CR. A package begins with its name and ends where a file, a snippet or the next
//! package begins. Refuses what readers would take differently: text that never ends, text behind its end, a line that is
//! none, a tag twice where one is meant, a tag that is misspelt; and more packages than are read.

use serde::de::IgnoredAny;

use super::{
    SbomError,
    spdx::{
        Checksum, CreationInfo, Document, ExternalRef, File, Package, Relationship, is_partial,
    },
    wire::{WORD_BYTES, Word},
};
use crate::limits::Limits;

const FORMAT: &str = "SPDX";
const OPEN: &str = "<text>";
const CLOSE: &str = "</text>";
/// Lines among which the version is looked for.
const HEAD_LINES: usize = 10_000;

/// Tags that are read: one that differs in its capitals alone is meant to be one of them.
const TAGS: [&str; 23] = [
    "SPDXVersion",
    "SPDXID",
    "DocumentName",
    "DocumentNamespace",
    "DocumentComment",
    "ExternalDocumentRef",
    "Creator",
    "Created",
    "PackageName",
    "PackageVersion",
    "PackageSupplier",
    "PackageFileName",
    "PackageLicenseConcluded",
    "PackageLicenseDeclared",
    "PrimaryPackagePurpose",
    "PackageChecksum",
    "ExternalRef",
    "FileName",
    "FileChecksum",
    "SnippetSPDXID",
    "LicenseID",
    "Annotator",
    "Relationship",
];

fn malformed(why: String) -> SbomError {
    SbomError::Malformed { format: FORMAT, why }
}

/// The document; `None` where the bytes are no such text.
///
/// # Errors
/// It is not of the form above, or there are too many packages.
pub(super) fn read<'t>(text: &'t str, limits: &Limits) -> Result<Option<Document<'t>>, SbomError> {
    if !is_tag_value(text) {
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

/// Whether a line of it says the version as a tag (6.1), which nothing that is JSON, XML or YAML does: their key begins
/// with a small letter.
fn is_tag_value(text: &str) -> bool {
    let mut rest = text.trim_start();
    if rest.starts_with(['{', '[', '"', '<']) {
        return false;
    }
    for _ in 0..HEAD_LINES {
        if rest.is_empty() {
            return false;
        }
        let (line, after) = line(rest);
        if line.split_once(':').is_some_and(|(tag, _)| tag.trim() == "SPDXVersion") {
            return true;
        }
        rest = after;
    }
    false
}

/// The first line without its end, and what comes after it.
fn line(text: &str) -> (&str, &str) {
    let Some((line, after)) = text.split_once(['\n', '\r']) else { return (text, "") };
    let is_return = text.as_bytes().get(line.len()) == Some(&b'\r');
    (line, after.strip_prefix('\n').filter(|_| is_return).unwrap_or(after))
}

/// The next tag with its value, and what comes after it.
fn next(mut text: &str) -> Result<Option<(&str, &str, &str)>, SbomError> {
    loop {
        if text.is_empty() {
            return Ok(None);
        }
        let (line, after) = line(text);
        let said = line.trim_start();
        if said.is_empty() || said.starts_with('#') {
            text = after;
            continue;
        }
        let Some((tag, value)) = said.split_once(':') else {
            return Err(malformed(format!("the line {said:.80?} has no tag")));
        };
        let Some(open) = value.trim_start().strip_prefix(OPEN) else {
            return Ok(Some((tag.trim(), value.trim(), after)));
        };
        // The value may go on over many lines; what is open is the end of this one.
        let long = text.get(line.len() - open.len()..).unwrap_or_default();
        let Some((value, behind)) = long.split_once(CLOSE) else {
            return Err(malformed(format!(
                "the value of {:.40} is a text that never ends",
                tag.trim()
            )));
        };
        let (left, after) = self::line(behind);
        if !left.trim().is_empty() {
            let why = format!("{:.80?} stands behind the text of {:.40}", left.trim(), tag.trim());
            return Err(malformed(why));
        }
        return Ok(Some((tag.trim(), value.trim(), after)));
    }
}

/// A value that is kept, which is as long as a word can be.
fn word<'t>(tag: &str, value: &'t str) -> Result<Word<'t>, SbomError> {
    if value.len() <= WORD_BYTES {
        return Ok(value.into());
    }
    let found = value.len();
    Err(malformed(format!(
        "a text of {found} bytes stands in {tag}, where at most {WORD_BYTES} are read"
    )))
}

/// Keeps the one value of a tag.
fn once<'t>(slot: &mut Option<Word<'t>>, tag: &str, value: &'t str) -> Result<(), SbomError> {
    match slot.replace(word(tag, value)?) {
        None => Ok(()),
        Some(old) => Err(malformed(format!(
            "{tag} stands twice where it may stand once: {:.80?} and {value:.80?}",
            &*old
        ))),
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
        let document = &mut self.document;
        match tag {
            "SPDXVersion" => once(&mut document.spdx_version, tag, value)?,
            "DocumentName" => once(&mut document.name, tag, value)?,
            "DocumentNamespace" => once(&mut document.document_namespace, tag, value)?,
            "DocumentComment" => document.partial |= is_partial(value),
            "PackageName" => return self.begin_package(word(tag, value)?, limits),
            "FileName" => {
                self.place = Place::File;
                self.files.push(File { file_name: Some(word(tag, value)?), checksums: None });
            }
            "SnippetSPDXID" => {
                self.place = Place::Other;
                document.snippets.get_or_insert_default().push(IgnoredAny);
            }
            "LicenseID" => self.place = Place::Other,
            "Annotator" => document.annotations.get_or_insert_default().push(IgnoredAny),
            "ExternalDocumentRef" => {
                document.external_document_refs.get_or_insert_default().push(IgnoredAny);
            }
            "Relationship" => return self.relationship(tag, value, limits),
            "Created" => once(&mut self.created, tag, value)?,
            "Creator" => self.creators.push(word(tag, value)?),
            _ => return self.inside(tag, value),
        }
        Ok(())
    }

    /// A tag of what is being read.
    fn inside(&mut self, tag: &str, value: &'t str) -> Result<(), SbomError> {
        if let Some(meant) =
            TAGS.iter().find(|known| **known != tag && known.eq_ignore_ascii_case(tag))
        {
            return Err(malformed(format!("the tag {tag} is not written as {meant}")));
        }
        match self.place {
            Place::Package => match self.packages.last_mut() {
                Some(draft) => draft.take(tag, value),
                None => Ok(()),
            },
            Place::File if tag == "FileChecksum" => {
                if let Some(file) = self.files.last_mut() {
                    file.checksums.get_or_insert_default().push(checksum(tag, value)?);
                }
                Ok(())
            }
            Place::Document | Place::File | Place::Other => Ok(()),
        }
    }

    fn begin_package(&mut self, name: Word<'t>, limits: &Limits) -> Result<(), SbomError> {
        self.place = Place::Package;
        let found = self.packages.len() + 1;
        if found > limits.packages {
            return Err(SbomError::TooMany { found, limit: limits.packages });
        }
        self.packages.push(Draft { id: None, package: Package::named(name) });
        Ok(())
    }

    /// `SPDXRef-A DESCRIBES SPDXRef-B` (11.1).
    fn relationship(
        &mut self,
        tag: &str,
        value: &'t str,
        limits: &Limits,
    ) -> Result<(), SbomError> {
        if self.relationships.len() >= limits.sbom_relationships {
            return Err(SbomError::Relationships { limit: limits.sbom_relationships });
        }
        let mut words = value.split_whitespace();
        let (Some(from), Some(kind), Some(to)) = (words.next(), words.next(), words.next()) else {
            return Err(malformed(format!("the {tag} {value:.80?} is not of three words")));
        };
        self.relationships.push(Relationship {
            spdx_element_id: word(tag, from)?,
            relationship_type: word(tag, kind)?,
            related_spdx_element: word(tag, to)?,
        });
        Ok(())
    }

    fn finish(self) -> Result<Document<'t>, SbomError> {
        let whole = |draft: Draft<'t>| match draft.id {
            Some(id) => Ok(Package { id, ..draft.package }),
            None => {
                let name = &*draft.package.name;
                Err(malformed(format!("the package {name:.80?} has no SPDXID")))
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
    fn take(&mut self, tag: &str, value: &'t str) -> Result<(), SbomError> {
        let package = &mut self.package;
        let slot = match tag {
            "SPDXID" => &mut self.id,
            "PackageVersion" => &mut package.version_info,
            "PackageSupplier" => &mut package.supplier,
            "PackageFileName" => &mut package.package_file_name,
            "PackageLicenseConcluded" => &mut package.license_concluded,
            "PackageLicenseDeclared" => &mut package.license_declared,
            "PrimaryPackagePurpose" => &mut package.primary_package_purpose,
            "PackageChecksum" => {
                package.checksums.get_or_insert_default().push(checksum(tag, value)?);
                return Ok(());
            }
            "ExternalRef" => {
                package.external_refs.get_or_insert_default().push(external(tag, value)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        once(slot, tag, value)
    }
}

/// `SHA1: d6a7…` (7.10).
fn checksum<'t>(tag: &str, value: &'t str) -> Result<Checksum<'t>, SbomError> {
    let Some((algorithm, hex)) = value.split_once(':') else {
        return Err(malformed(format!("the {tag} {value:.80?} is no algorithm and digest")));
    };
    let (algorithm, hex) = (word(tag, algorithm.trim())?, word(tag, hex.trim())?);
    Ok(Checksum { algorithm, checksum_value: hex })
}

/// `PACKAGE-MANAGER purl pkg:…` (7.21).
fn external<'t>(tag: &str, value: &'t str) -> Result<ExternalRef<'t>, SbomError> {
    let mut words = value.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some(kind), Some(locator), None) => {
            let (kind, locator) = (word(tag, kind)?, word(tag, locator)?);
            Ok(ExternalRef { reference_type: kind, reference_locator: locator })
        }
        _ => Err(malformed(format!("the {tag} {value:.80?} is not of three words"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sbom::{Sbom, from_predicate, parse};

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
        let told = TEXT.replace(
            "Creator:",
            "DocumentComment: <text>This list is incomplete.</text>\nCreator:",
        );
        let told = parse(told.as_bytes(), &Limits::default()).unwrap();
        let both = [sbom.completeness.word(), told.completeness.word()];
        assert_eq!(both, [None, Some("incomplete")]);
        let json =
            json!({ "spdxVersion": "SPDX-2.3", "packages": [{ "SPDXID": "a", "name": "b" }] });
        let inside = from_predicate(&json!(json.to_string()).into(), &Limits::default()).unwrap();
        assert_eq!(inside.components.len(), 1, "JSON as text");
    }

    #[test]
    fn lines_end_and_tags_are_set_in_every_way_that_the_format_has() {
        let limits = Limits::default();
        let text = "SPDXVersion: SPDX-2.3\nDocumentName: app\nPackageName: a\nSPDXID: SPDXRef-a\n\
            PackageVersion: <text>1.0</text>\nPackageComment: <text>x\ny</text>\nPackageName: b\nSPDXID: SPDXRef-b\n";
        let want = parse(text.as_bytes(), &limits).unwrap();
        assert_eq!(want.components.len(), 2);
        let forms = [
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
            text.replace(": ", ":"),
            text.replace(": ", " : "),
            text.replace(": ", "\t:"),
            format!("\u{feff}\n\n# a: b\n{text}"),
            // Nothing but the order within a package is fixed.
            text.replace("SPDXVersion: SPDX-2.3\nDocumentName: app\n", "DocumentName: app\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nSPDXVersion: SPDX-2.3\n"),
            format!("{}SPDXVersion: SPDX-2.3\n", text.replace("SPDXVersion: SPDX-2.3\n", "")),
            text.trim_end().to_owned(),
        ];
        for form in forms {
            let read =
                parse(form.as_bytes(), &limits).unwrap_or_else(|error| panic!("{form:?}: {error}"));
            assert_eq!(Sbom { document: want.document.clone(), ..read }, want, "{form:?}");
        }
    }

    #[test]
    fn nothing_is_overwritten_or_lost_in_silence() {
        let head = "SPDXVersion: SPDX-2.3\nPackageName: a\nSPDXID: SPDXRef-a\n";
        let long = "x".repeat(WORD_BYTES + 1);
        let cases = [
            (
                format!("PackageName: {long}\nSPDXID: SPDXRef-b\n"),
                "a text of 65537 bytes stands in PackageName",
            ),
            (
                format!("PackageName: <text>b\n{long}</text>\nSPDXID: SPDXRef-b\n"),
                "stands in PackageName",
            ),
            (format!("PackageVersion: {long}\n"), "stands in PackageVersion"),
            ("PackageVersion: 1\nPackageVersion: 2\n".to_owned(), "PackageVersion stands twice"),
            ("SPDXID: SPDXRef-b\nPackageName: b\n".to_owned(), "SPDXID stands twice"),
            ("SPDXVersion: SPDX-2.2\n".to_owned(), "SPDXVersion stands twice"),
            (
                "PackageComment: <text>a</text> b\n".to_owned(),
                "\"b\" stands behind the text of PackageComment",
            ),
            ("PackageComment: <text>a</text>PackageName: b\n".to_owned(), "stands behind the text"),
            (
                "PackageComment: one\nline and another\n".to_owned(),
                "the line \"line and another\" has no tag",
            ),
            ("packageName: b\n".to_owned(), "the tag packageName is not written as PackageName"),
            ("ExternalRef: PACKAGE-MANAGER purl\n".to_owned(), "is not of three words"),
            ("Relationship: SPDXRef-a DESCRIBES\n".to_owned(), "is not of three words"),
            ("PackageChecksum: abc\n".to_owned(), "is no algorithm and digest"),
        ];
        for (text, want) in cases {
            let error = parse(format!("{head}{text}").as_bytes(), &Limits::default()).unwrap_err();
            assert!(error.to_string().contains(want), "{text:.80}: {error}");
        }
        // What is not kept may be as long as it wants.
        let comment =
            format!("{head}PackageComment: <text>{long}</text>\nDocumentComment: {long} partial\n");
        let read = parse(comment.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read.completeness.word(), Some("incomplete"));
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
