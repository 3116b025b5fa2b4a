//! Rules in Rego, evidence in Rust: if an operator could reasonably disagree, it is policy.
//!
//! Turns the [`Evidence`](crate::verdict::Evidence) about an image into [`PolicyInput`] (`hallmark/input/v1`,
//! `docs/schemas/input.v1.json`), evaluates the `deny` and `warn` sets of the packages under `data.hallmark` over it
//! (Rego v1, through regorus), and applies the operator's exceptions. Fails closed: whatever goes wrong in a policy is a
//! deny. Refuses policies that could give another verdict tomorrow: the clock, randomness and the network are not there;
//! the time is `input.time`. Nothing here does I/O.

pub mod approval;
pub mod archive;
pub mod builtins;
pub mod bundle;
pub mod check;
pub mod data;
pub mod deferred;
pub mod effective;
pub mod engine;
pub mod exception;
pub mod explain;
mod given;
pub mod idle;
pub mod input;
pub mod metadata;
pub mod namespaces;
pub mod nearest;
pub mod remarks;
mod said;
pub mod scope;
pub mod settings;
pub mod signer;
mod stopped;
mod strictness;
pub mod test;
mod unread;
pub mod yara;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

pub use approval::GivenApproval;
pub use bundle::Bundle;
pub use deferred::Deferred;
pub use effective::Effective;
pub use engine::Policies;
pub use exception::Exception;
pub use idle::Idle;
pub use input::{PolicyInput, VulnerabilitiesInput};
pub use metadata::Lack;
pub use scope::Scope;

use std::collections::BTreeSet;

use crate::{
    contents::{CollectorName, malware::rules::RuleError},
    finding::{Code, Finding, Key, Subject},
};

/// What a rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleResult {
    /// Stable code, lower-case words joined by `-`.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub msg: String,
    /// The package that said so, as `hallmark.signature`.
    pub package: String,
    /// What to do about it, from the METADATA of the rule's code.
    pub solution: Option<String>,
    /// Codes of findings that the result rests on, from the rule's METADATA.
    pub about: Vec<String>,
    /// Whether nothing in the layers, and no rebuild, could lift it, by the rule's METADATA.
    pub early: bool,
    /// What is missing where it denies for want of that alone, by the rule's METADATA.
    pub lacks: Option<Lack>,
    /// Whatever else the rule put beside `code` and `msg`.
    pub facts: BTreeMap<String, Value>,
}

impl RuleResult {
    /// Code and package, as reports show them and an exception names them.
    pub fn name(&self) -> String {
        format!("{} ({})", self.code, self.package)
    }

    /// Package and code, by which rules say something of themselves.
    fn rule(&self) -> (String, String) {
        (self.package.clone(), self.code.clone())
    }

    /// The denial as a finding about an image.
    pub fn denied(&self, image: &Subject) -> Finding {
        let lacks = self.lacks.map(Lack::code);
        self.finding(Code::PolicyDenied, image).following(lacks)
    }

    /// The warning as a finding about an image.
    pub fn warned(&self, image: &Subject) -> Finding {
        self.finding(Code::PolicyWarned, image)
    }

    fn finding(&self, code: Code, image: &Subject) -> Finding {
        let mut finding = Finding::new(code, image.clone())
            .with(Key::Why, self.msg.clone())
            .with(Key::From, self.name());
        finding.rule = bundle::ships(&self.package).then(|| self.code.clone());
        let help = self.solution.iter().cloned().chain(approval::help(self, image));
        let help: Vec<String> = help.collect();
        match help.is_empty() {
            true => finding,
            false => finding.with(Key::Help, help.join("; ")),
        }
    }
}

/// What the policies say about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Reasons to fail, sorted by package and code.
    pub deny: Vec<RuleResult>,
    /// What to look at, sorted likewise.
    pub warn: Vec<RuleResult>,
    /// Denials that an exception or an approval let through.
    pub excepted: Vec<RuleResult>,
    /// What is said of the policies and not of the image: policy errors, exceptions used and unused.
    pub asides: Vec<Finding>,
}

/// What the policies have to know about an image, so that no more is computed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// What is in the root filesystem: all layers are read, and these collectors see them.
    pub collectors: BTreeSet<CollectorName>,
    /// A rebuild.
    pub rebuild: bool,
    /// Whether branch and tag of the source hold its commit: the repository is asked.
    pub history: bool,
}

impl Judgement {
    /// Without what these packages say: what they ask for was not looked at. A denial that is early stays.
    #[must_use]
    pub fn without(mut self, packages: &[String]) -> Self {
        let asks = |package: &String| packages.contains(package);
        self.deny.retain(|rule| rule.early || !asks(&rule.package));
        self.warn.retain(|rule| !asks(&rule.package));
        // An exception or approval of a rule that was not asked is not known to be unused.
        let unused = [Code::PolicyExceptionUnused, Code::PolicyApprovalUnused];
        self.asides.retain(|finding| !unused.contains(&finding.code));
        self
    }
}

