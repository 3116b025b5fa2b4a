//! slsa_v1
