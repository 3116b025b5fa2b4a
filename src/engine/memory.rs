//! How much memory the machine has left beside a job.
//!
//! Turns what the kernel says of all memory into the moment at which a build ends. A group counts what processes take;
//! the kernel takes some for them that it counts for nobody: what waits in netlink and raw sockets, of which a process
//! has as many as files (attack G44), and locks of files. Nothing bounds that, so a build ends before the machine has to choose
//! what it ends. Of buffers of TCP, which version 1 of control groups bounds, each socket has some in any case: a build ends where
//! these add up (attack G47), since the machine has one sum for all that talk by TCP. It has one number of connections that
//! nobody holds any more, too, and one store for compiled filters (attacks G56 and G57): a build ends where it takes these.

use std::{fs, time::Duration};

use crate::{amount, scratch::cgroup::Cgroup};

/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);
/// The part of the machine's memory that a build leaves to others.
const RESERVED_PART: u64 = 32;

/// How often all mappings of the kernel's memory are read, of which there may be thousands.
const LOOK_AT_MAPPINGS: Duration = Duration::from_millis(200);
/// The part of a store that may be taken while a build runs. Beyond a quarter of all connections that nobody holds, the
/// kernel begins to reset those of others.
const STORE_PART: u64 = 4;
/// The part that a build may add to what others took before it.
const OWN_PART: u64 = 8;
/// Who maps memory of the kernel's for compiled filters, since Linux 5.18 and before.
const COMPILED: [&str; 2] = ["bpf_prog_pack_alloc", "bpf_jit_alloc_exec"];

/// What the machine has one store of, whoever takes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// Connections that no process holds any more.
    Orphans,
    /// Memory for compiled filters: of sockets, and of system calls.
    Filters,
}

impl Store {
    /// How much is taken, and how much there is; `None` where the kernel does not say.
    fn taken(self) -> Option<(u64, u64)> {
        let read = |path: &str| fs::read_to_string(path).ok();
        let (all, taken) = match self {
            Self::Orphans => {
                ("/proc/sys/net/ipv4/tcp_max_orphans", orphans(&read("/proc/net/sockstat")?))
            }
            Self::Filters => {
                ("/proc/sys/net/core/bpf_jit_limit", compiled(&read("/proc/vmallocinfo")?))
            }
        };
        Some((taken?, read(all)?.trim().parse().ok()?))
    }

    fn said(self, taken: u64) -> String {
        match self {
            Self::Orphans => format!(
                "it leaves connections behind that nobody holds: the machine has {taken} of them, more than a build may \
                 leave it"
            ),
            Self::Filters => format!(
                "it has filters compiled: those of the machine take {taken} bytes, more than a build may leave it"
            ),
        }
    }
}

/// Ends when too much of a store is taken, and says how much.
async fn is_taken(look: impl Fn() -> Option<(u64, u64)>, every: Duration) -> u64 {
    let first = look().map_or(0, |(taken, _)| taken);
    loop {
        tokio::time::sleep(every).await;
        if let Some((taken, _)) = look().filter(|(taken, all)| *taken > most(first, *all)) {
            return taken;
        }
    }
}

/// What may be taken while a build runs, at whose beginning there was this much.
fn most(first: u64, all: u64) -> u64 {
    (all / STORE_PART).max(first.saturating_add(all / OWN_PART))
}

/// Connections that nobody holds (`TCP: inuse 1 orphan 0 …`).
fn orphans(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    line.split_whitespace().skip_while(|word| *word != "orphan").nth(1)?.parse().ok()
}

/// Bytes of compiled filters (`0x…-0x… 2101248 bpf_prog_pack_alloc+0x28b/0x3a0 pages=512 vmalloc`).
fn compiled(text: &str) -> Option<u64> {
    let bytes = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (bytes, who) = (words.next()?, words.next()?);
        let is_compiled = COMPILED
            .iter()
            .any(|name| who.strip_prefix(name).is_some_and(|end| end.starts_with('+')));
        is_compiled.then(|| bytes.parse::<u64>().ok()).flatten()
    });
    Some(bytes.fold(0, u64::saturating_add))
}

