//! What git and buildah are told.
//!
//! Turns a plan into the arguments of each command, for the engine and for people who follow the plan by hand. Runs nothing.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    engine::git,
    image::Compression,
    rebuild::{ByHand, Plan, PlannedRepository, pins, pins::Base},
};

/// The name of the image in the job's own storage.
const RESULT: &str = "localhost/hallmark-rebuild:1";

/// What git does.
pub(super) const INIT: [&str; 3] = ["init", "--quiet", "--template="];
pub(super) const FETCH: [&str; 5] =
    ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"];
pub(super) const CHECKOUT: [&str; 4] = ["checkout", "--quiet", "--force", "--detach"];

pub(super) fn object_format(commit: &str) -> &'static str {
    if commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" }
}

pub(super) fn pinned(commit: &str) -> String {
    format!("{commit}^{{commit}}")
}

/// A base as a Dockerfile names it that does not name its digest.
pub(super) fn named(base: &Base) -> String {
    format!("{}:{}", base.repository, base.tag.as_deref().unwrap_or("latest"))
}

/// Signatures of bases are nobody's affair here, but what the machine asks for counts where no policy is given.
fn signature_policy(policy: Option<&Path>) -> Vec<OsString> {
    policy.map(|policy| vec!["--signature-policy".into(), policy.into()]).unwrap_or_default()
}

pub(super) fn pull_args(base: &Base, plan: &Plan, policy: Option<&Path>) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["pull", "--quiet", "--policy=always"].map(Into::into).into();
    args.extend(signature_policy(policy));
    args.extend(["--platform".into(), plan.platform.to_string().into()]);
    args.push(format!("docker://{}", base.pinned()).into());
    args
}

pub(super) fn push_args(plan: &Plan, layout: &Path, policy: Option<&Path>) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["push", "--quiet"].map(Into::into).into();
    args.extend(signature_policy(policy));
    let format = if plan.exporter.oci_media_types { "oci" } else { "v2s2" };
    args.extend(["--format".into(), format.into()]);
    if plan.exporter.compression == Compression::Zstd {
        args.extend(["--compression-format".into(), "zstd".into()]);
    }
    let mut destination = OsString::from("oci:");
    destination.push(layout);
    args.extend([RESULT.into(), destination]);
    args
}

/// What `buildah bud` is told besides the plan.
#[derive(Default)]
pub(super) struct Bud {
    /// Its version.
    pub(super) version: (u32, u32),
    pub(super) cgroup_parent: Option<String>,
    pub(super) signature_policy: Option<PathBuf>,
    /// The profile that steps are held to.
    pub(super) seccomp: Option<PathBuf>,
    /// What stands before runc.
    pub(super) runtime: Option<PathBuf>,
}

impl Bud {
    /// The build as a whole has no network: `ADD https://…` is buildah's own doing, and no pin would hold it.
    pub(super) fn args(&self, plan: &Plan, dockerfile: &Path, context: &Path) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        let layers = format!("--layers={}", plan.exporter.layers);
        let format = if plan.exporter.oci_media_types { "oci" } else { "docker" };
        add(&["bud", "--no-cache", "--pull=never", "--network=none", "--isolation=oci"]);
        // It passes proxies of its environment on to steps unless it is told not to.
        add(&["--http-proxy=false"]);
        add(&["--format", format, "--tag", RESULT, &layers]);
        add(&["--platform", &plan.platform.to_string()]);
        if let Some(seconds) = plan.exporter.rewrite_timestamp {
            self.timestamp(plan, seconds, &mut add);
        }
        if let Some(target) = &plan.target {
            add(&["--target", target]);
        }
        for (name, value) in &plan.build_args {
            add(&["--build-arg", &format!("{name}={value}")]);
        }
        for (name, value) in &plan.labels {
            add(&["--label", &format!("{name}={value}")]);
        }
        for (key, value) in &plan.options {
            match key.as_str() {
                "add-hosts" => value.split(',').for_each(|host| add(&["--add-host", host])),
                "shm-size" => add(&["--shm-size", value]),
                "ulimit" => value.split(',').for_each(|limit| add(&["--ulimit", limit])),
                _ => {}
            }
        }
        // A machine without the right to raise limits cannot give buildah's default ones (since 1.39).
        if self.version >= (1, 39) && !plan.options.contains_key("ulimit") {
            add(&["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=8192:8192"]);
        }
        if let Some(parent) = &self.cgroup_parent {
            add(&["--cgroup-parent", parent]);
        }
        args.extend(signature_policy(self.signature_policy.as_deref()));
        // crun refuses machines whose cgroups are mixed; runc runs everywhere.
        let mut runtime = OsString::from("--runtime=");
        runtime.push(self.runtime.as_deref().unwrap_or(Path::new("runc")));
        args.push(runtime);
        if let Some(profile) = &self.seccomp {
            let mut option = OsString::from("seccomp=");
            option.push(profile);
            args.extend(["--security-opt".into(), option]);
        }
        args.push("--file".into());
        args.push(dockerfile.into());
        args.push("--".into());
        args.push(context.into());
        args
    }

    /// `--timestamp` is buildah's own option of old; since 1.41 there is the epoch of everybody else.
    fn timestamp(&self, plan: &Plan, seconds: i64, add: &mut impl FnMut(&[&str])) {
        let seconds = seconds.to_string();
        let made_new = plan.made_by.as_ref().is_some_and(|e| numbers(&e.version) >= (1, 41));
        if made_new && self.version >= (1, 41) {
            add(&["--source-date-epoch", &seconds, "--rewrite-timestamp"]);
        } else {
            add(&["--timestamp", &seconds]);
        }
    }
}

