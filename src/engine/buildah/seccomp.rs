//! Which system calls a step of buildah may make.
//!
//! Turns the machine's own profile (containers-common, seccomp.json(5)) into a narrower one: without what namespaces do not divide,
//! so that "network none" and "shut in" hold for it as well (attack G22), and without what makes or enters namespaces and mounts
//! file systems: in a user namespace of its own a step would have all capabilities over the machine's control groups (attack G33).
//! A profile that is not there or not of its form is
//! refused, since buildah's own default cannot be read.

use std::path::Path;

use serde_json::{Value, json};

use crate::{engine::calls, json, scratch};

/// Where the machine has it, the operator's own before the package's.
const PROFILES: [&str; 2] = ["/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"];
/// Longest profile that is read, in bytes.
const BYTES: usize = 1 << 20;
/// Keys of a user, of which the machine has one store.
const KEYS: [&str; 3] = ["keyctl", "add_key", "request_key"];
/// Calls that make or enter a namespace, or change what is mounted (namespaces(7), mount_namespaces(7)).
const NAMESPACES: [&str; 17] = [
    "clone",
    "clone3",
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "open_tree_attr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "statmount",
];
/// Flags of clone(2) that make a namespace.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// The error of a call that a kernel does not know: programs try clone(2) in its place, whose flags a filter sees.
const ENOSYS: u8 = 38;
/// Where the flags of clone(2) are its second argument.
const FLAGS_SECOND: [&str; 2] = ["s390", "s390x"];

/// The profile that steps are held to, as text.
///
/// # Errors
/// The machine has none that can be read.
pub(super) fn profile() -> Result<String, String> {
    let found = PROFILES.iter().map(Path::new).find(|path| path.exists());
    let path = found.ok_or_else(|| {
        format!("steps are held to the machine's seccomp profile, and {} is not there", PROFILES[1])
    })?;
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = scratch::read_file(path, BYTES as u64).map_err(|e| wrong(&e))?;
    let whole = json::from_slice(&bytes, BYTES).map_err(|e| wrong(&e))?;
    narrowed(whole).map(|profile| profile.to_string()).ok_or_else(|| wrong(&"it is no profile"))
}

/// The profile without what is shared; `None` where it has another form, or allows what it does not name.
fn narrowed(mut profile: Value) -> Option<Value> {
    if !profile["defaultAction"].as_str()?.starts_with("SCMP_ACT_ERRNO") {
        return None;
    }
    let rules = profile.get_mut("syscalls")?.as_array_mut()?;
    let taken = [&calls::TAKEN[..], &KEYS, &NAMESPACES].concat();
    let is_taken = |name: &str| taken.contains(&name);
    for rule in rules.iter_mut() {
        // The single name of old profiles.
        if rule["name"].as_str().is_some_and(is_taken) {
            *rule = json!({ "names": [], "action": "SCMP_ACT_ALLOW" });
        }
        if let Some(names) = rule.get_mut("names").and_then(Value::as_array_mut) {
            names.retain(|name| !name.as_str().is_some_and(is_taken));
        }
    }
    rules.retain(|rule| {
        rule["name"].is_string() || rule["names"].as_array().is_some_and(|all| !all.is_empty())
    });
    rules.splice(0..0, calls::rules());
    rules.extend(processes());
    Some(profile)
}

/// Rules by which a step makes processes and threads, and no namespaces.
fn processes() -> [Value; 3] {
    let clone = |flags: u8, on: &str| {
        let args = json!([{
            "index": flags, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"
        }]);
        let mut rule = json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": args });
        rule[on] = json!({ "arches": FLAGS_SECOND });
        rule
    };
    let clone3 = json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS });
    [clone(0, "excludes"), clone(1, "includes"), clone3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g22_a_profile_is_left_without_what_namespaces_do_not_divide() {
        let given = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [
                { "names": ["read", "socket", "keyctl", "seccomp", "prlimit64"], "action": "SCMP_ACT_ALLOW" },
                { "names": ["clone", "mount", "clone3", "unshare"], "action": "SCMP_ACT_ALLOW" },
                { "name": "setns", "action": "SCMP_ACT_ALLOW" },
                { "names": ["socketcall"], "action": "SCMP_ACT_ALLOW" },
                { "name": "io_setup", "action": "SCMP_ACT_ALLOW" },
                { "name": "write", "action": "SCMP_ACT_ALLOW" },
            ],
        });
        let made = narrowed(given).unwrap();
        let rules = made["syscalls"].as_array().unwrap();
        let ours = calls::rules();
        assert_eq!(rules[..ours.len()], ours);
        let rules = &rules[ours.len()..];
        assert_eq!(rules[0]["names"], json!(["read"]));
        assert_eq!(rules[1]["name"], "write");
        // clone(2) with no flag of a namespace, by its first argument or its second, and nothing else of these.
        let left: Vec<_> = rules[2..].iter().map(|rule| &rule["names"][0]).collect();
        assert_eq!(left, ["clone", "clone", "clone3"]);
        assert_eq!(rules[2]["args"][0]["value"], json!(2_114_060_288_u32));
        assert_eq!(
            (&rules[4]["action"], &rules[4]["errnoRet"]),
            (&json!("SCMP_ACT_ERRNO"), &json!(38))
        );
        for odd in [
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [] }),
            json!({ "defaultAction": "SCMP_ACT_ERRNO" }),
            json!([]),
        ] {
            assert_eq!(narrowed(odd.clone()), None, "{odd}");
        }
    }
}
