//! What the cage around a builder costs: making it, starting one program in it, and taking it away with its disk.
//!
//! Beside it is the same program without a cage, as any caller would start it. In turns, medians and best. As a bench (`--bench`, which
//! `cargo bench` gives) it ends with exit code 1 where the cage takes more than a rebuild may spend on it; among the tests it runs to be
//! known to work, on a machine that does other things besides. Needs root, as builders do, and says so where it is missing. `ROUNDS` is
//! the number of turns.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use hallmark::{
    engine::{
        host::{find_program, is_root},
        ids::WantedNumbers,
        sandbox::{Environment, Log, Shell, Workspace},
    },
    limits::Limits,
    progress::Silent,
};

/// What a rebuild may spend on it.
const MOST: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    if !is_root() {
        eprintln!("cage: a cage takes root");
        return ExitCode::SUCCESS;
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut plain, mut own, mut machine) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(timed(|| {
            let program = find_program("true").unwrap();
            assert!(Command::new(program).status().unwrap().success());
        }));
        for (numbers, times) in
            [(WantedNumbers::Own, &mut own), (WantedNumbers::Machine, &mut machine)]
        {
            times.push(timed(|| runtime.block_on(caged(numbers))));
        }
    }
    let plain = report("without a cage", plain);
    let own = report("numbers of its own", own);
    report("the machine's numbers", machine);
    if own.saturating_sub(plain) <= MOST {
        return ExitCode::SUCCESS;
    }
    eprintln!("cage: it costs more than {} ms", MOST.as_millis());
    match std::env::args().any(|argument| argument == "--bench") {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

async fn caged(numbers: WantedNumbers) {
    let workspace = Workspace::make(None, &Limits::default(), None, numbers).await.unwrap();
    workspace.cage().expect("no cage can be had here");
    let shell = Shell::new(&workspace, Log::new(1 << 10), &Silent);
    let (program, environment) = (find_program("true").unwrap(), Environment::new(shell.work));
    assert!(shell.run(&program, [""; 0], &environment).await.unwrap().success);
}

fn timed(what: impl FnOnce()) -> Duration {
    let began = Instant::now();
    what();
    began.elapsed()
}

/// Prints the median and the best, and gives the median.
fn report(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let best = times.first().copied().unwrap_or_default();
    println!("cage, {name:<22} {:>4} ms (best {} ms)", median.as_millis(), best.as_millis());
    median
}
