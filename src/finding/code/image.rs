//! Codes `image-…`: the image itself: index, manifest, configuration and layers.

macro_rules! image {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    ImageDigestMismatch = "image-digest-mismatch", Error,
        "content does not hash to the digest that names it",
        "fetch it again; if it persists, the registry or the archive is damaged or lies";
    ImageSizeMismatch = "image-size-mismatch", Error,
        "content is longer or shorter than its descriptor says",
        "fetch it again; if it persists, the registry or the archive is damaged or lies";
    ImageBlobMissing = "image-blob-missing", Error,
        "a blob that the image refers to is not there",
        "push or copy the image again, completely";
    ImageMalformed = "image-malformed", Error,
        "a manifest, index or configuration is not of the form that its media type asks for",
        "rebuild or push the image with a tool that follows the OCI image specification";
    ImageMediaTypeUnknown = "image-media-type-unknown", Error,
        "a media type is not one that hallmark can judge",
        "use OCI or Docker schema 2 images with tar, gzip or zstd layers";
    ImagePlatformMissing = "image-platform-missing", Error,
        "the image has no manifest for the platform asked for",
        "ask for a platform that the image has, with --platform, or under gate.platforms in hallmark.yaml";
    ImageEntryDisguised = "image-entry-disguised", Error,
        "an index entry is marked as no image and listed for a platform that nodes run",
        "list attestations and artifacts for unknown/unknown, and images without the mark";
    ImageEntryMisnamed = "image-entry-misnamed", Info,
        "the list of an OCI layout calls the image something else",
        "list it without an artifactType, name or platform of evidence: runtimes pass over these and run it, as hallmark judged it";
    ImageIndexLoop = "image-index-loop", Error,
        "indexes are nested too deep, or an index points to itself",
        "publish an index whose entries are image manifests";
    ImageLayerCorrupt = "image-layer-corrupt", Error,
        "a layer cannot be decompressed or its tar cannot be read",
        "rebuild or push the image again";
    ImageDiffIdMismatch = "image-diff-id-mismatch", Error,
        "a layer's uncompressed bytes do not hash to the diffID in the configuration",
        "do not run this image: its configuration lies about its layers";
    ImageLayerAmbiguous = "image-layer-ambiguous", Error,
        "a layer's tar can be read, or applied, in more than one way",
        "rebuild the layer with a tool that writes one entry per path, an entry for each folder, and consistent headers";
    ImageLayerMislabelled = "image-layer-mislabelled", Info,
        "a layer is stored otherwise than its media type says",
        "nothing has to be done: runtimes look at the bytes of layers with Docker's types, as hallmark did; skopeo copy from docker-archive: writes such layers";
    ImageFolderUnsure = "image-folder-unsure", Info,
        "the mode and owner of a folder depend on the runtime",
        "let the layer have an entry for each folder that it writes into";
    ImageReferrersUnavailable = "image-referrers-unavailable", Warning,
        "attached evidence could not be listed completely",
        "see the cause; evidence that was not listed counts as missing";
    ImageEvidenceLeftOut = "image-evidence-left-out", Warning,
        "there is more attached evidence than is looked at",
        "remove what is attached to the image and of no use; raise the limit that is named, under limits in hallmark.yaml, where so much is right";
    ImageLayersNotRead = "image-layers-not-read", Info,
        "the layers were neither fetched nor rebuilt: what is known without them denies the image",
        "see the errors; hallmark inspect and hallmark rebuild look into the layers all the same";

    } };
}
