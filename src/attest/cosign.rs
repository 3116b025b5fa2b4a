//! cosign
