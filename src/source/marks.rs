//! What descriptors in an index say of themselves beside their platform.

use crate::{
    digest::ManifestDigest,
    image::{Descriptor, Index, MediaType},
};

/// The annotation that marks attestation manifests in an index (BuildKit, docs/attestations/attestation-storage.md).
pub(super) const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// The annotation that says which manifest they are about.
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
const ATTESTATION_MANIFEST: &str = "attestation-manifest";

/// By what an entry says that it is no image. Attestation manifests do, and so can an image.
pub(super) fn mark(descriptor: &Descriptor) -> Option<String> {
    let artifact = descriptor.artifact_type.as_ref().filter(|kind| !MediaType::names_image(kind));
    let artifact = artifact.map(|kind| format!("artifactType {}", kind.escape_default()));
    let annotation = descriptor.annotations.get(REFERENCE_TYPE);
    artifact.or(annotation.map(|kind| format!("{REFERENCE_TYPE} {}", kind.escape_default())))
}

/// The entries of an index that are marked as attestation manifests about `subject`.
pub(super) fn attestation_entries<'a>(
    index: &'a Index,
    subject: &ManifestDigest,
) -> impl Iterator<Item = &'a Descriptor> {
    let about = subject.to_string();
    index.manifests.iter().filter(move |entry| {
        let says = |key: &str| entry.annotations.get(key).map(String::as_str);
        says(REFERENCE_TYPE) == Some(ATTESTATION_MANIFEST)
            && says(REFERENCE_DIGEST) == Some(about.as_str())
    })
}
