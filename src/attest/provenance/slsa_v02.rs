//! slsa_v02
