//! `hallmark sbom`: bills of materials checked, made and compared.

mod check;
mod diff;
mod generate;

use super::{
    Answer, Failure,
    args::{Global, Sbom as Command},
};

/// Runs the command.
pub(super) async fn run(command: Command, global: &Global) -> Result<Answer, Failure> {
    match command {
        Command::Check(args) => check::run(&args, global).await,
        Command::Generate(args) => generate::run(&args, global).await,
        Command::Diff(args) => diff::run(&args, global).await,
    }
}
