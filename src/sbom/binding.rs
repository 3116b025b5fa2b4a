//! Which image a document is about, by what it says itself.
//!
//! Turns a document and an image into a [`Binding`]. A document names an image by a digest of its main component: as its version, in
//! its package URL or bom-ref, or as a hash. The digest may be that of the platform's manifest, of the configuration, or of an index
//! on the way to the manifest; an index says which platform is meant by the `arch` qualifier alone. A digest that names something else
//! means another image only where the main component is a container: an archive or program has digests of its own. A name
//! without a digest binds nothing.

use std::collections::BTreeSet;

use super::Sbom;
use crate::{
    digest::Digest,
    image::{Image, Platform},
};

/// Which image a document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Binding {
    /// This one, by its manifest or its configuration.
    Image,
    /// An index of it, and no other platform.
    Index,
    /// Another platform of its index.
    OtherPlatform,
    /// Another image.
    OtherImage,
    /// None, by a digest.
    #[default]
    Unnamed,
}

impl Binding {
    /// The word in reports and rules.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::OtherPlatform => "other-platform",
            Self::OtherImage => "other-image",
            Self::Unnamed => "none",
        }
    }

    /// Whether the document names something else than this image.
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Self::OtherPlatform | Self::OtherImage)
    }
}

/// Which image a document names, as seen from this one.
pub fn of(sbom: &Sbom, image: &Image) -> Binding {
    let named: BTreeSet<&Digest> = sbom.names_image.iter().collect();
    let is_named = |digests: &[Digest]| digests.iter().any(|digest| named.contains(digest));
    let (manifest, config) = (&image.manifest.document, &image.config.document);
    if is_named(&manifest.digests()) || is_named(&config.digests()) {
        return Binding::Image;
    }
    if image.indexes().any(|index| is_named(&index.document.digests())) {
        return match is_of_other_platform(sbom, &image.platform) {
            true => Binding::OtherPlatform,
            false => Binding::Index,
        };
    }
    let mut siblings = image.indexes().flat_map(|index| &index.manifests);
    if siblings.any(|entry| named.contains(entry.digest.digest())) {
        return Binding::OtherPlatform;
    }
    match sbom.is_of_container && !named.is_empty() {
        true => Binding::OtherImage,
        false => Binding::Unnamed,
    }
}

/// Whether the main component has the architecture of another platform.
fn is_of_other_platform(sbom: &Sbom, own: &Platform) -> bool {
    let named = sbom.main.as_ref().and_then(|main| main.architecture());
    // In containerd's normal form: x86_64 is amd64.
    named.is_some_and(|name| Platform::new(&own.os, &name, None).architecture != own.architecture)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        limits::Limits,
        sbom::{About, BoundSbom, parse},
        trust::testing,
    };

    fn spdx(root: &Value) -> Sbom {
        let document = json!({
            "spdxVersion": "SPDX-2.3", "name": "app",
            "packages": [root, {"SPDXID": "SPDXRef-a", "name": "a"}],
            "relationships": [{
                "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-root",
            }],
        });
        parse(document.to_string().as_bytes(), &Limits::default()).expect("it is SPDX")
    }

    fn cyclonedx(main: &Value) -> Sbom {
        let document = json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": main},
            "components": [{"type": "library", "name": "a"}],
        });
        parse(document.to_string().as_bytes(), &Limits::default()).expect("it is CycloneDX")
    }

    #[test]
    fn a_document_names_an_image_by_its_main_component() {
        let image = testing::image();
        let digest = image.manifest.document.digest.digest();
        let config = image.config.document.digest.digest();
        let index = image.indexes().next().expect("an index").document.digest.digest();
        let other = Digest::sha256(b"another");
        let purl = |digest: &Digest, arch: &str| {
            format!("pkg:oci/app@{}?arch={arch}", digest.to_string().replace(':', "%3A"))
        };
        let refers = |purl: &str| json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]);
        let root = |more: Value| {
            let mut root = json!({"SPDXID": "SPDXRef-root", "name": "app"});
            root.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spdx(&root)
        };
        let main = |more: Value| {
            let mut main = json!({"type": "container", "name": "app"});
            main.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            cyclonedx(&main)
        };
        let own = image.platform.architecture.clone();
        let strange = if own == "arm64" { "amd64" } else { "arm64" };
        let hash = |digest: &Digest| json!([{"alg": "SHA-256", "content": digest.hex()}]);
        let cases: Vec<(&str, Sbom, Binding)> = vec![
            ("version", root(json!({"versionInfo": digest.to_string()})), Binding::Image),
            (
                "checksum",
                root(
                    json!({"checksums": [{"algorithm": "SHA256", "checksumValue": digest.hex()}]}),
                ),
                Binding::Image,
            ),
            ("purl", root(json!({"externalRefs": refers(&purl(digest, &own))})), Binding::Image),
            ("configuration", root(json!({"versionInfo": config.to_string()})), Binding::Image),
            ("index", root(json!({"externalRefs": refers(&purl(index, &own))})), Binding::Index),
            (
                "index, another platform",
                root(json!({"externalRefs": refers(&purl(index, strange))})),
                Binding::OtherPlatform,
            ),
            ("hash", main(json!({"hashes": hash(digest)})), Binding::Image),
            ("bom-ref", main(json!({"bom-ref": purl(digest, &own)})), Binding::Image),
            ("another purl", main(json!({"purl": purl(&other, &own)})), Binding::OtherImage),
            (
                "another container",
                root(
                    json!({"primaryPackagePurpose": "CONTAINER", "versionInfo": other.to_string()}),
                ),
                Binding::OtherImage,
            ),
            (
                "an archive's own digest",
                main(json!({"type": "application", "hashes": hash(&other)})),
                Binding::Unnamed,
            ),
            ("a name alone", main(json!({"purl": "pkg:oci/app"})), Binding::Unnamed),
        ];
        for (name, sbom, want) in cases {
            assert_eq!(of(&sbom, &image), want, "{name}");
        }
    }

    #[test]
    fn another_platform_of_the_index_is_told_from_another_image() {
        let image = testing::image();
        let sibling = image.indexes().flat_map(|index| &index.manifests);
        let own = image.manifest.document.digest.digest();
        let sibling = sibling.map(|entry| entry.digest.digest()).find(|digest| *digest != own);
        let sibling = sibling.expect("the index lists two manifests").to_string();
        let sbom = spdx(&json!({"SPDXID": "SPDXRef-root", "name": "app", "versionInfo": sibling}));
        let binding = of(&sbom, &image);
        assert_eq!(binding, Binding::OtherPlatform);
        let subject = image.manifest.document.digest.clone();
        let bound = BoundSbom { sbom: sbom.into(), subject, binding };
        assert_eq!(bound.about(), About::OtherImage, "it says nothing of this one");
    }
}
