//! Codes `signature-…`: signatures, and who made them.

macro_rules! signature {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

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
        "a keyless signature has another identity than the configured ones",
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

    } };
}
