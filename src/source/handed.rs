//! Evidence that whoever asks hands over in files: Sigstore bundles, judged as if they were attached to the image.
//!
//! Turns a file into [`Handed`] pieces, and a source into one that has them besides what is attached. A file holds one bundle, one in each
//! line, as `gh attestation download` writes them, or an array of them. That it lies on the operator's disk proves nothing: it is untrusted evidence,
//! like any other. A bundle that cannot be read is refused at once, because somebody named it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Blob, LookAhead, Meter, Referrers, Source, SourceError, Spool, StoredManifest};
use crate::{
    attest::{AttestError, Bundle, BundleContent, Carrier, Raw, bundle},
    digest::ManifestDigest,
    image::{Descriptor, MediaType, Platform},
    json,
    limits::Limits,
    reference::{Location, Selector},
    untrusted::unmarked,
};

/// A bundle from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The file, and the line or place in the array where it has several.
    name: String,
    bytes: Bytes,
    signs: Signs,
}

/// What a bundle's signature is over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Signs {
    /// A statement, which says itself what it is about.
    Statement,
    /// A document that lies elsewhere, with the digest that the bundle states.
    Document(Option<Vec<u8>>),
}

impl Handed {
    /// The bundles of a file that is called so.
    ///
    /// # Errors
    /// Where one cannot be read, with its name.
    pub fn read(
        name: &str,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Vec<Self>, (String, AttestError)> {
        let bytes = unmarked(bytes);
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Self::array(name, bytes, limits);
        }
        let lines: Vec<&[u8]> =
            bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
        let is_whole = |line: &&[u8]| line.starts_with(b"{") && line.ends_with(b"}");
        let filled = || lines.iter().filter(|line| !line.is_empty());
        // A document that is set in lines begins with one that is none by itself.
        if filled().count() < 2 || !filled().all(is_whole) {
            return Ok(vec![Self::one(name.to_owned(), bytes, limits)?]);
        }
        let numbered = lines.iter().zip(1_usize..).filter(|(line, _)| !line.is_empty());
        numbered.map(|(line, at)| Self::one(format!("{name}:{at}"), line, limits)).collect()
    }

    /// The bundles of an array; none is a file without any.
    fn array(
        name: &str,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Vec<Self>, (String, AttestError)> {
        let whole = |error| (name.to_owned(), error);
        let most = limits.attestation_bytes.saturating_mul(limits.attestations);
        let what = "array of Sigstore bundles";
        let read = json::from_slice::<Vec<json::Raw>>(bytes, most);
        let all = read.map_err(|error| whole(AttestError::Json { what, error }))?;
        if all.is_empty() {
            return Err(whole(AttestError::Missing { what: "bundle in the array" }));
        }
        let numbered = all.iter().zip(1_usize..);
        numbered
            .map(|(one, at)| Self::one(format!("{name}:{at}"), one.text().as_bytes(), limits))
            .collect()
    }

    fn one(name: String, bytes: &[u8], limits: &Limits) -> Result<Self, (String, AttestError)> {
        let bundle = match Bundle::parse(bytes, limits) {
            Ok(bundle) => bundle,
            Err(error) => return Err((name, error)),
        };
        let signs = match bundle.content {
            BundleContent::Envelope { .. } => Signs::Statement,
            BundleContent::Message { digest } => {
                Signs::Document(digest.map(|stated| stated.digest))
            }
        };
        Ok(Self { name, bytes: Bytes::copy_from_slice(bytes), signs })
    }

    /// Its bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What it is for an image whose manifest and indexes have these digests: one piece of evidence, or one for each of them where
    /// its signature may be over any.
    pub(super) fn pieces(&self, digests: &[ManifestDigest]) -> Vec<Raw> {
        let is_stated = |digest: &&ManifestDigest| match &self.signs {
            Signs::Document(Some(stated)) => hex::encode(stated) == digest.hex(),
            Signs::Document(None) => true,
            Signs::Statement => false,
        };
        let mut about: Vec<&ManifestDigest> = digests.iter().filter(is_stated).collect();
        if about.is_empty() {
            about.extend(digests.first());
        }
        let piece = |attached_to: &ManifestDigest| Raw {
            carrier: Carrier::Handed { name: self.name.clone() },
            media_type: MediaType::new(bundle::V03),
            bytes: self.bytes.clone(),
            annotations: BTreeMap::new(),
            attached_to: attached_to.clone(),
        };
        about.into_iter().map(piece).collect()
    }
}

/// A source, and the evidence that was handed over with the question.
pub(super) fn beside(source: Arc<dyn Source>, handed: &[Handed]) -> Arc<dyn Source> {
    match handed {
        [] => source,
        handed => Arc::new(Beside { source, handed: handed.to_vec() }),
    }
}

struct Beside {
    source: Arc<dyn Source>,
    handed: Vec<Handed>,
}

#[async_trait]
impl Source for Beside {
    fn location(&self) -> &Location {
        self.source.location()
    }

