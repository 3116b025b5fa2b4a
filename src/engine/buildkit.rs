//! buildkit
