//! `hallmark vulns`: advisories into one database, what a database covers, and what it says of an image.

mod sources;
mod told;

use std::path::Path;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    Answer, Failure,
    args::{Format, Global, Vulns, VulnsImport, VulnsMatch},
    context,
    files::Operand,
    output,
};
use crate::{
    limits::Limits,
    scratch::seen,
    verify::{gather, open},
    vulnerabilities::{
        database::{Builder, Database, DatabaseError},
        matching, subject,
    },
};
use sources::Sources;

/// Runs the command.
pub(super) async fn run(command: Vulns, global: &Global) -> Result<Answer, Failure> {
    match command {
        Vulns::Import(args) => {
            let limits = context::configuration(global)?.limits;
            let importing = tokio::task::spawn_blocking(move || import(&args, &limits));
            importing.await.map_err(|error| Failure::unavailable(error.to_string()))?
        }
        Vulns::Info { file, output } => {
            let limits = context::configuration(global)?.limits;
            let database = read(&file, &limits)?;
            Ok(Answer::data(info(&database, output)))
        }
        Vulns::Match(args) => known(&args, global).await,
    }
}

/// A database that a command names.
const DATABASE: Operand = Operand {
    option: "",
    form: "it takes a database, which hallmark vulns import --out FILE makes",
};

/// Reads a database that an argument names.
fn read(file: &Path, limits: &Limits) -> Result<Database, Failure> {
    named(DATABASE.option, file, limits)
}

/// Reads a database that an option names. One that cannot be used is a fault of the operator's files wherever it is named, as in
/// `hallmark.yaml`.
pub(super) fn named(
    option: &'static str,
    file: &Path,
    limits: &Limits,
) -> Result<Database, Failure> {
    let operand = Operand { option, ..DATABASE };
    let bytes = operand.read(file, limits.vulnerability_database_bytes)?;
    let other = seen(&bytes);
    Database::open(bytes, limits).map_err(|error| match (&error, other) {
        (DatabaseError::Foreign, Some(what)) => operand.unusable(file, &what),
        _ => operand.unusable(file, &error),
    })
}

fn import(args: &VulnsImport, limits: &Limits) -> Result<Answer, Failure> {
    keeps_what_is_there(args, limits)?;
    let mut builder = Builder::new(limits);
    let refused = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    if let Some(previous) = &args.previous {
        builder.continue_from(&read(previous, limits)?).map_err(|error| refused(&error))?;
    }
    let mut sources = Sources::new(&mut builder, limits, args.skip_refused);
    for source in &args.sources {
        sources.import(source)?;
    }
    let date = args.date.unwrap_or_else(|| day(Timestamp::now()));
    let bytes = builder.finish(&date.to_string()).map_err(|error| refused(&error))?;
    output::to_file(&args.out, &bytes)?;
    let database = Database::open(bytes, limits).map_err(|error| refused(&error))?;
    Ok(Answer::data(info(&database, args.output)))
}

fn info(database: &Database, form: Format) -> String {
    match form {
        Format::Text => told::info(database),
        Format::Json => told::info_json(database),
    }
}

/// Refuses to write a database over anything but a database: a source, or a configuration.
fn keeps_what_is_there(args: &VulnsImport, limits: &Limits) -> Result<(), Failure> {
    let out = args.out.display();
    if !args.out.exists() || read(&args.out, limits).is_ok() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{out}: a file is there that is no database of hallmark, and would be lost: name another for --out, or remove it first"
    )))
}

/// The day of a time, in UTC.
fn day(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// What is known of an image's packages.
async fn known(args: &VulnsMatch, global: &Global) -> Result<Answer, Failure> {
    let platforms = context::platforms(&args.platforms);
    let (config, inquiry) = context::inquiry(global, platforms, None, "hallmark vulns match")?;
    let database = read(&args.file, &config.limits)?;
    let reference = context::pin(&args.image, &config, &inquiry.world).await?;
    let (source, images) = open(&reference, &inquiry.world).await?;
    let (mut all, now) = (Vec::new(), Timestamp::now());
    let today = day(now).to_string();
    for image in images {
        let (evidence, findings) = gather(&*source, image, &inquiry, now).await;
        let Some(inventory) = evidence.inventory else {
            // Why there is no inventory is an error, and what is said besides is none.
            let finding = findings.into_iter().max_by_key(|finding| finding.severity);
            let unread = || Failure::refused(format!("{reference}: its layers cannot be read"));
            return Err(finding.map_or_else(unread, Failure::of_finding));
        };
        let subjects = subject::subjects(&inventory, evidence.base);
        let distribution = subject::distribution(&inventory);
        let known = matching::known(&database, distribution.as_ref(), &subjects, &today);
        let mut known = known.map_err(|error| DATABASE.unusable(&args.file, &error))?;
        known.gaps.extend(subject::unread(&inventory));
        all.push((evidence.image.reference.to_string(), inventory, known));
    }
    Ok(Answer::data(match args.output {
        Format::Text => told::known(&all),
        Format::Json => told::known_json(&database, &all),
    }))
}
