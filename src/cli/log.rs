//! The diagnostic log on stderr: one line for each event, whatever is in it.
//!
//! Fields of events hold names and errors from outside, as the gate's namespaces and a registry's words. What misleads in them
//! is escaped where the line is written, so that no event can write another one.

use std::io::{self, Write};

use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::untrusted::clean;

/// Starts the log, where a filter asks for one.
pub(super) fn start(filter: Option<&str>) {
    let Some(filter) = filter else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are escape sequences, too.
        .with_ansi(false)
        // A stage says how long it took when it is over.
        .with_span_events(FmtSpan::CLOSE);
    // Only this program sets the subscriber, and only once.
    let _ = log.with_writer(Stderr).try_init();
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
