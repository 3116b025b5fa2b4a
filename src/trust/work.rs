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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::testing::TestKey;

    #[test]
    fn c22_checks_are_taken_while_there_are_enough_and_somebody_waits() {
        let limits = Limits { signature_checks: 5, ..Limits::default() };
        // What is asked for one after the other, with whether somebody waits, and what is given.
        type Case<'c> = (&'c [(u64, bool)], &'c [bool]);
        let cases: [Case<'_>; 6] = [
            (&[(5, true)], &[true]),
            (&[(6, true)], &[false]),
            (&[(2, true), (3, true), (0, true)], &[true, true, true]),
            (&[(2, true), (3, true), (1, true)], &[true, true, false]),
            // Nothing behind what did not fit, however cheap.
            (&[(4, true), (2, true), (1, true), (0, true)], &[true, false, false, false]),
            (&[(1, true), (1, false), (1, true)], &[true, false, false]),
        ];
        for (asked, given) in cases {
            let mut left = Left::of(&limits);
            let take = |(cost, waits): &(u64, bool)| left.take(*cost, &mut || *waits);
            let got: Vec<bool> = asked.iter().map(take).collect();
            assert_eq!(got, given, "{asked:?}");
            assert_eq!(left.is_short(), given.contains(&false), "{asked:?}");
            let nobody = asked.iter().any(|(_, waits)| !waits);
            let why = left.why(&limits, 2);
            assert!(why.contains("2 signatures"), "{why}");
            assert_eq!(why.contains("nobody waited"), nobody, "{why}");
            assert_eq!(why.contains("signatureChecks is 5"), !nobody, "{why}");
        }
        assert!(Left::endless().take(u64::MAX, &mut || true));
    }

    #[test]
    fn a_long_message_costs_as_much_as_its_hash() {
        for (bytes, cost) in [(0, 1), (65_535, 1), (65_536, 2), (131_071, 2), (1 << 20, 17)] {
            assert_eq!(unit(bytes), cost, "{bytes}");
        }
    }

    /// What is known of a signature by a key costs nothing, and is not taken for what another key or signature is.
    #[test]
    fn c22_a_link_is_checked_once_by_each_key() {
        let limits = Limits { signature_checks: 3, ..Limits::default() };
        let (key, other) = (TestKey::p256(), TestKey::p256());
        let message: &[u8] = b"link";
        let (digest, signature) = (Digest::sha256(message), key.sign(message));
        let (known, go_on) = (&mut Known::default(), &mut || true);
        let (mut left, mut work) = (Left::of(&limits), Work { limits: &limits, known, go_on });
        // By whom, over what, whether it is theirs, and whether checks are used up behind it.
        let strange: &[u8] = b"no signature";
        let cases = [
            (&key, &signature[..], true, false),
            (&key, &signature[..], true, false),
            (&other, &signature[..], false, false),
            (&key, strange, false, false),
            (&other, &signature[..], false, false),
            (&other, strange, false, true),
            (&key, &signature[..], true, true),
        ];
        for (place, (key, signature, made, short)) in cases.into_iter().enumerate() {
            let found = left.checks_link((&digest, message), signature, &key.public, &mut work);
            assert_eq!((found, left.is_short()), (made, short), "{place}");
        }
    }
}
