//! What one image may cost, and what is known already.
//!
//! Turns the limit of signature checks into [`Left`], from which each check is taken, and keeps what came of them in [`Known`].
//! Nothing here has a clock: whoever asks says between two checks whether the work [goes on](Work::go_on).

use std::collections::HashMap;

use super::{
    PublicKey,
    sigstore::{SigstoreError, Vouched},
};
use crate::{
    amount::plural,
    digest::{Algorithm, Digest, Hasher},
    limits::{self, Limits},
};

/// Bytes that take as long to hash as a signature to check.
const UNIT_BYTES: usize = 64 << 10;

/// What is bounded while one image is judged.
pub struct Work<'w> {
    /// The bounds.
    pub limits: &'w Limits,
    /// What came of checks before, for the same rules.
    pub known: &'w mut Known,
    /// Called between two pieces of work. Whether anybody still waits for it: where not, the rest is left out.
    pub go_on: &'w mut dyn FnMut() -> bool,
}

/// What came of checks: of this signature over these bytes, by this key or identity, which go by their place in the rules.
#[derive(Debug, Default)]
pub struct Known {
    pub(in crate::trust) made: HashMap<(Digest, usize), bool>,
    pub(in crate::trust) vouched: HashMap<(Digest, usize), Result<Vouched, SigstoreError>>,
    /// By the one scheme of in-toto.
    linked: HashMap<(Digest, String), bool>,
}

/// The checks that are left for one image.
pub(in crate::trust) struct Left {
    checks: u64,
    /// Whether somebody wanted more.
    short: bool,
    /// Whether nobody waits any more.
    ended: bool,
}

impl Left {
    pub(in crate::trust) fn of(limits: &Limits) -> Self {
        Self { checks: limits.signature_checks as u64, short: false, ended: false }
    }

    /// As many as anybody asks for.
    pub(in crate::trust) fn endless() -> Self {
        Self { checks: u64::MAX, short: false, ended: false }
    }

    /// Takes so many, or says that there are too few.
    pub(in crate::trust) fn take(&mut self, cost: u64, go_on: &mut dyn FnMut() -> bool) -> bool {
        self.ended |= !go_on();
        match self.checks.checked_sub(cost).filter(|_| !self.ended && !self.short) {
            Some(left) => {
                self.checks = left;
                true
            }
            // What is cheaper may fit still, but what comes later is less likely to be proven.
            None => {
                self.short = true;
                false
            }
        }
    }

    /// Whether this key made the signature of a link over `message`, which has this digest.
    pub(in crate::trust) fn checks_link(
        &mut self,
        (digest, message): (&Digest, &[u8]),
        signature: &[u8],
        key: &PublicKey,
        work: &mut Work<'_>,
    ) -> bool {
        let id = (signature_id(digest, signature), key.fingerprint());
        if let Some(made) = work.known.linked.get(&id) {
            return *made;
        }
        if !self.take(unit(message.len()), work.go_on) {
            return false;
        }
        let made = key.verifies_in_toto(message, signature);
        work.known.linked.insert(id, made);
        made
    }

    /// Whether there were too few.
    pub(in crate::trust) fn is_short(&self) -> bool {
        self.short
    }

    /// Why signatures were left out.
    pub(in crate::trust) fn why(&self, limits: &Limits, count: usize) -> String {
        if self.ended {
            let signatures = plural(count, "signature");
            return format!("not checked: {signatures}, since nobody waited any more");
        }
        let (key, most) = (limits::key("signature_checks"), limits.signature_checks);
        let signatures = plural(count, "signature");
        format!("not checked with every key: {signatures}; {key} is {most} for one image")
    }
}

/// What it costs to hash and check a message of so many bytes.
pub(in crate::trust) fn unit(bytes: usize) -> u64 {
    (bytes / UNIT_BYTES) as u64 + 1
}

/// The same for equal signatures over bytes of this digest.
pub(in crate::trust) fn signature_id(message: &Digest, signature: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(message.to_string().as_bytes());
    hasher.update(signature);
    hasher.finish()
}
