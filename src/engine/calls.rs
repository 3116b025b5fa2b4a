//! Which system calls of a step are answered otherwise than its builder's own profile would.
//!
//! Turns what the whole machine has once, and no namespace divides, into rules of a seccomp profile (OCI runtime
//! specification, "Seccomp"), the same for each builder: `runc` puts them into BuildKit's and Docker's, `buildah` into the
//! machine's. libseccomp lets a call through that any rule without arguments allows, so these calls are taken out of all
//! other rules, and what is left of them is said here. The kernel reads an `int` out of the lower half of an argument, so
//! that half alone is compared.

use serde_json::{Value, json};

/// Calls that other rules must not name: sockets, by their old call, too, whose family no filter sees; contexts for
/// asynchronous input and output; and those that [`rules`] is about.
pub(super) const TAKEN: [&str; 10] = [
    "socket",
    "socketcall",
    "io_setup",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "setsockopt",
    "setrlimit",
    "prlimit64",
    "seccomp",
];
/// Families of sockets that a network namespace divides and whose memory is bounded: local ones, IPv4, IPv6 (socket(2)).
/// Rings of packet sockets are charged to nobody.
const FAMILIES: [u8; 3] = [1, 2, 10];
/// The family of netlink; its protocol of audit records, which the machine has one log of; and how many bits a protocol has.
const NETLINK: (u8, u32, u32) = (16, 9, 5);
/// The error of such a socket. It is nobody's default: a rule that says the same as the default is none.
const EAFNOSUPPORT: u8 = 97;
/// `RLIMIT_CORE`, and how many bits the number of a limit has (getrlimit(2)).
const CORE: (u32, u32) = (4, 4);
/// How many bits a level of setsockopt(2) has, and an option.
const LEVEL_BITS: u32 = 9;
const OPTION_BITS: u32 = 8;
/// `SOL_SOCKET` with `SO_ATTACH_FILTER` and `SO_ATTACH_REUSEPORT_CBPF`, whose programs take memory that the machine has one sum
/// of (`net.core.bpf_jit_limit`), and `IPPROTO_IPV6` with `IPV6_FLOWLABEL_MGR`: it has one table of flow labels (attack G54).
const OPTIONS: [(u32, &[u32]); 2] = [(1, &[26, 51]), (41, &[32])];
/// `SECCOMP_FILTER_FLAG_LOG`: what a filter refuses goes to the kernel's log (attack G55).
const LOG: u32 = 2;

/// What is allowed of these calls, and what is answered instead.
pub(super) fn rules() -> Vec<Value> {
    // Beside "socket", libseccomp would allow it for all families.
    let old =
        json!({ "names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": EAFNOSUPPORT });
    let mut rules = vec![old];
    rules.extend(sockets());
    rules.extend(options());
    rules.extend(limits("setrlimit", 0, None));
    rules.extend(limits("prlimit64", 1, Some(2)));
    rules.push(allow("seccomp", &[masked(1, (LOG, 0))]));
    rules
}

fn sockets() -> Vec<Value> {
    let (netlink, audit, bits) = NETLINK;
    let mut rules: Vec<Value> =
        FAMILIES.iter().map(|family| allow("socket", &[compare(0, "EQ", *family)])).collect();
    rules.extend(
        others(&[audit], bits)
            .map(|protocols| allow("socket", &[compare(0, "EQ", netlink), masked(2, protocols)])),
    );
    rules
}

fn options() -> Vec<Value> {
    let mut rules: Vec<Value> = others(&OPTIONS.map(|(level, _)| level), LEVEL_BITS)
        .map(|levels| allow("setsockopt", &[masked(1, levels)]))
        .collect();
    for (level, options) in OPTIONS {
        rules.extend(
            others(options, OPTION_BITS).map(|options| {
                allow("setsockopt", &[masked(1, exactly(level)), masked(2, options)])
            }),
        );
    }
    rules
}

/// A limit of 1 on core files keeps the kernel from starting the machine's program for crashes (core(5)), and 0 does not; so a
/// step that sets this limit is told that it did, as programs which keep secrets expect, and nothing changes (attack G53).
fn limits(call: &str, which: u8, new: Option<u8>) -> Vec<Value> {
    let (core, bits) = CORE;
    let mut rules: Vec<Value> =
        others(&[core], bits).map(|limits| allow(call, &[masked(which, limits)])).collect();
    let core = masked(which, exactly(core));
    // A call without new values asks for the old ones.
    rules.extend(new.map(|new| allow(call, &[core.clone(), compare(new, "EQ", 0)])));
    let mut args = vec![core];
    args.extend(new.map(|new| compare(new, "NE", 0)));
    rules.push(json!({ "names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": 0, "args": args }));
    rules
}

fn allow(call: &str, args: &[Value]) -> Value {
    json!({ "names": [call], "action": "SCMP_ACT_ALLOW", "args": args })
}

