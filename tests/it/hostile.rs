//! What a hostile step or base takes of the machine that builds it, with real engines: rows G40 to G55 of
//! `docs/attacks.md`.
//!
//! A step prints what it could do and fails, so that its words are in the log of the failure.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hallmark::{
    attest::provenance::{MaterialKind, Pin},
    digest::Digest,
    engine::{EngineChoice, EngineSettings, ids::WantedNumbers},
    limits::Limits,
    progress::Silent,
    rebuild::{Failure, FailureKind, Plan, PlannedRepository, PlannedSource},
};
use serde_json::json;

use crate::{
    cage::Shelf,
    rebuild::Lab,
    robust::{engines, for_engine, plan_of, publish, run},
};

/// Each engine, with numbers of its own and with the machine's.
fn ways() -> impl Iterator<Item = (EngineChoice, WantedNumbers)> {
    let numbers = [WantedNumbers::Own, WantedNumbers::Machine];
    engines().into_iter().flat_map(move |choice| numbers.map(|numbers| (choice, numbers)))
}

/// What a failing build prints.
async fn said(
    lab: &Lab,
    plan: &Plan,
    way: (EngineChoice, WantedNumbers),
    limits: &Limits,
) -> String {
    let settings = EngineSettings { numbers: way.1, ..lab.settings() };
    let result = run(plan, settings, way.0, limits, &Silent).await;
    result.expect_err("its last step fails").log
}

/// A plan whose last step runs a program and fails.
async fn probing(lab: &Lab, name: &str, program: &str, choice: EngineChoice) -> Plan {
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\nCOPY probe.c /probe.c\nRUN cc -o /probe /probe.c && /probe; exit 7\n";
    let mut plan = for_engine(plan_of(lab, name, dockerfile).await, choice);
    let files = [("Dockerfile", dockerfile), ("probe.c", program)];
    let (url, commit) = publish(lab, name, &files);
    plan.source =
        PlannedSource::Repository(PlannedRepository { url, reference: None, folder: None, commit });
    plan
}

/// A step makes no control group: each takes memory of the kernel's that nothing counts.
#[tokio::test]
async fn g40_a_step_makes_no_control_groups() {
    let Some(lab) = Lab::find() else { return };
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\n\
        RUN echo 'it'' ran'; for at in /sys/fs/cgroup /sys/fs/cgroup/* /sys/fs/cgroup/*/*; do \
        mount -o remount,rw $at; mount -o remount,bind,rw $at; mkdir $at/mine && echo 'it'' made one in '$at; \
        done; mkdir /x && for kind in 'cgroup -o devices' 'cgroup -o pids' cgroup2; do \
        mount -t $kind none /x && echo 'it'' mounted '$kind; done; \
        for at in $(awk '$9 ~ /^cgroup/ || $8 ~ /^cgroup/ || $10 ~ /^cgroup/ { print $5 }' /proc/self/mountinfo); do \
        mkdir $at/mine && echo 'it'' made one in '$at; done; exit 7\n";
    for way in ways() {
        let plan = for_engine(plan_of(&lab, "groups", dockerfile).await, way.0);
        let log = said(&lab, &plan, way, &Limits::default()).await;
        assert!(log.contains("it ran"), "{way:?}: {log}");
        assert!(!log.contains("it made") && !log.contains("it mounted"), "{way:?}: {log}");
    }
}

/// An entry of a layer: path, kind, link or numbers of a device.
type Entry<'a> = (&'a str, tar::EntryType, &'a str, (u32, u32));

fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, kind, link, (major, minor)) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.set_device_major(*major).unwrap();
        header.set_device_minor(*minor).unwrap();
        if kind.is_symlink() {
            layer.append_link(&mut header, path, link).unwrap();
        } else {
            layer.append_data(&mut header, path, std::io::empty()).unwrap();
        }
    }
    layer.into_inner().unwrap()
}

