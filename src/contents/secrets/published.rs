//! Private keys that are published, inside of the libraries and toolchains that test themselves with them.
//!
//! GnuTLS tests its algorithms when it is loaded (`lib/crypto-selftests-pk.c`), with keys that every copy of it holds in PEM. Go's
//! sources have two (`crypto/tls/example_test.go`, `crypto/x509/platform_root_key.pem`); its other keys say that they are for tests.

use sha2::{Digest as _, Sha256};

/// The first bytes of the SHA-256 digests of the keys in DER.
const DIGESTS: [u64; 12] = [
    0x0294_b440_6902_e33b,
    0x0941_6ba3_e078_2523,
    0x09f1_c1a4_680d_f80b,
    0x2859_ff03_b44c_8f0e,
    0x4580_22dd_cb55_98b3,
    0x60c3_23ab_e485_4b03,
    0x7e38_af77_15bb_b425,
    0x87e2_88dc_7dbc_29a2,
    0x995b_8d5b_08ac_126a,
    0xd245_e52c_341a_7664,
    0xec5f_a990_4554_f5f4,
    0xffdf_f065_7e09_322f,
];

/// Whether the key with these bytes is one of them.
pub(super) fn is_published(key: &[u8]) -> bool {
    let hash = Sha256::digest(key);
    let first = hash.first_chunk::<8>().map(|first| u64::from_be_bytes(*first));
    first.is_some_and(|first| DIGESTS.contains(&first))
}
