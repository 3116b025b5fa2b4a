//! The command line: words in, one of the faces of the pipeline out.
//!
//! stdout is data, stderr is talk. Exit codes: 0 pass, 1 fail, 2 could not run (usage, configuration), 3 evidence
//! unavailable.

mod approvals;
pub mod args;
mod artifacts;
mod bills;
mod blueprint;
mod bundles;
mod colour;
mod config;
mod context;
mod diff;
mod explain;
mod files;
mod images;
mod import;
mod init;
mod inquiry;
mod inspect;
mod interruption;
mod inventory;
mod keep;
mod log;
mod manual;
mod materials;
mod misspelt;
pub mod moment;
mod output;
mod outside;
mod places;
mod policy;
mod progress;
mod provenance;
mod rebuild;
mod replay;
pub mod reports;
mod rules;
pub mod saved_folder;
mod sbom;
mod schema;
mod serve;
mod sign;
mod steps;
mod summary;
mod trust;
mod unread;
mod unserved;
mod verify;
mod vouch;
mod vulns;
mod wrap;

use std::{
    io::{IsTerminal, Write as _},
    ops::Deref,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command};
use interruption::Interruption;
use places::Places;
use reports::{ReportFormat, Wanted};

use crate::{
    finding::{Code, Finding, Key, Subject},
    reference::{PinnedReference, Reference},
    report::{
        self,
        run::{ImageRun, Run, Trouble},
    },
    source::SourceError,
    untrusted::{Page, clean, line, misleads},
};

/// Time for threads to notice that nobody waits for them any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a complaint about the configuration ends.
const ADVICE: &str = "\n  help: ";

/// What a command gives: text for stdout and files, and whether the answer is yes.
pub struct Answer {
    /// For stdout.
    text: String,
    /// For files.
    files: Vec<(PathBuf, String)>,
    /// The exit code: 0 yes, 1 no, 3 evidence unavailable.
    code: u8,
    /// The last lines on stderr, whatever else is said there: what is needed later and stands nowhere else.
    last: Vec<String>,
    /// Files that are written already, to be named at the end with those that are.
    wrote: Vec<PathBuf>,
}

impl Answer {
    /// An answer on stdout.
    fn new(text: String, code: u8) -> Self {
        Self { text, files: Vec::new(), code, last: Vec::new(), wrote: Vec::new() }
    }

    /// An answer that is no verdict.
    fn data(text: String) -> Self {
        Self::new(text, 0)
    }

    /// An answer in every form that was asked for.
    fn in_forms(code: u8, wanted: &[Wanted], render: impl Fn(ReportFormat) -> String) -> Self {
        let mut answer = Self::new(String::new(), code);
        for Wanted { format, file } in wanted {
            match file {
                None => answer.text = render(*format),
                Some(file) => answer.files.push((file.clone(), render(*format))),
            }
        }
        answer
    }
}

/// What pipelines are told, in a form of theirs; `others` are written from more than that, and without it.
fn for_pipelines(
    format: ReportFormat,
    run: &impl Deref<Target = Run>,
    others: impl Fn(ReportFormat) -> String,
) -> String {
    match format {
        ReportFormat::Text | ReportFormat::Json | ReportFormat::Vsa => others(format),
        ReportFormat::Sarif => report::sarif::render(run),
        ReportFormat::Junit => report::junit::render(run),
        ReportFormat::Github => report::github::render(run),
        ReportFormat::Gitlab => report::gitlab::render(run),
        ReportFormat::GitlabContainerScanning => {
            report::container_scanning::render(run, jiff::Timestamp::now())
        }
        ReportFormat::Markdown => report::markdown::render(run),
        ReportFormat::Html => report::html::run::render(run),
    }
}

