//! hallmark: a supply-chain verifier and admission gate for container images.
//!
//! ```text
//! Reference ──resolve──▶ Image ──discover──▶ Vec<Raw> ──prove──▶ Vec<Proof<Claimed>> ───┐
//!  (tag/digest)          (bytes = digest)     (untrusted)          (trust rules)          │
//!                          │                                          │ provenance        │
//!                          ├─inventory──▶ Inventory ──reconcile(Sbom)─┼──▶ Vec<Finding>   │
//!                          │                                          ▼                   ▼
//!                          └──────────────────▶ compare ◀── build ◀── plan            Evidence
//!                                                │                                        │
//!                                                └──▶ Comparison ─────────────────────────┤
//!                         Verdict ◀── judge(policies, limits) ◀── PolicyInput ◀───────────┘
//! ```
//!
//! [`verify::verify`] is the only way from an image to a verdict; every face (command line, webhook) calls it and
//! renders what it gives. Modules are listed in the order in which they are best read; each uses only those of its own
//! layer or a lower one (ARCHITECTURE.md has the table, `tests/it/tidy.rs` enforces it).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// The command that prints a page of `docs/`, for messages, which are read where no documents lie: each is in the program
/// (`cli::explain`), in the version that fits. One that is not there does not compile.
macro_rules! page {
    ($page:literal) => {
        page!("", $page, "")
    };
    ($before:literal, $page:literal, $after:literal) => {{
        const _: &[u8] =
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/", $page, ".md"));
        concat!($before, "hallmark explain ", $page, $after)
    }};
}

// layer 0: words
pub mod amount;
pub mod digest;
pub mod finding;
pub mod json;
pub mod limits;
pub mod progress;
pub mod reach;
pub mod reference;
pub mod untrusted;
// layer 1: formats
pub mod attest;
pub mod contents;
pub mod image;
pub mod licences;
pub mod sbom;
pub mod vulnerabilities;
// layer 2: judgement
pub mod compare;
pub mod policy;
pub mod rebuild;
pub mod report;
pub mod trust;
pub mod verdict;
// layer 3: the world
pub mod engine;
pub mod environment;
pub mod saved;
pub mod scratch;
pub mod sign;
pub mod source;
// the pipeline
pub mod verify;
// layer 4: faces
pub mod gate;
// layer 5: shell
pub mod cli;
pub mod config;
