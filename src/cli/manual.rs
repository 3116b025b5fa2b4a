//! What hallmark says of itself: completions, manual pages, its version. All of it is made from the command line's own types.

use clap::CommandFactory as _;

use super::{Failure, args::Cli};
use crate::{
    limits::Limits,
    trust::sigstore::TrustedRoot,
    untrusted::{Page, line},
};

/// The commit that this program was built from, where whoever built it said so (deploy/Dockerfile; empty where its argument is).
const COMMIT: Option<&str> = option_env!("HALLMARK_COMMIT");

/// What a shell reads to complete commands and options.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<String, Failure> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hallmark", &mut out);
    String::from_utf8(out).map_err(|error| Failure::usage(error.to_string()))
}

/// The manual page of hallmark, or of the command that these words name, as roff.
pub(super) fn page(words: &[String]) -> Result<String, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut name = "hallmark".to_owned();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        command = found.ok_or_else(|| {
            let known: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            Failure::of_operator(&format!(
                "there is no command {name} {word}\n  help: {}",
                match known.is_empty() {
                    true => format!("type hallmark man without {word}"),
                    false => format!("one of {}", known.join(", ")),
                }
            ))
        })?;
        name = format!("{name} {word}");
    }
    let mut out = Vec::new();
    let written = clap_mangen::Man::new(command).render(&mut out);
    written.map_err(|error| Failure::usage(error.to_string()))?;
    String::from_utf8(out).map_err(|error| Failure::usage(error.to_string()))
}

/// The version, its commit, and the trusted roots that are in the program.
pub(super) fn version() -> String {
    let mut page = Page::default();
    let commit = COMMIT
        .filter(|commit| !commit.is_empty())
        .map(|commit| format!(" (commit {commit})"))
        .unwrap_or_default();
    line!(page, "hallmark {}{commit}", env!("CARGO_PKG_VERSION"));
    let limits = Limits::default();
    for root in [TrustedRoot::public_good(&limits), TrustedRoot::github(&limits)].iter().flatten() {
        if let Some(dated) = root.date() {
            line!(page, "trusted root {} as of {}, {}", dated.name, dated.as_of, root.digest());
        }
    }
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that does something, by its words.
    fn leaves(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
        if command.get_subcommands().next().is_none() {
            found.push(words.to_vec());
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            leaves(inner, &[words, &[inner.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn every_command_has_examples_and_a_page() {
        let mut all = Vec::new();
        leaves(&Cli::command(), &[], &mut all);
        assert!(all.len() > 15, "{all:?}");
        for words in all {
            let mut command = Cli::command();
            command.build();
            let found =
                words.iter().try_fold(&command, |command, word| command.find_subcommand(word));
            let help = found.unwrap().clone().render_long_help().to_string();
            let example = format!("  hallmark {}", words.join(" "));
            assert!(help.contains("Examples:") && help.contains(&example), "{words:?}\n{help}");
            assert!(help.contains("\nGlobal options:\n"), "{help}");
            let roff = page(&words).unwrap();
            assert!(
                roff.contains(".SH SYNOPSIS") && roff.contains("hallmark\\-"),
                "{words:?}\n{roff}"
            );
        }
        assert!(page(&[]).unwrap().contains(".TH hallmark 1"));
        let unknown = page(&["polcy".to_owned()]).unwrap_err().to_string();
        assert!(unknown.contains("one of verify, init"), "{unknown}");
    }

    #[test]
    fn what_is_under_a_heading_belongs_there() {
        let command = Cli::command();
        for name in ["verify", "inspect"] {
            let command = command.find_subcommand(name).unwrap();
            let heading = |id: &str| {
                let arg = command.get_arguments().find(|arg| arg.get_id() == id);
                arg.unwrap().get_help_heading()
            };
            assert_eq!(heading("output"), None, "{name}");
            assert_eq!(heading("repository"), None, "{name}");
            assert_eq!(heading("trusted_root"), Some("Trust"), "{name}");
        }
        let help = Cli::command().render_help().to_string();
        assert!(
            help.lines().nth(1).unwrap().contains("hallmark verify --key cosign.pub"),
            "{help}"
        );
    }

    #[test]
    fn shells_complete_commands_and_options() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let text = completions(*shell).unwrap();
            for word in ["verify", "certificate-identity", "completions"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn the_version_names_the_roots_in_the_program() {
        let text = version();
        assert!(text.starts_with(concat!("hallmark ", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(text.contains("trusted root public-good as of 20"), "{text}");
        assert!(text.contains("trusted root github as of 20"), "{text}");
    }
}
