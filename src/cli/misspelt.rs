//! Options that nobody has: which one is meant.
//!
//! clap takes the option that begins alike (`--keep` for `--kee`). One that differs by a single letter, or by two that are swapped, is nearer: it is named here, and the
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
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return with_lists(error, called(command, words));
    }
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

/// The same error, which names the other ways to say which images, where none is named and a command takes lists of them.
fn with_lists(mut error: Error, command: &Command) -> Error {
    let takes = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
    let lacks_images = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(all)) => all.iter().any(|argument| argument.contains("<IMAGE>")),
        _ => false,
    };
    if lacks_images && takes("images") && takes("file") {
        let tip = "-f FILE takes a file with one image a line, and - reads such a list from standard input";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
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
        let pairs = letters.iter().zip(&written).enumerate();
        let different: Vec<usize> = pairs.filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
        let is_swapped = |first: usize, second: usize| {
            second == first + 1
                && letters.get(first) == written.get(second)
                && letters.get(second) == written.get(first)
        };
        letters.len() == written.len()
            && match different[..] {
                [_] => true,
                [first, second] => is_swapped(first, second),
                _ => false,
            }
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
    fn verify_without_an_image_names_lists() {
        let cases = [
            ("hallmark verify", true),
            ("hallmark rebuild", false),
            ("hallmark verify --with-saved-configuration r.example/app", false),
            ("hallmark verify --with-saved-configuration", true),
        ];
        for (words, lists) in cases {
            let mut command = Cli::command();
            let words: Vec<String> = words.split(' ').map(ToOwned::to_owned).collect();
            let error = command.try_get_matches_from_mut(&words).unwrap_err();
            let text = corrected(error, &command, words.into_iter()).to_string();
            assert_eq!(text.contains("-f FILE"), lists, "{text}");
            assert_eq!(text.contains("- reads such a list from standard input"), lists, "{text}");
        }
    }

    #[test]
    fn an_option_that_is_a_letter_away_goes_before_one_that_begins_alike() {
        let cases = [
            ("--kee", "similar argument exists: '--key'", "--keep"),
            ("--kye", "similar argument exists: '--key'", "--keep"),
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