/// The same by hand, with the version of buildah that made the image. Which bases the target needs, and by which of their
/// names, stands in the Dockerfile, which is not here: all of them are fetched and named.
pub(in crate::engine) fn by_hand(
    plan: &Plan,
    repository: &PlannedRepository,
    work: &Path,
) -> ByHand {
    let (mut before, context) = checkout(repository, work);
    for base in pins::bases(plan) {
        before.push(ByHand::line("buildah", pull_args(&base, plan, None)));
        let tag =
            base.tag.as_ref().map(|_| ["tag".into(), base.pinned().into(), named(&base).into()]);
        before.extend(tag.map(|tag| ByHand::line("buildah", tag.into())));
    }
    let version = plan.made_by.as_ref().map(|engine| numbers(&engine.version)).unwrap_or_default();
    let bud = Bud { version, ..Bud::default() };
    let mut build: Vec<OsString> = ["--net", "--", "buildah"].map(Into::into).into();
    build.extend(bud.args(plan, &context.join(&plan.dockerfile_path), &context));
    ByHand {
        before,
        command: ByHand::line("unshare", build),
        after: vec![ByHand::line("buildah", push_args(plan, &work.join("out"), None))],
        environment: BTreeMap::new(),
        policy: pins::pin_list(plan),
    }
}

/// The commands that check a repository out, and the folder that is built.
fn checkout(repository: &PlannedRepository, work: &Path) -> (Vec<Vec<String>>, PathBuf) {
    let (tree, commit) = (work.join("source"), repository.commit.as_str());
    let git = |args: &[&str]| ByHand::line("git", git::arguments(&tree, args));
    let folder = |program: &str, args: &[&str], path: &Path| {
        let args = args.iter().map(OsString::from).chain([path.into()]);
        ByHand::line(program, args.collect())
    };
    let commands = vec![
        folder("mkdir", &["-p"], &tree),
        git(&[&INIT[..], &[object_format(commit)]].concat()),
        git(&[&FETCH[..], &["--depth=1", "--", &repository.url, commit]].concat()),
        git(&[&CHECKOUT[..], &[&pinned(commit)]].concat()),
        folder("rm", &["-rf"], &tree.join(".git")),
        folder("chmod", &["-R", "u=rwX,go=rX"], &tree),
    ];
    let context = repository.folder.as_ref().map_or_else(|| tree.clone(), |f| tree.join(f));
    (commands, context)
}

/// Major and minor version; 0 where it says none.
pub(super) fn numbers(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g15_steps_are_given_no_proxies() {
        let plan = crate::rebuild::tests::plan();
        for version in [(1, 28), (1, 44)] {
            let bud = Bud { version, ..Bud::default() };
            let args = bud.args(&plan, Path::new("/w/judged/Dockerfile"), Path::new("/w/source"));
            assert!(args.contains(&"--http-proxy=false".into()), "{args:?}");
            let file = args.iter().position(|word| word == "--file").unwrap();
            assert_eq!(args[file + 1], "/w/judged/Dockerfile");
        }
    }
}