/// Why a command could not give an answer.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    /// For stderr: one line, in which untrusted text may stand.
    message: String,
    /// More lines for stderr, each of which is whole.
    more: Page,
    /// What can be said all the same, for stdout.
    said: String,
    /// The same for reports in files.
    so_far: Option<Box<SoFar>>,
    /// The finding that it is, where it is one.
    finding: Option<Box<Finding>>,
}

/// What was found out before something failed, for reports in files.
#[derive(Debug)]
struct SoFar {
    /// For pipelines.
    run: Run,
    /// In JSON, where stdout has another form.
    documents: String,
}

impl Failure {
    /// The command line or the configuration is wrong: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(2, message.into())
    }

    /// Something outside could not be read: exit code 3.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(3, message.into())
    }

    /// What was given was read and is refused: exit code 1.
    fn refused(message: impl Into<String>) -> Self {
        Self::new(1, message.into())
    }

    /// The operator's own files are wrong: exit code 2. What is said of them may take several lines; with advice at its end it takes
    /// two, whatever stands before.
    fn of_operator(text: &str) -> Self {
        let advice = text.rfind(ADVICE).map(|at| text.split_at(at));
        let (message, rest) = advice.or_else(|| text.split_once('\n')).unwrap_or((text, ""));
        let mut more = Page::default();
        let rest = rest.strip_prefix('\n').unwrap_or(rest);
        for words in rest.lines() {
            // Advice stands where that of other failures does.
            let advice = words.trim_start().starts_with("help: ");
            line!(more, "{}", if advice { words.trim() } else { words.trim_end() });
        }
        Self { more, ..Self::usage(message) }
    }

    /// An image could not be resolved or read: the finding that says why and what to do, with the exit code that it has in a
    /// verdict, too.
    fn unresolved(error: SourceError, reference: &Reference) -> Self {
        let subject = reference.to_string();
        // Whoever left the registry out may have meant another one, or an image of this machine.
        let usual = subject.strip_prefix("docker.io/").map(ToOwned::to_owned);
        let finding = error.into_finding(Subject::Image(subject));
        let Some(usual) = usual else { return Self::of_finding(finding) };
        let help = format!(
            "{}; a name without a registry is looked up at docker.io: another one stands before it, as registry.example/app:1{}",
            finding.help(),
            of_file_called(&usual).unwrap_or_default()
        );
        Self::of_finding(finding.with(Key::Help, help))
    }

    /// There is nothing that says how an image was built, or nothing that is of the image.
    fn without_provenance(reference: &PinnedReference, findings: &[Finding]) -> Self {
        let nameless = findings.iter().find(|finding| finding.code == Code::PredicateNoSubject);
        if let Some(finding) = nameless {
            let said = format!(
                "{reference} carries no provenance that counts: a statement beside it names no subject"
            );
            let mut failure = Self::refused(said);
            line!(failure.more, "seen: {} ({})", finding.subject, finding.code);
            failure.help(&finding.help());
            return failure;
        }
        let mut failure = Self::refused(format!("{reference} carries no provenance"));
        failure.help(Code::ProvenanceMissing.help());
        failure
    }

    fn source(error: SourceError, subject: String) -> Self {
        Self::of_finding(error.into_finding(Subject::Image(subject)))
    }

    fn of_finding(finding: Finding) -> Self {
        let (message, more) = report::text::finding_lines(&finding);
        let code = code_of(&finding);
        Self { more, finding: Some(Box::new(finding)), ..Self::new(code, message) }
    }

    fn new(code: u8, message: String) -> Self {
        let (more, said) = (Page::default(), String::new());
        Self { code, message, more, said, so_far: None, finding: None }
    }

    /// Adds advice.
    fn help(&mut self, advice: &str) {
        line!(self.more, "help: {advice}");
    }

    /// The same, and what is there all the same, in lines.
    fn beside(mut self, lines: &[String]) -> Self {
        lines.iter().for_each(|words| line!(self.more, "{words}"));
        self
    }

    /// The same where something beside a verdict could not be written: a refusal, and what could not be read, keep their exit codes. A
    /// pass of which something is missing is none of them.
    fn beside_verdict(self, code: u8) -> Self {
        Self { code: if code == 0 { self.code.max(2) } else { code }, ..self }
    }

    /// The same, and what was found out before it.
    fn after(self, said: String) -> Self {
        Self { said: said + &self.said, ..self }
    }

    /// The same, and what pipelines are told of what was found out before it.
    fn after_run(self, run: Run) -> Self {
        self.after_list(run, String::new())
    }

    /// The same, and what a file in JSON is told.
    fn after_list(self, run: Run, documents: String) -> Self {
        Self { so_far: Some(Box::new(SoFar { run, documents })), ..self }
    }

    /// What pipelines are told of it.
    fn trouble(&self) -> Trouble {
        let details = self.more.as_str().lines().map(|line| line.trim().to_owned()).collect();
        let finding = self.finding.as_deref().cloned();
        Trouble { exit_code: self.code, message: self.message.clone(), details, finding }
    }

    /// What an answer in JSON says of it.
    fn error(&self) -> serde_json::Value {
        let lines: Vec<&str> = self.more.as_str().lines().map(str::trim).collect();
        let finding = self.finding.as_deref().map(report::json::finding);
        report::json::error(self.code, &self.message, &lines, finding)
    }

    /// What is said instead of an answer, in every form that was asked for: nobody takes a report that is not there for a good one.
    fn answer(&self, face: &Face) -> Answer {
        let [stdout, ..] = face.reports.as_slice() else {
            return Answer::new(String::new(), self.code);
        };
        let run = self.run(face);
        let mut answer = Answer::in_forms(self.code, &face.reports, |format| {
            let said = match format {
                _ if format == stdout.format => self.said.as_str(),
                ReportFormat::Json => {
                    self.so_far.as_deref().map_or("", |so_far| so_far.documents.as_str())
                }
                _ => "",
            };
            for_pipelines(format, &&run, |format| match format {
                ReportFormat::Text => format!("{said}{}", self.told()),
                // No statement says that there is none: whoever reads an empty file has nothing to rely on.
                ReportFormat::Vsa => String::new(),
                _ => self.document(said),
            })
        });
        if stdout.format == ReportFormat::Text {
            // Why there is no more is on stderr.
            answer.text = self.said.clone();
        }
        answer
    }

    /// One document in JSON, in which stands what was found out before.
    fn document(&self, said: &str) -> String {
        let said = serde_json::Deserializer::from_str(said).into_iter::<serde_json::Value>();
        let partial: Vec<serde_json::Value> = said.map_while(Result::ok).collect();
        report::json::failure(self.error(), partial)
    }

    /// What pipelines are told. What is known of one image is said of it, so that it is found where its other results are.
    fn run(&self, face: &Face) -> Run {
        let trouble = self.trouble();
        match (&self.so_far, &face.image) {
            (Some(so_far), _) => so_far.run.clone().stopped(trouble),
            (None, Some(image)) => {
                let image = ImageRun::unread(image, trouble);
                Run { images: vec![image], ..Run::new(face.command) }.ending(self.code)
            }
            (None, None) => Run::new(face.command).stopped(trouble),
        }
    }

    /// What stderr is told.
    fn told(&self) -> String {
        let mut page = Page::default();
        line!(page, "hallmark: {}", self.message);
        self.more.as_str().lines().for_each(|words| line!(page, "  {words}"));
        page.into_text()
    }
}

