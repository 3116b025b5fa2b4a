//! Codes `provenance-…`: statements of how the image was built.

macro_rules! provenance {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    ProvenanceMissing = "provenance-missing", Warning,
        "no provenance of the image is proven",
        "build with: docker buildx build --attest type=provenance,mode=max and sign the index, or attach signed provenance";
    ProvenanceMalformed = "provenance-malformed", Warning,
        "provenance cannot be read",
        "make it again with a builder that follows SLSA provenance v0.2 or v1";
    ProvenanceUnknownType = "provenance-unknown-type", Info,
        "provenance of a build type that cannot be replayed",
        "it stays available to policy; to rebuild, publish BuildKit or hallmark provenance";
    ProvenanceSubjectMismatch = "provenance-subject-mismatch", Warning,
        "provenance speaks about another image",
        "attach the provenance that the builder made for this digest";
    ProvenanceUnsigned = "provenance-unsigned", Warning,
        "provenance is there, but no trusted signature covers it",
        "sign the index digest, or attach the provenance as a signed attestation";
    ProvenanceConflict = "provenance-conflict", Warning,
        "two proven statements name different commits, or one contradicts the embedded build manifest",
        "find out whether both commits give this image; a rule of your own can deny it";
    ProvenanceCommitNotInRef = "provenance-commit-not-in-ref", Warning,
        "a rule relies on a branch or tag of the source, and the repository does not show that it holds the commit",
        "see why; rules see no branch and no tag that is not proven";
    ProvenanceSignerMismatch = "provenance-signer-mismatch", Error,
        "the provenance and the certificate of its signer contradict each other",
        "find out which workflow signed: it vouches for a build that is not its own";
    ProvenanceLabelMismatch = "provenance-label-mismatch", Error,
        "the embedded build manifest, its label and the signed statement do not agree",
        "embed again with hallmark provenance embed after the last change to the image";
    ProvenanceDiffIdMismatch = "provenance-diff-id-mismatch", Error,
        "the embedded build manifest lists other layers than the image has",
        "the image was changed after it was built: rebuild it and embed again";
    ProvenanceLayerNotAlone = "provenance-layer-not-alone", Error,
        "the last layer holds more than the embedded build manifest",
        "embed with hallmark provenance embed, which writes a layer of its own";

    } };
}
