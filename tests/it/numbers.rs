//! Whose numbers of users and groups a build has on the machine, with real engines: rows G23 and G24 of `docs/attacks.md`.
//!
//! Each test looks at a step from the outside, as an account of the machine with the number of the step's `USER` could, or has a step
//! ask for what belongs to the machine's root.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use hallmark::{
    engine::{
        EngineChoice, EngineSettings,
        blocks::Blocks,
        ids::{Ids, WantedNumbers},
    },
    limits::Limits,
    progress::Silent,
    rebuild::{FailureKind, Numbers, PlannedRepository, PlannedSource},
};

use crate::{
    rebuild::Lab,
    robust::{At, engines, for_engine, gone, plan_of, publish, run},
};

/// The engines that can do with numbers of their own: an old buildah cannot.
fn confined() -> Vec<EngineChoice> {
    let said = Command::new("buildah").arg("--version").output().map(|output| output.stdout);
    let said = String::from_utf8(said.unwrap_or_default()).unwrap();
    let version = said.split_whitespace().nth(2).unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let new = numbers >= vec![1, 35];
    engines().into_iter().filter(|choice| *choice != EngineChoice::Buildah || new).collect()
}

/// Whether an account with this number can do that.
fn can(account: u32, words: &[&str]) -> bool {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={account}"), &format!("--regid={account}"), "--clear-groups"]);
    command.arg("--").args(words).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// Processes of the machine whose command line holds a text.
fn processes(text: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let numbered = all.filter(|path| {
        path.file_name().unwrap().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
    });
    let holds = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    numbered.filter(holds).collect()
}

/// Numbers of users and groups that a process has: real, effective, saved, of the file system.
fn numbers(process: &Path) -> BTreeSet<u32> {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
    lines.flat_map(|line| line.split_whitespace().skip(1)).map(|n| n.parse().unwrap()).collect()
}

/// The block that a number is of.
fn block_of(blocks: &Blocks, number: u32) -> Option<Ids> {
    (0..).map_while(|block| blocks.get(block)).find(|ids| ids.is_own(number))
}

/// What was seen of a step while it ran.
#[derive(Debug, Default)]
struct Seen {
    numbers: BTreeSet<u32>,
    looked_into: bool,
    ended: bool,
}

#[tokio::test]
async fn g23_an_account_with_the_number_of_a_step_neither_sees_nor_ends_it() {
    let Some(lab) = Lab::find() else { return };
    const ACCOUNT: u32 = 1000;
    let blocks = Blocks::of_machine().expect("blocks of numbers");
    // The honest twin: the same account sees into what is its own, so the look is a look.
    let mut other = Command::new("setpriv");
    other.args(["--reuid=1000", "--regid=1000", "--clear-groups", "--", "sleep", "1000"]);
    let mut other = other.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(can(ACCOUNT, &["ls", &format!("/proc/{}/root/", other.id())]));
    assert!(can(ACCOUNT, &["kill", &other.id().to_string()]));
    other.wait().unwrap();
    for (number, choice) in confined().into_iter().enumerate() {
        let mark = format!("mark-{}-{number}", std::process::id());
        let dockerfile = format!(
            "ARG BUILD\nFROM ${{BUILD}}\nUSER {ACCOUNT}:{ACCOUNT}\n\
             RUN echo step run''s; while :; do : {mark}; sleep 1; done\n"
        );
        let plan = for_engine(plan_of(&lab, "numbers", &dockerfile).await, choice);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (note, shell) = (seen.clone(), format!("do : {mark}"));
        let sink = At::new("step runs", move || {
            let mut seen = note.lock().unwrap();
            // The builder repeats the command in its own arguments, and is another user.
            for process in processes(&shell) {
                let pid = process.file_name().unwrap().to_str().unwrap().to_owned();
                seen.numbers.extend(numbers(&process));
                seen.looked_into |= can(ACCOUNT, &["ls", &format!("/proc/{pid}/root/")]);
                seen.looked_into |= can(ACCOUNT, &["ls", &format!("/proc/{pid}/fd/")]);
                seen.ended |= can(ACCOUNT, &["kill", "-0", &pid]);
            }
        });
        let base = tempfile::tempdir().unwrap();
        let settings = EngineSettings { work: Some(base.path().to_owned()), ..lab.settings() };
        let limits = Limits { rebuild: Duration::from_secs(15), ..Limits::default() };
        let failure = hallmark::engine::build(&plan, &settings, choice, &limits, &sink).await;
        assert_eq!(failure.expect_err("it was built").kind, FailureKind::Timeout, "{choice:?}");
        gone(base.path()).await;
        let seen = seen.lock().unwrap();
        let block = seen.numbers.first().and_then(|number| block_of(&blocks, *number));
        let block = block.unwrap_or_else(|| panic!("{choice:?}: {seen:?}"));
        assert!(seen.numbers.contains(&(block.first() + ACCOUNT)), "{choice:?}: {seen:?}");
        assert!(seen.numbers.iter().all(|number| block.is_own(*number)), "{choice:?}: {seen:?}");
        assert!(!seen.looked_into && !seen.ended, "{choice:?}: {seen:?}");
    }
}

#[tokio::test]
async fn g23_the_word_is_that_of_the_job_that_ran() {
    let Some(lab) = Lab::find() else { return };
    for choice in engines() {
        for wanted in [WantedNumbers::Own, WantedNumbers::Machine] {
            let dockerfile = "ARG BUILD\nFROM ${BUILD}\nRUN cat /proc/self/uid_map && mkdir /d && chown 70000:70000 /d\n";
            let plan = for_engine(plan_of(&lab, "word", dockerfile).await, choice);
            let settings = EngineSettings { numbers: wanted, ..lab.settings() };
            let finished = run(&plan, settings, choice, &Limits::default(), &Silent).await;
            let finished = finished.unwrap_or_else(|failure| panic!("{choice:?}: {}", failure.log));
            let own = wanted == WantedNumbers::Own && confined().contains(&choice);
            let want = if own { Numbers::Own } else { Numbers::Machine };
            assert_eq!(finished.built.report.numbers, want, "{choice:?} {wanted:?}");
        }
    }
}

/// Two jobs at the same time: whatever goes by a number of a user, none of one job has one of the other's.
#[tokio::test]
async fn g24_two_jobs_have_no_number_in_common() {
    let Some(lab) = Lab::find() else { return };
    let blocks = Blocks::of_machine().expect("blocks of numbers");
    for choice in confined() {
        let job = async |number: usize| {
            let mark = format!("mark-{}-{choice:?}-{number}", std::process::id());
            let dockerfile = format!(
                "ARG BUILD\nFROM ${{BUILD}}\nUSER 1000:1000\n\
                 RUN echo step run''s; while :; do : {mark}; sleep 1; done\n"
            );
            let plan = for_engine(plan_of(&lab, "beside", &dockerfile).await, choice);
            let seen = Arc::new(Mutex::new(BTreeSet::new()));
            let (note, shell) = (seen.clone(), format!("do : {mark}"));
            let sink = At::new("step runs", move || {
                let all = processes(&shell);
                note.lock().unwrap().extend(all.iter().flat_map(|process| numbers(process)));
            });
            let base = tempfile::tempdir().unwrap();
            let settings = EngineSettings { work: Some(base.path().to_owned()), ..lab.settings() };
            let limits = Limits { rebuild: Duration::from_secs(20), ..Limits::default() };
            let failure = hallmark::engine::build(&plan, &settings, choice, &limits, &sink).await;
            assert_eq!(failure.expect_err("it was built").kind, FailureKind::Timeout);
            gone(base.path()).await;
            let seen = seen.lock().unwrap();
            let of: BTreeSet<Option<u32>> =
                seen.iter().map(|n| block_of(&blocks, *n).map(|ids| ids.first())).collect();
            assert_eq!(of.len(), 1, "{choice:?}: {seen:?}");
            of.first().copied().flatten().expect("numbers of no block")
        };
        let (one, other) = tokio::join!(job(0), job(1));
        assert_ne!(one, other, "{choice:?}");
    }
}

/// Takes all that it gets of what the kernel counts for each user, holds it for a moment, and says how much it was.
const GREEDY: &str = r##"
#include <stdio.h>
int inotify_init1(int);
long syscall(long, ...);
unsigned sleep(unsigned);
int main(void) {
    unsigned long all = ~0ul, watches = 0, signals = 0;
    while (inotify_init1(0) >= 0) watches++;
    syscall(14, 0, &all, 0, sizeof all);
    while (signals < 10000000 && !syscall(200, syscall(186), 34)) signals++;
    printf("took %lu of inotify
took %lu of signals
step %s
", watches, signals, "runs");
    fflush(stdout);
    sleep(5);
    return 0;
}
"##;

/// What the machine's root has left: instances of inotify, and signals that are queued for it.
fn left() -> (usize, u64) {
    let make = || rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).ok();
    let instances: Vec<_> = std::iter::from_fn(make).collect();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigQ:")).unwrap();
    (instances.len(), line.trim().split('/').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn g24_a_step_takes_nothing_that_the_kernel_counts_for_the_machines_root() {
    let Some(lab) = Lab::find() else { return };
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("SKIPPED g24_a_step_takes_nothing: another processor");
    }
    for choice in confined() {
        let dockerfile = "ARG BUILD\nFROM ${BUILD}\nCOPY probe.c /probe.c\nRUN cc -o /probe /probe.c && /probe; exit 7\n";
        let mut plan = plan_of(&lab, "greedy", dockerfile).await;
        let files = [("Dockerfile", dockerfile), ("probe.c", GREEDY)];
        let (url, commit) = publish(&lab, "greedy", &files);
        plan.source = PlannedSource::Repository(PlannedRepository {
            url,
            reference: None,
            folder: None,
            commit,
        });
        let plan = for_engine(plan, choice);
        let (before, during) = (left(), Arc::new(Mutex::new(None)));
        let note = during.clone();
        let sink = At::new("step runs", move || *note.lock().unwrap() = Some(left()));
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &sink).await;
        let log = result.expect_err("its last step fails").log;
        let took = |of: &str| {
            let line = log.lines().find(|line| line.ends_with(&format!(" of {of}")));
            let line = line.unwrap_or_else(|| panic!("{choice:?}: {log}"));
            let (_, words) = line.split_once("took ").unwrap();
            words.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        assert!(took("inotify") > 50 && took("signals") > 1000, "{choice:?}: {log}");
        let during = during.lock().unwrap().expect("nobody looked");
        // Others use the machine, too.
        assert!(during.0 > 0 && during.0 + 20 >= before.0, "{choice:?}: {before:?} {during:?}");
        assert!(during.1 < before.1 + 500, "{choice:?}: {before:?} {during:?}");
    }
}

/// What a step asks of the machine: that its audit log keeps a record; sockets of packets and of families that are charged to nobody; a
/// virtual socket by the call of old 32-bit programs; and a context for asynchronous input and output.
const SHARED: &str = r##"
#include <stdio.h>
#include <string.h>
int socket(int, int, int);
long send(int, void *, long, int);
long syscall(long, ...);
int vsock[3] = {40, 1, 0};
int main(void) {
    long context = 0, call = 102, kind = 1;
    struct { unsigned length; unsigned short type, flags; unsigned sequence, sender; char text[32]; } record;
    int log = socket(16, 3, 9);
    memset(&record, 0, sizeof record);
    record.length = sizeof record;
    record.type = 1107;
    record.flags = 5;
    strcpy(record.text, "hallmark-was-here");
    printf("asked %d\n", send(log, &record, sizeof record, 0) == sizeof record);
    printf("packet %d\n", socket(2, 2, 0) >= 0);
    printf("route %d\n", socket(16, 3, 0) >= 0);
    printf("ring %d\n", socket(17, 3, 0) >= 0);
    printf("express %d\n", socket(44, 3, 0) >= 0);
    __asm__ volatile("int $0x80" : "=a"(call) : "a"(call), "b"(kind), "c"(vsock) : "memory");
    printf("vsock %d\n", (int)call >= 0);
    printf("aio %d\n", syscall(206, 1, &context) >= 0);
    return 0;
}
"##;

/// G22, G33, for builders whose own profile lets their steps make sockets of every family.
#[tokio::test]
async fn g22_a_step_of_buildkit_shares_nothing_with_the_machine() {
    let Some(lab) = Lab::find() else { return };
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("SKIPPED g22_a_step_of_buildkit: another processor");
    }
    for choice in confined().into_iter().filter(|choice| *choice != EngineChoice::Buildah) {
        let dockerfile = "ARG BUILD\nFROM ${BUILD}\nCOPY probe.c /probe.c\nRUN cc -o /probe /probe.c && /probe; exit 7\n";
        let mut plan = plan_of(&lab, "audit", dockerfile).await;
        let files = [("Dockerfile", dockerfile), ("probe.c", SHARED)];
        let (url, commit) = publish(&lab, "audit", &files);
        plan.source = PlannedSource::Repository(PlannedRepository {
            url,
            reference: None,
            folder: None,
            commit,
        });
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        let log = result.expect_err("its last step fails").log;
        let refused = ["asked 0", "ring 0", "express 0", "vsock 0", "aio 0"];
        for said in ["packet 1", "route 1"].into_iter().chain(refused) {
            assert!(log.contains(said), "{choice:?}, {said}: {log}");
        }
    }
}

/// What no builder makes in a user namespace is no reason to call an image another one.
#[tokio::test]
async fn g23_who_asks_for_device_nodes_gets_them_or_is_told() {
    let Some(lab) = Lab::find() else { return };
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\nRUN mknod /node c 1 3\n";
    for choice in confined() {
        let plan = for_engine(plan_of(&lab, "nodes", dockerfile).await, choice);
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        let failure = result.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::BuildFailed, "{choice:?}: {}", failure.why);
        assert!(
            failure.why.ends_with("steps make no device nodes here"),
            "{choice:?}: {}",
            failure.why
        );
        let settings = EngineSettings { numbers: WantedNumbers::Machine, ..lab.settings() };
        let result = run(&plan, settings, choice, &Limits::default(), &Silent).await;
        assert!(result.is_ok(), "{choice:?}");
    }
}