/// Puts into the plan, in the place of each base, one with this layer on top.
async fn with_layer(lab: &Lab, plan: &mut Plan, layer: &[u8]) {
    let architecture = plan.platform.architecture.clone();
    for material in &mut plan.materials {
        let (MaterialKind::Image { name, .. }, Pin::Content(pin)) =
            (&material.kind, &mut material.pin)
        else {
            continue;
        };
        let Some(path) = name.strip_prefix(&format!("{}/", lab.registry)) else { continue };
        let shelf = Shelf::of(lab, path);
        let (mut manifest, mut config) = shelf.image(pin, &architecture).await;
        let kind = match manifest["mediaType"].as_str().unwrap().contains("docker") {
            true => "application/vnd.docker.image.rootfs.diff.tar",
            false => "application/vnd.oci.image.layer.v1.tar",
        };
        let blob = shelf.push_blob(layer.to_vec()).await.to_string();
        let entry = json!({"mediaType": kind, "digest": blob, "size": layer.len()});
        manifest["layers"].as_array_mut().unwrap().push(entry);
        let diff_id = json!(Digest::sha256(layer).to_string());
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(diff_id);
        let before = std::mem::replace(pin, shelf.push(manifest, &config).await);
        for value in plan.build_args.values_mut() {
            *value = value.replace(&before.to_string(), &pin.to_string());
        }
    }
}

/// A disk of the machine's, which holds a list of users.
struct Disk(PathBuf);

impl Disk {
    fn holding(file: &Path) -> Option<Self> {
        let mut losetup = Command::new("losetup");
        let made = losetup.args(["--find", "--show"]).arg(file).output().ok()?;
        let path = String::from_utf8(made.stdout).ok()?;
        made.status.success().then(|| Self(path.trim().into()))
    }

