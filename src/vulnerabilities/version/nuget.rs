//! NuGet's versions: up to four numbers, and the labels of a pre-release, whose case does not count.

use std::cmp::Ordering;

use super::digits;

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((numbers_a, labels_a), (numbers_b, labels_b)) = (parse(a)?, parse(b)?);
    let at =
        |list: &[&str], index: usize| list.get(index).map_or_else(String::new, |n| (*n).to_owned());
    let orders = (0..4).map(|i| digits::compare(&at(&numbers_a, i), &at(&numbers_b, i)));
    let order = orders.into_iter().find(|order| order.is_ne());
    Some(order.unwrap_or_else(|| labels(&labels_a, &labels_b)))
}

fn parse(text: &str) -> Option<(Vec<&str>, Vec<String>)> {
    let text = text.trim().trim_start_matches(['v', 'V']);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let (numbers, labels) = text.split_once('-').map_or((text, None), |(n, l)| (n, Some(l)));
    let numbers: Vec<&str> = numbers.split('.').collect();
    let labels: Vec<String> = labels
        .into_iter()
        .flat_map(|labels| labels.split('.'))
        .map(str::to_ascii_lowercase)
        .collect();
    let label = |text: &String| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let valid = numbers.len() <= 4
        && numbers.iter().all(|n| digits::is_number(n))
        && labels.iter().all(label);
    valid.then_some((numbers, labels))
}

/// Semantic Versioning 11.3 and 11.4.
fn labels(a: &[String], b: &[String]) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return b.len().cmp(&a.len());
    }
    let unequal =
        a.iter().zip(b).map(|(a, b)| match (digits::is_number(a), digits::is_number(b)) {
            (true, true) => digits::compare(a, b),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.cmp(b),
        });
    unequal.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}