/// What else a name may mean that was looked up at docker.io, where a file is called so.
fn of_file_called(name: &str) -> Option<String> {
    let name = name.strip_prefix("library/").unwrap_or(name);
    let name = name.strip_suffix(":latest").unwrap_or(name);
    let kind = std::fs::metadata(name).ok()?;
    let meant = match kind.is_dir() {
        true => format!("the folder {name} is oci:{name}"),
        false => {
            format!("the file {name} is read as a list of images by hallmark verify -f {name}")
        }
    };
    Some(format!("; {meant}"))
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.message, self.more.as_str().trim())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let place = error.place().to_owned();
        Self::source(error, place)
    }
}

/// The exit code of a finding that is the whole answer.
fn code_of(finding: &Finding) -> u8 {
    match finding.code {
        // A proxy or a file of the operator's own: trying again does not help.
        Code::SourceSettingsUnusable => 2,
        _ if is_unavailable(finding) => 3,
        _ => 1,
    }
}

/// Whether something could not be read, so that nothing is known about the image: exit code 3.
fn is_unavailable(finding: &Finding) -> bool {
    [
        Code::SourceUnavailable,
        Code::SourceUnauthorized,
        Code::SourceNotFound,
        Code::SourceAddressRefused,
        Code::SourceCertificateRefused,
        Code::SourceRedirectRefused,
        Code::SourceRealmRefused,
        Code::SourceUnreadable,
        Code::SourceNotSaved,
        Code::SourceAmbiguous,
    ]
    .contains(&finding.code)
}

