//! One header (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
//!
//! Turns the library's view of a header into fields that have one reading. Programs differ in how they read fields that
//! break the format, so what is not plainly ustar, GNU or V7 is refused: other magic numbers, digits mixed with other
//! characters, numbers too large for the library, and a GNU header with text where Go's reader, which runtimes use, falls
//! back to a path prefix and others do not.

use std::io;

use super::Fault;

/// Bytes of a header.
pub(super) const BLOCK_BYTES: u64 = 512;

/// Largest size that fits the octal field: larger files have 0 there and their size in PAX records.
const OCTAL_SIZE_MAX: u64 = 0o777_7777_7777;

/// Which fields a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Name, mode, owner, size, time, type and link only.
    V7,
    /// POSIX: owner names, devices and a path prefix. PAX records go with it.
    Ustar,
    /// GNU: owner names, devices and times.
    Gnu,
}

/// A header whose form is known. The library has compared its checksum.
pub(super) struct Header<'h> {
    fields: &'h ::tar::Header,
    pub(super) form: Form,
    /// The type flag as written: the library reads the old 0 as `0`.
    pub(super) flag: u8,
    /// The size field, in bytes.
    pub(super) size: u64,
}

impl<'h> Header<'h> {
    /// Checks a header that is not all zeros.
    pub(super) fn parse(fields: &'h ::tar::Header) -> Result<Self, Fault> {
        let old = fields.as_old();
        number(&old.cksum, fields.cksum().map(u64::from)).ok_or(Fault::Checksum)?;
        let form = form(fields)?;
        let size = positive(&old.size, fields.entry_size());
        let size = size.ok_or(Fault::Malformed("the size is no number"))?;
        let [flag] = old.linkflag;
        Ok(Self { fields, form, flag, size })
    }

    /// Whether it speaks about a later header.
    pub(super) fn is_extension(&self) -> bool {
        matches!(self.flag, b'L' | b'K' | b'x' | b'g')
    }

    /// The path, from prefix and name.
    pub(super) fn path(&self) -> Vec<u8> {
        self.fields.path_bytes().into_owned()
    }

    /// The link target.
    pub(super) fn link(&self) -> Vec<u8> {
        self.fields.link_name_bytes().unwrap_or_default().into_owned()
    }

    /// The mode with its type bits.
    pub(super) fn mode(&self) -> Result<u32, Fault> {
        let mode = number(&self.fields.as_old().mode, self.fields.mode().map(u64::from));
        mode.and_then(|n| u32::try_from(n).ok()).ok_or(Fault::Malformed("the mode is no number"))
    }

    /// The owner's number.
    pub(super) fn uid(&self) -> Result<u64, Fault> {
        positive(&self.fields.as_old().uid, self.fields.uid())
            .ok_or(Fault::Malformed("the user id is no number"))
    }

    /// The group's number.
    pub(super) fn gid(&self) -> Result<u64, Fault> {
        positive(&self.fields.as_old().gid, self.fields.gid())
            .ok_or(Fault::Malformed("the group id is no number"))
    }

    /// The time of the last change, in seconds since 1970.
    pub(super) fn mtime(&self) -> Result<i64, Fault> {
        number(&self.fields.as_old().mtime, self.fields.mtime())
            .ok_or(Fault::Malformed("the time is no number"))
    }

