//! Advisories that say the same of one package, as one vulnerability.

use std::collections::BTreeSet;

use super::Vulnerability;

/// Those of one package, without repetition: two advisories are the same vulnerability where one names the other, or
/// both have one alias. What an advisory is made from does not count: an update of a distribution is made from many.
pub(super) fn merged(found: Vec<Vulnerability>) -> Vec<Vulnerability> {
    let mut groups: Vec<(BTreeSet<String>, Vec<Vulnerability>)> = Vec::new();
    for one in found {
        let mut ids: BTreeSet<String> = one.advisory.aliases.iter().cloned().collect();
        ids.insert(one.advisory.id.clone());
        let mut members = vec![one];
        let mut kept = Vec::with_capacity(groups.len() + 1);
        for (own, list) in groups {
            if own.is_disjoint(&ids) {
                kept.push((own, list));
            } else {
                ids.extend(own);
                members.splice(0..0, list);
            }
        }
        kept.push((ids, members));
        groups = kept;
    }
    let mut merged: Vec<_> =
        groups.into_iter().filter_map(|(_, members)| joined(members)).collect();
    merged.sort_by(|a, b| a.advisory.id.cmp(&b.advisory.id));
    merged
}

/// One for all: the first by its id that names a fix, and the worst that any of them says.
fn joined(mut members: Vec<Vulnerability>) -> Option<Vulnerability> {
    members.sort_by(|a, b| {
        (a.fixed.is_none(), &a.advisory.id).cmp(&(b.fixed.is_none(), &b.advisory.id))
    });
    let mut members = members.into_iter();
    let mut first = members.next()?;
    for other in members {
        let (own, told) = (&mut first.severity, &other.severity);
        if (told.level, told.tenths) > (own.level, own.tenths) {
            *own = other.severity;
        }
        first.advisory.exploited = first.advisory.exploited.take().or(other.advisory.exploited);
        first.advisory.forecast = first.advisory.forecast.take().or(other.advisory.forecast);
        first.first_seen = earlier(first.first_seen.take(), other.first_seen);
        first.fix_seen = earlier(first.fix_seen.take(), other.fix_seen);
        first.unimportant &= other.unimportant;
        let ids = std::iter::once(other.advisory.id.clone()).chain(other.advisory.aliases);
        first.advisory.aliases.extend(ids.filter(|id| *id != first.advisory.id));
        if other.advisory.id != first.advisory.id {
            first.others.push(other.advisory.id);
        }
        first.advisory.upstream.extend(other.advisory.upstream);
    }
    for list in [&mut first.advisory.aliases, &mut first.advisory.upstream, &mut first.others] {
        list.sort();
        list.dedup();
    }
    Some(first)
}

fn earlier(a: Option<String>, b: Option<String>) -> Option<String> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
