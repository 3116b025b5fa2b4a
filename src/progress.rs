//! How far long work is.
//!
//! Turns work into numbers that somebody else looks at while it goes on: [`Work`] counts what is done, [`Step`] is what a
//! builder is at, and [`ProgressSink`] is who shows both. Counting is one atomic addition and never waits for whoever looks. Knows
//! no clock and no terminal, and escapes nothing: names of steps are strangers' text, for [`ProgressSink`] to make harmless.

use std::{
    fmt,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Who is told about long work; called from any thread.
pub trait ProgressSink: Send + Sync {
    /// A stage begins.
    fn stage(&self, name: &str);
    /// Something worth a line happened within the stage.
    fn line(&self, text: &str);
    /// A builder is at a step; its text is a stranger's.
    fn step(&self, _step: &Step) {}
    /// A builder printed a line, which is a stranger's too; there may be many.
    fn output(&self, _text: &str) {}
    /// Work begins whose counters can be looked at until it ends.
    fn begin(&self, _work: &Arc<Work>) {}
    /// It ended, done or not.
    fn end(&self, _work: &Arc<Work>) {}
}

/// Talks to nobody.
#[derive(Debug)]
pub struct Silent;

impl ProgressSink for Silent {
    fn stage(&self, _: &str) {}
    fn line(&self, _: &str) {}
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage of the Dockerfile, where it has a name.
    pub stage: Option<String>,
    /// Which step of how many, counted from 1, where the builder says so.
    pub number: Option<(u32, u32)>,
    /// The instruction, or what else the builder does.
    pub name: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.stage, self.number) {
            (Some(stage), Some((at, of))) => write!(f, "[{stage} {at}/{of}] {}", self.name),
            (None, Some((at, of))) => write!(f, "[{at}/{of}] {}", self.name),
            (_, None) => f.write_str(&self.name),
        }
    }
}

/// Work whose extent is known, or becomes known while it is done: layers, and their bytes.
#[derive(Debug)]
pub struct Work {
    what: &'static str,
    items: Extent,
    bytes: Extent,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Extent {
    done: AtomicU64,
    all: AtomicU64,
}

impl Extent {
    fn look(&self) -> Amount {
        let (done, all) = (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed));
        Amount { done, all }
    }
}

/// How much of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Done so far.
    pub done: u64,
    /// All that is known of; 0 where nobody knows.
    pub all: u64,
}

impl Work {
    /// Work of this name, as `comparing layers`; nothing of it is known yet.
    pub fn new(what: &'static str) -> Arc<Self> {
        let (items, bytes) = (Extent::default(), Extent::default());
        Arc::new(Self { what, items, bytes, stopped: AtomicBool::new(false) })
    }

    /// Its name.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// There is more to do: so many pieces, with so many bytes in all.
    pub fn expect(&self, items: usize, bytes: u64) {
        self.items.all.fetch_add(items as u64, Ordering::Relaxed);
        self.bytes.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A piece is done.
    pub fn finish_item(&self) {
        self.items.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes went through.
    pub fn count(&self, bytes: u64) {
        self.bytes.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that were counted will come again: a transfer broke off.
    pub fn take_back(&self, bytes: u64) {
        self.bytes.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Pieces.
    pub fn items(&self) -> Amount {
        self.items.look()
    }

    /// Bytes.
    pub fn bytes(&self) -> Amount {
        self.bytes.look()
    }

    /// A reader whose bytes count as done. It fails once nobody waits for the result any more.
    pub fn counted<R: Read>(&self, reader: R) -> Counted<'_, R> {
        Counted { reader, work: self }
    }
}

/// See [`Work::counted`].
#[derive(Debug)]
pub struct Counted<'w, R> {
    reader: R,
    work: &'w Work,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.work.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for the result any more"));
        }
        let read = self.reader.read(buffer)?;
        self.work.count(read as u64);
        Ok(read)
    }
}

/// Work that is shown for as long as this lives, and stopped with it: threads that still read for it end soon after.
pub struct Underway<'t> {
    sink: &'t dyn ProgressSink,
    work: Arc<Work>,
}

impl<'t> Underway<'t> {
    /// Begins to show work.
    pub fn new(sink: &'t dyn ProgressSink, work: Arc<Work>) -> Self {
        sink.begin(&work);
        Self { sink, work }
    }

    /// The work, for whoever does it.
    pub fn work(&self) -> Arc<Work> {
        Arc::clone(&self.work)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.work.stopped.store(true, Ordering::Relaxed);
        self.sink.end(&self.work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_as_they_are_read_until_nobody_waits() {
        let underway = Underway::new(&Silent, Work::new("reading"));
        let work = underway.work();
        work.expect(1, 6);
        let mut reader = work.counted(&b"abcdef"[..]);
        let mut buffer = [0; 4];
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        assert_eq!(work.bytes(), Amount { done: 4, all: 6 });
        assert_eq!(work.items(), Amount { done: 0, all: 1 });
        drop(underway);
        assert!(reader.read(&mut buffer).is_err());
        assert_eq!(work.bytes().done, 4);
    }

    #[test]
    fn a_step_is_shown_as_builders_show_it() {
        let step = |stage: Option<&str>, number| Step {
            stage: stage.map(str::to_owned),
            number,
            name: "RUN cc".to_owned(),
        };
        let cases = [
            (step(Some("build"), Some((2, 4))), "[build 2/4] RUN cc"),
            (step(None, Some((2, 4))), "[2/4] RUN cc"),
            (step(None, None), "RUN cc"),
        ];
        for (step, want) in cases {
            assert_eq!(step.to_string(), want);
        }
    }
}