    fn numbers(&self) -> (u32, u32) {
        let device = std::fs::metadata(&self.0).unwrap().rdev();
        (rustix::fs::major(device), rustix::fs::minor(device))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

/// Builders look users up in the base, and not all of them as the base's own processes would. Whoever has numbers of its
/// own makes no nodes.
#[tokio::test]
async fn g41_no_list_of_users_is_a_disk_a_pipe_or_a_file_of_the_machine() {
    let Some(lab) = Lab::find() else { return };
    let users = tempfile::NamedTempFile::new().unwrap();
    let list = format!("canary:x:4242:4242::/:/bin/sh\n{}\n", "#".repeat(481));
    std::fs::write(users.path(), list).unwrap();
    let Some(disk) = Disk::holding(users.path()) else { return eprintln!("SKIPPED: no losetup") };
    let out = format!("../../../../../../../../../..{}", users.path().display());
    // Where there is no list, BuildKit gives a copy to root.
    let copied = "ARG BUILD\nFROM ${BUILD}\nCOPY --chown=canary Dockerfile /x\n\
        RUN echo 'it'' is of '$(ls -n /x | awk '{ print $3 }'); exit 7\n";
    let run_by = "ARG BUILD\nFROM ${BUILD}\nUSER canary\nRUN id\n";
    let of_disk = ("etc/passwd", tar::EntryType::Block, "", disk.numbers());
    let link = ("etc/passwd", tar::EntryType::Symlink, out.as_str(), (0, 0));
    let pipe = ("etc/passwd", tar::EntryType::Fifo, "", (0, 0));
    let (own, machine) = (WantedNumbers::Own, WantedNumbers::Machine);
    for (case, entry, numbers, dockerfile) in [
        ("disk", of_disk, machine, copied),
        ("disk-user", of_disk, machine, run_by),
        ("link", link, own, copied),
        ("pipe", pipe, own, copied),
    ] {
        for choice in engines() {
            let mut plan = for_engine(plan_of(&lab, case, dockerfile).await, choice);
            let before = plan.materials.clone();
            with_layer(&lab, &mut plan, &layer(&[entry])).await;
            assert_ne!(plan.materials, before, "no base was changed");
            // A pipe is waited for as long as a build may take.
            let limits = Limits { rebuild: Duration::from_secs(30), ..Limits::default() };
            let settings = EngineSettings { numbers, ..lab.settings() };
            let began = Instant::now();
            let result = run(&plan, settings, choice, &limits, &Silent).await;
            let Failure { why, log, .. } = result.expect_err("its last step fails");
            assert!(!log.contains("it is of 4242"), "{case}, {choice:?}: {why}: {log}");
            assert!(began.elapsed() < Duration::from_secs(90), "{case}, {choice:?}");
        }
    }
}

/// Says what a step can do to what the machine has once, or to the processes around it.
const ONCE: &str = r##"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
long syscall(long, ...);
static char zero[512];
static void file(const char *name) {
    int at = open(name, O_WRONLY);
    printf("file %s %d\n", name, at >= 0);
    if (at >= 0) close(at);
}
static void put(const char *name, const char *text) {
    int at = open(name, O_WRONLY);
    printf("call %s %d\n", name, at >= 0 && write(at, text, strlen(text)) > 0);
}
static void call(const char *name, long done) {
    printf("call %s %d (%d)\n", name, done >= 0, done >= 0 ? 0 : errno);
}
int main(void) {
    file("/proc/sysrq-trigger");
    file("/proc/sys/kernel/core_pattern");
    file("/proc/sys/kernel/hostname");
    file("/proc/sys/kernel/modprobe");
    file("/proc/sys/kernel/keys/maxkeys");
    file("/proc/sys/kernel/pid_max");
    file("/proc/sys/kernel/shmmax");
    file("/proc/sys/fs/mqueue/queues_max");
    file("/proc/sys/fs/file-max");
    file("/proc/sys/vm/drop_caches");
    file("/proc/sys/vm/overcommit_memory");
    file("/proc/sys/net/ipv4/tcp_wmem");
    file("/proc/sys/fs/binfmt_misc/register");
    file("/proc/irq/default_smp_affinity");
    file("/proc/acpi/wakeup");
    file("/proc/pressure/memory");
    file("/sys/kernel/uevent_helper");
    file("/sys/power/state");
    file("/sys/kernel/mm/ksm/run");
    file("/sys/module/kernel/parameters/panic");
    file("/dev/kmsg");
    file("/dev/mem");
    file("/dev/mqueue/x");
    put("/proc/self/loginuid", "0");
    put("/proc/self/sessionid", "1");
    call("add_key", syscall(248, "user", "x", "y", 1L, -4L));
    call("request_key", syscall(249, "user", "x", 0L, -4L));
    call("keyctl", syscall(250, 0L, -3L, 1L));
    call("ptrace", syscall(101, 0x4206L, (long)getppid(), 0L, 0L));
    call("pidfd", syscall(434, 1L << 20, 0L));
    call("perf", syscall(298, zero, 0L, -1L, -1L, 0L));
    call("bpf", syscall(321, 0L, zero, 72L));
    call("userfaultfd", syscall(323, 0L));
    call("handle", syscall(304, -100L, zero, 0L));
    call("kexec", syscall(246, 0L, 0L, 0L, 0L));
    call("module", syscall(175, zero, 0L, ""));
    call("swap", syscall(167, "/x", 0L));
    call("reboot", syscall(169, 0xfee1deadL, 672274793L, 0L, 0L));
    call("time", syscall(164, zero, 0L));
    call("log", syscall(103, 3L, zero, 1L));
    call("account", syscall(163, "/x"));
    call("quota", syscall(179, 0x800001L << 8, "/x", 0L, zero));
    call("ports", syscall(172, 3L));
    call("fanotify", syscall(300, 0x10L, 0L));
    call("chroot", syscall(161, "/"));
    call("nice", syscall(141, 0L, 0L, -20L));
    call("lock", syscall(151, 1L));
    struct { unsigned short code; unsigned char yes, no; unsigned value; } allow = { 6, 0, 0, 0x7fff0000 };
    struct { unsigned short length; void *program; } filter = { 1, &allow };
    /* IPV6_FL_A_GET of a label of one's own, for ::1. */
    unsigned char label[32] = { [15] = 1, [21] = 1, [22] = 1 };
    long above = 1L << 32, limit[2] = { 0, 0 };
    long udp = syscall(41, 2L, 2L, 0L), udp6 = syscall(41, 10L, 2L, 0L);
    call("audit", syscall(41, 16L, 3L, 9L));
    call("audit-above", syscall(41, 16L, 3L, above | 9L));
    call("attach", syscall(54, udp, 1L, 26L, &filter, 16L));
    call("attach-above", syscall(54, udp, above | 1L, above | 26L, &filter, 16L));
    call("reuseport", syscall(54, udp, 1L, 51L, &filter, 16L));
    call("label", syscall(54, udp6, 41L, 32L, label, 32L));
    call("label-above", syscall(54, udp6, above | 41L, 32L, label, 32L));
    syscall(160, 4L, limit);
    syscall(160, above | 4L, limit);
    syscall(302, 0L, 4L, limit, 0L);
    syscall(302, 0L, above | 4L, limit, 0L);
    call("core", syscall(302, 0L, 4L, 0L, limit) == 0 && limit[0] == 1 && limit[1] == 1 ? -1 : 0);
    syscall(157, 38L, 1L, 0L, 0L, 0L);
    call("filter-log", syscall(317, 1L, 2L, &filter));
    fflush(stdout);
    call("kill", kill(-1, 18));
    return 0;
}
"##;

#[tokio::test]
async fn g43_a_step_changes_nothing_that_the_machine_has_once() {
    let Some(lab) = Lab::find() else { return };
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("SKIPPED g43_a_step_changes_nothing: another processor");
    }
    for way in ways() {
        let plan = probing(&lab, "once", ONCE, way.0).await;
        let log = said(&lab, &plan, way, &Limits::default()).await;
        let words = |line: &str| {
            let at = line.find("file ").or(line.find("call "))?;
            Some(line.get(at..)?.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        let all: Vec<Vec<String>> = log.lines().filter_map(words).collect();
        let tried = all.iter().filter(|words| words.len() > 2);
        let done = tried.clone().filter(|words| words[2] == "1").map(|words| words[1].as_str());
        assert!(tried.count() > 40, "{way:?}: {log}");
        // It reaches its own processes and its own root, and locks memory that is counted for the job.
        let own: Vec<&str> =
            done.filter(|name| !["ptrace", "chroot", "lock", "kill"].contains(name)).collect();
        assert_eq!(own, [""; 0], "{way:?}: {log}");
    }
}

/// What a step mounts where it would see control groups is told, and neither taken away nor covered; and so is what a builder leaves out
/// because it begins alike.
#[tokio::test]
async fn g49_a_mount_in_the_place_of_control_groups_is_refused() {
    let Some(lab) = Lab::find() else { return };
    let run = |mount: &str| {
        format!("ARG BUILD\nFROM ${{BUILD}}\nRUN --mount={mount} echo 'it'' ran'; exit 7\n")
    };
    for (case, mount, is_refused) in [
        ("tmpfs", "type=tmpfs,target=/sys/fs/cgroup", true),
        ("cache", "type=cache,target=/sys/fs/cgroup", true),
        ("bind", "type=bind,target=/sys/fs/cgroup", true),
        ("below", "type=tmpfs,target=/sys/fs/cgroup/memory", true),
        ("letters", "type=tmpfs,target=/sysroot", false),
        ("elsewhere", "type=tmpfs,target=/x/sys/fs/cgroup", false),
    ] {
        for way in ways() {
            let plan = for_engine(plan_of(&lab, case, &run(mount)).await, way.0);
            let settings = EngineSettings { numbers: way.1, ..lab.settings() };
            let limits = Limits::default();
            let result = crate::robust::run(&plan, settings, way.0, &limits, &Silent).await;
            let Failure { why, log, .. } = result.expect_err("its last step fails");
            let said = format!("{case}, {way:?}: {why}: {log}");
            // An old buildah is given no mounts at all.
            if why.contains("CVE-2024-1753") {
                continue;
            }
            let is_lost = case == "letters" && way == (EngineChoice::Buildkitd, WantedNumbers::Own);
            let told = ["mounts something below /sys", "which BuildKit leaves out"];
            let is_told = told.iter().any(|words| log.contains(words) || why.contains(words));
            assert_eq!(is_told, is_refused || is_lost, "{said}");
            assert_eq!(log.contains("it ran"), !is_told, "{said}");
        }
    }
}

/// What searches the words of a step for secrets keeps the limits of the build, too.
#[tokio::test]
async fn g45_a_step_that_says_much_ends_in_time() {
    let Some(lab) = Lab::find() else { return };
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\nARG A1_TOKEN\n\
        RUN while :; do printf 'aBc1\\na\\naBc1\\na\\naBc1\\na\\naBc1\\na\\naBc1\\na\\naBc1\\na\\n'; done\n";
    for choice in engines() {
        let mut plan = for_engine(plan_of(&lab, "flood", dockerfile).await, choice);
        for number in 0..300 {
            // They begin alike, so that each line is looked at for all of them.
            plan.build_args
                .insert(format!("A{number}_TOKEN"), format!("aBc1k3Lp9wz{number:04}Q81vB"));
        }
        let limits = Limits { rebuild: Duration::from_secs(8), ..Limits::default() };
        let began = Instant::now();
        let result = run(&plan, lab.settings(), choice, &limits, &Silent).await;
        let Failure { kind, why, .. } = result.expect_err("it never ends");
        assert_eq!(kind, FailureKind::Timeout, "{choice:?}: {why}");
        assert!(began.elapsed() < Duration::from_secs(40), "{choice:?}: {:?}", began.elapsed());
    }
}