/// Most threads on which the gate answers; what takes long has threads of its own.
const GATE_THREADS: usize = 4;

/// Parses the command line, runs the command, prints its answer.
pub fn main() -> ExitCode {
    let (cli, places) = match parsed() {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let face = Face::of(&cli);
    if let Err(refusal) = places.with_configuration(context::file(&cli.global)).check() {
        let face = face.without(&refusal.files);
        return finish(Err(refusal.failure), &face);
    }
    if let Err(failure) = face.begin(&cli.command) {
        return finish(Err(failure), &face);
    }
    let work = match cli.command {
        Command::Serve(_) => log::Work::Serve,
        _ => log::Work::Answer,
    };
    if let Err(failure) = log::start(&cli.global, work) {
        return finish(Err(failure), &face);
    }
    // A second provider cannot be installed, and there is only this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Requests of one verification are few and wait for each other: on one thread nobody has to be woken up for them, and
    // what takes long (hashing, inflating) has threads of its own. The gate serves many at a time.
    let mut builder = match cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    // Each thread may hold one document while it is read: memory does not grow with the machine's processors.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    builder.worker_threads(threads.min(GATE_THREADS));
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return finish(Err(Failure::unavailable(format!("no runtime: {error}"))), &face);
        }
    };
    let done = runtime.block_on(run(cli, face.stderr));
    // What still runs on threads was told to stop; nothing that hangs may keep an interrupted program alive.
    runtime.shutdown_timeout(LAST_WORDS);
    finish(done, &face)
}

/// The command line, by a parser whose help is as wide as reports are: clap asks a terminal that says how high it is, and no variable.
fn parsed() -> Result<(Cli, Places), clap::Error> {
    let command = Cli::command();
    let stdout = std::io::stdout();
    let columns = stdout.is_terminal().then(|| wrap::columns(&stdout)).flatten();
    let mut command = match columns {
        Some(columns) => command.term_width(columns.clamp(wrap::FEWEST, args::HELP_COLUMNS)),
        None => command,
    };
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let words = || std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let matches = matches.map_err(|error| misspelt::corrected(error, &command, words()))?;
    let places = Places::of(&command, &matches);
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, places))
}

/// How a call says things.
#[derive(Debug, Clone)]
struct Face {
    /// The reports that it writes, that on stdout first.
    reports: Vec<Wanted>,
    /// The command that pipelines are told of.
    command: &'static str,
    /// The one image that it is about.
    image: Option<Reference>,
    /// How its answer looks.
    stdout: Look,
    /// How its complaints look.
    stderr: Look,
    /// Whether nothing is said but what is wrong.
    quiet: bool,
}

/// How lines for people look.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    colours: bool,
    /// Where they go to a terminal, how wide it is.
    columns: Option<usize>,
    /// What they are.
    kind: wrap::Kind,
}

