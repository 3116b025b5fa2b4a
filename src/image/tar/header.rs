//! One 512-byte header block (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
//!
//! Turns a block into its fields. Programs differ in how they read fields that break the format, so what is not
//! plainly ustar, GNU or V7 is refused: other magic numbers, digits mixed with blanks, and a GNU header with text where
//! Go's reader, which runtimes use, falls back to a path prefix and others do not.

use super::Fault;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 512;

/// One block.
pub(super) type Block = [u8; BLOCK_BYTES];

/// Largest size that fits the octal field: larger files have 0 or all sevens there and their size in PAX records.
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

/// A header whose checksum is right and whose form is known.
pub(super) struct Header<'b> {
    block: &'b Block,
    pub(super) form: Form,
    /// The type flag as written.
    pub(super) flag: u8,
    /// The size field, in bytes.
    pub(super) size: u64,
}

impl<'b> Header<'b> {
    /// Reads a block that is not all zeros.
    pub(super) fn parse(block: &'b Block) -> Result<Self, Fault> {
        let stated = octal(&block[148..156]).ok_or(Fault::Checksum)?;
        let blanked = block[..148].iter().chain(&block[156..]).map(|b| i64::from(*b)).sum::<i64>();
        if stated != blanked + 8 * i64::from(b' ') {
            return Err(Fault::Checksum);
        }
        let form = form(block)?;
        let size = number(&block[124..136]).and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or(Fault::Malformed("the size is no number"))?;
        Ok(Self { block, form, flag: block[156], size })
    }

    /// The path, from prefix and name.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = if self.form == Form::Ustar { text(&self.block[345..500]) } else { &[] };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// The link target.
    pub(super) fn link(&self) -> &'b [u8] {
        text(&self.block[157..257])
    }

    /// The mode with its type bits.
    pub(super) fn mode(&self) -> Result<u32, Fault> {
        small(&self.block[100..108]).ok_or(Fault::Malformed("the mode is no number"))
    }

    /// The owner's number.
    pub(super) fn uid(&self) -> Result<u64, Fault> {
        positive(&self.block[108..116]).ok_or(Fault::Malformed("the user id is no number"))
    }

    /// The group's number.
    pub(super) fn gid(&self) -> Result<u64, Fault> {
        positive(&self.block[116..124]).ok_or(Fault::Malformed("the group id is no number"))
    }

    /// The time of the last change, in seconds since 1970.
    pub(super) fn mtime(&self) -> Result<i64, Fault> {
        number(&self.block[136..148]).ok_or(Fault::Malformed("the time is no number"))
    }

    /// The owner's name and the group's.
    pub(super) fn owner_names(&self) -> (&'b [u8], &'b [u8]) {
        match self.form {
            Form::V7 => (&[], &[]),
            Form::Ustar | Form::Gnu => (text(&self.block[265..297]), text(&self.block[297..329])),
        }
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> Result<(u32, u32), Fault> {
        if self.form == Form::V7 {
            return Err(Fault::Malformed("a device in a header without device numbers"));
        }
        let (major, minor) = (small(&self.block[329..337]), small(&self.block[337..345]));
        major.zip(minor).ok_or(Fault::Malformed("the device number is no number"))
    }

    /// The size that counts, given the size of the PAX records. Readers differ in which one they take, so the two may
    /// differ only where the header has no room for the size (attack D5).
    pub(super) fn size_with(&self, pax: Option<u64>) -> Result<u64, Fault> {
        match pax {
            None => Ok(self.size),
            Some(pax) if pax == self.size => Ok(pax),
            Some(pax) if pax > OCTAL_SIZE_MAX && [0, OCTAL_SIZE_MAX].contains(&self.size) => {
                Ok(pax)
            }
            Some(_) => Err(Fault::Ambiguous("header and PAX records give different sizes")),
        }
    }
}

/// The form of a header by its magic number.
fn form(block: &Block) -> Result<Form, Fault> {
    let magic = &block[257..265];
    if magic == b"ustar\x0000" {
        return match &block[508..] {
            b"tar\0" => {
                Err(Fault::Ambiguous("a header of star, whose path prefix others read differently"))
            }
            _ => Ok(Form::Ustar),
        };
    }
    if magic == b"ustar  \0" {
        // Go's reader takes what is no time here for a path prefix.
        let times = [&block[345..357], &block[357..369]];
        let odd = |time: &&[u8]| time.first() != Some(&0) && number(time).is_none();
        if times.iter().any(odd) {
            return Err(Fault::Ambiguous("a GNU header with text in the place of its times"));
        }
        return Ok(Form::Gnu);
    }
    if magic.starts_with(b"ustar") {
        return Err(Fault::Ambiguous("a ustar header of an unknown version"));
    }
    Ok(Form::V7)
}

/// A text field: everything before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

fn positive(field: &[u8]) -> Option<u64> {
    number(field).and_then(|n| u64::try_from(n).ok())
}

fn small(field: &[u8]) -> Option<u32> {
    number(field).and_then(|n| u32::try_from(n).ok())
}

/// A number, octal or in GNU's base 256 (first bit set; two's complement).
fn number(field: &[u8]) -> Option<i64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            // Bit 6 is the sign; the two highest bits are extended over it.
            let start =
                if first & 0x40 != 0 { i64::from(*first) - 0x100 } else { i64::from(first & 0x3f) };
            rest.iter().try_fold(start, |n, byte| n.checked_mul(256)?.checked_add(i64::from(*byte)))
        }
        _ => octal(field),
    }
}

/// Octal digits between blanks (space or NUL); an empty field is 0.
fn octal(field: &[u8]) -> Option<i64> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    field.get(start..end)?.iter().try_fold(0_i64, |n, byte| match byte {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_reading() {
        let cases: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"", Some(0)),
            (b"6 44\0\0\0\0", None),
            (b"644\x0077\0\0", None),
            (b"-644\0\0\0\0", None),
            (b"+644\0\0\0\0", None),
            (b"648\0\0\0\0\0", None),
            (b"0x1f\0\0\0\0", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"777777777777", Some(0o7777_7777_7777)),
        ];
        for (field, want) in cases {
            assert_eq!(number(field), *want, "{field:?}");
        }
    }
}
