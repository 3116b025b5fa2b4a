//! The base's layers and the image's own.
//!
//! Turns the diffIDs of an image and of known bases into how many of its first layers are a base's: a base is known by the
//! digests of its uncompressed layers, which have to be the first ones of the image. Labels and annotations that name a base
//! are not looked at.

use crate::digest::DiffId;

/// Whose a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Side {
    /// A known base's.
    Base,
    /// The image's own.
    Own,
    /// No known base fits.
    #[default]
    Unknown,
}

impl Side {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Own => "own",
            Self::Unknown => "unknown",
        }
    }
}

/// How many layers are a known base's; nothing where none fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Base(Option<usize>);

impl Base {
    /// The longest of the known bases whose layers are the first ones of the image.
    pub fn of(image: &[DiffId], known: &[Vec<DiffId>]) -> Self {
        let fits = known.iter().filter(|base| !base.is_empty() && image.starts_with(base));
        Self(fits.map(Vec::len).max())
    }

    /// How many of the first layers are the base's.
    pub fn layers(self) -> Option<usize> {
        self.0
    }

    /// Whose the layer is.
    pub fn side(self, layer: usize) -> Side {
        match self.0 {
            None => Side::Unknown,
            Some(layers) if layer < layers => Side::Base,
            Some(_) => Side::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_known_by_its_layers() {
        let chain = |text: &str| -> Vec<DiffId> {
            text.chars().map(|c| DiffId::of(c.to_string().as_bytes())).collect()
        };
        let image = chain("abcd");
        let cases: [(&[&str], Option<usize>); 8] = [
            (&[], None),
            (&["a"], Some(1)),
            (&["a", "abc", "ab"], Some(3)),
            (&["abcd"], Some(4)),
            (&["abcde"], None),
            (&["b"], None),
            (&["ac"], None),
            (&[""], None),
        ];
        for (known, want) in cases {
            let known: Vec<_> = known.iter().map(|one| chain(one)).collect();
            assert_eq!(Base::of(&image, &known).layers(), want, "{known:?}");
        }
        let base = Base::of(&image, &[chain("ab")]);
        assert_eq!([0, 1, 2].map(|at| base.side(at)), [Side::Base, Side::Base, Side::Own]);
        assert_eq!(Base::default().side(0), Side::Unknown);
    }
}
