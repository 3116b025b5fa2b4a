//! Certificates and what they say: reading never panics.
#![no_main]

use hallmark::trust::{
    PublicKey,
    sigstore::{Certificate, Naming},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = PublicKey::from_pem(data);
    let Ok(certificate) = Certificate::parse(data) else { return };
    let _ = certificate.role();
    let _ = certificate.issuer();
    let _ = certificate.claims();
    let _ = certificate.subject();
    let _ = certificate.public_key();
    let _ = certificate.validity();
    for naming in [Naming::One, Naming::OneOfEachKind] {
        let _ = certificate.names(naming);
    }
});
