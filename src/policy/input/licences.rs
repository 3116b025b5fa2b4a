//! What rules see of a package's licence: what is declared, what is found and what is concluded, apart from each other.

use schemars::JsonSchema;
use serde::Serialize;

use crate::licences::{Licence, Unreadable};

/// The licence of a package, by who says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicencesInput {
    /// What the package's own metadata declare.
    pub declared: LicenceInput,
    /// What its copyright file says (Debian's machine-readable form): all of its files together.
    pub found: LicenceInput,
    /// What the texts of licences beside it are, as a whole; `unknown` where there are several, or one that nobody knows.
    pub concluded: LicenceInput,
}

/// A licence, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenceInput {
    /// `known`, `unknown` (something is said that means no licence) or `missing` (nothing is said).
    pub state: String,
    /// As an SPDX expression with current identifiers.
    pub expression: Option<String>,
    /// The ways to comply, each with the terms that hold together: `A AND (B OR C)` leaves `[A, B]` and `[A, C]`. A term is an
    /// identifier, perhaps with `+` or `WITH` an exception; `LicenseRef-unknown-...` is a name that is not known.
    pub choices: Vec<Vec<String>>,
    /// Why it is not known.
    pub why: Option<String>,
    /// Expressions of several licences whose texts are there, where nothing says whether one may be chosen or all of them hold.
    pub several: Vec<String>,
}

impl LicenceInput {
    /// What nobody says.
    pub(super) fn missing() -> Self {
        Self {
            state: "missing".to_owned(),
            expression: None,
            choices: Vec::new(),
            why: None,
            several: Vec::new(),
        }
    }

    pub(super) fn of(read: &Result<Licence, Unreadable>) -> Self {
        match read {
            Ok(licence) => Self {
                state: "known".to_owned(),
                expression: Some(licence.expression.clone()),
                choices: licence
                    .choices
                    .iter()
                    .map(|terms| terms.iter().cloned().collect())
                    .collect(),
                ..Self::missing()
            },
            Err(Unreadable::Nothing) => Self::missing(),
            Err(why) => Self {
                state: "unknown".to_owned(),
                why: Some(why.to_string()),
                several: match why {
                    Unreadable::Several(all) => all.clone(),
                    _ => Vec::new(),
                },
                ..Self::missing()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_licences_are_listed_and_none_of_them_is_chosen() {
        let several = Unreadable::Several(vec!["ISC".to_owned(), "MIT".to_owned()]);
        let told = LicenceInput::of(&Err(several));
        assert_eq!((told.state.as_str(), told.expression.as_deref()), ("unknown", None));
        assert_eq!((told.choices.len(), told.several), (0, vec!["ISC".into(), "MIT".into()]));
        let known = LicenceInput::of(&crate::licences::read("npm", "MIT, ISC"));
        assert_eq!((known.choices.len(), known.several), (2, Vec::new()));
    }
}
