//! CycloneDX 1.6 (ECMA-424; `bom-1.6.schema.json`).
//!
//! `metadata.component` is the image, which depends on every package: what depends on what among them is not known. What the format
//! has no member for stands in properties that begin with `hallmark:`.

use serde_json::{Map, Value, json};

use super::{Completeness, Stock, TOOL, VERSION, hex, manifest_digest, package_url, source};
use crate::contents::{Package, accounts::AccountedFile};

const SCHEMA: &str = "http://cyclonedx.org/schema/bom-1.6.schema.json";
const SYSTEM: &str = "operating-system";

/// The document.
pub(super) fn document(stock: &Stock<'_>) -> Value {
    let root = stock.purl.clone().unwrap_or_else(|| stock.name.clone());
    let mut components: Vec<Value> = system(stock).into_iter().collect();
    let installed = stock.inventory.packages.iter().enumerate();
    components.extend(installed.map(|(at, one)| package(stock, at, one)));
    components.extend(stock.files.iter().enumerate().map(|(at, one)| file(stock, at, one)));
    let system = stock.inventory.os.as_ref().map(|_| SYSTEM.to_owned());
    let packages = (0..stock.inventory.packages.len()).map(id);
    let needed: Vec<String> = system.into_iter().chain(packages).collect();
    let aggregate = match stock.completeness() {
        Completeness::Complete => "complete",
        Completeness::Incomplete => "incomplete",
        Completeness::Unknown => "unknown",
    };
    json!({
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", stock.uuid),
        "version": 1,
        "metadata": metadata(stock, &root),
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": needed}],
        "compositions": [{"aggregate": aggregate, "assemblies": [root]}],
    })
}

fn metadata(stock: &Stock<'_>, root: &str) -> Value {
    let (algorithm, content) = manifest_digest(stock.image, ["SHA-256", "SHA-512"]);
    let mut image = json!({
        "type": "container",
        "bom-ref": root,
        "name": stock.name,
        "version": stock.image.manifest.document.digest.to_string(),
        "hashes": [{"alg": algorithm, "content": content}],
        "properties": [property("hallmark:platform", &stock.image.platform.to_string())],
    });
    if let (Value::Object(members), Some(purl)) = (&mut image, &stock.purl) {
        members.insert("purl".to_owned(), purl.clone().into());
    }
    let mut metadata = json!({
        "timestamp": stock.time,
        "lifecycles": [{"phase": "post-build"}],
        "tools": {"components": [{"type": "application", "name": TOOL, "version": VERSION}]},
        "component": image,
    });
    let Value::Object(members) = &mut metadata else { return metadata };
    if let Some(author) = stock.author {
        members.insert("manufacturer".to_owned(), json!({"name": author}));
    }
    let remarks = stock.remarks();
    if !remarks.is_empty() {
        let remarks = remarks.iter().map(|remark| property("hallmark:remark", remark));
        members.insert("properties".to_owned(), remarks.collect());
    }
    metadata
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn system(stock: &Stock<'_>) -> Option<Value> {
    let os = stock.inventory.os.as_ref()?;
    let mut system = json!({"type": SYSTEM, "bom-ref": SYSTEM, "name": os.id});
    if let (Value::Object(members), Some(version)) = (&mut system, &os.version) {
        members.insert("version".to_owned(), version.clone().into());
    }
    Some(system)
}

fn id(at: usize) -> String {
    format!("package-{at}")
}

fn package(stock: &Stock<'_>, at: usize, package: &Package) -> Value {
    let mut members = Map::new();
    let mut add = |key: &str, value: Value| members.insert(key.to_owned(), value);
    add("type", "library".into());
    add("bom-ref", id(at).into());
    let split = package.name.split_once(':').filter(|_| package.ecosystem == "maven");
    let (group, name) =
        split.map_or((None, package.name.as_str()), |(group, name)| (Some(group), name));
    if let Some(group) = group {
        add("group", group.into());
    }
    add("name", name.into());
    add("version", package.version.clone().into());
    if let Some(purl) = package_url(package) {
        add("purl", purl.into());
    }
    let declared = |licence: Value| json!([licence]);
    match (stock.licence(package), &package.licence) {
        (Some(licence), _) => {
            let licence = json!({"expression": licence.expression, "acknowledgement": "declared"});
            add("licenses", declared(licence));
        }
        (None, Some(written)) if !written.is_empty() => {
            let named = json!({"license": {"name": written, "acknowledgement": "declared"}});
            add("licenses", declared(named));
        }
        (None, _) => {}
    }
    if let Some(artifact) = stock.artifact(package) {
        add("hashes", hashes(artifact));
    }
    add("evidence", json!({"occurrences": [{"location": package.database}]}));
    let layer = package.layer.map(|layer| property("hallmark:layer", &stock.layer(layer)));
    let source = source(package).map(|source| property("hallmark:source", &source));
    let properties: Vec<Value> = layer.into_iter().chain(source).collect();
    if !properties.is_empty() {
        add("properties", properties.into());
    }
    Value::Object(members)
}

fn hashes(file: &AccountedFile) -> Value {
    let hash = |algorithm: &str, bytes: &[u8]| json!({"alg": algorithm, "content": hex(bytes)});
    let sha1 = file.sha1.iter().map(|bytes| hash("SHA-1", bytes));
    sha1.chain([hash("SHA-256", &file.sha256)]).collect()
}

fn file(stock: &Stock<'_>, at: usize, file: &AccountedFile) -> Value {
    json!({
        "type": "file",
        "bom-ref": format!("file-{at}"),
        "name": file.path,
        "hashes": hashes(file),
        "properties": [
            property("hallmark:class", file.class.word()),
            property("hallmark:layer", &stock.layer(file.layer)),
        ],
    })
}
