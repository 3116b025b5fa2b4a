//! Options that nobody has: which one is meant.
//!
//! clap takes the option that begins alike (`--keep` for `--kee`). One that differs by a single letter is nearer: it is named here, and the
//! usage of the other one is not shown.

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The same error, which names the option that is a letter away, where exactly one is; `words` are those of the command line.
pub(super) fn corrected(
    mut error: Error,
    command: &Command,
    words: impl Iterator<Item = String>,
) -> Error {
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if let Some(near) = a_letter_away(written, called(command, words)) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(near));
        error.insert(ContextKind::Usage, ContextValue::None);
    }
    error
}

/// The command that is called, below others perhaps.
fn called(command: &Command, words: impl Iterator<Item = String>) -> &Command {
    words.skip(1).fold(command, |called, word| called.find_subcommand(word).unwrap_or(called))
}

fn a_letter_away(written: &str, command: &Command) -> Option<String> {
    let written: Vec<char> = written.strip_prefix("--")?.chars().collect();
    let near = |long: &&str| {
        let letters: Vec<char> = long.chars().collect();
        let different = letters.iter().zip(&written).filter(|(a, b)| a != b).count();
        letters.len() == written.len() && different == 1
    };
    let mut all = command.get_arguments().filter_map(|option| option.get_long()).filter(near);
    match (all.next(), all.next()) {
        (Some(only), None) => Some(format!("--{only}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn an_option_that_is_a_letter_away_goes_before_one_that_begins_alike() {
        let cases = [
            ("--kee", "similar argument exists: '--key'", "--keep"),
            ("--polici", "similar argument exists: '--policy'", "--polici <"),
            ("--zzzz", "unexpected argument '--zzzz'", "similar argument"),
        ];
        for (option, has, lacks) in cases {
            let words = || ["hallmark", "verify", option, "x"].into_iter().map(str::to_owned);
            let mut command = Cli::command();
            let error = command.try_get_matches_from_mut(words()).unwrap_err();
            let told = corrected(error, &command, words()).to_string();
            assert!(told.contains(has) && !told.contains(lacks), "{told}");
        }
    }
}
