//! How much memory the machine has left beside a job.
//!
//! Turns what the kernel says of all memory into the moment at which a build ends. A group counts what processes take;
//! the kernel takes some for them that it counts for nobody: what waits in netlink and raw sockets, of which a process
//! has as many as files (attack G44), and locks of files. Nothing bounds that, so a build ends before the machine has to choose
//! what it ends. Of buffers of TCP, which version 1 of control groups bounds, each socket has some in any case: a build ends where
//! these add up (attack G47), since the machine has one sum for all that talk by TCP.

use std::{fs, time::Duration};

use crate::{amount, scratch::cgroup::Cgroup};

/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);
/// The part of the machine's memory that a build leaves to others.
const RESERVED_PART: u64 = 32;

/// Ends when the machine has little memory left, or the job's sockets have far more than they may, and says so. Where the kernel
/// does not say how much there is, it never ends.
pub(super) async fn is_short(group: Option<&Cgroup>) -> String {
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
