//! What stands before a builder's runc.
//!
//! Turns the configuration of a container, most of which no option of a builder changes, into a narrower one: no step
//! sees control groups (attack G40), the limit of core files stays (attack G53), and the profile of system calls of BuildKit
//! and Docker, which nobody can set, loses what is shared (attack G22); buildah is given a profile of hallmark's own. Refuses a configuration that it cannot read,
//! by ending the step.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{calls, host::find_program, store::quoted};

/// Hides control groups from a container.
const GROUPS: &str = include_str!("runc.sh");
/// Narrows the profile of a container.
const PROFILE: &str = include_str!("profile.sh");
/// Names that builders look for.
const NAMES: [&str; 2] = ["runc", "buildkit-runc"];

/// Whose profile of system calls a builder gives to steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// The builder's, which is narrowed.
    Builders,
    /// Hallmark's.
    Ours,
}

impl Profile {
    /// What changes the profile; on a machine where crashes start a program, steps have one.
    fn script(self, crashes: bool) -> String {
        if self == Self::Ours {
            return String::new();
        }
        let rules: Vec<String> = calls::rules().iter().map(ToString::to_string).collect();
        let (taken, rules) = (calls::TAKEN.join(" "), rules.join(","));
        format!("taken='{taken}' rules='{rules}' crashes={}\n{PROFILE}", u8::from(crashes))
    }
}

/// Whether the kernel starts a program of the machine's for each process that crashes (core(5)).
fn crashes_start_a_program() -> bool {
    !fs::read("/proc/sys/kernel/core_pattern").is_ok_and(|pattern| !pattern.starts_with(b"|"))
}

