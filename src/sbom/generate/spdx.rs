//! SPDX 2.3 (spdx-spec v2.3, chapters 6 to 11; `spdx-schema.json` of the same version).
//!
//! The image is the one package that the document describes. It contains all others; its files, and their verification code (7.9),
//! are those that are listed. A package of an image is no archive that anybody has, so that `filesAnalyzed` is false and its
//! download location is not asserted. What the format has no member for stands in comments.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Completeness, Stock, TOOL, VERSION, hex, manifest_digest, package_url, source};
use crate::{
    contents::{Package, accounts::AccountedFile},
    licences::Licence,
};

const UNKNOWN: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-Image";
const SYSTEM: &str = "SPDXRef-OperatingSystem";

/// The document.
pub(super) fn document(stock: &Stock<'_>) -> Value {
    let mut licences = Licences::default();
    let mut packages = vec![image(stock)];
    packages.extend(system(stock));
    let installed = stock.inventory.packages.iter().enumerate();
    packages.extend(installed.map(|(at, one)| package(stock, at, one, &mut licences)));
    let files = stock.files.iter().enumerate().map(|(at, one)| file(stock, at, one));
    let mut creators = vec![format!("Tool: {TOOL}-{VERSION}")];
    creators.extend(stock.author.map(|author| format!("Organization: {author}")));
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": stock.name,
        "documentNamespace": format!("https://hallmark.dev/spdx/{}-{}", stock.name, stock.uuid),
        "comment": comment(stock),
        "creationInfo": {"created": stock.time, "creators": creators},
        "packages": packages,
        "files": files.collect::<Vec<_>>(),
        "relationships": relationships(stock),
    });
    if let (Value::Object(members), false) = (&mut document, licences.0.is_empty()) {
        let extracted = licences.0.into_iter();
        let extracted = extracted.map(|(id, text)| json!({"licenseId": id, "extractedText": text}));
        members.insert("hasExtractedLicensingInfos".to_owned(), extracted.collect());
    }
    document
}

fn comment(stock: &Stock<'_>) -> String {
    let says = match stock.completeness() {
        Completeness::Complete => {
            "Every package database of the image was read, and every file that can be run is known."
        }
        Completeness::Incomplete => "This list is incomplete.",
        Completeness::Unknown => "Whether this list is complete is not known.",
    };
    let remarks = stock.remarks().into_iter();
    std::iter::once(says.to_owned()).chain(remarks).collect::<Vec<_>>().join("\n")
}

fn refers(purl: &str) -> Value {
    json!([{
        "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
    }])
}

fn image(stock: &Stock<'_>) -> Value {
    let (algorithm, value) = manifest_digest(stock.image, ["SHA256", "SHA512"]);
    let mut image = json!({
        "SPDXID": IMAGE,
        "name": stock.name,
        "versionInfo": stock.image.manifest.document.digest.to_string(),
        "primaryPackagePurpose": "CONTAINER",
        "supplier": UNKNOWN,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "checksums": [{"algorithm": algorithm, "checksumValue": value}],
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
        "comment": format!("platform {}; the digest is that of its manifest", stock.image.platform),
    });
    let Value::Object(members) = &mut image else { return image };
    if let Some(purl) = &stock.purl {
        members.insert("externalRefs".to_owned(), refers(purl));
    }
    if let Some(code) = verification_code(&stock.files) {
        members.insert("filesAnalyzed".to_owned(), true.into());
        members.insert(
            "packageVerificationCode".to_owned(),
            json!({"packageVerificationCodeValue": code}),
        );
    }
    image
}

/// The SHA-1 of the sorted SHA-1s of the files (7.9); none where there is no file, or one without.
fn verification_code(files: &[&AccountedFile]) -> Option<String> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let mut sums: Vec<String> =
        files.iter().map(|file| Some(hex(&file.sha1?))).collect::<Option<_>>()?;
    sums.sort();
    let code = digest(&SHA1_FOR_LEGACY_USE_ONLY, sums.concat().as_bytes());
    (!sums.is_empty()).then(|| hex(code.as_ref()))
}

