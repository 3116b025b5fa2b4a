//! PAX extended header records (POSIX.1-2017, pax, "pax Extended Header").
//!
//! Turns `length key=value` records into the fields that they override. Refuses records whose length is wrong, keys given
//! twice (readers differ in which one they take), and global records that change entries: containerd and Docker ignore
//! those, other programs apply them. Records are cut here by their length: the library cuts at line ends, so that it fails
//! at an attribute whose bytes hold one (a file capability may), and stops without a word at an empty line.

use std::collections::BTreeMap;

use super::{Fault, entry::readable};

/// Prefix of extended attributes, the only one that runtimes apply.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the records of one entry override.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) uname: Option<Vec<u8>>,
    pub(super) gname: Option<Vec<u8>>,
    pub(super) mtime: Option<i64>,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
    /// All others, by key.
    pub(super) others: BTreeMap<String, Vec<u8>>,
}

impl Pax {
    /// Reads the records of a local header (`x`).
    pub(super) fn local(data: &[u8]) -> Result<Self, Fault> {
        let mut pax = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        for record in Records(data) {
            let (key, value) = record?;
            if !seen.insert(key) {
                return Err(Fault::Ambiguous("a PAX key is given twice"));
            }
            // An empty value takes nothing over: the header's field stays.
            if !value.is_empty() || key.starts_with(XATTR) {
                pax.take(key, value)?;
            }
        }
        Ok(pax)
    }

    /// Checks the records of a global header (`g`): nothing in them may change an entry. Those of several headers are kept, one
    /// to a line.
    pub(super) fn check_global(
        data: &[u8],
        kept: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Fault> {
        const HARMLESS: [&[u8]; 4] = [b"comment", b"mtime", b"atime", b"ctime"];
        for record in Records(data) {
            let (key, value) = record?;
            if !HARMLESS.contains(&key) {
                return Err(Fault::Ambiguous("a global PAX header changes entries"));
            }
            let all = kept.entry(readable(key)).or_default();
            if !all.is_empty() {
                all.push(b'\n');
            }
            all.extend_from_slice(value);
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        match key {
            b"path" => self.path = Some(words(value)?),
            b"linkpath" => self.link = Some(words(value)?),
            b"uname" => self.uname = Some(words(value)?),
            b"gname" => self.gname = Some(words(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(seconds(value)?),
            _ if key.starts_with(b"GNU.sparse.") => return Err(Fault::Sparse),
            _ => {
                let (map, name) = match key.strip_prefix(XATTR) {
                    Some(name) => (&mut self.xattrs, name),
                    None => (&mut self.others, key),
                };
                map.insert(readable(name), value.to_vec());
            }
        }
        Ok(())
    }
}

/// The records of a header, in order.
pub(super) struct Records<'d>(pub(super) &'d [u8]);

impl<'d> Iterator for Records<'d> {
    type Item = Result<(&'d [u8], &'d [u8]), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.cut();
        if record.is_none() {
            self.0 = &[];
        }
        Some(record.ok_or(Fault::Malformed("PAX records of the wrong length or form")))
    }
}

impl<'d> Records<'d> {
    fn cut(&mut self) -> Option<(&'d [u8], &'d [u8])> {
        let space = self.0.iter().position(|b| *b == b' ')?;
        let length = usize::try_from(decimal(self.0.get(..space)?).ok()?).ok()?;
        let (record, rest) = self.0.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|b| *b == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        self.0 = rest;
        (!key.is_empty() && !key.contains(&0)).then_some((key, value))
    }
}

/// A text value, in which a NUL would end the string for some readers.
fn words(value: &[u8]) -> Result<Vec<u8>, Fault> {
    if value.contains(&0) {
        return Err(Fault::Ambiguous("a PAX value with a NUL byte"));
    }
    Ok(value.to_vec())
}

/// Digits only.
fn decimal(value: &[u8]) -> Result<u64, Fault> {
    let wrong = Fault::Malformed("a PAX number that is no number");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(wrong)
}

/// A time with an optional sign and fraction; the fraction is cut off.
fn seconds(value: &[u8]) -> Result<i64, Fault> {
    let wrong = || Fault::Malformed("a PAX time that is no time");
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
        Some(dot) => (digits.get(..dot), digits.get(dot + 1..)),
        None => (Some(digits), None),
    };
    if fraction.is_some_and(|f| !f.iter().all(u8::is_ascii_digit)) {
        return Err(wrong());
    }
    let whole = i64::try_from(decimal(whole.unwrap_or_default())?).map_err(|_| wrong())?;
    Ok(if negative { -whole } else { whole })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_records() {
        let data = b"11 size=42\n20 mtime=-12.345678\n30 SCHILY.xattr.user.a=x\ny=\0z\n9 path=\n13 vendor.k=v\n";
        // The length of each record counts itself.
        let fixed = [
            record(b"size", b"42"),
            record(b"mtime", b"-12.345678"),
            record(b"SCHILY.xattr.user.a", b"x\ny=\0z"),
            record(b"path", b""),
            record(b"vendor.k", b"v"),
        ]
        .concat();
        assert!(Pax::local(data).is_err(), "wrong lengths");
        let pax = Pax::local(&fixed).unwrap();
        assert_eq!((pax.size, pax.mtime, pax.path), (Some(42), Some(-12), None));
        assert_eq!(pax.xattrs["user.a"], b"x\ny=\0z");
        assert_eq!(pax.others["vendor.k"], b"v");
    }

    /// A record of the right length.
    fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|n| n - n.to_string().len() == rest).unwrap();
        [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
    }