/// Ends when the machine has little left of what a job takes and nothing bounds, or the job's sockets have far more than they
/// may, and says so. Where the kernel does not say how much there is, it never ends.
pub(super) async fn is_short(group: Option<&Cgroup>) -> String {
    tokio::select! {
        why = has_little(group) => why,
        taken = is_taken(|| Store::Orphans.taken(), LOOK) => Store::Orphans.said(taken),
        taken = is_taken(|| Store::Filters.taken(), LOOK_AT_MAPPINGS) => Store::Filters.said(taken),
    }
}

async fn has_little(group: Option<&Cgroup>) -> String {
    loop {
        if let Some(bytes) = group.and_then(Cgroup::bytes_of_sockets_beyond) {
            return format!(
                "{} wait in its sockets, which is more than a build may have there",
                amount::bytes(bytes)
            );
        }
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        if let Some(left) = short(&text) {
            let left = amount::bytes(left);
            return format!("the machine's memory is used up: {left} are left");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The bytes that are left, where these are too few (proc_meminfo(5)).
fn short(text: &str) -> Option<u64> {
    let bytes = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix(" kB"))?;
        value.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let (all, left) = (bytes("MemTotal:")?, bytes("MemAvailable:")?);
    (left < all / RESERVED_PART).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g56_connections_that_nobody_holds_are_counted() {
        let said = |tcp: &str| format!("sockets: used 239\n{tcp}\nUDP: inuse 1 mem 0\n");
        for (text, want) in [
            (said("TCP: inuse 27 orphan 31 tw 0 alloc 30 mem 3"), Some(31)),
            (said("TCP: inuse 27 orphan x tw 0"), None),
            (said("TCP: inuse 27 orphan"), None),
            (said("TCP: inuse 27"), None),
            (said("UDP: orphan 3"), None),
            (String::new(), None),
        ] {
            assert_eq!(orphans(&text), want, "{text}");
        }
        let here = fs::read_to_string("/proc/net/sockstat").unwrap();
        assert!(orphans(&here).is_some(), "{here}");
    }

    #[test]
    fn g57_memory_of_compiled_filters_is_counted() {
        let text = "0x1-0x2 2101248 bpf_prog_pack_alloc+0x28b/0x3a0 pages=512 vmalloc N0=512\n\
            0x2-0x3    8192 bpf_prog_alloc_no_stats+0x39/0x230 pages=1 vmalloc N0=1\n\
            0x3-0x4   12288 bpf_jit_alloc_exec+0x9/0x10 pages=2 vmalloc\n\
            0x4-0x5   12288 bpf_jit_alloc_executor+0x9/0x10 pages=2 vmalloc\n\
            0x5-0x6 x bpf_prog_pack_alloc+0x1/0x2\n0x6-0x7 4096\n\n";
        assert_eq!(compiled(text), Some(2_113_536));
        assert_eq!(compiled(""), Some(0));
    }

    #[tokio::test]
    async fn g56_a_store_ends_a_build_beyond_a_quarter_and_where_the_build_took_it() {
        for (first, want) in [(0, 200), (99, 200), (101, 201), (400, 500), (u64::MAX, u64::MAX)] {
            assert_eq!(most(first, 800), want, "{first}");
        }
        let every = Duration::from_millis(1);
        for first in [0, 400] {
            let looks = std::cell::Cell::new(0);
            let grows = || {
                looks.set(looks.get() + 1);
                Some((first + 50 * looks.get(), 800))
            };
            let taken = tokio::time::timeout(Duration::from_secs(9), is_taken(grows, every)).await;
            assert_eq!(taken, Ok(if first == 0 { 250 } else { 600 }));
        }
        for steady in [Some((400, 800)), None] {
            let never = tokio::time::timeout(Duration::from_millis(30), is_taken(|| steady, every));
            assert!(never.await.is_err(), "{steady:?}");
        }
    }

    #[test]
    fn g44_a_build_ends_before_the_machine_has_no_memory_left() {
        let said = |all: u64, left: u64| {
            format!(
                "MemTotal:  {all} kB\nMemFree:  1 kB\nMemAvailable:  {left} kB\nBuffers: 0 kB\n"
            )
        };
        for (text, want) in [
            (said(3200, 100), None),
            (said(3200, 99), Some(99 << 10)),
            (said(0, 0), None),
            ("MemTotal: 3200 kB\n".to_owned(), None),
            ("MemTotal: 3200 kB\nMemAvailable: x kB\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(short(&text), want, "{text}");
        }
        let here = fs::read_to_string("/proc/meminfo").unwrap();
        assert!(here.contains("MemAvailable:"), "{here}");
    }
}
