//! spdx
