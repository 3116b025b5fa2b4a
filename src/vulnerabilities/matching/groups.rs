//! Packages of Maven whose group nobody knows: jars without a `pom.properties`, as Gradle makes them.
//!
//! Advisories name group and artifact. Where those of one group alone name an artifact, they are about it; where those of several do,
//! nobody can tell, which is said. A jar is none that no advisory knows because it leaves out its group.

use super::{DatabaseError, Lookup, NAMED, Question, Subject, Unknown};

/// Groups that are asked about; an artifact that more have is called as many things are.
const GROUPS: usize = 8;

/// What to ask of a package.
pub(super) enum Groups {
    /// By its name in one group, or as it is called where no advisory has such an artifact.
    One(Vec<Question>),
    /// Nothing: it may be of several groups. What nobody can tell, where there is something.
    Several(Option<Unknown>),
}

/// The groups that the data has of a package which says none.
pub(super) fn of(
    lookup: &mut Lookup<'_>,
    subject: &Subject,
    questions: Vec<Question>,
) -> Result<Groups, DatabaseError> {
    let question = questions.first().filter(|_| is_missing(subject));
    let Some(question) = question else { return Ok(Groups::One(questions)) };
    let named = |name: String| Question { name, ..question.clone() };
    let names = lookup.reader.with_groups(&question.name)?;
    Ok(match names.len() {
        0 => Groups::One(questions),
        1 => Groups::One(names.into_iter().map(named).collect()),
        2..=GROUPS => {
            let asked: Vec<Question> = names.into_iter().map(named).collect();
            let asked = lookup.ask(subject, &asked)?;
            let mut names: Vec<String> = asked.found.into_iter().map(|one| one.matched.0).collect();
            names.dedup();
            let any = !names.is_empty() || !asked.unknown.is_empty();
            Groups::Several(any.then(|| unknown(subject, &names)))
        }
        _ => Groups::Several(Some(unknown(subject, &names))),
    })
}

/// Whether a package's group is not known.
fn is_missing(subject: &Subject) -> bool {
    subject.purl_type == "maven" && !subject.name.contains(':')
}

/// Says that it may be any of these.
fn unknown(subject: &Subject, names: &[String]) -> Unknown {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (shown, count) = (shown.join(", "), names.len().max(1));
    let why = format!("nothing says its group, and advisories are about it if it is {shown}{more}");
    Unknown { package: subject.place, why, advisories: Vec::new(), count }
}
