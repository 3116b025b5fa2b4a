//! What stands before a builder's runc.
//!
//! Turns the configuration of a container, most of which no option of a builder changes, into a narrower one: no step
//! sees control groups (attack G40), and the profile of system calls of BuildKit and Docker, which nobody can set, loses
//! what is shared (attack G22); buildah is given a profile of hallmark's own. Refuses a configuration that it cannot read,
//! by ending the step.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{host::find_program, store::quoted};

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
    fn script(self) -> &'static str {
        match self {
            Self::Builders => PROFILE,
            Self::Ours => "",
        }
    }
}

/// Puts a `runc` that narrows containers into this folder, which comes first on the builder's `PATH`. Says where it is.
///
/// # Errors
/// There is no runc, or the file cannot be written.
pub(super) fn narrow(folder: &Path, profile: Profile) -> io::Result<PathBuf> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "runc is not on PATH");
    let runc = find_program(NAMES[0]).ok_or_else(missing)?;
    fs::create_dir_all(folder)?;
    for name in NAMES {
        let real: PathBuf = find_program(name).unwrap_or_else(|| runc.clone());
        let file = folder.join(name);
        let last = format!("exec {} \"$@\"\n", quoted(&real.to_string_lossy()));
        fs::write(&file, [GROUPS, profile.script(), &last].concat())?;
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
            &format!("{GROUPS}{}exit 0", profile.script()),
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
            &["read"],
        ] {
            let (text, goes_on) = narrowed(&given(names));
            assert!(goes_on, "{text}");
            let made: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(made["process"], process);
            let rules = made["linux"]["seccomp"]["syscalls"].as_array().unwrap();
            let deny =
                json!({ "names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97 });
            assert_eq!(rules[0], deny);
            let left: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| !["io_setup", "socketcall"].contains(name))
                .filter(|name| !name.starts_with("io_uring_"))
                .collect();
            let families: Vec<_> =
                rules[1..5].iter().map(|rule| rule["args"][0]["value"].clone()).collect();
            assert_eq!(families, [1, 2, 10, 16]);
            assert_eq!(rules[5]["names"], json!(left));
            assert_eq!(rules[6]["names"], json!(["bind", "listen"]));
            assert_eq!(rules.len(), 7);
        }
    }

    #[test]
    fn g22_a_profile_of_another_form_ends_the_step() {
        let with = |rules: Value| json!({ "linux": { "maskedPaths": ["/x"], "seccomp": { "syscalls": rules } } });
        let profile = with(json!([{ "names": ["io_setup"] }]));
        let other = json!({ "names": ["socket"], "action": "SCMP_ACT_LOG", "args": [] });
        let mut late = with(json!([{ "names": [] }]));
        late["process"] = json!({});
        for odd in [
            with(json!([other, { "names": ["read"] }])).to_string(),
            format!("{profile:#}"),
            profile.to_string(),
            with(json!([])).to_string(),
            late.to_string(),
        ] {
            assert!(!narrowed(&odd).1, "{odd}");
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
