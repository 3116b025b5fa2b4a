//! Trusted roots, files in PEM, and what was kept of TUF repositories: reading never panics.
#![no_main]

use hallmark::{
    limits::Limits,
    trust::sigstore::{
        PrivateRoot, TrustedRoot,
        tuf::{Cache, KNOWN, Update},
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    if let Ok(root) = TrustedRoot::from_json(data, &limits) {
        let _ = root.parts();
    }
    let timestamping = [data.to_vec()];
    let files = PrivateRoot {
        roots: data,
        intermediates: data,
        log_keys: data,
        ct_log_keys: data,
        timestamping: &timestamping,
    };
    let _ = TrustedRoot::from_pem(&files);
    let keys = PrivateRoot { log_keys: data, ..PrivateRoot::default() };
    let _ = TrustedRoot::from_pem(&keys);
    let now = jiff::Timestamp::UNIX_EPOCH;
    let initial = KNOWN[0].root;
    if let Ok(cache) = Cache::parse(data) {
        let _ = cache.verify(initial, now, &limits);
    }
    if let Ok(mut update) = Update::begin(data, None, now, &limits) {
        let _ = update.take(Some(data.to_vec()));
        let _ = update.wanted();
    }
    if let Ok(mut update) = Update::begin(initial, None, now, &limits) {
        let _ = update.take(Some(data.to_vec()));
        let _ = update.take(None);
        let _ = update.take(Some(data.to_vec()));
    }
});
