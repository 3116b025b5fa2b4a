//! SPDX 2.2 and 2.3 as tags and values (spdx-spec v2.3, chapters 6 to 11).
//!
//! Turns the text into the document that the same SBOM is as JSON, as far as `spdx` reads it, so that both have one reader. A line
//! is `Tag: value`; a value in `<text>` ends with `</text>`, whatever lines are between. A package begins with its name and
//! ends where a file, a snippet or the next package begins. Refuses text that never ends, and more packages than are read.

use serde_json::{Map, Value, json};

use super::SbomError;
use crate::limits::Limits;

const FORMAT: &str = "SPDX";
const OPEN: &str = "<text>";
const CLOSE: &str = "</text>";

/// The document; `None` where the bytes are no such text.
///
/// # Errors
/// Where a value never ends, or there are too many packages.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Value>, SbomError> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    let text = text.trim_start_matches('\u{feff}');
    // The version comes first, after comments at most (6.1): nothing that is JSON begins so.
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    if !first.is_some_and(|line| line.starts_with("SPDXVersion:")) {
        return Ok(None);
    }
    let mut document = Document::default();
    let mut rest = text;
    while let Some((tag, value, after)) = next(rest)? {
        document.take(tag, value, limits)?;
        rest = after;
    }
    Ok(Some(document.finish()))
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

/// The JSON form, as far as it has come.
#[derive(Default)]
struct Document {
    whole: Map<String, Value>,
    tools: Vec<Value>,
    created: Option<String>,
    packages: Vec<Value>,
    relationships: Vec<Value>,
    /// The package that is being read.
    package: Option<Map<String, Value>>,
}

impl Document {
    fn take(&mut self, tag: &str, value: &str, limits: &Limits) -> Result<(), SbomError> {
        match tag {
            "PackageName" => {
                self.end_package();
                let found = self.packages.len() + 1;
                if found > limits.packages {
                    return Err(SbomError::TooMany { found, limit: limits.packages });
                }
                self.package = Some(Map::from_iter([("name".to_owned(), value.into())]));
            }
            "FileName" | "SnippetSPDXID" | "LicenseID" | "Relationship" => self.end_package(),
            _ => {}
        }
        match (tag, &mut self.package) {
            ("Relationship", _) => self.relationship(value),
            ("Created", _) => self.created = Some(value.to_owned()),
            ("Creator", _) => self.tools.push(value.into()),
            (_, Some(package)) => of_package(package, tag, value),
            ("SPDXVersion", None) => self.say("spdxVersion", value),
            ("DocumentName", None) => self.say("name", value),
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, key: &str, value: &str) {
        self.whole.insert(key.to_owned(), value.into());
    }

    /// `SPDXRef-A DESCRIBES SPDXRef-B` (11.1).
    fn relationship(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        if let (Some(from), Some(kind), Some(to)) = (words.next(), words.next(), words.next()) {
            self.relationships.push(json!({
                "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to,
            }));
        }
    }

    fn end_package(&mut self) {
        self.packages.extend(self.package.take().map(Value::Object));
    }

    fn finish(mut self) -> Value {
        self.end_package();
        let Self { mut whole, tools, created, packages, relationships, .. } = self;
        let creation = json!({ "created": created, "creators": tools });
        whole.insert("creationInfo".to_owned(), creation);
        whole.insert("packages".to_owned(), packages.into());
        whole.insert("relationships".to_owned(), relationships.into());
        Value::Object(whole)
    }
}

/// What a tag says of a package (chapter 7).
fn of_package(package: &mut Map<String, Value>, tag: &str, value: &str) {
    let mut add = |key: &str, item: Value| {
        let list = package.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut().into_iter().for_each(|list| list.push(item.clone()));
    };
    match tag {
        "PackageChecksum" => {
            if let Some((algorithm, hex)) = value.split_once(':') {
                let checksum =
                    json!({ "algorithm": algorithm.trim(), "checksumValue": hex.trim() });
                add("checksums", checksum);
            }
        }
        "ExternalRef" => {
            let words: Vec<&str> = value.split_whitespace().collect();
            if let [_, kind, locator] = words.as_slice() {
                let reference = json!({ "referenceType": kind, "referenceLocator": locator });
                add("externalRefs", reference);
            }
        }
        "SPDXID" => drop(package.insert("SPDXID".to_owned(), value.into())),
        "PackageVersion" => drop(package.insert("versionInfo".to_owned(), value.into())),
        "PrimaryPackagePurpose" => {
            drop(package.insert("primaryPackagePurpose".to_owned(), value.into()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
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
