//! What is said where this machine lacks what a rebuild takes.
//!
//! Turns programs that are not there, a full disk or a folder that cannot be made into failures that say so, all at once and with
//! what helps: nothing of it is the image's or the source's.

use std::{collections::BTreeSet, io, path::Path};

use super::{disk, host::Missing, unavailable};
use crate::{
    amount,
    rebuild::{EngineKind, Failure, FailureKind, Lack},
};

/// Programs that are builders themselves: without them, it is one that has to be installed.
const BUILDERS: [&str; 6] = ["docker", "dockerd", "containerd", "buildkitd", "buildctl", "buildah"];

/// A failure for want of something.
pub(super) fn lacking(lack: Lack, why: String) -> Failure {
    Failure { kind: FailureKind::Lacks(lack), ..unavailable(why) }
}

/// Why there is no engine: a user's rights are missing before programs are. `beside` is what every engine takes.
pub(super) fn engine(
    kind: EngineKind,
    mut missing: Vec<Missing>,
    beside: Option<Missing>,
    is_root: bool,
) -> Failure {
    if !is_root {
        let why = format!(
            "hallmark does not run as root, which the mounts and namespaces around a builder take: run it as root; {}",
            joined(&missing)
        );
        return Failure { kind: FailureKind::EngineForbidden, ..unavailable(why) };
    }
    let is_builder = |missing: &Missing| match missing {
        Missing::Programs(names) => names.iter().any(|name| BUILDERS.contains(name)),
        Missing::Else(_) => true,
    };
    let lack = match kind {
        _ if !missing.iter().all(is_builder) => Lack::Programs,
        EngineKind::Buildah => Lack::Buildah,
        EngineKind::Buildkit | EngineKind::Replay => Lack::Buildkit,
    };
    let told: BTreeSet<&str> = missing.iter().flat_map(Missing::programs).copied().collect();
    let more = beside.iter().flat_map(Missing::programs).copied();
    let more: Vec<&str> = more.filter(|name| !told.contains(name)).collect();
    if !more.is_empty() {
        missing.push(Missing::Programs(more));
    }
    lacking(lack, joined(&missing))
}

/// Each reason once.
pub(super) fn joined(missing: &[Missing]) -> String {
    let mut words: Vec<String> = Vec::new();
    for one in missing.iter().map(ToString::to_string) {
        if !words.contains(&one) {
            words.push(one);
        }
    }
    words.join("; ")
}

/// That a folder's disk is full.
pub(super) fn room(folder: &Path, left_bytes: u64) -> String {
    format!(
        "the disk of {} is full: {} are left, and a rebuild leaves {} to others",
        folder.display(),
        amount::bytes(left_bytes),
        amount::bytes(disk::RESERVE_BYTES)
    )
}

/// That there is no folder to work in, be it in this one or in the system's.
pub(super) fn work_folder(base: Option<&Path>, error: &io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if !full {
        return unavailable(format!("cannot make a work folder: {error}"));
    }
    let folder = base.map_or_else(std::env::temp_dir, Path::to_owned);
    let left = disk::free_bytes(&folder).unwrap_or(0);
    lacking(Lack::Room, room(&folder, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(names: &[&'static str]) -> Missing {
        Missing::Programs(names.to_vec())
    }

    #[test]
    fn who_is_not_root_is_told_so_first() {
        let missing = || vec![programs(&["docker"]), programs(&["buildkitd", "runc"])];
        let Failure { kind, why, .. } = engine(EngineKind::Buildkit, missing(), None, true);
        let words = "docker is not on PATH; buildkitd and runc are not on PATH";
        assert_eq!((kind, why.as_str()), (FailureKind::Lacks(Lack::Buildkit), words));
        let Failure { kind, why, .. } = engine(EngineKind::Buildkit, missing(), None, false);
        assert_eq!(kind, FailureKind::EngineForbidden);
        assert!(why.starts_with("hallmark does not run as root"), "{why}");
        assert!(why.ends_with(&format!("run it as root; {words}")), "{why}");
    }

    #[test]
    fn all_that_is_missing_is_told_once_with_what_fits_it() {
        let room = Some(programs(&["unshare", "sed"]));
        let cases = [
            (
                EngineKind::Buildkit,
                vec![programs(&["git"]); 2],
                None,
                "git is not on PATH",
                Lack::Programs,
            ),
            (
                EngineKind::Buildkit,
                vec![programs(&["runc"]); 2],
                None,
                "runc is not on PATH",
                Lack::Programs,
            ),
            (
                EngineKind::Buildah,
                vec![programs(&["buildah", "unshare"])],
                room,
                "buildah and unshare are not on PATH; sed is not on PATH",
                Lack::Buildah,
            ),
            (
                EngineKind::Buildkit,
                vec![
                    Missing::Else("docker has no buildx plugin".to_owned()),
                    programs(&["buildkitd"]),
                ],
                None,
                "docker has no buildx plugin; buildkitd is not on PATH",
                Lack::Buildkit,
            ),
        ];
        for (kind, missing, beside, why, lack) in cases {
            let failure = engine(kind, missing, beside, true);
            assert_eq!((failure.why.as_str(), failure.kind), (why, FailureKind::Lacks(lack)));
        }
        for name in ["docker", "buildkitd"] {
            assert!(!Lack::Programs.help().contains(name) && !Lack::Buildah.help().contains(name));
            assert!(Lack::Buildkit.help().contains(name));
        }
    }

    #[test]
    fn a_full_disk_is_trouble_of_this_machine() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let Failure { kind, why, log, .. } = work_folder(Some(Path::new("/")), &full);
        assert_eq!(
            (kind, kind.name(), log.as_str()),
            (FailureKind::Lacks(Lack::Room), "engine-error", "")
        );
        assert!(
            why.starts_with("the disk of / is full: ") && why.ends_with("128.0 MiB to others"),
            "{why}"
        );
        assert!(kind.may_help_to_try_again() && Lack::Room.help().contains("TMPDIR=DIR"));
        let other = work_folder(None, &io::ErrorKind::NotFound.into());
        assert_eq!(other.kind, FailureKind::EngineUnavailable);
        assert_eq!(
            room(Path::new("/x"), 65_859_584),
            "the disk of /x is full: 62.8 MiB are left, and a rebuild leaves 128.0 MiB to others"
        );
    }
}