/// Puts a `runc` that narrows containers into this folder, which comes first on the builder's `PATH`. Says where it is.
///
/// # Errors
/// There is no runc, or the file cannot be written.
pub(super) fn narrow(folder: &Path, profile: Profile) -> io::Result<PathBuf> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "runc is not on PATH");
    let runc = find_program(NAMES[0]).ok_or_else(missing)?;
    let script = profile.script(crashes_start_a_program());
    fs::create_dir_all(folder)?;
    for name in NAMES {
        let real: PathBuf = find_program(name).unwrap_or_else(|| runc.clone());
        let file = folder.join(name);
        let last = format!("exec {} \"$@\"\n", quoted(&real.to_string_lossy()));
        fs::write(&file, [GROUPS, &script, &last].concat())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder.join(NAMES[0]))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::{Value, json};

    use super::*;

    /// The configuration of a container as the scripts leave it, and whether they go on.
    fn narrowed(config: &str) -> (String, bool) {
        changed(config, Profile::Builders)
    }

    fn changed(config: &str, profile: Profile) -> (String, bool) {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("config.json"), config).unwrap();
        let mut sh = Command::new("sh");
        sh.args([
            "-c",
            &format!("{GROUPS}{}exit 0", profile.script(true)),
            "sh",
            "--log",
            "x",
            "run",
            "--bundle",
        ]);
        let status = sh.arg(bundle.path()).arg("id").status().unwrap();
        (fs::read_to_string(bundle.path().join("config.json")).unwrap(), status.success())
    }

    #[test]
    fn g22_a_profile_loses_what_is_shared_and_a_step_keeps_its_words() {
        let words =
            ["io_setup", "socketcall", "a \"io_setup\",\"seccomp\":{ \\\"seccomp\\\":{ b\n"];
        let process = json!({ "args": words });
        let given = |names: &[&str]| {
            // As programs in Go write it: the names first.
            let rule = |names: &[&str], args: &str| {
                let names = json!(names);
                format!("{{\"names\":{names},\"action\":\"SCMP_ACT_ALLOW\"{args}}}")
            };
            let vsock = r#","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]"#;
            let rules = [
                rule(names, ""),
                rule(&["socket", "socketcall"], ""),
                rule(&["bind", "socket", "listen"], ""),
                rule(&["socket"], vsock),
                rule(&["seccomp"], ""),
            ]
            .join(",");
            let seccomp =
                format!("{{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{rules}]}}");
            format!(
                "{{\"process\":{process},\"mounts\":[],\
                 \"linux\":{{\"maskedPaths\":[\"/x\"],\"seccomp\":{seccomp}}}}}\n"
            )
        };
        for names in [
            &["io_setup", "read", "socketcall"][..],
            &["read", "io_setup", "socketcall", "io_submit"],
            &["io_uring_enter", "io_uring_register", "io_uring_setup", "read"],
            &["prlimit64", "read", "seccomp", "setrlimit", "setsockopt"],
            &["seccomp", "read"],
            &["read"],
        ] {
            let (text, goes_on) = narrowed(&given(names));
            assert!(goes_on, "{text}");
            let made: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(made["process"], process);
            let rules = made["linux"]["seccomp"]["syscalls"].as_array().unwrap();
            let left: Vec<&str> =
                names.iter().copied().filter(|name| !calls::TAKEN.contains(name)).collect();
            let ours = calls::rules();
            assert_eq!(rules[..ours.len()], ours);
            assert_eq!(rules[ours.len()]["names"], json!(left));
            assert_eq!(rules[ours.len() + 1]["names"], json!(["bind", "listen"]));
            assert_eq!(rules.len(), ours.len() + 2);
        }
    }

    #[test]
    fn g22_a_profile_of_another_form_ends_the_step() {
        let with = |rules: Value| json!({ "linux": { "maskedPaths": ["/x"], "seccomp": { "syscalls": rules } } });
        let profile = with(json!([{ "names": ["io_setup"] }]));
        let alone = |call: &str| {
            let other = json!({ "names": [call], "action": "SCMP_ACT_LOG", "args": [] });
            with(json!([other, { "names": ["read"] }])).to_string()
        };
        let mut late = with(json!([{ "names": [] }]));
        late["process"] = json!({});
        for odd in [
            alone("socket"),
            alone("setsockopt"),
            alone("seccomp"),
            alone("io_setup"),
            format!("{profile:#}"),
            profile.to_string(),
            with(json!([])).to_string(),
            late.to_string(),
        ] {
            assert!(!narrowed(&odd).1, "{odd}");
        }
    }

    /// What changes a limit of core files to another one than 1, 0 among them, has a crash start a program of the machine.
    #[test]
    fn g53_a_crash_of_a_step_starts_nothing_of_the_machine() {
        let given = |limits: &str| {
            format!(
                "{{\"process\":{{\"args\":[\"RLIMIT_CORE\",\"\\\"type\\\":\\\"RLIMIT_CORE\\\",\"],\
                 \"rlimits\":[{limits}]}},\"linux\":{{\"maskedPaths\":[\"/x\"]}}}}\n"
            )
        };
        let core = |hard: &str, soft: &str| {
            format!("{{\"type\":\"RLIMIT_CORE\",\"hard\":{hard},\"soft\":{soft}}}")
        };
        let files = r#"{"type":"RLIMIT_NOFILE","hard":7,"soft":5}"#;
        for (hard, soft) in [("0", "0"), ("18446744073709551615", "0"), ("1", "1")] {
            let limits = [core(hard, soft), files.to_owned(), core(soft, soft)].join(",");
            let (text, goes_on) = changed(&given(&limits), Profile::Ours);
            let want: Value =
                serde_json::from_str(&given(&[&core("1", "1"), files, &core("1", "1")].join(",")))
                    .unwrap();
            let made: Value = serde_json::from_str(&text).unwrap();
            assert!(goes_on, "{text}");
            assert_eq!(made["process"], want["process"]);
        }
        for odd in [core("-1", "0"), r#"{"type":"RLIMIT_CORE","soft":1,"hard":1}"#.to_owned()] {
            assert!(!changed(&given(&odd), Profile::Ours).1, "{odd}");
        }
        // A step that no profile holds may change its limits.
        for crashes in [false, true] {
            let bundle = tempfile::tempdir().unwrap();
            fs::write(bundle.path().join("config.json"), given("")).unwrap();
            let script = format!("{GROUPS}{}exit 0", Profile::Builders.script(crashes));
            let mut sh = Command::new("sh");
            let status = sh.args(["-c", &script, "sh", "run", "--bundle"]).arg(bundle.path());
            assert_eq!(status.status().unwrap().success(), !crashes);
        }
    }

    #[test]
    fn g40_a_container_is_shown_no_control_groups() {
        let words =
            json!([r#"{"destination":"/sys/fs/cgroup"},"cgroupsPath":"x","maskedPaths":["#]);
        let group = r#"{"destination":"/sys/fs/cgroup","type":"cgroup","options":["rw"]}"#;
        let (one, other) = (r#"{"destination":"/proc"}"#, r#"{"destination":"/sys"}"#);
        for mounts in [
            [one, group, other].join(","),
            [group, one, other].join(","),
            [one, other, group].join(","),
            [one, group, group, other].join(","),
            [one, other].join(","),
        ] {
            for path in [r#""cgroupsPath":"/build/1","#, ""] {
                let given = format!(
                    "{{\"process\":{{\"args\":{words}}},\"mounts\":[{mounts}],\
                     \"linux\":{{{path}\"maskedPaths\":[\"/proc/kcore\"]}}}}"
                );
                let (text, goes_on) = changed(&given, Profile::Ours);
                assert!(goes_on, "{given}");
                let made: Value = serde_json::from_str(&text).unwrap();
                let left = ["/proc", "/sys"].map(|at| json!({ "destination": at }));
                assert_eq!(made["mounts"], json!(left), "{given}");
                assert_eq!(made["process"]["args"], words);
                assert_eq!(
                    made["linux"]["maskedPaths"],
                    json!(["/sys/fs/cgroup", "/proc/pressure", "/proc/kcore"])
                );
                // This process is in no namespace of users: the group keeps devices from the container.
                assert_eq!(made["linux"]["cgroupsPath"].is_string(), !path.is_empty());
            }
        }
        // What a step mounts there is refused, and not taken away (attack G49).
        for own in [
            r#"{"destination":"/sys/fs/cgroup","type":"tmpfs","source":"tmpfs"}"#,
            r#"{"destination":"/sys/fs/cgroup","type":"bind","source":"/x","options":["rbind"]}"#,
            r#"{"destination":"/sys/fs/cgroup","source":"/x"}"#,
            r#"{"destination":"/sys/fs/cgroup/memory","type":"tmpfs"}"#,
            r#"{"destination":"//sys/fs/cgroup","type":"tmpfs"}"#,
            r#"{"destination":"/./sys/fs/cgroup","type":"tmpfs"}"#,
            r#"{"destination":"/sys/fs/cgroup","type":"cgroup2"}"#,
        ] {
            for mounts in [[one, own].join(","), [own, one].join(","), [group, own].join(",")] {
                let given = format!(
                    "{{\"process\":{{\"args\":{words}}},\"mounts\":[{mounts}],\
                     \"linux\":{{\"maskedPaths\":[\"/proc/kcore\"]}}}}"
                );
                assert!(!changed(&given, Profile::Ours).1, "{given}");
            }
        }
        for odd in [
            json!({ "linux": {} }).to_string(),
            json!({ "linux": { "maskedPaths": [] } }).to_string(),
            format!("{{\"mounts\":[{group}],\"linux\":{{\"maskedPaths\":[\"/x\"]}}}}"),
            format!("{:#}", json!({ "linux": { "maskedPaths": ["/x"] } })),
        ] {
            assert!(!changed(&odd, Profile::Ours).1, "{odd}");
        }
    }
}
