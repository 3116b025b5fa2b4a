//! Manifests and indexes, each checked against what names it.

use super::{Source, SourceError};
use crate::{
    digest::ManifestDigest,
    image::{Descriptor, Document, FormatError},
    limits::Limits,
};

/// Where the documents of one image come from.
pub(super) struct Documents<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) limits: &'a Limits,
}

impl Documents<'_> {
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
