//! Codes `sbom-…`: lists of what is in the image, and what is.

macro_rules! sbom {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    SbomMissing = "sbom-missing", Warning,
        "no SBOM of the image is proven",
        "build with --attest type=sbom and sign the index, or attach one: hallmark sign --key KEY --type spdx --predicate FILE IMAGE@DIGEST";
    SbomMalformed = "sbom-malformed", Warning,
        "an SBOM cannot be read",
        "make it again as SPDX 2.3 JSON or CycloneDX JSON";
    SbomEmpty = "sbom-empty", Warning,
        "an SBOM names no component",
        "make it again with a generator that reads the image";
    SbomSubjectMismatch = "sbom-subject-mismatch", Warning,
        "an SBOM speaks about another image",
        "attach the SBOM that was made for this digest";
    SbomOtherImage = "sbom-other-image", Warning,
        "an SBOM names another image than the one that it came with",
        "make the SBOM of this image, and attach each platform's to that platform's digest";
    SbomLeftOut = "sbom-left-out", Warning,
        "SBOMs that no trusted signer signed were not read",
        "sign the SBOM that is meant, or raise the limit that is named";
    SbomUnsigned = "sbom-unsigned", Warning,
        "the SBOM is not covered by a trusted signature",
        "sign the index digest, or attach the SBOM as a signed attestation";
    SbomPackageMissing = "sbom-package-missing", Warning,
        "a package is in the image and not in its SBOM",
        "make the SBOM from the finished image";
    SbomPackageGhost = "sbom-package-ghost", Warning,
        "a package is in the SBOM and not in the image",
        "make the SBOM from the finished image";
    SbomVersionMismatch = "sbom-version-mismatch", Warning,
        "a package has another version in the image than in the SBOM",
        "make the SBOM from the finished image";
    SbomDigestMismatch = "sbom-digest-mismatch", Warning,
        "a file has other bytes than the SBOM says",
        "make the SBOM from the finished image";
    SbomDatabaseUnreadable = "sbom-database-unreadable", Warning,
        "a package database in the image is missing or cannot be read",
        "keep the package database in the image: without it nobody can say what is installed";
    SbomInventoryIncomplete = "sbom-inventory-incomplete", Warning,
        "files of the image that list packages were left out of the inventory",
        "see why: raise the limit that is named, or mend or remove the file";

    } };
}
