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
        "no rule denies the image, but nothing is proven that could let it pass",
        "name who signs: --key FILE, or trust.rules in hallmark.yaml; where nobody does, sign the image or a statement about it, or rebuild it with --rebuild";
    PolicyError = "policy-error", Error,
        "a policy could not be loaded or evaluated",
        "mend the policy; hallmark policy test runs its tests";
    PolicyRuleIdle = "policy-rule-idle", Warning,
        "a rule that was asked for decides nothing",
        "set what it needs under policy.settings in hallmark.yaml, or take it out of policy.rules";
    PolicyExceptionUsed = "policy-exception-used", Warning,
        "an exception let a denied rule through",
        "remove it when it is no longer needed";
    PolicyApprovalUsed = "policy-approval-used", Warning,
        "an approval let a difference through",
        "mend the difference before the approval ends";
    PolicyOtherTime = "policy-other-time", Warning,
        "the image was judged by another time than now",
        "leave --as-of out for the verdict of now";
    PolicyExceptionUnused = "policy-exception-unused", Warning,
        "an exception let nothing through",
        "see why; remove it from hallmark.yaml, or except all that the denial names";
    PolicyApprovalUnused = "policy-approval-unused", Warning,
        "an approval lifted nothing, or does not count",
        "remove it; where it should count, let one of policy.approvals.signers sign the difference that the report names";

    } };
}
