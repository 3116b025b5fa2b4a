//! What stands before a builder's runc.
//!
//! Turns the profile of system calls that BuildKit and Docker give to a step, and that nobody can set, into a narrower one (attack
//! G22). buildah is given one of hallmark's own. Refuses a profile that it cannot read, by ending the step.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{host::find_program, store::quoted};

/// Narrows the profile of a container.
const SCRIPT: &str = include_str!("runc.sh");
/// Names that builders look for.
const NAMES: [&str; 2] = ["runc", "buildkit-runc"];

/// Puts a `runc` that narrows profiles into this folder, which comes first on the builder's `PATH`.
///
/// # Errors
/// There is no runc, or the file cannot be written.
pub(super) fn narrow(folder: &Path) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "runc is not on PATH");
    let runc = find_program(NAMES[0]).ok_or_else(missing)?;
    for name in NAMES {
        let real: PathBuf = find_program(name).unwrap_or_else(|| runc.clone());
        let file = folder.join(name);
        let last = format!("exec {} \"$@\"\n", quoted(&real.to_string_lossy()));
        fs::write(&file, [SCRIPT, &last].concat())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::{Value, json};

    use super::*;

    /// The configuration of a container as the script leaves it, and whether it goes on.
    fn narrowed(config: &str) -> (String, bool) {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("config.json"), config).unwrap();
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("{SCRIPT}exit 0"), "sh", "--log", "x", "run", "--bundle"]);
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
            format!("{{\"process\":{process},\"mounts\":[],\"linux\":{{\"seccomp\":{seccomp}}}}}\n")
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
        let profile =
            json!({ "linux": { "seccomp": { "syscalls": [{ "names": ["io_setup"] }] } } });
        let other = json!({ "names": ["socket"], "action": "SCMP_ACT_LOG", "args": [] });
        for odd in [
            json!({ "linux": { "seccomp": { "syscalls": [other, { "names": ["read"] }] } } })
                .to_string(),
            format!("{profile:#}"),
            profile.to_string(),
            json!({ "linux": { "seccomp": { "syscalls": [] } } }).to_string(),
            json!({ "linux": { "seccomp": { "syscalls": [{ "names": [] }] } }, "process": {} })
                .to_string(),
        ] {
            assert!(!narrowed(&odd).1, "{odd}");
        }
        let none = json!({ "linux": {} }).to_string();
        assert_eq!(narrowed(&none), (none, true));
    }
}
