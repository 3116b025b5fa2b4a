//! Codes `layout-…`: in-toto layouts and their links.

macro_rules! layout {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

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

    } };
}
