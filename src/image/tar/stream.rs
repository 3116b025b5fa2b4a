//! The bytes under an archive.
//!
//! Turns a reader into one that the library and the strictness above it share, and remembers what the library does not
//! tell: how far it was read, whether it ended, and whether an error is its own.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufReader, Read},
};

const BUFFER_BYTES: usize = 64 << 10;

/// A buffered reader, for reading through a shared reference.
pub(super) struct Stream<R> {
    reader: RefCell<BufReader<R>>,
    position: Cell<u64>,
    ended: Cell<bool>,
    failed: Cell<bool>,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: RefCell::new(BufReader::with_capacity(BUFFER_BYTES, reader)),
            position: Cell::new(0),
            ended: Cell::new(false),
            failed: Cell::new(false),
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    /// Whether a read found no more bytes.
    pub(super) fn ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether a read failed.
    pub(super) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Reads to the end, or to the first byte that is not zero.
    pub(super) fn only_zeros_are_left(&self) -> io::Result<bool> {
        let mut reader = self;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(true);
            }
            if buffer.iter().take(read).any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }
}

impl<R: Read> Read for &Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.borrow_mut().read(buffer) {
                // The library gives up on an interrupted read.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed.set(true);
                    return Err(error);
                }
                Ok(read) => {
                    self.position.set(self.position.get().saturating_add(read as u64));
                    self.ended.set(self.ended.get() || (read == 0 && !buffer.is_empty()));
                    return Ok(read);
                }
            }
        }
    }
}
