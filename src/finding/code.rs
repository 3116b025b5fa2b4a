//! The one table of finding codes, a file for each family of them: `src/finding/code/image.rs` and its neighbours.
//!
//! Adding a finding is: a row in the file of its family, a heading with the same text in `docs/findings.md` (a test compares
//! both), and a test that produces it. A code never changes its meaning; a code that is no longer produced is removed.
//!
//! Each family is a macro that appends its rows and hands them to the next one; the last is `codes`, which makes the type.

#[macro_use]
mod image;
#[macro_use]
mod signature;
#[macro_use]
mod layout;
#[macro_use]
mod provenance;
#[macro_use]
mod predicate;
#[macro_use]
mod sbom;
#[macro_use]
mod rebuild;
#[macro_use]
mod source;
#[macro_use]
mod policy;
#[macro_use]
mod config;

use std::{fmt, str::FromStr};

use super::Severity;

macro_rules! codes {
    (; $($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident, $title:literal, $help:literal;)*) => {
        /// A stable code: `whose-what`, where `whose` is image, signature, layout, provenance, predicate, summary, sbom, rebuild (the
        /// artifact), source, limit (the world), policy, config (the operator) or internal (us).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(
            #[doc = $title]
            $(#[$doc])*
            $name,
        )* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as written in reports and policies.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the finding weighs before policy has spoken.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// One line that says what was seen.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What to do about it.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help),* }
            }
        }
    };
}

image! { signature layout provenance predicate sbom rebuild source policy config codes; }

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let known = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        known.ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

/// A text that is no finding code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no finding code {0:?}; hallmark explain --list shows them")]
pub struct UnknownCode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    /// A family that is torn would have two places in `docs/findings.md`.
    #[test]
    fn codes_of_a_family_stand_together() {
        let family = |code: &Code| code.as_str().split('-').next().unwrap();
        let mut families: Vec<_> = Code::ALL.iter().map(family).collect();
        families.dedup();
        let all: std::collections::BTreeSet<_> = families.iter().collect();
        assert_eq!(all.len(), families.len(), "{families:?}");
        for code in Code::ALL {
            let letters: String = code.as_str().split('-').collect();
            assert_eq!(format!("{code:?}").to_lowercase(), letters, "named as it is written");
        }
    }

    /// Notes are in no report for people, and no answer of the gate.
    #[test]
    fn what_the_operator_lets_pass_is_never_said_as_a_note() {
        let leave = |code: &&Code| {
            ["policy-exception-", "config-allow-"].iter().any(|of| code.as_str().starts_with(of))
        };
        let all: Vec<_> = Code::ALL.iter().copied().filter(|code| leave(&code)).collect();
        assert!(all.len() >= 5, "{all:?}");
        for code in all {
            assert_eq!(code.severity(), Severity::Warning, "{code}");
        }
    }
}