    /// The owner's name and the group's.
    pub(super) fn owner_names(&self) -> (&'h [u8], &'h [u8]) {
        let (user, group) = (self.fields.username_bytes(), self.fields.groupname_bytes());
        (user.unwrap_or_default(), group.unwrap_or_default())
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> Result<(u32, u32), Fault> {
        let (major, minor) = match (self.fields.as_ustar(), self.fields.as_gnu()) {
            (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
            (None, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
            (None, None) => {
                return Err(Fault::Malformed("a device in a header without device numbers"));
            }
        };
        let read = |field, number_read: io::Result<Option<u32>>| {
            let n = number(field, number_read.map(|n| n.unwrap_or_default().into()))?;
            u32::try_from(n).ok()
        };
        read(major, self.fields.device_major())
            .zip(read(minor, self.fields.device_minor()))
            .ok_or(Fault::Malformed("the device number is no number"))
    }

    /// The size that counts, given the size of the PAX records. Readers differ in which one they take, so the two may
    /// differ only where the header has no room for the size (attack D5).
    pub(super) fn size_with(&self, pax: Option<u64>) -> Result<u64, Fault> {
        match pax {
            None => Ok(self.size),
            Some(pax) if pax == self.size => Ok(pax),
            Some(pax) if pax > OCTAL_SIZE_MAX && self.size == 0 => Ok(pax),
            Some(_) => Err(Fault::Ambiguous("header and PAX records give different sizes")),
        }
    }
}

/// The form of a header by its magic number.
fn form(fields: &::tar::Header) -> Result<Form, Fault> {
    if let Some(ustar) = fields.as_ustar() {
        if ustar.pad.ends_with(b"tar\0") {
            let star = "a header of star, whose path prefix others read differently";
            return Err(Fault::Ambiguous(star));
        }
        return Ok(Form::Ustar);
    }
    if let Some(gnu) = fields.as_gnu() {
        // Go's reader takes what is no time here for a path prefix.
        let times = [(&gnu.atime, gnu.atime()), (&gnu.ctime, gnu.ctime())];
        let is_odd = |(time, read): (&[u8; 12], _)| time[0] != 0 && number(time, read).is_none();
        if times.into_iter().any(is_odd) {
            return Err(Fault::Ambiguous("a GNU header with text in the place of its times"));
        }
        return Ok(Form::Gnu);
    }
    if fields.as_bytes().get(257..262) == Some(b"ustar") {
        return Err(Fault::Ambiguous("a ustar header of an unknown version"));
    }
    Ok(Form::V7)
}

fn positive(field: &[u8], read: io::Result<u64>) -> Option<u64> {
    number(field, read).and_then(|n| u64::try_from(n).ok())
}

/// The number that the library `read` from a field, if it can be read in no other way: octal digits between blanks (space
/// or NUL; an empty field is 0), or GNU's base 256 (first bit set; two's complement), of which the library looks at the
/// last eight bytes only.
fn number(field: &[u8], read: io::Result<u64>) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        let start = field.iter().position(|byte| !is_blank(*byte));
        let Some(start) = start else { return Some(0) };
        let end = field.iter().rposition(|byte| !is_blank(*byte))?;
        let is_octal = field.get(start..=end)?.iter().all(|byte| (b'0'..=b'7').contains(byte));
        return i64::try_from(read.ok().filter(|_| is_octal)?).ok();
    }
    let value = read.ok()?.cast_signed();
    if rest.len() < 8 {
        // The library takes the sign, the second bit, for a digit; the fields of this length hold nothing negative.
        return (first & 0x40 == 0).then_some(value);
    }
    let (sign, above) = (if value < 0 { 0xff } else { 0 }, rest.get(..rest.len() - 8)?);
    (*first == sign | 0x80 && above.iter().all(|byte| *byte == sign)).then_some(value)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of 8 bytes are read as an id, of 12 bytes as a time.
    fn read(field: &[u8]) -> Option<i64> {
        let mut header = ::tar::Header::new_ustar();
        if let Ok(uid) = field.try_into() {
            header.as_old_mut().uid = uid;
            return number(field, header.uid());
        }
        header.as_old_mut().mtime = field.try_into().unwrap();
        number(field, header.mtime())
    }

    #[test]
    fn numbers_have_one_reading() {
        let cases: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"6 44\0\0\0\0", None),
            (b"644\x0077\0\0", None),
            (b"-644\0\0\0\0", None),
            (b"+644\0\0\0\0", None),
            (b"\t644\0\0\0\0", None),
            (b"648\0\0\0\0\0", None),
            (b"0x1f\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX >> 1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"777777777777", Some(0o7777_7777_7777)),
        ];
        for (field, want) in cases {
            assert_eq!(read(field), *want, "{field:?}");
        }
    }
}