fn system(stock: &Stock<'_>) -> Option<Value> {
    let os = stock.inventory.os.as_ref()?;
    let mut system = json!({
        "SPDXID": SYSTEM,
        "name": os.id,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
    });
    if let (Value::Object(members), Some(version)) = (&mut system, &os.version) {
        members.insert("versionInfo".to_owned(), version.clone().into());
    }
    Some(system)
}

fn id(at: usize) -> String {
    format!("SPDXRef-Package-{at}")
}

fn file_id(at: usize) -> String {
    format!("SPDXRef-File-{at}")
}

fn package(stock: &Stock<'_>, at: usize, package: &Package, licences: &mut Licences) -> Value {
    let licence = stock.licence(package);
    licences.note(licence.as_ref(), package);
    let declared = licence.map_or_else(|| UNKNOWN.to_owned(), |licence| licence.expression);
    let built = source(package).map(|source| format!("; built from the source package {source}"));
    let mut members = Map::new();
    let mut add = |key: &str, value: Value| members.insert(key.to_owned(), value);
    add("SPDXID", id(at).into());
    add("name", package.name.clone().into());
    if !package.version.is_empty() {
        add("versionInfo", package.version.clone().into());
    }
    add("supplier", UNKNOWN.into());
    add("downloadLocation", UNKNOWN.into());
    add("filesAnalyzed", false.into());
    add("licenseConcluded", UNKNOWN.into());
    add("licenseDeclared", declared.into());
    if let Some(written) = &package.licence {
        add("licenseComments", format!("as its own files write it: {written}").into());
    }
    add("copyrightText", UNKNOWN.into());
    let database = &package.database;
    add("sourceInfo", format!("listed in {database}{}", built.unwrap_or_default()).into());
    if let Some(layer) = package.layer {
        add("comment", format!("layer {}", stock.layer(layer)).into());
    }
    if let Some(purl) = package_url(package) {
        add("externalRefs", refers(&purl));
    }
    if let Some(artifact) = stock.artifact(package) {
        add("packageFileName", artifact.path.clone().into());
        add("checksums", checksums(artifact));
    }
    Value::Object(members)
}

fn checksums(file: &AccountedFile) -> Value {
    let sum = |algorithm: &str, bytes: &[u8]| json!({"algorithm": algorithm, "checksumValue": hex(bytes)});
    let sha1 = file.sha1.iter().map(|bytes| sum("SHA1", bytes));
    sha1.chain([sum("SHA256", &file.sha256)]).collect()
}

fn file(stock: &Stock<'_>, at: usize, file: &AccountedFile) -> Value {
    json!({
        "SPDXID": file_id(at),
        "fileName": format!(".{}", file.path),
        "checksums": checksums(file),
        "licenseConcluded": UNKNOWN,
        "licenseInfoInFiles": [UNKNOWN],
        "copyrightText": UNKNOWN,
        "comment": format!("{}; layer {}", file.class.word(), stock.layer(file.layer)),
    })
}

fn relationships(stock: &Stock<'_>) -> Vec<Value> {
    let relation = |from: &str, kind: &str, to: String| json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to});
    let mut all = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE.to_owned())];
    let system = stock.inventory.os.as_ref().map(|_| SYSTEM.to_owned());
    let packages = (0..stock.inventory.packages.len()).map(id);
    let files = (0..stock.files.len()).map(file_id);
    all.extend(
        system.into_iter().chain(packages).chain(files).map(|to| relation(IMAGE, "CONTAINS", to)),
    );
    all
}

/// Licences that are not on SPDX's list, which a document has to define (10.1).
#[derive(Default)]
struct Licences(BTreeMap<String, String>);

impl Licences {
    fn note(&mut self, licence: Option<&Licence>, package: &Package) {
        let terms = licence.into_iter().flat_map(|licence| licence.choices.iter().flatten());
        for term in terms.filter(|term| term.starts_with("LicenseRef-")) {
            let id = term.split([' ', '+']).next().unwrap_or(term).to_owned();
            let text = package.licence.clone().unwrap_or_else(|| id.clone());
            self.0.entry(id).or_insert(text);
        }
    }
}
