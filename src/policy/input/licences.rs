//! What rules see of a package's licence: what is declared and what is found, apart from each other.

use schemars::JsonSchema;
use serde::Serialize;

use crate::licences::{Licence, Unreadable};

/// The licence of a package, by who says it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicencesInput {
    /// What the package's own metadata declare.
    pub declared: LicenceInput,
    /// What its copyright file says (Debian's machine-readable form): all of its files together.
    pub found: LicenceInput,
}

/// A licence, or why it is not known.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
}

impl LicenceInput {
    /// What nobody says.
    pub(super) fn missing() -> Self {
        Self { state: "missing".to_owned(), expression: None, choices: Vec::new(), why: None }
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
                why: None,
            },
            Err(Unreadable::Nothing) => Self::missing(),
            Err(why) => {
                Self { state: "unknown".to_owned(), why: Some(why.to_string()), ..Self::missing() }
            }
        }
    }
}
