//! Whether the provenance pins everything that the recorded Dockerfile fetches.
//!
//! Turns the Dockerfile that BuildKit recorded into the [`Gap`]s of those of its sources that no material covers, each with
//! its line: images of `FROM`, `COPY --from` and mounts, and what `ADD` downloads or clones. An engine would stop at them,
//! after a daemon was started and half of the build was done; here they are known before. Refuses nothing where there is no
//! Dockerfile, where its variables cannot be expanded, or where BuildKit may read another one in the same text (attack H82): the
//! source policy still denies whatever is not pinned.

use super::{
    Gap,
    dockerfile::{self, External, Fetches},
    pins, stages,
};
use crate::{
    attest::provenance::{Material, MaterialKind, Pin, Provenance},
    digest::Digest,
    image::Platform,
};

/// The gaps of `provenance` against its own Dockerfile, for this platform.
pub fn gaps(provenance: &Provenance, platform: &Platform) -> Vec<Gap> {
    let Some(text) = &provenance.dockerfile else { return Vec::new() };
    let (target, arguments) = (provenance.target.as_deref(), &provenance.build_args);
    if stages::is_doubtful(text, arguments) {
        return Vec::new();
    }
    let Ok(fetches) = dockerfile::fetches(text, target, arguments, platform) else {
        return Vec::new();
    };
    let Fetches { images, downloads } = fetches;
    let images = images.into_iter().filter(|image| !has_image(provenance, &image.reference));
    let downloads = downloads.into_iter().filter(|url| !has_download(provenance, &url.reference));
    images.chain(downloads).map(|source| gap(provenance, &source)).collect()
}

fn gap(provenance: &Provenance, source: &External) -> Gap {
    let file = provenance.dockerfile_path.as_deref().unwrap_or("Dockerfile");
    Gap {
        code: "uncovered-source",
        field: "resolvedDependencies".to_owned(),
        why: format!("{file}:{}: no recorded material covers {:?}", source.line, source.reference),
        fix: "pin it by digest or checksum in the Dockerfile, and use one digest for each name"
            .to_owned(),
    }
}

/// A named context takes the place of an image of its name; it is a question of its own.
fn has_image(provenance: &Provenance, reference: &str) -> bool {
    provenance.other_options.contains_key(&format!("context:{reference}"))
        || provenance.local_inputs.iter().any(|name| name == reference)
        || is_pinned(&provenance.materials, reference)
}

/// Whether a material pins what a reference in a Dockerfile means. One that is there without a digest pins nothing.
pub(super) fn is_pinned(materials: &[Material], reference: &str) -> bool {
    pin(materials, reference).is_some()
}

/// The digest that a material pins a reference to.
pub fn pin<'a>(materials: &'a [Material], reference: &str) -> Option<&'a Digest> {
    materials.iter().find_map(|material| match (&material.kind, &material.pin) {
        (MaterialKind::Image { name, tag, .. }, Pin::Content(digest)) => {
            let base =
                pins::Base { repository: name.clone(), tag: tag.clone(), digest: digest.clone() };
            base.answers(reference).then_some(digest)
        }
        _ => None,
    })
}

/// A repository is recorded with its branch and folder, which may be written in more than one way.
fn has_download(provenance: &Provenance, url: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_start_matches("git+");
        text.split('#').next().unwrap_or_default().trim_end_matches('/').to_owned()
    };
    provenance.materials.iter().any(|material| match material.kind {
        MaterialKind::Git => bare(&material.uri) == bare(url),
        MaterialKind::Http => material.uri == url,
        MaterialKind::Image { .. } | MaterialKind::Other => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::tests::{image, provenance};

    #[test]
    fn what_no_material_covers_is_a_gap_with_its_line() {
        let cases: [(&str, &[&str]); 8] = [
            ("FROM golang:1.24 AS release\n", &[]),
            ("FROM scratch AS release\nCOPY --from=golang:1.24 /a /b\n", &[]),
            (
                "FROM golang:1.25 AS release\n",
                &["sub/Dockerfile:1: no recorded material covers \"golang:1.25\""],
            ),
            // What the target does not need is not fetched.
            ("FROM other:1 AS unused\nFROM golang:1.24 AS release\n", &[]),
            (
                "FROM golang:1.24 AS release\nRUN x\nCOPY --from=tools:2 /a /b\n",
                &["sub/Dockerfile:3: no recorded material covers \"tools:2\""],
            ),
            ("FROM golang:1.24 AS release\nADD https://files.example/tool.tgz?v=1 /\n", &[]),
            (
                "FROM golang:1.24 AS release\nADD https://files.example/other.tgz \\\n  /\n",
                &[
                    "sub/Dockerfile:2: no recorded material covers \"https://files.example/other.tgz\"",
                ],
            ),
            ("FROM ${NOBODY} AS release\n", &[]),
        ];
        for (text, want) in cases {
            let mut provenance = provenance();
            provenance.dockerfile = Some(text.to_owned());
            provenance.dockerfile_path = Some("sub/Dockerfile".to_owned());
            let found = gaps(&provenance, &image().platform);
            let found: Vec<&str> = found.iter().map(|gap| gap.why.as_str()).collect();
            assert_eq!(found, want, "{text}");
        }
    }

    /// What BuildKit takes is a stage that is there, and no image that nothing covers.
    #[test]
    fn h82_no_source_is_claimed_of_a_text_that_is_in_doubt() {
        for text in [
            "FROM golang:1.24 AS build\nFROM scratch AS release\nCOPY --from='build' /a /b\n",
            "FROM golang:1.24 AS build\nFROM scratch AS release\nCOPY --from=\"build\" /a /b\n",
            "FROM 'golang:1.24' AS release\n",
            "FROM golang:1.24 AS build\nFROM scratch AS release\nCOPY --from=bui\\ld /a /b\n",
        ] {
            let mut provenance = provenance();
            provenance.dockerfile = Some(text.to_owned());
            assert_eq!(gaps(&provenance, &image().platform), [], "{text}");
        }
    }

    #[test]
    fn named_contexts_and_repositories_cover_what_they_name() {
        let mut provenance = provenance();
        provenance.other_options.insert("context:files".to_owned(), "docker-image://x".to_owned());
        let text = "FROM golang:1.24 AS release\nCOPY --from=files /a /b\n\
            ADD https://git.example/app.git#main /c\n";
        provenance.dockerfile = Some(text.to_owned());
        assert_eq!(gaps(&provenance, &image().platform), []);
    }
}
