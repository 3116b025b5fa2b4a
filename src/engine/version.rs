//! Versions below which an engine is known to let a build out.
//!
//! Turns what a program says of its version into a refusal, a warning or nothing. A version that cannot be read (a program built
//! from a checkout says 0.0.0) is no reason to refuse. Distributions repair old versions without a new number, so what they
//! still ship is refused only for the kind of build that the flaw needs.

use crate::{
    attest::provenance::Frontend,
    rebuild::{Failure, FailureKind, Plan},
};

/// Major, minor and patch.
type Number = [u32; 3];

/// CVE-2024-23650 to 23653: races of cache mounts, files of the host removed, entitlements not checked (attack G1).
const BUILDKIT: Number = [0, 12, 5];
/// The first of Docker's versions with that BuildKit.
const DOCKER: Number = [24, 0, 9];
/// The first with a proxy for steps.
const BUILDKIT_PROXY: Number = [0, 31, 0];
/// CVE-2026-33747: a frontend leaves its storage (attack G2).
const BUILDKIT_FRONTENDS: Number = [0, 28, 1];
/// Docker's versions below this have an older BuildKit than that.
const DOCKER_FRONTENDS: Number = [29, 0, 0];
/// CVE-2024-1753, 9407, 9675, 11218: mounts lead to the host (attack G3).
pub const BUILDAH_MOUNTS: Number = [1, 38, 1];
/// The first that keeps the attributes of its own overlays out of layers where it runs in a user namespace (`user.overlay.*`).
pub const BUILDAH_OWN_USERS: Number = [1, 35, 0];
/// CVE-2024-21626: a working folder leads to the host (attack G4). Debian repaired 1.1.5.
const RUNC: Number = [1, 1, 12];

/// The numbers of a version such as `v0.34.2`, `26.1.5+dfsg1` or `1.28.2`; `None` for what says nothing.
pub fn number(text: &str) -> Option<Number> {
    let mut parts = text.trim_start_matches('v').split(['.', '+', '-', '~']);
    let mut next = || parts.next().and_then(|part| part.parse().ok());
    let number = [next()?, next()?, next().unwrap_or(0)];
    (number != [0, 0, 0]).then_some(number)
}

/// Whether a version that can be read is below a floor.
pub fn is_below(text: &str, floor: Number) -> bool {
    number(text).is_some_and(|number| number < floor)
}

/// Why this BuildKit must not run this plan.
pub fn refuse_buildkit(version: &str, plan: &Plan) -> Result<(), Failure> {
    refuse("buildkitd", version, plan, BUILDKIT, BUILDKIT_FRONTENDS)?;
    if plan.fetched.is_empty() || !is_below(version, BUILDKIT_PROXY) {
        return Ok(());
    }
    let why = "it has no proxy that holds steps to the downloads that were recorded";
    Err(too_old("buildkitd", version, BUILDKIT_PROXY, why))
}

/// Why this Docker must not run this plan.
pub fn refuse_docker(version: &str, plan: &Plan) -> Result<(), Failure> {
    refuse("docker", version, plan, DOCKER, DOCKER_FRONTENDS)
}

fn refuse(
    program: &str,
    version: &str,
    plan: &Plan,
    floor: Number,
    frontends: Number,
) -> Result<(), Failure> {
    let foreign = matches!(plan.frontend, Frontend::Image { .. });
    let (floor, why) = if is_below(version, floor) {
        (floor, "builds can leave it (CVE-2024-23651 and others)")
    } else if foreign && is_below(version, frontends) {
        (frontends, "the frontend that the provenance names could leave it (CVE-2026-33747)")
    } else {
        return Ok(());
    };
    Err(too_old(program, version, floor, why))
}

fn too_old(program: &str, version: &str, floor: Number, why: &str) -> Failure {
    let [major, minor, patch] = floor;
    Failure {
        kind: FailureKind::EngineUnavailable,
        why: format!("{program} {version} is older than {major}.{minor}.{patch}: {why}"),
        log: String::new(),
        engine: None,
    }
}

/// What to say of a runc that may have a known hole.
pub fn doubt_runc(version: &str) -> Option<String> {
    is_below(version, RUNC).then(|| {
        format!("runc {version} is older than 1.1.12: unless its distribution repaired CVE-2024-21626, a build can leave it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_write_them() {
        let cases = [
            ("v0.34.2", Some([0, 34, 2])),
            ("26.1.5+dfsg1", Some([26, 1, 5])),
            ("1.28.2", Some([1, 28, 2])),
            ("1.1.5+ds1", Some([1, 1, 5])),
            ("0.13.0-rc2", Some([0, 13, 0])),
            ("1.44", Some([1, 44, 0])),
            ("v0.0.0+unknown", None),
            ("unknown", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(number(text), want, "{text}");
        }
    }

    #[test]
    fn g1_a_builder_with_known_holes_is_refused() {
        let plan = crate::rebuild::tests::plan();
        for (version, fine) in
            [("v0.12.4", false), ("v0.12.5", true), ("v0.34.2", true), ("v0.0.0+unknown", true)]
        {
            assert_eq!(refuse_buildkit(version, &plan).is_ok(), fine, "{version}");
        }
        for (version, fine) in [("20.10.24", false), ("24.0.8", false), ("26.1.5", true)] {
            assert_eq!(refuse_docker(version, &plan).is_ok(), fine, "{version}");
        }
    }

    #[test]
    fn g2_a_foreign_frontend_needs_a_builder_that_holds_it() {
        let mut plan = crate::rebuild::tests::plan();
        plan.frontend = Frontend::Image { reference: "docker/dockerfile:1".to_owned() };
        for (version, fine) in [("v0.28.0", false), ("v0.28.1", true)] {
            assert_eq!(refuse_buildkit(version, &plan).is_ok(), fine, "{version}");
        }
        assert!(refuse_docker("26.1.5", &plan).is_err());
    }

    #[test]
    fn g4_a_runc_with_a_known_hole_is_doubted() {
        assert!(doubt_runc("1.1.11").is_some());
        assert!(doubt_runc("1.1.12").is_none());
        assert!(doubt_runc("1.2.0").is_none());
    }
}
