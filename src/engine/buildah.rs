//! buildah
