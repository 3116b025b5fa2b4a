//! Asking a repository whether the branch or tag that provenance names holds its commit.

use super::{Inquiry, recorded};
use crate::{
    attest::provenance::Provenance,
    engine::ancestry::Held,
    trust::{
        Proof,
        refs::{Kind, SourceRefs, certified},
    },
};

/// What is known of the source's refs, where a rule relies on them. `known` is what was found out before, and is not asked
/// for again. Provenance that nobody proved says nothing to rules, so that nobody is asked for its sake.
pub async fn of(
    provenance: &Proof<Provenance>,
    known: SourceRefs,
    inquiry: &Inquiry,
) -> SourceRefs {
    if !inquiry.wanted.needs().history {
        return SourceRefs::default();
    }
    let Some(proven) = provenance.proven() else { return SourceRefs::unknown(None) };
    let mut refs = SourceRefs::unknown(Some(proven.value()));
    if known.is_about_that_of(&refs) {
        return known;
    }
    let Some((url, commit)) = refs.about() else { return refs };
    let (url, commit) = (url.to_owned(), commit.clone());
    for kind in Kind::ALL {
        let Some(reference) = kind.full(proven.value()) else { continue };
        let why = match certified(proven.signers(), &url, &commit, &reference) {
            true => None,
            false => {
                let plain = url.strip_prefix("git+").unwrap_or(&url);
                match recorded::holds(plain, &reference, &commit, inquiry).await {
                    Ok(Held::Yes) => None,
                    Ok(Held::No) => {
                        Some(format!("{reference} does not hold commit {}", commit.as_str()))
                    }
                    Ok(Held::Unproven(why)) => Some(why.to_string()),
                    Err(failure) => Some(failure.why),
                }
            }
        };
        refs.add(reference, why);
    }
    refs
}
