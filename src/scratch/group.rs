//! Process groups that end with whoever started them.
//!
//! Turns the number of a group's leader into a guard that kills the whole group when it is dropped: what a program started
//! and left behind does not outlive the call.

use rustix::process::{Pid, Signal, kill_process_group};

/// A process group that does not outlive its guard; `None` where the leader has ended already.
#[derive(Debug)]
pub struct Group(pub Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails where all of it has ended, as it should have.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
