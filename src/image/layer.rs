//! Image layer.
