//! Image tar.
