//! Files with bills of materials that a command line names: `--sbom`, by which the operator hands one in, and those that are checked
//! or compared.
//!
//! Turns a path into a parsed document. Refuses what is none with what it is, and what would be read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Failure, files::Operand};
use crate::{
    limits::Limits,
    reference::Reference,
    saved::Access,
    sbom::{self, Sbom, SbomError},
    scratch::seen,
    verify::GivenSbom,
};

/// `--sbom` of whoever verifies.
const GIVEN: Operand = Operand {
    option: "--sbom ",
    form: "it takes a document in SPDX or CycloneDX, as hallmark sbom generate writes one",
};

/// The SBOMs that the operator hands in: what he names has to be one.
pub(super) fn given(
    files: &[PathBuf],
    limits: &Limits,
    from: &Access,
) -> Result<Arc<[GivenSbom]>, Failure> {
    let one = |file: &PathBuf| {
        let name = file.display().to_string();
        let bytes = GIVEN.read_from(from, file, limits.sbom_bytes as u64)?;
        let sbom = parsed(GIVEN.option, file, &bytes, limits)?;
        Ok(GivenSbom { name, sbom: Arc::new(sbom) })
    };
    files.iter().map(one).collect()
}

/// What `sbom check` and `sbom diff` take.
const LISTED: Operand = Operand {
    option: "",
    form: "it takes a document in SPDX or CycloneDX, or an image, as registry.example/app:1 and oci:DIR",
};

/// Reads a document of which it is asked whether it is one: that it is none is an answer, and a no.
pub(super) fn checked(file: &Path, limits: &Limits) -> Result<Sbom, Failure> {
    let bytes = LISTED.read(file, limits.sbom_bytes as u64)?;
    parsed(LISTED.option, file, &bytes, limits).map_err(|failure| Failure { code: 1, ..failure })
}

/// Reads a document that has to be one.
pub(super) fn read(file: &Path, limits: &Limits) -> Result<Sbom, Failure> {
    let bytes = LISTED.read(file, limits.sbom_bytes as u64)?;
    parsed(LISTED.option, file, &bytes, limits)
}

/// Where a bare word was taken for an image of Docker Hub that could not be had: that no file is called so, either.
pub(super) fn nor_a_file(mut failure: Failure, image: &Reference) -> Failure {
    let full = image.to_string();
    let rest = full.strip_prefix("docker.io/library/");
    let word = rest.map(|rest| rest.strip_suffix(":latest").unwrap_or(rest));
    if let Some(word) = word.filter(|word| !word.contains(['/', ':', '@'])) {
        failure.help(&format!(
            "no file of the name {word} is here, so that it was taken for an image of Docker Hub; a document is named by its path"
        ));
    }
    failure
}

fn parsed(option: &str, file: &Path, bytes: &[u8], limits: &Limits) -> Result<Sbom, Failure> {
    sbom::parse(bytes, limits).map_err(|error| {
        let (why, advice) = match seen(bytes) {
            Some(what) => (what, FORMATS),
            None => (error.to_string(), help(&error)),
        };
        let mut failure = Failure::usage(format!("{option}{}: {why}", file.display()));
        failure.help(advice);
        failure
    })
}

/// Which documents are read.
const FORMATS: &str = "read are SPDX 2.2 and 2.3 (JSON, tags and values), SPDX 3.0 (JSON-LD) and CycloneDX 1.2 to 1.7 (JSON, XML); \
                       let the generator write one of them, or make one: hallmark sbom generate --format cyclonedx-1.6 IMAGE";

/// What to do about a document that is not read.
fn help(error: &SbomError) -> &'static str {
    match error {
        SbomError::Unsupported(_) | SbomError::Version { .. } | SbomError::UnknownFormat(_) => {
            FORMATS
        }
        SbomError::Empty { .. } => {
            "a document that lists nothing says nothing: make it again with a generator that reads the image"
        }
        SbomError::Malformed { .. } => "make it again, or mend what is named",
        SbomError::TooLarge { .. }
        | SbomError::TooMany { .. }
        | SbomError::Relationships { .. } => "raise the limit that is named, in hallmark.yaml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_bare_word_it_is_said_that_no_file_is_called_so() {
        let cases = [
            ("nofile", true),
            ("nofile:1", false),
            ("acme/nofile", false),
            ("registry.example/nofile", false),
        ];
        for (text, want) in cases {
            let image: Reference = text.parse().unwrap();
            let told = nor_a_file(Failure::unavailable("x"), &image).told();
            assert_eq!(
                told.contains(&format!("no file of the name {text} is here")),
                want,
                "{told}"
            );
        }
    }

    #[test]
    fn what_is_no_document_is_a_no_where_that_is_asked_and_else_a_wrong_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.json");
        std::fs::write(&file, "").unwrap();
        assert_eq!(checked(&file, &Limits::default()).unwrap_err().code, 1);
        let failure = read(&file, &Limits::default()).unwrap_err();
        assert_eq!(failure.code, 2);
        // What is advised can be typed: the format is no option that may be left out.
        assert!(failure.told().contains("hallmark sbom generate --format "), "{failure}");
    }
}
