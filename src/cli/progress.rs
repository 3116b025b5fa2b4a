//! Progress on stderr: one line that is redrawn on a terminal, plain lines elsewhere, silence where asked.
//!
//! A thread looks at what goes on a few times a second, so that those who work never wait for a terminal or a log. What
//! builders say is strangers' text: it is escaped and cut, and however much of it there is, it is shown no faster and no
//! longer than the bounds here say.

use std::{
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    progress::{Amount, ProgressSink, Silent, Step, Work},
    report::clean,
    untrusted::shortened,
};

/// Times that a terminal is drawn in a second at most.
const DRAWN_PER_SECOND: u8 = 10;
/// Time between two looks for a terminal: less often than it may be drawn, so that what is over at once can be drawn too.
const REDRAW: Duration = Duration::from_millis(125);
/// Time between two looks for plain lines.
const LOOK: Duration = Duration::from_millis(500);
/// Turns while something goes on.
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// Time after which plain lines say that something still goes on.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Plain lines for what builders do, in a second and in a run.
const STEPS_PER_SECOND: u32 = 10;
const STEPS_PER_RUN: u32 = 1000;
/// The name of a step before its output, in characters: both have to fit into a line.
const STEP_CHARS: usize = 60;
/// Longest text that is shown, in characters.
const SHOWN_CHARS: usize = 400;

/// How loud to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// Nothing but errors.
    Quiet,
    /// Stages, steps and numbers.
    Normal,
}

/// Somebody to talk to.
pub fn sink(loudness: Loudness) -> Arc<dyn ProgressSink> {
    if loudness == Loudness::Quiet {
        return Arc::new(Silent);
    }
    let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
    // No terminal, or one that cannot go back to the start of a line.
    match target.is_hidden() {
        true => Arc::new(Lines::new()),
        false => Arc::new(Terminal::new(target)),
    }
}

/// What goes on at the moment.
#[derive(Default)]
struct Board {
    stage: String,
    step: Option<(String, Instant)>,
    output: String,
    works: Vec<Shown>,
}

/// Work that goes on.
struct Shown {
    work: Arc<Work>,
    began: Instant,
    /// Bytes that had been counted by then.
    before: u64,
}

impl Shown {
    /// `comparing layers: 3 of 12, 1.00 MiB of 4.00 MiB (25 %), 2.00 MiB/s`.
    fn numbers(&self, now: Instant) -> String {
        let (items, bytes) = (self.work.items(), self.work.bytes());
        let mut text = format!("{}: {} of {}", self.work.what(), items.done, items.all);
        let (done, all) = (HumanBytes(bytes.done), HumanBytes(bytes.all));
        // Where every piece is done, bytes that did not come were not needed.
        let is_over = items.all > 0 && items.done == items.all && bytes.done < bytes.all;
        match bytes {
            Amount { done: 0, .. } if is_over => {}
            _ if is_over => text.push_str(&format!(", {done}")),
            Amount { all: 0, .. } => {}
            _ => text.push_str(&format!(", {done} of {all} ({} %)", percent(bytes))),
        }
        let came = bytes.done.saturating_sub(self.before);
        if let Some(rate) = rate(came, now.saturating_duration_since(self.began)) {
            text.push_str(&format!(", {}/s", HumanBytes(rate)));
        }
        text
    }
}

impl Board {
    fn stage(&mut self, name: &str) {
        self.stage = shown(name);
        self.forget_step();
    }

    fn step(&mut self, step: &Step) -> &str {
        self.output.clear();
        &self.step.insert((shown(&step.to_string()), Instant::now())).0
    }

    fn forget_step(&mut self) {
        self.step = None;
        self.output.clear();
    }

    fn begin(&mut self, work: &Arc<Work>) {
        let (work, before) = (Arc::clone(work), work.bytes().done);
        self.works.push(Shown { work, began: Instant::now(), before });
    }

    /// Takes work off.
    fn end(&mut self, work: &Arc<Work>) -> Option<Shown> {
        let at = self.works.iter().rposition(|shown| Arc::ptr_eq(&shown.work, work))?;
        self.forget_step();
        Some(self.works.remove(at))
    }

    /// The newest work that has numbers, else the step that a builder is at, else the stage.
    fn text(&self, now: Instant) -> String {
        let newest = self.works.last().filter(|shown| shown.work.items().all > 0);
        if let Some(shown) = newest {
            return shown.numbers(now);
        }
        let Some((step, began)) = &self.step else { return self.stage.clone() };
        let seconds = now.saturating_duration_since(*began).as_secs();
        match self.output.as_str() {
            "" => format!("{step} ({seconds} s)"),
            output => format!("{} ({seconds} s): {output}", shortened(step, STEP_CHARS)),
        }
    }
}

/// One line of a stranger's text.
fn shown(text: &str) -> String {
    shortened(&clean(text), SHOWN_CHARS)
}

fn percent(amount: Amount) -> u64 {
    amount.done.min(amount.all).saturating_mul(100).checked_div(amount.all).unwrap_or(100)
}

