//! Progress on stderr: a spinner on a terminal, plain lines elsewhere, silence where asked.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    engine::{Silent, Talk},
    report::clean,
};

/// How loud to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// Nothing but errors.
    Quiet,
    /// Stages and lines.
    Normal,
}

/// Somebody to talk to.
pub fn talk(loudness: Loudness) -> Arc<dyn Talk> {
    match loudness {
        Loudness::Quiet => Arc::new(Silent),
        Loudness::Normal if std::io::stderr().is_terminal() => Arc::new(Terminal::new()),
        Loudness::Normal => Arc::new(Lines::default()),
    }
}

/// Plain lines, each with the seconds since the start: for logs of CI systems.
struct Lines {
    start: Instant,
}

impl Default for Lines {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Lines {
    fn write(&self, text: &str) {
        let seconds = self.start.elapsed().as_secs_f32();
        // A closed stderr must not end a verification.
        let _ = writeln!(std::io::stderr(), "[{seconds:6.1}s] {}", clean(text));
    }
}

impl Talk for Lines {
    fn stage(&self, name: &str) {
        self.write(name);
    }
    fn line(&self, text: &str) {
        self.write(&format!("  {text}"));
    }
}

/// A spinner with the stage and its newest line.
struct Terminal {
    bar: ProgressBar,
    stage: Mutex<String>,
}

impl Terminal {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, stage: Mutex::default() }
    }
}

impl Talk for Terminal {
    fn stage(&self, name: &str) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = name.to_owned();
        self.bar.set_message(name.to_owned());
    }
    fn line(&self, text: &str) {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        self.bar.set_message(format!("{stage}: {}", clean(text)));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
