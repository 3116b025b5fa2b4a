//! The one place where bytes meet their digest.
//!
//! Turns bytes and the digest that should name them into a [`Checked`]. Everything that parses an image document takes
//! a `Checked`, so no document is judged before its digest was recomputed (image-spec v1.1, descriptor.md,
//! "Verification").

use bytes::Bytes;

use super::{Checked, FormatError};
use crate::digest::{Digest, Hasher};

impl<D: AsRef<Digest>> Checked<D> {
    /// Hashes `bytes` and keeps them when they hash to `digest`; `what` names the document in the error.
    ///
    /// # Errors
    /// [`FormatError::Digest`] with the digest that came out.
    pub fn new(what: &'static str, digest: D, bytes: Bytes) -> Result<Self, FormatError> {
        let expected = digest.as_ref();
        let mut hasher = Hasher::new(expected.algorithm());
        hasher.update(&bytes);
        let found = hasher.finish();
        if found != *expected {
            return Err(FormatError::Digest { what, expected: expected.clone(), found });
        }
        Ok(Self { digest, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::ManifestDigest;

    #[test]
    fn only_the_right_bytes_are_checked() {
        let digest = ManifestDigest::of(b"{}");
        assert!(Checked::new("manifest", digest.clone(), Bytes::from_static(b"{}")).is_ok());
        let error = Checked::new("manifest", digest.clone(), Bytes::from_static(b"{} "));
        let found = Digest::sha256(b"{} ");
        let expected = digest.digest().clone();
        assert_eq!(error, Err(FormatError::Digest { what: "manifest", expected, found }));
    }
}
