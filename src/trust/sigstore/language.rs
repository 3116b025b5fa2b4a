//! What the texts that a pattern matches begin and end with: whose names they can be.
//!
//! A pattern is judged by its parsed expression, and not by how it is written, because one thing can be written in many ways
//! (attack B8). All ways in which a text that it matches can begin and end are walked, in two steps: each way becomes a row of
//! characters, of which a few may stand in one place, up to the first part that may be anything; what is anything stays
//! anything, however narrow it is. So the walk sees at least everything that the pattern matches.
//!
//! For a URI, scheme, host and the slash behind it have to be fixed, and a first segment that is begun has to be ended: whoever has
//! `myorg-evil` has everything that `myorg.*` matches. For an address, what comes behind the last wildcard has to hold the `@`
//! and the whole domain. Each pattern is about one kind of names, and matches no others.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::{certificate::Reading, error::PatternFault};

/// Ways in which a text can begin or end that are walked.
const MOST_WAYS: usize = 512;
/// Characters of one way.
const MOST_CHARACTERS: usize = 4096;
/// Characters that may stand in one place and are still as good as one: a letter in both cases.
const FEW: usize = 4;
/// Repetitions of a fixed number that are written out.
const MOST_REPEATS: u32 = 64;
/// Hosts on which the first segment is the name of whoever signed up for it.
const SHARED: [&str; 8] = [
    "github.com",
    "gitlab.com",
    "bitbucket.org",
    "codeberg.org",
    "gitea.com",
    "git.sr.ht",
    "dev.azure.com",
    "token.actions.githubusercontent.com",
];

/// A character, or a few of which one stands there.
type Place = Vec<char>;

/// One way in which a text can begin, and end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Fixed so far.
    Fixed(Vec<Place>),
    /// A URI of a fixed host; nothing of what follows matters.
    Uri,
    /// Anything, and then this.
    After(Vec<Place>),
}

/// Which kind of names the texts are that an expression matches; `None` where it is fixed texts of no kind alone.
pub(super) fn judge(expression: &Hir) -> Result<Option<Reading>, PatternFault> {
    let ways = walk(expression, BTreeSet::from([Way::Fixed(Vec::new())]))?;
    let mut kinds = BTreeSet::new();
    for way in ways {
        kinds.insert(match way {
            Way::Fixed(places) => Reading::of(&text(&places)),
            Way::Uri => Reading::Uri,
            Way::After(places) => address(&places)?,
        });
    }
    kinds.remove(&Reading::Word);
    match kinds.len() {
        0 | 1 => Ok(kinds.into_iter().next()),
        _ => Err(PatternFault::Kinds),
    }
}

/// One text of those that a row of places stands for.
fn text(places: &[Place]) -> String {
    places.iter().filter_map(|place| place.first()).collect()
}

fn walk(expression: &Hir, before: BTreeSet<Way>) -> Result<BTreeSet<Way>, PatternFault> {
    let after = match expression.kind() {
        // An anchor or border of a word takes texts away and adds none.
        HirKind::Empty | HirKind::Look(_) => before,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => {
                text.chars().try_fold(before, |ways, c| each(ways, |way| way.then(&vec![c])))?
            }
            Err(_) => each(before, Way::anything)?,
        },
        HirKind::Class(class) => match few(class) {
            Some(place) => each(before, |way| way.then(&place))?,
            None => each(before, Way::anything)?,
        },
        HirKind::Repetition(Repetition { min: 0, max: Some(0), .. }) => before,
        HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) => {
            let with = walk(sub, before.clone())?;
            before.into_iter().chain(with).collect()
        }
        HirKind::Repetition(Repetition { min, max, sub, .. })
            if *max == Some(*min) && *min <= MOST_REPEATS =>
        {
            (0..*min).try_fold(before, |ways, _| walk(sub, ways))?
        }
        HirKind::Repetition(_) => each(before, Way::anything)?,
        HirKind::Capture(capture) => walk(&capture.sub, before)?,
        HirKind::Concat(parts) => parts.iter().try_fold(before, |ways, part| walk(part, ways))?,
        HirKind::Alternation(parts) => {
            let mut ways = BTreeSet::new();
            for part in parts {
                ways.extend(walk(part, before.clone())?);
                bounded(&ways)?;
            }
            ways
        }
    };
    bounded(&after)?;
    Ok(after)
}

fn bounded(ways: &BTreeSet<Way>) -> Result<(), PatternFault> {
    if ways.len() > MOST_WAYS { Err(PatternFault::Ways) } else { Ok(()) }
}

fn each(
    ways: BTreeSet<Way>,
    step: impl Fn(Way) -> Result<Way, PatternFault>,
) -> Result<BTreeSet<Way>, PatternFault> {
    ways.into_iter().map(step).collect()
}