    fn meter(&self) -> Option<&Meter> {
        self.source.meter()
    }

    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        self.source.resolve(selector).await
    }

    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        self.source.manifest(digest).await
    }

    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        self.source.tagged(tag).await
    }

    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        self.source.small_blob(descriptor, limit_bytes).await
    }

    async fn blob(&self, descriptor: &Descriptor, spool: &Spool) -> Result<Blob, SourceError> {
        self.source.blob(descriptor, spool).await
    }

    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        self.source.referrers(digest).await
    }

    fn handed(&self) -> &[Handed] {
        &self.handed
    }

    fn stated(&self, digest: &ManifestDigest) -> Option<Platform> {
        self.source.stated(digest)
    }

    fn called(&self, digest: &ManifestDigest) -> Option<String> {
        self.source.called(digest)
    }

    async fn look_ahead(&self, wanted: &LookAhead) {
        self.source.look_ahead(wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;

    fn of_statement() -> String {
        String::from_utf8(bundle::write(b"{}", b"x", "key")).unwrap()
    }

    fn of_document(digest: Option<&ManifestDigest>) -> String {
        let stated = digest.map(|digest| {
            let bytes = hex::decode(digest.hex()).unwrap();
            json!({ "algorithm": "SHA2_256", "digest": STANDARD.encode(bytes) })
        });
        json!({
            "mediaType": bundle::V03,
            "verificationMaterial": { "publicKey": { "hint": "key" } },
            "messageSignature": { "messageDigest": stated, "signature": STANDARD.encode(b"x") },
        })
        .to_string()
    }

    #[test]
    fn a_file_holds_one_bundle_or_one_in_each_line_or_an_array() {
        let limits = Limits::default();
        let one = of_statement();
        let pretty: serde_json::Value = serde_json::from_str(&one).unwrap();
        let pretty = format!("{pretty:#}\n");
        let marked = format!("\u{feff}{one}\n{one}\n");
        let cases: [(&str, Result<&[&str], &str>); 14] = [
            (&marked, Ok(&["b:1", "b:2"])),
            (&format!("\u{feff}{pretty}"), Ok(&["b"])),
            (&format!("[{one}]"), Ok(&["b:1"])),
            (&format!("\u{feff}\n[\n{pretty},\n{one}\n]\n"), Ok(&["b:1", "b:2"])),
            (&format!("[{one},{{}}]"), Err("b:2")),
            ("[]", Err("b")),
            (&one, Ok(&["b"])),
            (&format!("{one}\n\n"), Ok(&["b"])),
            (&pretty, Ok(&["b"])),
            (&format!("{one}\n\n{one}\r\n"), Ok(&["b:1", "b:3"])),
            ("", Err("b")),
            ("{}", Err("b")),
            (&format!("{one}\n{{}}\n"), Err("b:2")),
            (&format!("{one}\nx\n"), Err("b")),
        ];
        for (text, want) in cases {
            let read = Handed::read("b", text.as_bytes(), &limits);
            let names = read.map(|all| all.into_iter().map(|one| one.name).collect::<Vec<_>>());
            match (names, want) {
                (Ok(names), Ok(want)) => assert_eq!(names, want, "{text}"),
                (Err((name, _)), Err(want)) => assert_eq!(name, want, "{text}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_bundle_is_as_large_as_attached_ones_may_be() {
        let one = of_statement();
        let limits = |attestation_bytes| Limits { attestation_bytes, ..Limits::default() };
        assert!(Handed::read("b", one.as_bytes(), &limits(one.len())).is_ok());
        assert!(Handed::read("b", one.as_bytes(), &limits(one.len() - 1)).is_err());
    }

    /// A signature over bytes is tried with the document that it states, and where it states none, with all that the image has.
    #[test]
    fn a_bundle_is_about_what_it_says() {
        let [manifest, index, other] = [&b"m"[..], b"i", b"o"].map(ManifestDigest::of);
        let digests = [manifest.clone(), index.clone()];
        let cases = [
            (of_statement(), vec![&manifest]),
            (of_document(None), vec![&manifest, &index]),
            (of_document(Some(&index)), vec![&index]),
            // It is judged, and found to be about something else.
            (of_document(Some(&other)), vec![&manifest]),
        ];
        for (text, want) in cases {
            let handed = Handed::read("b", text.as_bytes(), &Limits::default()).unwrap();
            let pieces = handed.first().unwrap().pieces(&digests);
            assert_eq!(
                pieces.iter().map(|raw| &raw.attached_to).collect::<Vec<_>>(),
                want,
                "{text}"
            );
            assert!(pieces.iter().all(|raw| raw.carrier.to_string() == "bundle b"), "{pieces:?}");
        }
    }
}