fn compare(index: u8, op: &str, value: u8) -> Value {
    json!({ "index": index, "value": value, "op": format!("SCMP_CMP_{op}") })
}

/// An argument of which these bits have this value.
fn masked(index: u8, (bits, value): (u32, u32)) -> Value {
    json!({ "index": index, "value": bits, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ" })
}

fn exactly(value: u32) -> (u32, u32) {
    (u32::MAX, value)
}

/// All numbers of so many bits but these, as bits and their value: no operator says "not equal" of one half of an argument.
fn others(but: &[u32], bits: u32) -> impl Iterator<Item = (u32, u32)> {
    fn split(from: u32, bits: u32, but: &[u32], found: &mut Vec<(u32, u32)>) {
        let mask = u32::MAX << bits;
        if !but.iter().any(|number| number & mask == from) {
            found.push((mask, from));
        } else if let Some(half) = bits.checked_sub(1) {
            split(from, half, but, found);
            split(from | 1 << half, half, but, found);
        }
    }
    let mut found = Vec::new();
    split(0, bits, but, &mut found);
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a profile of these rules answers: `None` where it is left to the default.
    fn answer(call: &str, args: [u64; 6]) -> Option<i64> {
        let fits = |arg: &Value| {
            let number = |key: &str| arg[key].as_u64().unwrap();
            let given = args[usize::try_from(number("index")).unwrap()];
            match arg["op"].as_str().unwrap() {
                "SCMP_CMP_EQ" => given == number("value"),
                "SCMP_CMP_NE" => given != number("value"),
                "SCMP_CMP_MASKED_EQ" => given & number("value") == number("valueTwo"),
                other => panic!("{other}"),
            }
        };
        let about = |rule: &Value| {
            rule["names"] == json!([call])
                && rule.get("args").is_none_or(|args| args.as_array().unwrap().iter().all(fits))
        };
        let all = rules();
        let found: Vec<&Value> = all.iter().filter(|rule| about(rule)).collect();
        // Of rules that are about the same call libseccomp would take any.
        assert!(found.len() < 2, "{call} {args:?}: {found:?}");
        Some(match found.first()?["action"].as_str().unwrap() {
            "SCMP_ACT_ALLOW" => -1,
            _ => found[0]["errnoRet"].as_i64().unwrap(),
        })
    }

    const ALLOWED: Option<i64> = Some(-1);
    /// What the kernel does not look at.
    const ABOVE: u64 = 1 << 32;

    #[test]
    fn g22_sockets_are_those_that_namespaces_divide() {
        for family in 0..64 {
            let want = [1, 2, 10, 16].contains(&family).then_some(-1);
            assert_eq!(answer("socket", [family, 1, 0, 0, 0, 0]), want, "{family}");
        }
        for protocol in 0..32 {
            let want = if protocol == 9 { None } else { ALLOWED };
            for protocol in [protocol, protocol | ABOVE] {
                assert_eq!(answer("socket", [16, 3, protocol, 0, 0, 0]), want, "{protocol}");
            }
        }
        assert_eq!(answer("socketcall", [1; 6]), Some(97));
    }

    #[test]
    fn g53_a_step_changes_every_limit_but_that_of_core_files() {
        for above in [0, ABOVE] {
            for limit in 0..16 {
                let own = if limit == 4 { Some(0) } else { ALLOWED };
                let limit = limit | above;
                assert_eq!(answer("setrlimit", [limit, 7, 0, 0, 0, 0]), own, "{limit}");
                assert_eq!(answer("prlimit64", [0, limit, 0, 7, 0, 0]), ALLOWED, "{limit}");
                for new in [7, ABOVE] {
                    assert_eq!(answer("prlimit64", [0, limit, new, 7, 0, 0]), own, "{limit}");
                }
            }
        }
    }

    #[test]
    fn g54_a_step_sets_no_option_of_which_the_machine_has_one_store() {
        for above in [0, ABOVE] {
            for level in [0, 1, 2, 6, 17, 40, 41, 42, 58, 255, 263, 270] {
                for option in 0..128 {
                    let refused = [(1, 26), (1, 51), (41, 32)].contains(&(level, option));
                    let args = [3, level | above, option | above, 7, 8, 0];
                    let want = if refused { None } else { ALLOWED };
                    assert_eq!(answer("setsockopt", args), want, "{level} {option}");
                }
            }
        }
    }

    #[test]
    fn g55_a_filter_of_a_step_logs_nothing_that_it_refuses() {
        for flags in 0..64 {
            let want = if flags & 2 == 0 { ALLOWED } else { None };
            assert_eq!(answer("seccomp", [1, flags, 7, 0, 0, 0]), want, "{flags}");
            assert_eq!(answer("seccomp", [1, flags | ABOVE, 7, 0, 0, 0]), want, "{flags}");
        }
    }
}