/// Why policies cannot be loaded or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No preset has this name.
    #[error("there is no preset {name:?}; the presets are {known}")]
    UnknownPreset {
        /// As asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A file that is neither a rule nor data.
    #[error(
        "{file}: a policy folder holds *.rego files, one data.json or data.yaml, and YARA rules as yara/*.yar"
    )]
    UnexpectedFile {
        /// Its name.
        file: String,
    },
    /// A bundle in an archive that cannot be meant.
    #[error("{name}: {why}")]
    Archive {
        /// Which file in it, or the archive.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A bundle that holds what it says is not its own.
    #[error("{what} is outside of its roots ({roots}); mend `roots` in its .manifest")]
    OutsideRoots {
        /// Package or path of data.
        what: String,
        /// What the manifest says.
        roots: String,
    },
    /// Two files of one name.
    #[error("{file} is given twice")]
    DuplicateFile {
        /// Its name.
        file: String,
    },
    /// More bytes than are read.
    #[error("{what} of {found} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Which file, or the input.
        what: String,
        /// Size in bytes.
        found: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// Data or METADATA that is no JSON or YAML of the expected form.
    #[error("{file}: {why}")]
    Data {
        /// Its name.
        file: String,
        /// What the parser says.
        why: String,
    },
    /// Data that two folders give.
    #[error(
        "data.{key} is given by both {first} and {second}: each folder has keys of its own, so that none lifts what \
         another denies; rename one of them"
    )]
    DataTwice {
        /// The first step of its path.
        key: String,
        /// Where it is.
        first: String,
        /// And where it is, too.
        second: String,
    },
    /// Data where rules are.
    #[error("data.{data} lies where package {package} has its rules; use another key")]
    DataBelowPackage {
        /// Path of the data.
        data: String,
        /// The package.
        package: String,
    },
    /// Rules in a package of somebody else.
    #[error(
        "{file}: package {package} overlaps package {other} of {origin}; name it otherwise, so that it changes nothing there"
    )]
    PackageTaken {
        /// File.
        file: String,
        /// Its package.
        package: String,
        /// The package that was there.
        other: String,
        /// Where that one comes from.
        origin: String,
    },
    /// A setting of a shipped rule that cannot be meant.
    #[error(transparent)]
    Setting(#[from] settings::SettingError),
    /// A setting that nothing reads.
    #[error(
        "policy.settings.{} is read by no rule that is loaded; {meant}the settings that are read: {known}", path.join(".")
    )]
    SettingUnread {
        /// Its path below `policy.settings`.
        path: Vec<String>,
        /// The section that may be meant, as a question.
        meant: String,
        /// Paths that are read.
        known: String,
    },
    /// A setting of the shipped rules that there is not.
    #[error(
        "policy.settings.{} is no setting of the shipped rules; {meant}they have {known}; settings of your own rules stand \
         under a key of their own", path.join(".")
    )]
    SettingUnknown {
        /// Its path below `policy.settings`.
        path: Vec<String>,
        /// The setting that may be meant, as a question.
        meant: String,
        /// The settings of its section.
        known: String,
    },
    /// A rule that nothing asks for.
    #[error("{file}:{line}: nothing asks for {rule}: {help}")]
    Unasked {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Path of the rule.
        rule: String,
        /// What to do.
        help: &'static str,
    },
    /// A reference that is undefined for ever.
    #[error(
        "{file}:{line}: nothing defines {reference}: no loaded rule and no data file; a rule that asks for it would find nothing"
    )]
    Undefined {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// The reference.
        reference: String,
    },
    /// A part of the input that is there only for who asks.
    #[error(
        "{file}:{line}: package {package} reads input.{part}, which is there only for who asks: write `needs contains \"{part}\"`"
    )]
    NotAskedFor {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// The package.
        package: String,
        /// `inventory` or `rebuild`.
        part: &'static str,
    },
    /// The input as a whole, where nobody can tell what is read of it.
    #[error(
        "{file}:{line}: package {package} takes the input as a whole or by a key that is computed, and input.{part} in it is there \
         only for who asks: name what is read, as input.image.digest, or write `needs contains \"{part}\"`"
    )]
    WholeInput {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// The package.
        package: String,
        /// `inventory` or `rebuild`.
        part: &'static str,
    },
    /// A `needs` that can never hold.
    #[error(
        "{file}:{line}: needs of package {package} reads {read}, which is not there yet: what is needed is asked before any \
         image is looked at, so that it would never hold; of the input it may read input.settings alone"
    )]
    NeedsTooLate {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// The package.
        package: String,
        /// What it reads.
        read: String,
    },
    /// A function that policies may not call.
    #[error("{file}:{line}: {name} may not be called: {why}")]
    Forbidden {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// The function.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A number that is not read as it is written.
    #[error("{file}:{line}: {why}")]
    Number {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Why, and what to write.
        why: &'static str,
    },
    /// A form that the engine answers otherwise than OPA.
    #[error("{file}:{line}: {why}")]
    Form {
        /// File.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Why, and what to write.
        why: &'static str,
    },
    /// A number in a document that would be read as its neighbour.
    #[error(
        "{what} holds the number {number}, which 64 bits do not hold exactly: rules would compare another one; write it as a text, or with fewer digits"
    )]
    Inexact {
        /// Which document, or part of the input.
        what: String,
        /// The number as it is written.
        number: String,
    },
    /// An exception that two rules could mean.
    #[error(
        "policy.exceptions: the code {code} is given, or may be computed, by {packages}; say which package is meant with `package`"
    )]
    ExceptionUnclear {
        /// The code.
        code: String,
        /// Packages that give it.
        packages: String,
    },
    /// An exception that could never let anything through.
    #[error("{why}\n  help: {help}")]
    ExceptionIdle {
        /// Its code.
        code: String,
        /// Its package, where it says one.
        package: Option<String>,
        /// Why.
        why: String,
        /// What to do.
        help: String,
    },
    /// A day for a rule that there is not.
    #[error(
        "policy.effective: no rule that ships or is loaded denies with {code}; {meant}hallmark policy eval shows the codes of rules"
    )]
    EffectiveIdle {
        /// The code.
        code: String,
        /// The code that may be meant, as a question.
        meant: String,
    },
    /// Not Rego v1, or not consistent.
    #[error("a policy does not compile: {why}")]
    Compile {
        /// What regorus says, with file and line.
        why: String,
    },
    /// A rule that nobody would ever evaluate.
    #[error(
        "{file}: package {package} is not under hallmark, so its deny and warn would never be asked"
    )]
    OutsideHallmark {
        /// File.
        file: String,
        /// Its package.
        package: String,
    },
    /// YARA rules that cannot be used.
    #[error(transparent)]
    Yara(#[from] RuleError),
    /// Nothing would ever be denied.
    #[error("the policies hold no deny and no warn rule: every image would pass")]
    NoRules,
    /// Nothing to run.
    #[error("there are no tests: put rules whose names begin with test_ into *_test.rego files")]
    NoTests,
    /// `needs` holds a word that means nothing.
    #[error(
        "{package}: needs holds {found}; expected \"inventory\", \"contents\", \"secrets\", \"vulnerabilities\", \"malware\" or \"rebuild\""
    )]
    UnknownNeed {
        /// Package.
        package: String,
        /// What it holds.
        found: String,
    },
    /// `deny`, `warn` or `needs` is no set.
    #[error("{rule} is no set; write `{name} contains {{...}} if ...`")]
    NotASet {
        /// Full path of the rule.
        rule: String,
        /// Its name.
        name: String,
    },
    /// A member of `deny` or `warn` that is no result.
    #[error(
        "{rule} gave {found}; expected an object with a code of lower-case words joined by '-' and a msg"
    )]
    NotAResult {
        /// Full path of the rule.
        rule: String,
        /// What it gave, cut to 200 characters.
        found: String,
    },
    /// The rules contradict each other, or a builtin failed.
    #[error("a policy cannot be evaluated: {why}")]
    Evaluate {
        /// What regorus says, with file and line.
        why: String,
    },
    /// Evaluation took longer than allowed.
    #[error("evaluating the policies took longer than {}, {} ms", crate::limits::key("policy"), limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The engine broke.
    #[error("the policy engine broke while evaluating")]
    Broken,
}

impl PolicyError {
    /// What is wrong, without the lines of the policy that the engine prints below it.
    pub fn in_one_line(&self) -> String {
        let text = self.to_string();
        let (mut words, mut source) = (Vec::new(), false);
        for line in text.lines().map(str::trim) {
            // `--> file:1:2`, `|`, `1 | text`, `| ^`, `error: why`
            let place = line.strip_prefix("--> ");
            let drawn = source
                && line
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .trim_start()
                    .starts_with('|');
            source |= place.is_some();
            match (place, line.strip_prefix("error: ")) {
                (Some(place), _) => words.push(format!("{place}:")),
                (None, Some(why)) if source => words.push(why.to_owned()),
                _ if drawn || line.is_empty() => {}
                _ => words.push(line.to_owned()),
            }
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests;
