//! File capabilities, as the kernel keeps them in `security.capability` (capabilities(7), `struct vfs_cap_data`).
//!
//! Turns the attribute's bytes into names, and refuses what the kernel does not take: another revision, another length.

/// Names of the capabilities, by number (`linux/capability.h`).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

const REVISION_MASK: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;

/// Capabilities of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that the program gets.
    pub permitted: Vec<String>,
    /// Those that it gets where its caller has them to give.
    pub inheritable: Vec<String>,
    /// Whether they are in effect when it starts.
    pub effective: bool,
    /// Revision of the attribute, 1 to 3.
    pub revision: u32,
    /// The user who is root of the namespace in which they count; revision 3 alone has one.
    pub root_id: Option<u32>,
}

/// An attribute that no kernel takes for capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    /// Fewer or more bytes than its revision has.
    #[error("it has {found} bytes, which no revision has")]
    Length {
        /// Its bytes.
        found: usize,
    },
    /// A revision that is not known.
    #[error("its revision {found:#x} is not known")]
    Revision {
        /// The first byte of its magic number.
        found: u32,
    },
}

/// Decodes the attribute.
///
/// # Errors
/// [`Undecoded`].
pub fn decode(attribute: &[u8]) -> Result<Capabilities, Undecoded> {
    let length = || Undecoded::Length { found: attribute.len() };
    let (words, rest) = attribute.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(length());
    }
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let magic = words.first().copied().ok_or_else(length)?;
    let revision = (magic & REVISION_MASK) >> 24;
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    let (permitted, inheritable, root_id) = match (revision, words.get(1..).unwrap_or_default()) {
        (1, &[permitted, inheritable]) => (wide(permitted, 0), wide(inheritable, 0), None),
        (2, &[p0, i0, p1, i1]) => (wide(p0, p1), wide(i0, i1), None),
        (3, &[p0, i0, p1, i1, root]) => (wide(p0, p1), wide(i0, i1), Some(root)),
        (1..=3, _) => return Err(length()),
        (found, _) => return Err(Undecoded::Revision { found }),
    };
    let effective = magic & EFFECTIVE != 0;
    let (permitted, inheritable) = (names(permitted), names(inheritable));
    Ok(Capabilities { permitted, inheritable, effective, revision, root_id })
}

/// The names of the bits that are set; one without a name is its number, as `CAP_63`.
fn names(bits: u64) -> Vec<String> {
    let set = (0..u64::BITS as usize).filter(|bit| bits >> bit & 1 == 1);
    set.map(|bit| NAMES.get(bit).map_or_else(|| format!("CAP_{bit}"), |name| (*name).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute of these words.
    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn attributes_are_decoded_as_the_kernel_does() {
        let net_raw = 1 << 13;
        let cases: Vec<(Vec<u8>, &str)> = vec![
            // What `setcap cap_net_raw+ep` writes.
            (words(&[0x0200_0001, net_raw, 0, 0, 0]), "2 e p=CAP_NET_RAW i= root=None"),
            (words(&[0x0200_0000, net_raw, 1, 0, 0]), "2 - p=CAP_NET_RAW i=CAP_CHOWN root=None"),
            (
                words(&[0x0200_0001, 0, 0, 0x180, 0]),
                "2 e p=CAP_BPF,CAP_CHECKPOINT_RESTORE i= root=None",
            ),
            (words(&[0x0200_0001, 0, 0, 1 << 31, 0]), "2 e p=CAP_63 i= root=None"),
            (words(&[0x0100_0001, 1 << 21, 0]), "1 e p=CAP_SYS_ADMIN i= root=None"),
            (words(&[0x0300_0001, net_raw, 0, 0, 0, 1000]), "3 e p=CAP_NET_RAW i= root=Some(1000)"),
            (words(&[0x0200_0001, 0, 0, 0, 0]), "2 e p= i= root=None"),
            (words(&[0x0300_0001, net_raw, 0, 0, 0]), "it has 20 bytes, which no revision has"),
            (words(&[0x0200_0001, net_raw, 0, 0, 0, 0]), "it has 24 bytes, which no revision has"),
            (words(&[0x0400_0001, net_raw, 0, 0, 0]), "its revision 0x4 is not known"),
            (vec![1, 0, 0, 2, 0], "it has 5 bytes, which no revision has"),
            (vec![], "it has 0 bytes, which no revision has"),
        ];
        for (attribute, want) in cases {
            let found = match decode(&attribute) {
                Ok(c) => format!(
                    "{} {} p={} i={} root={:?}",
                    c.revision,
                    if c.effective { "e" } else { "-" },
                    c.permitted.join(","),
                    c.inheritable.join(","),
                    c.root_id
                ),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, want, "{attribute:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
