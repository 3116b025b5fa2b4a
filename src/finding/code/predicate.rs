//! Codes `predicate-…` and `summary-…`: results of checks, and the summaries of delegates.

macro_rules! predicate {
    ($next:ident $($more:ident)*; $($row:tt)*) => { $next! { $($more)*; $($row)*

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

    } };
}
