//! Sizes of what benches make.

/// A size, or a fiftieth of it among the tests (without `--bench`), which only ask that a bench still works.
pub fn sized(size: usize) -> usize {
    if std::env::args().any(|argument| argument == "--bench") { size } else { size / 50 }
}
