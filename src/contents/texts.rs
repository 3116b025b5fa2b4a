//! Texts of licences as they pass by: one file is held at a time, and what it was read as is kept.
//!
//! Whoever collects such texts says how they are read and what reading one takes, and asks for what was read by the number of the
//! file. A text that is larger than any is not read, and says so.

use std::collections::BTreeMap;

use crate::{
    image::collect::Seen,
    licences::{Licence, Unreadable},
};

/// Texts that are kept of one image; those of a large distribution have some thousands of packages.
const FILES: usize = 50_000;

/// What a text was read as.
pub(super) type Read = Result<Licence, Unreadable>;

/// How texts of one kind are read.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// Reads one.
    pub(super) read: fn(&[u8]) -> Read,
    /// Bytes of the largest that is read.
    pub(super) largest: u64,
    /// What is said of a larger one.
    pub(super) larger: Unreadable,
    /// Memory that reading one takes, in times of its size.
    pub(super) copies: u64,
    /// What one takes in memory once it is read, beside its words.
    pub(super) kept_bytes: u64,
}

/// The texts of one kind.
#[derive(Debug)]
pub(super) struct Texts {
    form: Form,
    /// By the number of the file.
    found: BTreeMap<u64, Read>,
    open: Option<(u64, Vec<u8>)>,
    needs: u64,
    held: u64,
}

impl Texts {
    /// Nothing is read yet.
    pub(super) fn new(form: Form) -> Self {
        Self { form, found: BTreeMap::new(), open: None, needs: 0, held: 0 }
    }

    /// What the file of this number was read as.
    pub(super) fn get(&self, inode: u64) -> Option<&Read> {
        self.found.get(&inode)
    }

    /// Whether the content of a file is read that is a text by its path.
    pub(super) fn wants(&mut self, file: &Seen<'_>, is_text: bool) -> bool {
        self.open = None;
        self.needs = 0;
        if !is_text || self.found.len() >= FILES {
            return false;
        }
        let Form { largest, larger, copies, kept_bytes, .. } = &self.form;
        if file.size > *largest {
            self.held = self.held.saturating_add(*kept_bytes);
            self.found.insert(file.inode, Err(larger.clone()));
            return false;
        }
        self.needs = file.size.saturating_mul(*copies);
        self.open = Some((file.inode, Vec::new()));
        true
    }

    /// Takes the next bytes of it.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let Some((_, held)) = &mut self.open {
            held.extend_from_slice(bytes);
        }
    }

    /// Reads it.
    pub(super) fn close(&mut self) {
        self.needs = 0;
        if let Some((inode, bytes)) = self.open.take() {
            let read = (self.form.read)(&bytes);
            let words = read.as_ref().map_or(0, Licence::bytes);
            self.held = self.held.saturating_add(self.form.kept_bytes).saturating_add(words);
            self.found.insert(inode, read);
        }
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> u64 {
        self.held.saturating_add(self.needs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        read: |bytes| Err(if bytes == b"ab" { Unreadable::Nothing } else { Unreadable::TooMuch }),
        largest: 2,
        larger: Unreadable::Text,
        copies: 8,
        kept_bytes: 100,
    };

    #[test]
    fn one_text_is_held_at_a_time_up_to_the_largest() {
        let mut texts = Texts::new(FORM);
        let file = |inode, size| Seen { inode, size, ..Seen::named("/LICENSE") };
        assert!(!texts.wants(&file(1, 2), false));
        assert!(!texts.wants(&file(2, 3), true));
        assert_eq!(texts.held(), 100);
        assert!(texts.wants(&file(3, 2), true));
        assert_eq!(texts.held(), 100 + 2 * 8);
        texts.take(b"a");
        texts.take(b"b");
        texts.close();
        assert_eq!(texts.held(), 200);
        let all = [1, 2, 3].map(|inode| texts.get(inode).cloned());
        assert_eq!(all, [None, Some(Err(Unreadable::Text)), Some(Err(Unreadable::Nothing))]);
    }
}
