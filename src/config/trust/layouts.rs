//! `trust.layouts`: layouts of in-toto that images have to be made by: the layout and the keys of its owners, both files of the operator.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    attest::in_toto::{Body, Document},
    config::{
        ConfigError,
        error::key,
        reader::{Reader, want},
    },
    limits::Limits,
    trust::{
        PublicKey,
        layout::{Inspections, LayoutRule},
    },
};

/// One layout as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    name: String,
    images: Vec<String>,
    layout: String,
    keys: Vec<String>,
    #[serde(rename = "unsafe_skipInspections")]
    unsafe_skip_inspections: Option<bool>,
}

/// What `trust.layouts` says.
pub(super) fn layouts(
    reader: &Reader<'_>,
    raw: &[Raw],
    limits: &Limits,
) -> Result<Vec<LayoutRule>, ConfigError> {
    for (index, layout) in raw.iter().enumerate() {
        if raw.iter().take(index).any(|earlier| earlier.name == layout.name) {
            let at = key!["trust", "layouts", index, "name"];
            let complaint = want("each name once", "rename one of the two");
            return Err(reader.refuse(at, &layout.name, complaint));
        }
    }
    raw.iter().enumerate().map(|(index, raw)| layout(reader, index, raw, limits)).collect()
}

fn layout(
    reader: &Reader<'_>,
    index: usize,
    raw: &Raw,
    limits: &Limits,
) -> Result<LayoutRule, ConfigError> {
    let at = |name: &'static str| key!["trust", "layouts", index, name];
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if raw.name.is_empty() || !raw.name.chars().all(word) {
        let complaint = want("letters, digits, '-', '_' and '.'", "reports print this name");
        return Err(reader.refuse(at("name"), &raw.name, complaint));
    }
    let (path, bytes) = reader.file(at("layout"), &raw.layout)?;
    let unreadable = |why: &dyn std::fmt::Display| {
        let help = "a layout as in-toto 1.0 describes it, in a metablock or a DSSE envelope";
        let found = format!("{}: {why}", path.display());
        reader.refuse(at("layout"), found, want("a signed in-toto layout", help))
    };
    let document = Document::open(&bytes, limits).map_err(|error| unreadable(&error))?;
    if !matches!(document.body, Body::Layout(_)) {
        return Err(unreadable(&"it is a link"));
    }
    reader.not_empty(at("keys"), &raw.keys)?;
    let keys = raw.keys.iter().enumerate().map(|(number, text)| {
        let at = || key!["trust", "layouts", index, "keys", number];
        let (path, pem) = reader.file(at(), text)?;
        PublicKey::from_file(&pem).map_err(|error| {
            let complaint = want("a public key in PEM", "the owners' keys, not the functionaries'");
            reader.refuse(at(), format!("{}: {error}", path.display()), complaint)
        })
    });
    Ok(LayoutRule {
        name: raw.name.clone(),
        images: reader.images(&at("images"), &raw.images)?,
        layout: Arc::new(document),
        keys: keys.collect::<Result<_, _>>()?,
        inspections: match raw.unsafe_skip_inspections {
            Some(true) => Inspections::UnsafeSkip,
            _ => Inspections::Proven,
        },
    })
}
