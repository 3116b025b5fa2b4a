//! The one integration binary: it drives the real program and checks the code base itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod allowed;
mod archives;
mod bad_input;
mod builder;
mod cage;
mod dependencies;
mod diff;
mod faces;
mod first_hour;
mod flows;
mod gate;
mod in_toto;
mod lab;
mod layers;
mod layouts;
mod names;
mod opa;
mod outputs;
mod platforms;
mod progress;
mod promises;
mod readme;
mod reasons;
mod rebuild;
mod registry;
mod robust;
mod roots;
mod server;
mod sign;
mod sigstore;
mod strangers;
mod support;
mod tidy;
mod untrusted;
mod verdicts;
