//! The command line: words in, one of the faces of the pipeline out.
//!
//! stdout is data, stderr is talk. Exit codes: 0 pass, 1 fail, 2 could not run (usage, configuration), 3 evidence
//! unavailable.

pub mod args;
mod context;
mod diff;
mod explain;
mod inspect;
mod materials;
mod policy;
mod progress;
mod provenance;
mod rebuild;
mod serve;
mod sign;
mod trust;
mod verify;

use std::{io::Write as _, process::ExitCode, time::Duration};

use clap::Parser as _;

use args::{Cli, Command};

use crate::{
    finding::{Code, Finding, Subject},
    reference::Reference,
    report::{clean, text::finding_block},
    source::SourceError,
};

/// Time for threads to notice that nobody waits for them any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a command gives: text for stdout, and whether the answer is yes.
pub struct Answer {
    /// For stdout.
    pub text: String,
    /// The exit code: 0 yes, 1 no, 3 evidence unavailable.
    pub code: u8,
}

impl Answer {
    /// An answer that is no verdict.
    fn data(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Why a command could not give an answer.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The command line or the configuration is wrong: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Something outside could not be read: exit code 3.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }
}

impl Failure {
    /// An image could not even be resolved: exit code 3, and the finding that says why and what to do.
    fn unresolved(error: SourceError, reference: &Reference) -> Self {
        let finding = error.into_finding(Subject::Image(reference.to_string()));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = finding_block(&mut text, &finding);
        Self::unavailable(text)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Whether something outside could not be read, so that trying again may help: exit code 3.
fn is_unavailable(finding: &Finding) -> bool {
    [
        Code::SourceUnavailable,
        Code::SourceUnreadable,
        Code::SourceUnauthorized,
        Code::SourceNotFound,
    ]
    .contains(&finding.code)
}

/// Parses the command line, runs the command, prints its answer.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.global.log.as_deref());
    // A second provider cannot be installed, and there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Requests of one verification are few and wait for each other: on one thread nobody has to be woken up for them, and
    // what takes long (hashing, inflating) has threads of its own. The gate serves many at a time.
    let mut builder = match cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::unavailable(format!("no runtime: {error}"))),
    };
    let done = runtime.block_on(run(cli));
    // What still runs on threads was told to stop; nothing that hangs may keep an interrupted program alive.
    runtime.shutdown_timeout(LAST_WORDS);
    match done {
        Ok(answer) => {
            // A reader that has gone away (`| head`) is no failure of the verification.
            let _ = std::io::stdout().write_all(answer.text.as_bytes());
            ExitCode::from(answer.code)
        }
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    for (i, line) in failure.message.lines().enumerate() {
        let prefix = if i == 0 { "hallmark: " } else { "  " };
        let _ = writeln!(std::io::stderr(), "{prefix}{}", clean(line));
    }
    ExitCode::from(failure.code)
}

fn start_log(filter: Option<&str>) {
    let Some(filter) = filter else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    // Only this program sets the subscriber, and only once.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

async fn run(cli: Cli) -> Result<Answer, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Verify(args) => interruptible(verify::run(&args, &global)).await,
        Command::Inspect(args) => interruptible(inspect::run(&args, &global)).await,
        Command::Rebuild(args) => interruptible(rebuild::run(&args, &global)).await,
        Command::Materials(command) => interruptible(materials::run(&command, &global)).await,
        Command::Diff(args) => interruptible(diff::run(&args, &global)).await,
        Command::Sign(args) => interruptible(sign::run(&args, &global)).await,
        Command::Provenance(command) => interruptible(provenance::run(command, &global)).await,
        Command::Policy(command) => policy::run(&command, &global),
        Command::Trust(command) => interruptible(trust::run(&command, &global)).await,
        Command::Serve(args) => serve::run(&args, &global).await,
        Command::Explain(args) => explain::run(&args).map(Answer::data),
    }
}

/// Ends at Ctrl-C or SIGTERM by dropping the work, which removes what it left on disk and stops what it started.
async fn interruptible(
    work: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, Failure> {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        answer = work => answer,
        _ = tokio::signal::ctrl_c() => Err(Failure { code: 130, message: "interrupted".to_owned() }),
        () = terminated => Err(Failure { code: 143, message: "terminated".to_owned() }),
    }
}
