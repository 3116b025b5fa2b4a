//! The diagnostic log on stderr: one line for each event, whatever is in it.
//!
//! Fields of events hold names and errors from outside, as the gate's namespaces and a registry's words. What misleads in them
//! is escaped where the line is written, so that no event can write another one.

use std::io::{self, Write};

use tracing_subscriber::{
    EnvFilter,
    filter::LevelFilter,
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{Failure, args::Global, steps::Steps};
use crate::untrusted::clean;

/// Crates whose events a filter can name: this program, and those that carry its requests.
const KNOWN: [&str; 16] = [
    "hallmark",
    "axum",
    "axum_server",
    "h2",
    "hickory_proto",
    "hyper",
    "hyper_util",
    "indicatif",
    "mio",
    "regorus",
    "reqwest",
    "rustls",
    "sigstore",
    "tokio",
    "tonic",
    "tower",
];
/// Words for a level.
const LEVELS: [&str; 12] =
    ["off", "error", "warn", "info", "debug", "trace", "0", "1", "2", "3", "4", "5"];

/// What somebody asks hallmark to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Something that ends with an answer.
    Answer,
    /// To serve until it is stopped: what it decides is seen in the log alone.
    Serve,
}

/// Starts the log, where a filter, `-v` or what is done asks for one.
///
/// # Errors
/// A filter that cannot be read, or that names what never logs anything.
pub(super) fn start(global: &Global, work: Work) -> Result<(), Failure> {
    let Some((filter, form)) = chosen(global, work) else { return Ok(()) };
    let filter = read(filter)?;
    if form == Form::Plain {
        // Only this program sets the subscriber, and only once.
        let _ = tracing_subscriber::registry().with(filter).with(Steps(Stderr)).try_init();
        return Ok(());
    }
    // Stages are for whoever looks at hallmark's own steps.
    let fine = filter.max_level_hint().is_none_or(|level| level > LevelFilter::INFO);
    let of_stages = if fine { FmtSpan::CLOSE } else { FmtSpan::NONE };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are escape sequences, too.
        .with_ansi(false)
        // A stage says how long it took when it is over.
        .with_span_events(of_stages);
    let _ = log.with_writer(Stderr).try_init();
    Ok(())
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In words, for whoever waits for an answer.
    Plain,
    /// With time, level, place and fields.
    Log,
}

/// The filter that counts, and how events are written: the operator's own before those that stand for an option.
fn chosen(global: &Global, work: Work) -> Option<(&str, Form)> {
    let own = global.log.as_deref().filter(|filter| !filter.trim().is_empty());
    let usual = match (global.verbose, work, global.quiet) {
        (0, Work::Answer, _) => None,
        (0, Work::Serve, true) => Some(("hallmark=warn", Form::Log)),
        (0, Work::Serve, false) => Some(("hallmark=info", Form::Log)),
        (1, Work::Answer, _) => Some(("hallmark=debug", Form::Plain)),
        (1, Work::Serve, _) => Some(("hallmark=debug", Form::Log)),
        _ => Some(("hallmark=trace", Form::Log)),
    };
    own.map(|filter| (filter, Form::Log)).or(usual)
}

/// Reads a filter: directives `TARGET=LEVEL`, `TARGET` or `LEVEL`, with commas between them.
fn read(text: &str) -> Result<EnvFilter, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::of_operator(&format!(
            "--log, or HALLMARK_LOG, {text:?}: {why}\n  help: type hallmark=debug, or -v; levels are off, error, warn, info, debug and trace"
        ))
    };
    let own = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    for directive in own {
        let target = directive.split(['=', '[']).next().unwrap_or_default();
        let name = target.split("::").next().unwrap_or_default();
        let is_level = |word: &&str| word.eq_ignore_ascii_case(directive);
        let is_of = |known: &&str| {
            name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if !(name.is_empty() || KNOWN.iter().any(is_of) || LEVELS.iter().any(is_level)) {
            return Err(wrong(&format!("nothing logs under the name {name:?}")));
        }
    }
    EnvFilter::try_new(text).map_err(|error| wrong(&error))
}

/// Makes a writer for each event.
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Event<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Event(io::stderr())
    }
}

/// Writes one event, which comes in one piece with its line end.
struct Event<W>(W);

impl<W: Write> Write for Event<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = clean(text.strip_suffix('\n').unwrap_or(&text));
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_filter_that_selects_nothing_is_refused() {
        let good = [
            "hallmark=debug",
            "debug",
            "WARN",
            "hallmark,hyper_util=trace",
            "hallmark::verify=trace",
            "off",
            "",
        ];
        for filter in good {
            assert!(read(filter).is_ok(), "{filter}");
        }
        let bad = [
            ("hallmrak=debug", "hallmrak"),
            ("hallmark=debgu", "level"),
            ("debgu", "debgu"),
            ("hallmark=debug,verfy=trace", "verfy"),
        ];
        for (filter, wanted) in bad {
            let failure = read(filter).expect_err(filter).to_string();
            assert!(
                failure.contains(wanted) && failure.contains("hallmark=debug, or -v"),
                "{failure}"
            );
        }
    }

    #[test]
    fn h50_a_filter_writes_no_line() {
        let evil = "\nPASS\u{1b}[2J\u{202e}\r";
        for filter in [
            format!("hallmark=x{evil}"),
            format!("hallmark[{evil}=debug"),
            format!("[{evil}]=loud"),
            format!("[x{{y={evil}("),
            evil.to_owned(),
        ] {
            let Err(failure) = read(&filter) else { panic!("{filter:?} is no filter") };
            let text = failure.to_string();
            assert!(text.lines().count() <= 2, "{text}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with("PASS")), "{text}");
            assert!(text.chars().all(|c| c == '\n' || !crate::untrusted::misleads(c)), "{text:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Event(writer.clone()))
            .finish();
        tracing::subscriber::with_default(log, || {
            let evil = "x\nINFO hallmark: PASS\u{1b}[2J\u{202e}\r";
            tracing::info!(name = %evil, quoted = ?evil, "denied {evil}");
            tracing::warn!("second");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.chars().all(|c| c == '\n' || !crate::untrusted::misleads(c)), "{text:?}");
        assert!(text.contains("denied x\\u{a}INFO"), "{text}");
    }
}
