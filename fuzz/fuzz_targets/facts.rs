//! Facts of files: capabilities are decoded and users are resolved without a panic, to numbers or a reason.
#![no_main]

use hallmark::contents::facts::{
    capabilities,
    user::{Accounts, resolve},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = capabilities::decode(data);
    let (user, accounts) = data.split_at(data.len().min(12));
    let user = String::from_utf8_lossy(user);
    let accounts = || Some(Ok(Accounts(accounts)));
    let found = resolve(&user, accounts(), accounts());
    assert!(found.resolved.is_some() != found.problem.is_some());
    assert!(found.resolved.is_none_or(|found| found.groups.len() <= 64));
});