/// The characters of a class, where they are few.
fn few(class: &Class) -> Option<Place> {
    let Class::Unicode(class) = class else { return None };
    let ranges = class.ranges().iter().take(FEW + 1);
    let mut all: Place =
        ranges.flat_map(|range| (range.start()..=range.end()).take(FEW + 1)).collect();
    // Names are ASCII, so that a long s beside the other two matches none.
    if all.len() <= FEW && all.iter().any(char::is_ascii) {
        all.retain(char::is_ascii);
    }
    (1..=FEW).contains(&all.len()).then_some(all)
}

impl Way {
    fn then(self, place: &Place) -> Result<Self, PatternFault> {
        let grown = |mut places: Vec<Place>| {
            places.push(place.clone());
            if places.len() > MOST_CHARACTERS { Err(PatternFault::Ways) } else { Ok(places) }
        };
        Ok(match self {
            Self::Fixed(places) => Self::Fixed(grown(places)?),
            Self::After(places) => Self::After(grown(places)?),
            Self::Uri => Self::Uri,
        })
    }

    fn anything(self) -> Result<Self, PatternFault> {
        match self {
            Self::Uri => Ok(Self::Uri),
            Self::Fixed(places) if head(&places)? => Ok(Self::Uri),
            Self::Fixed(_) | Self::After(_) => Ok(Self::After(Vec::new())),
        }
    }
}

/// The one character of a place.
fn only(place: &Place) -> Option<char> {
    match place.as_slice() {
        [c] => Some(*c),
        _ => None,
    }
}

/// Whether a text that begins so, and goes on with anything, is a URI; an error where it may be a stranger's.
fn head(places: &[Place]) -> Result<bool, PatternFault> {
    let all = |place: &Place, is: fn(char) -> bool| place.iter().all(|c| is(*c));
    let scheme =
        places.iter().take_while(|p| all(p, |c| c.is_ascii_alphanumeric() || "+-.".contains(c)));
    let (scheme, rest) = places.split_at(scheme.count());
    let separator: Vec<_> = rest.iter().take(3).map(only).collect();
    if scheme.is_empty() || separator != [Some(':'), Some('/'), Some('/')] {
        return Ok(false);
    }
    let rest = rest.get(3..).unwrap_or_default();
    let host =
        rest.iter().take_while(|p| all(p, |c| c.is_ascii_alphanumeric() || "-.:[]".contains(c)));
    let (host, path) = rest.split_at(host.count());
    let ended = path.first().and_then(only) == Some('/');
    if host.is_empty() || !ended {
        return Err(PatternFault::Host);
    }
    let segment = path.get(1..).unwrap_or_default();
    let shared = SHARED.contains(&text(host).to_ascii_lowercase().as_str());
    let complete = segment.iter().any(|place| only(place) == Some('/'));
    let open = !complete && (shared || !segment.is_empty());
    if open && text(scheme).to_ascii_lowercase().starts_with("http") {
        return Err(PatternFault::Organisation);
    }
    Ok(true)
}

/// The kind of address that a text is which ends so, whatever comes before; an error where its domain may be a stranger's.
fn address(end: &[Place]) -> Result<Reading, PatternFault> {
    let mark = |place: &Place| only(place).is_some_and(|c| "@!".contains(c));
    let at = end.iter().rposition(mark).ok_or(PatternFault::Domain)?;
    let domain = end.get(at + 1..).unwrap_or_default();
    let label = |c: &char| c.is_ascii_alphanumeric() || "-.".contains(*c);
    if domain.is_empty() || !domain.iter().flatten().all(label) {
        return Err(PatternFault::Domain);
    }
    Ok(if end.get(at).and_then(only) == Some('@') { Reading::Email } else { Reading::UserName })
}

/// What somebody may have meant by a pattern that is refused: from end to end, with a scheme, dots of hosts escaped, and the slash
/// behind the first segment. It is narrower than what was written.
pub(super) fn guesses(text: &str) -> Vec<String> {
    let inner = text.strip_prefix('^').unwrap_or(text);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let bare = inner.strip_prefix(".*").filter(|rest| !rest.starts_with('@')).unwrap_or(inner);
    let (scheme, rest) = match bare.split_once("://") {
        Some((scheme, rest)) => (scheme.to_owned(), rest),
        None if bare.contains('/') => ("https".to_owned(), bare),
        None => {
            let (local, domain) = inner.split_once('@').unwrap_or((inner, ""));
            let mark = if domain.is_empty() { "" } else { "@" };
            return vec![format!("^{inner}$"), format!("^{local}{mark}{}$", escaped(domain))];
        }
    };
    // Without a scheme it would be no URI.
    let whole = bare.contains("://").then(|| format!("^{inner}$"));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let slash = if path.is_empty() { "" } else { "/" };
    let head = format!("^{scheme}://{}{slash}", escaped(host));
    let ended = path.replacen(".*", "/.*", 1);
    let guesses = [format!("{head}{path}$"), format!("{head}{ended}$")];
    whole.into_iter().chain(guesses).collect()
}

/// A host with its dots escaped.
fn escaped(host: &str) -> String {
    let mut out = String::new();
    for c in host.chars() {
        if c == '.' && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