    #[test]
    fn refuses_what_readers_take_differently() {
        let twice = [record(b"path", b"a"), record(b"path", b"b")].concat();
        let cases: &[(&[u8], &str)] = &[
            (&twice, "twice"),
            (&record(b"path", b"a\0b"), "NUL"),
            (&record(b"size", b"-1"), "number"),
            (&record(b"size", b"+1"), "number"),
            (&record(b"size", b"99999999999999999999"), "number"),
            (&record(b"mtime", b"1.-5"), "time"),
            (&record(b"GNU.sparse.major", b"1"), "Sparse"),
            (b"11 size=42\n\0", "length"),
            (b"+11 size=42\n", "length"),
            (b"6 =42\n", "length"),
            (b"0 a=b\n", "length"),
            (b"99999999999999999999 a=b\n", "length"),
        ];
        for (data, want) in cases {
            let fault = format!("{:?}", Pax::local(data).expect_err(want));
            assert!(fault.contains(want), "{fault}");
        }
        let mut kept = BTreeMap::new();
        assert!(Pax::check_global(&record(b"comment", b"c"), &mut kept).is_ok());
        assert!(Pax::check_global(&record(b"path", b"evil"), &mut kept).is_err());
        assert!(
            Pax::check_global(&record(b"SCHILY.xattr.security.capability", b"x"), &mut kept)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn never_panics(data: Vec<u8>, text in "[0-9]{1,3} [a-z]{0,9}=[^\n]{0,9}\n{0,2}") {
            let _ = Pax::local(&data);
            let _ = Pax::local(text.as_bytes());
            let _ = Pax::check_global(&data, &mut BTreeMap::new());
        }

        #[test]
        fn reads_what_the_library_reads(data in "([a-c0-9=. \n]{0,3}[0-9]{1,2} [a-d]{1,3}=[a-z=. ]{0,9}\n){0,3}") {
            let lines: Vec<_> = ::tar::PaxExtensions::new(data.as_bytes()).map(Result::ok).collect();
            let known = lines.iter().map(|line| line.as_ref().map(|l| (l.key_bytes(), l.value_bytes())));
            // What the library reads to the end, both read alike.
            if let (Some(known), false) = (known.collect::<Option<Vec<_>>>(), data.contains("\n\n") || data.starts_with('\n')) {
                let found: Vec<_> = Records(data.as_bytes()).map(Result::unwrap).collect();
                prop_assert_eq!(found, known);
            }
        }

        #[test]
        fn round_trips(key in "[a-z]{1,8}\\.[a-z]{1,90}", value: Vec<u8>) {
            prop_assume!(!value.is_empty());
            let data = record(key.as_bytes(), &value);
            let pax = Pax::local(&data).unwrap();
            prop_assert_eq!(pax.others.get(&key), Some(&value));
        }
    }
}
