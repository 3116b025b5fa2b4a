//! The one table of finding codes.
//!
//! Adding a finding is: a row here, a heading with the same text in `docs/findings.md` (a test compares both), and a
//! fixture that produces it. A code never changes its meaning; a code that is no longer produced is removed.

use std::{fmt, str::FromStr};

use super::Severity;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident, $title:literal, $help:literal;)*) => {
        /// A stable code: `whose-what`, where `whose` is image, signature, layout, provenance, predicate, sbom, rebuild (the artifact),
        /// source, limit (the world), policy, config (the operator) or internal (us).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(
            #[doc = $title]
            $(#[$doc])*
            $name,
        )* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as written in reports and policies.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the finding weighs before policy has spoken.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// One line that says what was seen.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What to do about it.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help),* }
            }
        }
    };
}

codes! {
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

    SignatureMissing = "signature-missing", Warning,
        "no signature over the image is proven",
        "sign the digest, for example: hallmark sign --key KEY IMAGE@DIGEST; where it is signed, name the signer: --key FILE, or trust in hallmark.yaml";
    SignatureInvalid = "signature-invalid", Warning,
        "a signature does not verify with the key that should have made it",
        "sign again with the right key, or remove the broken signature";
    SignatureUntrusted = "signature-untrusted", Warning,
        "no configured signer made this signature",
        "sign with a key that hallmark.yaml trusts for this image, or add the signer there";
    SignatureNotAllowed = "signature-not-allowed", Warning,
        "a configured signer made this signature, and no rule lets it vouch for what is signed",
        "if the signer may vouch for it, add a rule under trust.rules in hallmark.yaml";
    SignatureBelowThreshold = "signature-below-threshold", Warning,
        "fewer configured signers than a rule asks for made signatures over this",
        "let the other signers sign the same content";
    SignatureSubjectMismatch = "signature-subject-mismatch", Warning,
        "a signature speaks about another image",
        "sign this digest; a signature cannot be moved from one image to another";
    SignatureIdentityMismatch = "signature-identity-mismatch", Warning,
        "a keyless signature is somebody else's",
        "compare issuer and identity with trust.signers in hallmark.yaml; exact texts and anchored patterns are matched from end to end";
    SignatureCertificateInvalid = "signature-certificate-invalid", Warning,
        "the certificate of a signature may not sign",
        "sign again with a certificate for code signing that is in a certificate transparency log of the trusted root";
    SignatureRootUntrusted = "signature-root-untrusted", Warning,
        "no certificate authority of the trusted root vouches for a signature",
        "check which instance signed, and name its trusted root under trust.signers";
    SignatureTimeInvalid = "signature-time-invalid", Warning,
        "when a signature was made is not proven, or its certificate was not valid then",
        "sign again with a timestamp authority or transparency log of the trusted root";
    SignatureLogInvalid = "signature-log-invalid", Warning,
        "a transparency log does not prove this signature",
        "sign again and let the client record the signature in a log of the trusted root";
    SignatureOtherRepository = "signature-other-repository", Info,
        "a signature over this image was made for another repository",
        "nothing, if this is a copy or a mirror: the digest is what is signed";
    SignatureMalformed = "signature-malformed", Warning,
        "a signature, envelope or bundle cannot be read",
        "make it again with a current tool";
    SignatureUnsupported = "signature-unsupported", Warning,
        "a signature is of a kind that this version does not verify",
        "sign with a key, or use a version that verifies this kind";

    LayoutUntrusted = "layout-untrusted", Error,
        "an in-toto layout is not signed by every key that the operator named",
        "let its owners sign it, or correct the keys under trust.layouts in hallmark.yaml";
    LayoutExpired = "layout-expired", Error,
        "an in-toto layout has expired",
        "let its owners sign a new one with a later date";
    LayoutKeyUnsupported = "layout-key-unsupported", Warning,
        "an in-toto layout lets a key sign that this version does not verify",
        "give the functionary a key of RSA, ECDSA or Ed25519; OpenPGP is not verified";
    LayoutThreshold = "layout-threshold", Error,
        "too few functionaries vouch for a step of an in-toto layout",
        "attach the links of the step, signed by keys that the layout lists for it";
    LayoutLinksDisagree = "layout-links-disagree", Error,
        "two links of one step report different artifacts",
        "run the step again; remove links of other builds from the image";
    LayoutRuleViolated = "layout-rule-violated", Error,
        "the artifacts of a step break a rule of the in-toto layout",
        "find out where the artifact comes from: a step changed, added or lost it";
    LayoutInspectionNotRun = "layout-inspection-not-run", Warning,
        "an in-toto layout asks for an inspection, and hallmark runs no commands",
        "let the layout's owners run it and sign its link, or take it out of the layout";
    LayoutProductMissing = "layout-product-missing", Error,
        "the image is not among the products of the last step of an in-toto layout",
        "record the image's manifest as a product of the last step";
    LayoutCommandDiffers = "layout-command-differs", Warning,
        "a step was done by another command than the in-toto layout suggests",
        "compare the two; the command is only what the functionary says, so that it decides nothing";

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
        "provenance is there, and no signature by which it counts",
        "sign the index digest, or attach the provenance as a signed attestation";
    ProvenanceConflict = "provenance-conflict", Warning,
        "two proven statements name different commits, or one contradicts the embedded build manifest",
        "find out whether both commits give this image; a rule of your own can deny it";
    ProvenanceCommitNotInRef = "provenance-commit-not-in-ref", Warning,
        "a rule relies on branch or tag of the source, and the repository does not bear out that they hold the commit",
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

    PredicateNoSubject = "predicate-no-subject", Warning,
        "an attestation names no subject, so that it is about no image",
        "build again with a name for the output: docker buildx build --tag NAME, or name=NAME in --output";
    PredicateMalformed = "predicate-malformed", Warning,
        "an attestation of a known type cannot be read",
        "make it again as its type asks; its JSON stays available to policy";
    PredicateFailed = "predicate-failed", Warning,
        "a trusted verifier or test says that the image did not pass",
        "see what failed; a result that is not the format's own word for success never counts";
    PredicateOtherResource = "predicate-other-resource", Warning,
        "a verification summary is about another resource",
        "ask the verifier for a summary of the image under the name that it is judged by";
    SummaryNotCounted = "summary-not-counted", Warning,
        "a delegate's verification summary does not count",
        "ask the verifier for a new summary, or change what trust.delegates asks of it";

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
    SbomDatabaseUnreadable = "sbom-database-unreadable", Warning,
        "a package database in the image is missing or cannot be read",
        "keep the package database in the image: without it nobody can say what is installed";

    RebuildDiffers = "rebuild-differs", Warning,
        "the rebuilt image differs from the published one",
        "see the differences; hallmark explain rebuild-differs";
    RebuildNondeterministic = "rebuild-nondeterministic", Warning,
        "two rebuilds differ from each other",
        "make the build deterministic: pass SOURCE_DATE_EPOCH, pin what it fetches, remove randomness";
    RebuildNotReplayable = "rebuild-not-replayable", Warning,
        "the provenance does not say enough to build the image again",
        "see what is missing; build from a git commit with --attest type=provenance,mode=max";
    RebuildFailed = "rebuild-failed", Warning,
        "the build did not succeed",
        "see the end of the build log";
    RebuildPublishedUnreadable = "rebuild-published-unreadable", Warning,
        "a layer of the published image could not be read, so that there is nothing to compare a rebuild with",
        "see the layer and the cause: fetch again where the registry did not answer, publish the image again where the layer is damaged";
    RebuildSourceGone = "rebuild-source-gone", Warning,
        "the source or a base image cannot be fetched any more",
        "keep the repository and the base images at their recorded digests";
    RebuildTimeout = "rebuild-timeout", Warning,
        "the rebuild took longer than allowed",
        "raise limits.rebuild in hallmark.yaml, or make the build shorter";
    RebuildPlatformForeign = "rebuild-platform-foreign", Warning,
        "this machine cannot run the build steps of a platform that is not its own",
        "rebuild on a machine of that platform, or install its emulator (qemu-user-static with binfmt_misc)";
    RebuildEngineUnavailable = "rebuild-engine-unavailable", Warning,
        "no build engine that can replay this image is here",
        "install docker with buildx, buildkitd, or buildah, each with runc";
    RebuildDissent = "rebuild-dissent", Warning,
        "a trusted rebuilder says that the image is not what its source gives",
        "rebuild it here with --rebuild, and ask the rebuilder for its differences";
    RebuildVerdictInvalid = "rebuild-verdict-invalid", Warning,
        "a signed rebuild verdict cannot be read, or cannot be true of this image",
        "ask its signer what it is; it counts for nothing";
    RebuildInputsUntrusted = "rebuild-inputs-untrusted", Warning,
        "the provenance that a rebuild followed is not proven, and not every input is trusted by name",
        "let a trusted signer vouch for the provenance, or name every input under trust.sources in hallmark.yaml";
    RebuildNotRun = "rebuild-not-run", Info,
        "there is no rebuild of the image that counts",
        "run with --rebuild, or use a policy that asks for it";

    SourceUnavailable = "source-unavailable", Error,
        "the registry could not be read",
        "see the cause; try again when it answers";
    SourceUnreadable = "source-unreadable", Error,
        "a folder or file on this machine cannot be read or written",
        "see the cause; give the folder of a layout, or an archive, that this user can read";
    SourceAmbiguous = "source-ambiguous", Error,
        "a layout or archive holds several images, and the name fits more than one",
        "give the image's full name or its digest, as oci:DIR:NAME:TAG or oci:DIR@DIGEST";
    SourceUnauthorized = "source-unauthorized", Error,
        "the registry refused the credentials, or asked for some",
        "log in with docker login, or set DOCKER_CONFIG to a folder with a config.json";
    SourceNotFound = "source-not-found", Error,
        "the image is not there",
        "check the name and the digest; say where a bare digest is with --repository, or under repositories in hallmark.yaml";

    SourceAddressRefused = "source-address-refused", Error,
        "a host is at an address that hallmark does not go to",
        "see why: hallmark follows no registry further inside than it is itself";
    SourceCertificateRefused = "source-certificate-refused", Error,
        "no trusted authority vouches for the host's certificate",
        "name the authority's file as registries[].ca in hallmark.yaml";
    SourceRedirectRefused = "source-redirect-refused", Error,
        "a registry points to a place that hallmark does not follow it to",
        "have the registry point to itself or to https without credentials in the URL";
    SourceRealmRefused = "source-realm-refused", Error,
        "the token service that a registry names may not see its credentials",
        "list the host under registries[].authRealms in hallmark.yaml if it belongs to the registry";
    SourceSettingsUnusable = "source-settings-unusable", Error,
        "the settings for a registry cannot be used",
        "correct the host, the ca file or the proxy that the message names";

    LimitExceeded = "limit-exceeded", Error,
        "something is larger than hallmark reads",
        "if it is honest, raise the limit under limits in hallmark.yaml";

    PolicyDenied = "policy-denied", Error,
        "a policy denies the image",
        "see the rule's message";
    PolicyWarned = "policy-warned", Warning,
        "a policy warns about the image",
        "see the rule's message";
    PolicyNothingProven = "policy-nothing-proven", Error,
        "no rule denies the image, and nothing that was proven speaks for it",
        "name who signs: --key FILE, or trust.rules in hallmark.yaml; where nobody does, sign the image or a statement about it, or rebuild it with --rebuild";
    PolicyError = "policy-error", Error,
        "a policy could not be loaded or evaluated",
        "mend the policy; hallmark policy test runs its tests";
    PolicyExceptionUsed = "policy-exception-used", Warning,
        "an exception let a denied rule through",
        "remove it when it is no longer needed";
    PolicyExceptionUnused = "policy-exception-unused", Warning,
        "an exception matched nothing or has expired",
        "remove it from hallmark.yaml";

    ConfigTrustRuleUnused = "config-trust-rule-unused", Warning,
        "no trust rule speaks about this image",
        "add a rule under trust.rules in hallmark.yaml whose images match";
    ConfigTrustRuleUnmatched = "config-trust-rule-unmatched", Info,
        "a trust rule speaks about this image, and nothing is believed by it",
        "remove the rule if nothing is expected from its signers, or find out why they no longer sign";
    ConfigTrustRuleUnmet = "config-trust-rule-unmet", Error,
        "a trust rule that is required for this image is not satisfied",
        "have its signers sign the image, or remove required from the rule";
    ConfigTrustUnmatched = "config-trust-unmatched", Error,
        "no trust rule or layout speaks about this image, and trust.unmatched denies such images",
        "name the image's repository under trust.rules or trust.layouts in hallmark.yaml, or do not run it";
    ConfigTrustSignerUnused = "config-trust-signer-unused", Warning,
        "no trust rule names this signer",
        "name the signer in trust.rules, or remove it from trust.signers";

    ConfigAllowUsed = "config-allow-used", Warning,
        "an allow entry explains what differs in a rebuild",
        "remove it when the build no longer differs; the level is R1 at most";
    ConfigAllowUnused = "config-allow-unused", Warning,
        "an allow entry explains nothing that differs in a rebuild",
        "remove it from rebuild.allow in hallmark.yaml if the build does not differ there any more";
    ConfigAllowExpired = "config-allow-expired", Warning,
        "an allow entry has ended and explains nothing any more",
        "mend the build, or decide again and write a later day under rebuild.allow in hallmark.yaml";

    ConfigTrustRootStale = "config-trust-root-stale", Warning,
        "a trusted root has not been refreshed for a long time",
        "run hallmark trust update, or use a newer hallmark";
    ConfigTrustRootExpired = "config-trust-root-expired", Error,
        "a trusted root is older than hallmark.yaml allows",
        "run hallmark trust update, or use a newer hallmark";

    InternalError = "internal-error", Error,
        "hallmark itself failed",
        "report it with the command line and this message";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let known = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        known.ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

/// A text that is no finding code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no finding code {0:?}; hallmark explain --list shows them")]
pub struct UnknownCode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes are in no report for people, and no answer of the gate.
    #[test]
    fn what_the_operator_lets_pass_is_never_said_as_a_note() {
        let leave = |code: &&Code| {
            ["policy-exception-", "config-allow-"].iter().any(|of| code.as_str().starts_with(of))
        };
        let all: Vec<_> = Code::ALL.iter().copied().filter(|code| leave(&code)).collect();
        assert!(all.len() >= 5, "{all:?}");
        for code in all {
            assert_eq!(code.severity(), Severity::Warning, "{code}");
        }
    }
}
