//! The one integration binary: it drives the real program and checks the code base itself.

mod tidy;
