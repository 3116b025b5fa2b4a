//! Media types of the OCI image specification and of Docker's schema 2, sorted by what can be done with them.

use std::fmt;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// A plain tar stream.
    None,
    /// gzip (RFC 1952), one or more members.
    Gzip,
    /// Zstandard (RFC 8878), one or more frames.
    Zstd,
}

impl Compression {
    /// The word in reports and builder options.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A media type, as written, with its meaning at hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(String);

impl MediaType {
    /// OCI image index.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image configuration.
    pub const OCI_CONFIG: &'static str = "application/vnd.oci.image.config.v1+json";
    /// OCI layer, uncompressed.
    pub const OCI_LAYER: &'static str = "application/vnd.oci.image.layer.v1.tar";
    /// The descriptor of nothing (image-spec v1.1, manifest.md, "Guidance for an Empty Descriptor").
    pub const OCI_EMPTY: &'static str = "application/vnd.oci.empty.v1+json";
    /// Docker manifest list.
    pub const DOCKER_INDEX: &'static str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image manifest, schema 2.
    pub const DOCKER_MANIFEST: &'static str =
        "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker image configuration.
    pub const DOCKER_CONFIG: &'static str = "application/vnd.docker.container.image.v1+json";
    /// Docker layer, gzip.
    pub const DOCKER_LAYER: &'static str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// in-toto statement, bare or (as payload type) in an envelope.
    pub const IN_TOTO: &'static str = "application/vnd.in-toto+json";
    /// DSSE envelope.
    pub const DSSE: &'static str = "application/vnd.dsse.envelope.v1+json";
    /// cosign's simple signing payload.
    pub const SIMPLE_SIGNING: &'static str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// Start of every Sigstore bundle's media type.
    pub const SIGSTORE_BUNDLE: &'static str = "application/vnd.dev.sigstore.bundle";

    /// Takes a media type as written, without its parameters.
    pub fn new(text: &str) -> Self {
        // Sigstore bundles before 0.3 carry their version as a parameter, which is part of the name.
        let name = if text.starts_with(Self::SIGSTORE_BUNDLE) {
            text
        } else {
            text.split(';').next().unwrap_or_default()
        };
        Self(name.trim().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A content type with which simple file servers serve anything: it states nothing.
    pub fn is_vague(&self) -> bool {
        const VAGUE: [&str; 5] = [
            "application/json",
            "application/octet-stream",
            "binary/octet-stream",
            "text/plain",
            "",
        ];
        VAGUE.contains(&self.as_str())
    }

    /// An index or Docker manifest list.
    pub fn is_index(&self) -> bool {
        [Self::OCI_INDEX, Self::DOCKER_INDEX].contains(&self.as_str())
    }

    /// An image manifest.
    pub fn is_manifest(&self) -> bool {
        [Self::OCI_MANIFEST, Self::DOCKER_MANIFEST].contains(&self.as_str())
    }

    /// An image configuration.
    pub fn is_config(&self) -> bool {
        [Self::OCI_CONFIG, Self::DOCKER_CONFIG].contains(&self.as_str())
    }

    /// Whether an artifact type says that a descriptor names an image: image-spec v1.1, descriptor.md, lets it be the
    /// configuration's media type, and some tools write it so.
    pub fn names_image(artifact_type: &str) -> bool {
        Self::new(artifact_type).is_config()
    }

    /// One of the OCI types, as against Docker's.
    pub fn is_oci(&self) -> bool {
        self.0.starts_with("application/vnd.oci.")
    }

    /// Whether a runtime takes it for a layer to unpack, be it one that hallmark reads or not.
    pub fn is_layer(&self) -> bool {
        ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."]
            .iter()
            .any(|family| self.0.starts_with(family))
    }

    /// How a layer of this type is stored; `None` for what is no layer, and for foreign layers, whose bytes a runtime
    /// fetches from elsewhere.
    pub fn layer_compression(&self) -> Option<Compression> {
        match self.as_str() {
            Self::OCI_LAYER | "application/vnd.docker.image.rootfs.diff.tar" => {
                Some(Compression::None)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip" | Self::DOCKER_LAYER => {
                Some(Compression::Gzip)
            }
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }
}

impl MediaType {
    /// Whether runtimes take a layer's type for a hint and look at the bytes: they do for all but OCI's plain tar
    /// (containerd, `core/images`, `DiffCompression`).
    pub(super) fn is_hint(&self) -> bool {
        self.0 != Self::OCI_LAYER
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
