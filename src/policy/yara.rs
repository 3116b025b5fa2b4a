//! YARA rules of policy folders: which files they are, and how large they may be.
//!
//! `*.yar` and `*.yara` in the folder `yara/` at the top of a policy folder or archive, or below it. They are compiled when policies are,
//! so that one that does not compile stops the start, and `limits` of files and bytes hold before that.

use super::{PolicyError, data};
use crate::contents::malware::rules::{RuleError, RuleFile, RuleSet};

/// Where they lie.
const FOLDER: &str = "yara/";
/// Extensions of their names.
pub const EXTENSIONS: [&str; 2] = ["yar", "yara"];
/// Largest file of them, in bytes: collections of rules are handed out as one file.
pub const MAX_FILE_BYTES: usize = 8 << 20;
/// Files of them.
const MAX_FILES: usize = 1024;

/// Whether a file is one of YARA rules, by its name in the policy folder.
pub fn is_rules(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    name.starts_with(FOLDER) && extension.is_some_and(|known| EXTENSIONS.contains(&known))
}

/// Most bytes that a file of a policy folder may have, by its name there.
pub fn most_bytes(name: &str) -> usize {
    if is_rules(name) { MAX_FILE_BYTES } else { data::MAX_FILE_BYTES }
}

/// What reports call a file of rules: its name in the folder.
pub(super) fn namespace(name: &str) -> &str {
    name.strip_prefix(FOLDER).unwrap_or(name)
}

/// The rules of these files; `None` where there are none.
///
/// # Errors
/// [`PolicyError::Yara`].
pub(super) fn compile(files: &[RuleFile<'_>]) -> Result<Option<RuleSet>, PolicyError> {
    if files.is_empty() {
        return Ok(None);
    }
    if files.len() > MAX_FILES {
        let (found, limit) = (files.len(), MAX_FILES);
        return Err(RuleError::TooMany { what: "files", found, limit }.into());
    }
    Ok(Some(RuleSet::compile(files)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contents::CollectorName,
        limits::Limits,
        policy::{Bundle, Policies},
    };

    const RULE: &str = "rule a { condition: true }";

    fn with(files: &[(&str, &str)]) -> Result<Bundle, PolicyError> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let own = Bundle::from_files(files)?.at("own");
        Bundle::preset("baseline")?.join(own).and_then(Bundle::with_malware)
    }

    fn compiled(files: &[(&str, &str)]) -> Result<Policies, PolicyError> {
        Policies::compile(&with(files)?, &Limits::default())
    }

    #[test]
    fn whoever_gives_rules_asks_what_they_match() {
        let policies = compiled(&[("yara/a.yar", RULE), ("yara/more/b.yara", RULE)]).unwrap();
        assert_eq!(policies.malware().map(|rules| rules.given().count), Some(2));
        assert!(policies.needs().collectors.contains(&CollectorName::Malware));
        let other = compiled(&[("yara/a.yar", "rule b { condition: true }")]).unwrap();
        assert_ne!(other.digest(&[]), policies.digest(&[]), "they decide");
        let none = compiled(&[]).unwrap();
        assert!(none.malware().is_none());
        assert!(!none.needs().collectors.contains(&CollectorName::Malware));
    }

    #[test]
    fn i25_a_rule_that_does_not_compile_is_told_with_file_and_line() {
        let error = compiled(&[("yara/a.yar", "rule a {\n  condition: $x\n}")]).map(drop);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("own/yara/a.yar:2:"), "{error}");
        let test = ("own_test.rego", "package hallmark.own_test\n\ntest_a if true\n");
        let bundle = with(&[("yara/a.yar", "include \"a\""), test]).unwrap();
        let error = crate::policy::test::run(&bundle, &Limits::default()).map(drop).unwrap_err();
        assert!(error.to_string().contains("includes are not allowed"), "{error}");
    }

    #[test]
    fn the_number_of_files_is_bounded_at_n_and_n_plus_one() {
        let names: Vec<String> = (0..=MAX_FILES).map(|number| format!("{number}.yar")).collect();
        let files: Vec<RuleFile<'_>> =
            names.iter().map(|name| RuleFile { name, namespace: name, text: RULE }).collect();
        let fits = files.get(..MAX_FILES).unwrap();
        assert!(compile(fits).is_ok_and(|set| set.is_some()));
        let error = compile(&files).map(drop).unwrap_err();
        assert!(error.to_string().contains("1025 files, the limit is 1024"), "{error}");
        assert!(compile(&[]).is_ok_and(|set| set.is_none()));
    }
}