/// Bytes a second since the work began, once there has been time for it to mean something.
fn rate(bytes: u64, elapsed: Duration) -> Option<u64> {
    let milliseconds = u64::try_from(elapsed.as_millis()).ok().filter(|passed| *passed >= 100)?;
    bytes.saturating_mul(1000).checked_div(milliseconds).filter(|rate| *rate > 0)
}

/// A thread that looks again and again for as long as this lives.
struct Ticker {
    /// A word makes it look at once, the end of words makes it stop.
    wake: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn new(period: Duration, mut look: impl FnMut() + Send + 'static) -> Self {
        let (wake, woken) = mpsc::sync_channel::<()>(1);
        let ticking = move || {
            while woken.recv_timeout(period) != Err(mpsc::RecvTimeoutError::Disconnected) {
                look();
            }
        };
        // Where no thread can be had, nothing is redrawn, and the work is done all the same.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(ticking).ok();
        Self { wake: Some(wake), thread }
    }

    /// Does not wait: one that is awake already need not be woken.
    fn wake(&self) {
        let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One line with what goes on, redrawn in its place.
struct Terminal {
    board: Arc<Mutex<Board>>,
    bar: ProgressBar,
    ticker: Option<Ticker>,
}

impl Terminal {
    fn new(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        // Cut to the width of the terminal.
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        let board: Arc<Mutex<Board>> = Arc::default();
        let (looked_at, drawn) = (Arc::clone(&board), bar.clone());
        let ticker = Ticker::new(REDRAW, move || draw(&drawn, &lock(&looked_at)));
        Self { board, bar, ticker: Some(ticker) }
    }
}

/// Draws as often as it is asked to, but no more often than the target allows.
fn draw(bar: &ProgressBar, board: &Board) {
    let elapsed = bar.elapsed();
    let turn = elapsed.as_millis() / REDRAW.as_millis().max(1) % SPINNER.len() as u128;
    let spinner = usize::try_from(turn).ok().and_then(|at| SPINNER.get(at)).unwrap_or(&' ');
    let seconds = elapsed.as_secs();
    bar.set_message(format!("{spinner} {seconds:>4}s {}", board.text(Instant::now())));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProgressSink for Terminal {
    fn stage(&self, name: &str) {
        lock(&self.board).stage(name);
    }
    fn line(&self, text: &str) {
        lock(&self.board).output = shown(text);
    }
    fn step(&self, step: &Step) {
        lock(&self.board).step(step);
        self.ticker.iter().for_each(Ticker::wake);
    }
    fn output(&self, text: &str) {
        lock(&self.board).output = shown(text);
    }
    fn begin(&self, work: &Arc<Work>) {
        lock(&self.board).begin(work);
    }
    fn end(&self, work: &Arc<Work>) {
        let mut board = lock(&self.board);
        // Work that is over before anybody looked is seen once.
        draw(&self.bar, &board);
        board.end(work);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // First the thread, which would draw again what is cleared.
        self.ticker = None;
        self.bar.finish_and_clear();
    }
}

/// Plain lines, each with the seconds since the start: for logs of CI systems.
struct Lines {
    page: Arc<Mutex<Page>>,
    _ticker: Ticker,
}

/// What was written, and what may still be.
struct Page {
    board: Board,
    start: Instant,
    written: Instant,
    /// Pieces that were done when the newest work was last written about.
    items: u64,
    budget: Budget,
}

/// Lines that builders may still cause.
#[derive(Debug, Default)]
struct Budget {
    second: u64,
    in_second: u32,
    in_all: u32,
}

impl Budget {
    fn allows(&mut self, second: u64) -> bool {
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        let allowed = self.in_second < STEPS_PER_SECOND && self.in_all < STEPS_PER_RUN;
        self.in_second += u32::from(allowed);
        self.in_all += u32::from(allowed);
        allowed
    }
}

impl Page {
    fn write(&mut self, text: &str) {
        self.written = Instant::now();
        let seconds = self.start.elapsed().as_secs_f32();
        // A closed stderr must not end a verification.
        let _ = writeln!(std::io::stderr(), "[{seconds:6.1}s] {}", clean(text));
    }

    /// A line for pieces that were done since the last look, or a sign of life.
    fn look(&mut self) {
        let Some(shown) = self.board.works.last() else { return };
        let items = shown.work.items();
        if items.done > self.items && items.done < items.all {
            let text = shown.numbers(Instant::now());
            self.items = items.done;
            self.write(&format!("  {text}"));
        } else if self.written.elapsed() >= HEARTBEAT {
            let text = self.board.text(Instant::now());
            self.write(&format!("  still {text}"));
        }
    }
}

impl Lines {
    fn new() -> Self {
        let now = Instant::now();
        let (board, budget) = (Board::default(), Budget::default());
        let page = Page { board, start: now, written: now, items: 0, budget };
        let page = Arc::new(Mutex::new(page));
        let looked_at = Arc::clone(&page);
        let ticker = Ticker::new(LOOK, move || lock(&looked_at).look());
        Self { page, _ticker: ticker }
    }
}

impl ProgressSink for Lines {
    fn stage(&self, name: &str) {
        let mut page = lock(&self.page);
        page.board.stage(name);
        page.write(name);
    }
    fn line(&self, text: &str) {
        lock(&self.page).write(&format!("  {text}"));
    }
    fn step(&self, step: &Step) {
        let mut page = lock(&self.page);
        let text = format!("  {}", page.board.step(step));
        let second = page.start.elapsed().as_secs();
        if page.budget.allows(second) {
            page.write(&text);
        }
    }
    fn begin(&self, work: &Arc<Work>) {
        let mut page = lock(&self.page);
        page.items = work.items().done;
        page.board.begin(work);
    }
    fn end(&self, work: &Arc<Work>) {
        let mut page = lock(&self.page);
        let Some(shown) = page.board.end(work) else { return };
        let items = work.items();
        if items.all > 0 && items.done == items.all {
            let text = shown.numbers(Instant::now());
            page.write(&format!("  {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step { stage: Some("build".to_owned()), number: Some((2, 4)), name: name.to_owned() }
    }

    #[test]
    fn the_line_says_what_goes_on() {
        let mut board = Board::default();
        let start = Instant::now();
        let later = start + Duration::from_secs(2);
        board.stage("rebuild");
        assert_eq!(board.text(later), "rebuild");
        let building = Work::new("building");
        board.begin(&building);
        board.step(&step("RUN cc"));
        let after = |board: &Board| {
            let began = board.step.as_ref().unwrap().1;
            board.text(began + Duration::from_secs(3))
        };
        assert_eq!(after(&board), "[build 2/4] RUN cc (3 s)");
        board.output = shown("warning");
        assert_eq!(after(&board), "[build 2/4] RUN cc (3 s): warning");
        let comparing = Work::new("comparing layers");
        comparing.expect(12, 4 << 20);
        board.begin(&comparing);
        comparing.finish_item();
        comparing.count(1 << 20);
        let began = board.works.last().unwrap().began;
        let text = board.text(began + Duration::from_millis(500));
        assert_eq!(text, "comparing layers: 1 of 12, 1.00 MiB of 4.00 MiB (25 %), 2.00 MiB/s");
        assert!(board.end(&comparing).is_some() && board.end(&comparing).is_none());
        assert_eq!(board.text(later), "rebuild", "the step is over, too");
    }

    #[test]
    fn strangers_text_is_one_short_line() {
        let mut board = Board::default();
        board.step(&step(&format!("RUN \u{1b}[2J\u{7}a\nb\u{202e} {}", "x".repeat(5000))));
        let text = board.text(Instant::now());
        assert!(
            text.starts_with("[build 2/4] RUN \\u{1b}[2J\\u{7}a\\u{a}b\\u{202e} xxx"),
            "{text}"
        );
        assert!(text.chars().count() < SHOWN_CHARS + 20 && !text.chars().any(char::is_control));
        board.output = shown(&"y\u{9b}".repeat(5000));
        assert!(board.text(Instant::now()).chars().count() < SHOWN_CHARS + STEP_CHARS + 20);
    }

    #[test]
    fn builders_cannot_flood_a_log() {
        let mut budget = Budget::default();
        let allowed = |budget: &mut Budget, second| {
            u32::try_from((0..5000).filter(|_| budget.allows(second)).count()).unwrap()
        };
        assert_eq!(allowed(&mut budget, 1), STEPS_PER_SECOND);
        assert_eq!(allowed(&mut budget, 1), 0);
        let rest: u32 = (2..5000).map(|second| allowed(&mut budget, second)).sum();
        assert_eq!(rest + STEPS_PER_SECOND, STEPS_PER_RUN);
    }

    #[test]
    fn numbers_that_make_no_sense_do_no_harm() {
        let began = Instant::now();
        let shown = |expected: (usize, u64), counted: u64, before: u64| {
            let work = Work::new("reading layers");
            work.expect(expected.0, expected.1);
            work.count(counted);
            Shown { work, began, before }.numbers(began + Duration::from_secs(1))
        };
        assert_eq!(shown((1, 10), 25, 5), "reading layers: 0 of 1, 25 B of 10 B (100 %), 20 B/s");
        assert_eq!(shown((1, 10), 5, 25), "reading layers: 0 of 1, 5 B of 10 B (50 %)");
        assert_eq!(shown((0, 0), 0, 0), "reading layers: 0 of 0");
    }

    #[test]
    fn what_was_not_needed_is_not_missing_at_the_end() {
        let over = |counted: u64| {
            let work = Work::new("comparing layers");
            work.expect(1, 10);
            work.count(counted);
            work.finish_item();
            let began = Instant::now();
            Shown { work, began, before: counted }.numbers(began)
        };
        let cases = [
            (0, "comparing layers: 1 of 1"),
            (5, "comparing layers: 1 of 1, 5 B"),
            (10, "comparing layers: 1 of 1, 10 B of 10 B (100 %)"),
        ];
        for (counted, want) in cases {
            assert_eq!(over(counted), want);
        }
    }
}
