//! Hashing beside whoever reads, so that inflating goes on meanwhile.
//!
//! Turns bytes as they pass by into their digest, on a thread of its own where there are enough of them: what is read is copied into
//! batches, of which a bounded number is on its way. Where no thread can be had, and for short streams, the bytes are hashed where
//! they are read. A thread that was lost gives no digest.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use crate::digest::{Algorithm, Digest, Hasher};

/// Bytes that are handed over at a time.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that wait.
const BATCHES: usize = 2;
/// Bytes of a stream for which a thread is worth its while.
pub(super) const WORTH: u64 = 1 << 20;

/// Bytes that are hashed.
pub(super) enum Hashing {
    /// By whoever has them.
    Here(Hasher),
    /// By a thread.
    Beside(Beside),
}

/// The thread, and what goes to it.
pub(super) struct Beside {
    batch: Vec<u8>,
    sender: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<Digest>,
}

impl Hashing {
    /// Nothing is hashed yet of a stream of about so many bytes.
    pub(super) fn new(algorithm: Algorithm, bytes: u64) -> Self {
        let here = || Self::Here(Hasher::new(algorithm));
        if bytes < WORTH {
            return here();
        }
        let (sender, batches) = sync_channel::<Vec<u8>>(BATCHES);
        let (emptied, spare) = sync_channel(BATCHES);
        let hash = move || {
            let mut hasher = Hasher::new(algorithm);
            while let Ok(mut batch) = batches.recv() {
                hasher.update(&batch);
                batch.clear();
                // Nobody waits for it: what is not taken back is freed.
                drop(emptied.try_send(batch));
            }
            hasher.finish()
        };
        let thread = std::thread::Builder::new().name("hashing a layer".to_owned()).spawn(hash);
        thread.map_or_else(
            |_| here(),
            |thread| Self::Beside(Beside { batch: Vec::new(), sender, spare, thread }),
        )
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here(hasher) => hasher.update(bytes),
            Self::Beside(beside) => {
                beside.batch.extend_from_slice(bytes);
                if beside.batch.len() >= BATCH_BYTES {
                    beside.hand_over();
                }
            }
        }
    }

    /// The digest of all.
    ///
    /// # Errors
    /// The thread was lost.
    pub(super) fn finish(self) -> io::Result<Digest> {
        match self {
            Self::Here(hasher) => Ok(hasher.finish()),
            Self::Beside(mut beside) => {
                beside.hand_over();
                let Beside { sender, thread, .. } = beside;
                drop(sender);
                thread.join().map_err(|_| io::Error::other("the thread that hashes it was lost"))
            }
        }
    }
}

impl Beside {
    fn hand_over(&mut self) {
        let empty = self.spare.try_recv().unwrap_or_default();
        // A thread that is gone gives no digest in the end.
        drop(self.sender.send(std::mem::replace(&mut self.batch, empty)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_bytes_wherever_they_are_hashed() {
        let bytes: Vec<u8> = (0..3 * BATCH_BYTES + 7).map(|at| (at % 251) as u8).collect();
        for length in [0, 1, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, bytes.len()] {
            let part = &bytes[..length];
            for (size, is_here) in [(WORTH - 1, true), (WORTH, false)] {
                let mut hashing = Hashing::new(Algorithm::Sha256, size);
                assert_eq!(matches!(hashing, Hashing::Here(_)), is_here);
                part.chunks(64 << 10).for_each(|chunk| hashing.update(chunk));
                assert_eq!(hashing.finish().unwrap(), Digest::sha256(part), "{length}");
            }
        }
    }

    #[test]
    fn a_thread_that_is_lost_gives_no_digest() {
        let (sender, batches) = sync_channel::<Vec<u8>>(BATCHES);
        let (_, spare) = sync_channel(BATCHES);
        let thread = std::thread::spawn(move || {
            drop(batches.recv());
            std::panic::resume_unwind(Box::new("lost"))
        });
        let mut hashing = Hashing::Beside(Beside { batch: Vec::new(), sender, spare, thread });
        (0..20).for_each(|_| hashing.update(&[7; BATCH_BYTES]));
        assert!(hashing.finish().is_err());
    }
}
