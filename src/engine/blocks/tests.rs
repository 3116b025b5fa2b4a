//! Blocks on machines that are written down, and lent to many jobs at once.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn machine(files: &[(&str, &str)]) -> Result<Blocks, String> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    for (name, text) in files {
        fs::write(root.path().join("etc").join(name), text).unwrap();
    }
    Accounts::read(root.path()).and_then(|accounts| Blocks::beside(&accounts))
}

#[test]
fn g23_a_block_holds_no_account_of_the_machine() {
    const FIRST: &str = "0 2147483648 1048576\n1048576 2214592512 2080374782";
    let nobody = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:";
    let cases: [(&str, &str, &str); 5] = [
        (nobody, "", FIRST),
        ("a:x:1000:1000::/:", "a:100000:65536", FIRST),
        (
            "far:x:4000000000:2147483648::/:",
            "",
            "0 2147483649 1048576\n1048576 2214592513 1785407487",
        ),
        ("", "a:2147483648:2147483646", "0 65536 1048576\n1048576 67174400 2080309248"),
        (
            "b:x:1000000000:7::/:",
            "a:2147483648:4294967296\nc:65536:100",
            "0 1000000001 1048576\n1048576 1067108865 1080374783",
        ),
    ];
    for (passwd, subuid, want) in cases {
        let blocks = machine(&[("passwd", passwd), ("subuid", subuid)]).unwrap();
        assert_eq!(blocks.get(0).unwrap().map(), want, "{passwd} {subuid}");
        assert_eq!(blocks.blocks, 64, "{passwd} {subuid}");
    }
    assert!(machine(&[("subuid", "a:0:4294967295")]).is_err());
    assert!(machine(&[("subuid", "a:0x10:65536")]).is_err(), "who knows what it lends");
}

#[test]
fn g24_blocks_have_no_number_in_common() {
    for free in [0x8000_0000..0xffff_fffe, 65536..131_072, 65536..196_608, 7..10_000_000] {
        let blocks = Blocks::of(&free).unwrap();
        let all: Vec<Ids> = (0..blocks.blocks).filter_map(|block| blocks.get(block)).collect();
        assert!(blocks.get(blocks.blocks).is_none());
        assert_eq!(all.len(), blocks.blocks as usize, "{free:?}");
        assert!(!all.is_empty() && all.iter().all(|ids| u64::from(ids.count) >= LEAST));
        let mut next = free.start;
        for ids in &all {
            assert_eq!(u64::from(ids.first), next, "{free:?}");
            next += u64::from(ids.count);
            assert!(blocks.has(ids.first) && blocks.has(ids.first + ids.count - 1));
        }
        let common = all[0].common.map_or(0, |(first, count)| {
            assert_eq!(u64::from(first), next, "{free:?}");
            assert!(!blocks.has(first));
            u64::from(count)
        });
        assert_eq!(next + common, free.end, "{free:?}");
    }
}

#[test]
fn numbers_that_are_set_aside_for_us_are_ours() {
    let both = |users: &str, groups: &str| machine(&[("subuid", users), ("subgid", groups)]);
    let line = "root:100000:65536\nhallmark:1000000:131072\n";
    let blocks = both(line, line).unwrap();
    assert_eq!(blocks.get(0).unwrap().map(), "0 1000000 65536");
    assert_eq!(blocks.get(1).unwrap().map(), "0 1065536 65536");
    assert_eq!(blocks.blocks, 2);
    // In one of both, they are nobody's to map.
    let one = both(line, "root:100000:65536").unwrap();
    assert_eq!(one.first, 0x8000_0000);
    let few = both("hallmark:1000000:65535", "hallmark:1000000:65535").unwrap_err();
    assert!(few.contains("set aside for hallmark"), "{few}");
    let last = "hallmark:4294901760:65536";
    assert!(both(last, last).is_err(), "the last two numbers are none");
}

#[test]
fn g24_a_block_is_one_jobs_and_free_again_when_it_ends() {
    let locks = tempfile::tempdir().unwrap();
    // Numbers that no process of this machine has.
    let blocks = Blocks::of(&(4_000_000_000..4_000_000_000 + 4 * LEAST)).unwrap();
    assert_eq!(blocks.blocks, 4);
    let lend = || blocks.lend(locks.path());
    let all: Vec<Block> = (0..4).map(|_| lend().unwrap()).collect();
    let firsts: std::collections::BTreeSet<u32> = all.iter().map(|b| b.ids().first()).collect();
    assert_eq!(firsts.len(), 4);
    let why = lend().unwrap_err();
    assert!(matches!(why, BlockError::AllLent(4)), "{why}");
    assert!(why.to_string().contains("wait until a build has ended"), "{why}");
    let mut all = all.into_iter();
    let gone = all.next().unwrap().ids();
    assert_eq!(lend().unwrap().ids(), gone);
    for file in fs::read_dir(locks.path()).unwrap().flatten() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn g24_a_block_of_a_process_that_still_runs_is_not_free() {
    if !is_root() {
        return eprintln!("SKIPPED: other numbers take root");
    }
    let locks = tempfile::tempdir().unwrap();
    let blocks = Blocks::of(&(4_100_000_000..4_100_000_000 + LEAST)).unwrap();
    let number = blocks.get(0).unwrap().first() + 1000;
    // As of a job whose hallmark was killed: nobody holds the lock.
    let mut left = std::process::Command::new("setpriv");
    left.args([&format!("--reuid={number}"), &format!("--regid={number}"), "--clear-groups"]);
    let mut left = left.args(["--", "sleep", "1000"]).spawn().unwrap();
    while !numbers_of_processes().contains(&number) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let why = blocks.lend(locks.path()).unwrap_err();
    left.kill().unwrap();
    left.wait().unwrap();
    assert!(matches!(why, BlockError::AllLent(1)), "{why}");
    assert!(blocks.lend(locks.path()).is_ok());
}

#[test]
fn g24_nobody_else_holds_a_lock() {
    let base = tempfile::tempdir().unwrap();
    let [ours, open, link] = ["ours", "open", "link"].map(|name| base.path().join(name));
    own_folder(&ours).unwrap();
    own_folder(&ours).unwrap();
    assert_eq!(fs::metadata(&ours).unwrap().permissions().mode() & 0o7777, 0o700);
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    symlink(&ours, &link).unwrap();
    for other in [&open, &link] {
        assert!(own_folder(other).is_err(), "{}", other.display());
    }
    symlink(open.join("file"), ours.join("0")).unwrap();
    assert!(lock(&ours.join("0")).is_err(), "a link is no lock file");
    assert!(!open.join("file").exists());
}
