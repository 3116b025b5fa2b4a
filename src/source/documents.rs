//! Manifests and indexes, each checked against what names it.
//!
//! What all documents of an image take is bounded (attack C24): an index lists a thousand manifests, each with a configuration.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Source, SourceError, budget::weight};
use crate::{
    digest::ManifestDigest,
    image::{Descriptor, Document, FormatError},
    limits::Limits,
};

/// Where the documents of one image come from.
pub(super) struct Documents<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) limits: &'a Limits,
    /// What was counted of them.
    taken: AtomicU64,
}

impl<'a> Documents<'a> {
    pub(super) fn new(source: &'a dyn Source, limits: &'a Limits) -> Self {
        Self { source, limits, taken: AtomicU64::new(0) }
    }

    /// Counts bytes of documents before they are fetched.
    pub(super) fn expect(&self, bytes: u64) -> Result<(), SourceError> {
        let add = |taken: u64| Some(taken.saturating_add(bytes));
        let _ = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.within()
    }

    /// Counts what a document takes beside its text.
    pub(super) async fn read(&self, text: &[u8]) -> Result<(), SourceError> {
        let weight = weight(text, self.limits);
        self.expect(weight)?;
        if let Some(meter) = self.source.meter() {
            meter.keep(weight).await;
        }
        Ok(())
    }

    /// That no more was counted than one image may have. What is beyond it once stays so, in whatever order things come.
    pub(super) fn within(&self) -> Result<(), SourceError> {
        let limit = self.limits.image_document_bytes;
        if self.taken.load(Ordering::Relaxed) <= limit {
            return Ok(());
        }
        let what = "the size of its manifests and configurations".to_owned();
        let limit_name = "image_document_bytes";
        Err(SourceError::Limit { place: self.place(), what, limit_name, limit })
    }

    pub(super) fn place(&self) -> String {
        self.source.location().to_string()
    }

    pub(super) fn format(&self, error: FormatError) -> SourceError {
        SourceError::Format { place: self.place(), error }
    }

    pub(super) fn malformed(&self, what: &'static str, why: String) -> SourceError {
        self.format(FormatError::Malformed { what, why })
    }

    /// The manifest or index of this digest, checked against the descriptor that names it, if one does.
    pub(super) async fn document(
        &self,
        digest: &ManifestDigest,
        named_by: Option<&Descriptor>,
    ) -> Result<Document, SourceError> {
        if let Some(descriptor) = named_by {
            self.expect(descriptor.size)?;
        }
        let stored = self.source.manifest(digest).await.map_err(|error| match error {
            // What an index lists and the store lacks is a hole in the image, not a wrong name.
            SourceError::NotFound { what, place } if named_by.is_some() => {
                SourceError::BlobMissing { what, place }
            }
            other => other,
        })?;
        let found = stored.document.bytes.len() as u64;
        if let Some(descriptor) = named_by
            && descriptor.size != found
        {
            let expected = descriptor.size;
            return Err(self.format(FormatError::Size { what: "manifest", expected, found }));
        }
        if named_by.is_none() {
            self.expect(found)?;
        }
        self.read(&stored.document.bytes).await?;
        let document = Document::parse(stored.document, stored.media_type.as_ref(), self.limits)
            .map_err(|error| self.format(error))?;
        let own = match &document {
            Document::Index(index) => &index.media_type,
            Document::Manifest(manifest) => &manifest.media_type,
        };
        match named_by {
            Some(descriptor) if descriptor.media_type != *own => {
                let stated = &descriptor.media_type;
                Err(self.malformed("manifest", format!("it is {own}, the index says {stated}")))
            }
            _ => Ok(document),
        }
    }
}
