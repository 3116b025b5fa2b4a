//! cause
