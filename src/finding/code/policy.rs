//! Codes `policy-…`: rules and exceptions from them.

macro_rules! policy {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

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

    } };
}