impl Look {
    /// That of text on a stream.
    fn of(stream: &(impl IsTerminal + std::os::fd::AsFd), choice: args::Colour) -> Self {
        let is_terminal = stream.is_terminal();
        let colours = colour::wanted(choice, is_terminal, context::colours());
        let columns = is_terminal.then(|| wrap::columns(stream)).flatten();
        Self { colours, columns, ..Self::default() }
    }

    fn dress(self, text: String) -> String {
        let text = if self.colours { colour::paint(&text) } else { text };
        match self.columns {
            Some(columns) => wrap::fit(&text, self.kind, columns),
            None => text,
        }
    }
}

impl Face {
    /// That of a call that nothing is known of but its reports.
    fn plain(reports: Vec<Wanted>, command: &'static str) -> Self {
        let plain = Look::default();
        Self { reports, command, image: None, stdout: plain, stderr: plain, quiet: false }
    }

    fn of(cli: &Cli) -> Self {
        let command = if matches!(cli.command, Command::Rebuild(_)) { "rebuild" } else { "verify" };
        Self {
            reports: cli.command.reports(),
            command,
            image: cli.command.image().cloned(),
            stdout: match (cli.command.is_report(), &cli.command) {
                (true, command) => Look {
                    kind: match command {
                        Command::Explain(_) => wrap::Kind::Page,
                        _ => wrap::Kind::Report,
                    },
                    ..Look::of(&std::io::stdout(), cli.global.color)
                },
                (false, _) => Look::default(),
            },
            stderr: Look::of(&std::io::stderr(), cli.global.color),
            quiet: cli.global.quiet,
        }
    }

    /// The same without the reports that would go into one of these files, which are to stay as they are.
    fn without(mut self, files: &[PathBuf]) -> Self {
        let is_kept =
            |wanted: &Wanted| wanted.file.as_ref().is_none_or(|file| !files.contains(file));
        self.reports.retain(is_kept);
        self
    }

