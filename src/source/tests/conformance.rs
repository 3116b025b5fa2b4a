//! Published layouts and the verdicts that were published with them.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, sync::Arc};

use super::kit::*;
use crate::{
    image::{Descriptor, Document},
    reference::Location,
    source::{Source, SourceError, Spool, manifest_digest},
};

/// The folder of published test data, `None` where this machine has none.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HALLMARK_CONFORMANCE")
        .map_or_else(|| "../shared/conformance".into(), PathBuf::from)
        .join("oci");
    folder.is_dir().then_some(folder)
}

/// Reads everything that `descriptor` leads to.
async fn closure(
    source: &Arc<dyn Source>,
    descriptor: &Descriptor,
    spool: &Spool,
) -> Result<(), SourceError> {
    let is_document = descriptor.media_type.is_index() || descriptor.media_type.is_manifest();
    if !is_document {
        let blob = source.blob(descriptor, spool).await?;
        let read = blob.open().unwrap().read_to_end(&mut Vec::new());
        return read.map(drop).map_err(|error| SourceError::Unavailable {
            place: "blob".to_owned(),
            why: error.to_string(),
        });
    }
    let stored = source.manifest(&manifest_digest(descriptor)).await?;
    let size = stored.document.bytes.len() as u64;
    let place = || source.location().to_string();
    let format = |error| SourceError::Format { place: place(), error };
    if size != descriptor.size {
        let (expected, found) = (descriptor.size, size);
        return Err(format(crate::image::FormatError::Size { what: "manifest", expected, found }));
    }
    let document = Document::parse(stored.document, stored.media_type.as_ref(), &limits());
    let children = match document.map_err(format)? {
        Document::Index(index) => index.manifests,
        Document::Manifest(manifest) => {
            [manifest.config].into_iter().chain(manifest.layers).collect()
        }
    };
    for child in &children {
        Box::pin(closure(source, child, spool)).await?;
    }
    Ok(())
}

async fn whole(layout: PathBuf) -> Result<(), SourceError> {
    let index = std::fs::read(layout.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let source = crate::source::open(&Location::Layout(layout), &settings(), &limits()).await?;
    let spool = Spool::temporary().unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        closure(&source, &descriptor(entry), &spool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn published_layouts_get_their_published_verdicts() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no published test data here");
        return;
    };
    let cases = std::fs::read_to_string(folder.join("CASES.tsv")).unwrap();
    let mut judged = 0;
    let mut wrong = BTreeMap::new();
    for line in cases.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [case, expect, inputs, note] = fields[..] else { panic!("{line}") };
        let inputs: serde_json::Value = serde_json::from_str(inputs).unwrap();
        let Some(layout) = inputs["oci_layout"].as_str() else { continue };
        judged += 1;
        let got = whole(folder.join(layout)).await;
        if got.is_ok() != (expect == "pass") {
            wrong.insert(case, format!("expected {expect} ({note}), got {got:?}"));
        }
    }
    assert!(judged > 0, "the table has no layouts");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
