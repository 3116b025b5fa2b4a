//! Codes `config-…` and `internal-…`: what the operator wrote, and what hallmark itself did.

macro_rules! config {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

    ConfigTrustRuleUnused = "config-trust-rule-unused", Warning,
        "no trust rule speaks about this image",
        "name who signs: --key FILE, or a rule under trust.rules in hallmark.yaml whose images match";
    ConfigTrustRuleUnmatched = "config-trust-rule-unmatched", Info,
        "a trust rule is about this image, and nothing was proven by it",
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

    } };
}