    /// Writes into each file that there is no answer yet: one that is killed, or out of time, leaves no older report behind, and what
    /// cannot be written is known before anything is done.
    fn begin(&self, command: &Command) -> Result<(), Failure> {
        if let Some(conflict) = command.conflict() {
            return Err(Failure::usage(conflict));
        }
        let unfinished = Failure::new(130, "the call did not end".to_owned());
        for (file, text) in unfinished.answer(self).files {
            if output::is_replaced(&file) {
                output::to_file(&file, text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Says what there is to say, and gives the exit code. A yes counts only once all of it was written; whatever else was found out stays
/// what it is. What one place does not take, the others get.
/// Where JSON was asked for, a failure is JSON, too.
fn finish(done: Result<Answer, Failure>, face: &Face) -> ExitCode {
    let (answer, failure) = match done {
        Ok(answer) => (answer, None),
        Err(failure) => (failure.answer(face), Some(failure)),
    };
    let (mut lost, mut wrote) = (Vec::new(), answer.wrote);
    for (file, text) in &answer.files {
        match output::to_file(file, text.as_bytes()) {
            Ok(()) => wrote.push(file.clone()),
            Err(failure) => lost.push(failure),
        }
    }
    lost.extend(output::to_stdout(&face.stdout.dress(answer.text)).err());
    // What could not be written is no news where that is the failure.
    lost.retain(|lost| failure.as_ref().is_none_or(|failure| failure.message != lost.message));
    for failure in failure.iter().chain(&lost) {
        // A closed stderr changes nothing.
        let _ = std::io::stderr().write_all(face.stderr.dress(failure.told()).as_bytes());
    }
    // A device, a pipe or the summary of a job is no file that somebody looks for.
    let wrote = wrote.iter().filter(|file| !face.quiet && output::is_replaced(file));
    let wrote = wrote.map(|file| format!("wrote {}", file.display()));
    // As they are, each on one line: they are to be copied.
    for last in wrote.chain(answer.last) {
        let _ = writeln!(std::io::stderr(), "{}", clean(&last));
    }
    let code = lost.first().filter(|_| answer.code == 0).map_or(answer.code, |lost| lost.code);
    ExitCode::from(code)
}

/// Help and version are answers; a command line that is wrong is told as clap tells it, on one line where a word in it misleads.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let words: Vec<String> =
            std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let hostile = words.iter().any(|word| word.contains(misleads));
        let rendered = error.render().to_string();
        let rendered = if hostile { clean(rendered.trim_end()) } else { rendered };
        let told = match hostile {
            true => writeln!(std::io::stderr(), "{rendered}"),
            false => error.print(),
        };
        // A closed stderr changes nothing.
        let _ = told;
        let failure = Failure::of_operator(rendered.trim_start_matches("error: "));
        let command = if words.iter().any(|word| word == "rebuild") { "rebuild" } else { "verify" };
        let mut reports = reports::of_words(&words);
        let is_read = |file: &PathBuf| places::is_named_twice(file, &words);
        reports.retain(|wanted| !wanted.file.as_ref().is_some_and(is_read));
        let answer = failure.answer(&Face::plain(reports, command));
        for (file, text) in &answer.files {
            if let Err(lost) = output::to_file(file, text.as_bytes()) {
                let _ = std::io::stderr().write_all(lost.told().as_bytes());
            }
        }
        let _ = output::to_stdout(&answer.text);
        return ExitCode::from(2);
    }
    let plain = Face::plain(Vec::new(), "verify");
    if error.kind() == clap::error::ErrorKind::DisplayVersion {
        return finish(Ok(Answer::data(manual::version())), &plain);
    }
    match std::io::stdout().is_terminal() {
        true => error.print().map_or(ExitCode::from(2), |()| ExitCode::SUCCESS),
        false => finish(Ok(Answer::data(error.render().to_string())), &plain),
    }
}

async fn run(cli: Cli, stderr: Look) -> Result<Answer, Failure> {
    let global = cli.global;
    unread::mention(&cli.command, &global, |text| stderr.dress(text));
    match cli.command {
        Command::Verify(args) => interruptible(verify::run(&args, &global)).await,
        Command::Inspect(args) => interruptible(inspect::run(&args, &global)).await,
        Command::Inventory(args) => interruptible(inventory::run(&args, &global)).await,
        Command::Rebuild(args) => interruptible(rebuild::run(&args, &global)).await,
        Command::Materials(command) => interruptible(materials::run(&command, &global)).await,
        Command::Diff(args) => interruptible(diff::run(&args, &global)).await,
        Command::Sign(args) => interruptible(sign::run(&args, &global)).await,
        Command::Provenance(command) => interruptible(provenance::run(command, &global)).await,
        Command::Policy(command) => interruptible(policy::run(&command, &global)).await,
        Command::Init(args) => interruptible(init::run(&args, &global)).await,
        Command::Sbom(command) => interruptible(sbom::run(command, &global)).await,
        Command::Vulns(command) => interruptible(vulns::run(command, &global)).await,
        Command::Config(command) => config::run(&command, &global),
        Command::Trust(command) => interruptible(trust::run(&command, &global)).await,
        Command::Serve(args) => serve::run(&args, &global).await,
        Command::Explain(args) => explain::run(&args).map(Answer::data),
        Command::Schema(args) => schema::run(&args).map(Answer::data),
        Command::Completions(args) => manual::completions(args.shell).map(Answer::data),
        Command::Man(args) => manual::page(&args.command).map(Answer::data),
    }
}

/// Ends at Ctrl-C or SIGTERM by dropping the work, which removes what it left on disk and stops what it started. Work that listens itself
/// comes first: it may have something to say.
async fn interruptible(
    work: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, Failure> {
    let mut interruption = Interruption::begin();
    tokio::select! {
        biased;
        answer = work => answer,
        failure = interruption.comes() => Err(failure),
    }
}
