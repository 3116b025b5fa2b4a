//! Manifests side by side: the envelope around configuration and layers (class B).
//!
//! Digests and sizes are left out: they follow from what they name, which is compared itself. Differences here have no
//! effect on what runs, but for annotations that runtimes obey: those by which lazily pulling snapshotters find another
//! table of contents than the tar's, and those that become orders to the OCI runtime.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Difference, Place, What, content::cut, shown};
use crate::image::Manifest;

/// Starts of the keys that runtimes obey.
const OBEYED: [&str; 15] = [
    // eStargz, SOCI, overlaybd and nydus, and what else containerd's snapshotters are told.
    "containerd.io/snapshot/",
    "containerd.io/snapshot.",
    "com.amazon.soci.",
    // podman, and containers/storage for it and CRI-O.
    "io.github.containers.",
    "io.containers.",
    "io.podman.",
    // crun, runc, youki, CRI-O, Kata Containers, gVisor, which engines hand the manifest's annotations on to.
    "run.oci.",
    "org.systemd.property.",
    "module.wasm.image/",
    "io.kubernetes.",
    "org.criu.",
    "cdi.k8s.io",
    "io.crun.",
    "io.katacontainers.",
    "dev.gvisor.",
];

/// Domains whose own runtimes read what stands below them, before a `/` or alone.
const OBEYED_DOMAINS: [&str; 4] = ["cri-o.io", "crio.io", "k8s.io", "kubernetes.io"];

fn is_obeyed(key: &str) -> bool {
    let domain = key.split('/').next().unwrap_or_default();
    let below = |of: &str| {
        domain.strip_suffix(of).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    OBEYED.iter().any(|start| key.starts_with(start)) || OBEYED_DOMAINS.into_iter().any(below)
}

/// What differs in the envelopes.
pub(super) fn differences(left: &Manifest, right: &Manifest) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut field = |name: &str, left: Option<&str>, right: Option<&str>| {
        if left != right {
            found.push(difference(name.to_owned(), name, (left, right)));
        }
    };
    field("mediaType", Some(left.media_type.as_str()), Some(right.media_type.as_str()));
    field("artifactType", left.artifact_type.as_deref(), right.artifact_type.as_deref());
    let kinds = (left.config.media_type.as_str(), right.config.media_type.as_str());
    field("config/mediaType", Some(kinds.0), Some(kinds.1));
    let subject = |side: &Manifest| side.subject.as_ref().map(|s| s.digest.to_string());
    field("subject", subject(left).as_deref(), subject(right).as_deref());
    annotations(&mut found, "annotations", &left.annotations, &right.annotations);
    for (at, (left, right)) in left.layers.iter().zip(&right.layers).enumerate() {
        let name = format!("layers/{at}/annotations");
        annotations(&mut found, &name, &left.annotations, &right.annotations);
    }
    found
}

fn annotations(
    found: &mut Vec<Difference>,
    name: &str,
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) {
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (left, right) = (left.get(key), right.get(key));
        if left != right {
            let name = format!("{name}/{}", cut(key));
            let sides = (left.map(String::as_str), right.map(String::as_str));
            let mut differs = difference(name, key, sides);
            if is_obeyed(key) {
                differs.class = Class::ConfigRuntime;
            }
            found.push(differs);
        }
    }
}

fn difference(name: String, key: &str, (left, right): (Option<&str>, Option<&str>)) -> Difference {
    let side = |text: &str| shown::text(key, text);
    Difference::new(Place::Manifest(name), Class::Envelope, What::Value)
        .between(left.map(side), right.map(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_that_runtimes_obey_are_runtime_configuration() {
        let cases = [
            ("org.opencontainers.image.created", Class::Envelope),
            ("containerd.io/distribution.source.docker.io", Class::Envelope),
            ("containerd.io/snapshot/stargz/toc.digest", Class::ConfigRuntime),
            ("containerd.io/snapshot/overlaybd/blob-digest", Class::ConfigRuntime),
            ("containerd.io/snapshot/nydus-bootstrap", Class::ConfigRuntime),
            ("io.containers.estargz.uncompressed-size", Class::ConfigRuntime),
            ("io.github.containers.zstd-chunked.manifest-checksum", Class::ConfigRuntime),
            ("run.oci.handler", Class::ConfigRuntime),
            ("org.systemd.property.DeviceAllow", Class::ConfigRuntime),
            ("io.containers.trace-syscall", Class::ConfigRuntime),
            ("io.podman.annotations.privileged", Class::ConfigRuntime),
            ("seccomp-profile.kubernetes.cri-o.io", Class::ConfigRuntime),
            ("seccomp-profile.kubernetes.cri-o.io/POD", Class::ConfigRuntime),
            ("irq-load-balancing.crio.io", Class::ConfigRuntime),
            ("cdi.k8s.io/gpu", Class::ConfigRuntime),
            ("org.criu.config", Class::ConfigRuntime),
            ("io.kubernetes.cri-o.Devices", Class::ConfigRuntime),
            ("org.example.notcrio.io", Class::Envelope),
            ("org.example.note", Class::Envelope),
        ];
        for (key, class) in cases {
            let one = BTreeMap::from([(key.to_owned(), "1".to_owned())]);
            let two = BTreeMap::from([(key.to_owned(), "2".to_owned())]);
            for (left, right) in [(&one, &two), (&one, &BTreeMap::new()), (&BTreeMap::new(), &two)]
            {
                let mut found = Vec::new();
                annotations(&mut found, "layers/0/annotations", left, right);
                let classes: Vec<_> = found.iter().map(|d| d.class).collect();
                assert_eq!(classes, [class], "{key}");
            }
        }
    }
}
