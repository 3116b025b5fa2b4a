//! Image rootfs.
