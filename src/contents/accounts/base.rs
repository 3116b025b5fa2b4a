//! The base's layers and the image's own.
//!
//! Turns the diffIDs of an image and of known bases into how many of its first layers are a base's: a base is known by the
//! digests of its uncompressed layers, which have to be the first ones of the image. By what a base is known is said. Labels,
//! annotations and claims that nobody proved are not looked at.

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

/// By what a base is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The operator lists its layers.
    Configured,
    /// Proven provenance names it as an input, and its own configuration lists its layers. That says where they are from,
    /// and not that anybody trusts them.
    Provenance,
}

impl Basis {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Provenance => "provenance",
        }
    }
}

/// How many layers are a known base's; nothing where none fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Base(Option<(usize, Basis)>);

impl Base {
    /// The longest of the bases that the operator lists whose layers are the first ones of the image.
    pub fn of(image: &[DiffId], known: &[Vec<DiffId>]) -> Self {
        Self::by(Basis::Configured, image, known)
    }

    /// The longest of the bases that proven provenance names whose layers are the first ones of the image.
    pub fn of_provenance(image: &[DiffId], named: &[Vec<DiffId>]) -> Self {
        Self::by(Basis::Provenance, image, named)
    }

    fn by(basis: Basis, image: &[DiffId], known: &[Vec<DiffId>]) -> Self {
        let fits = known.iter().filter(|base| !base.is_empty() && image.starts_with(base));
        Self(fits.map(Vec::len).max().map(|layers| (layers, basis)))
    }

    /// How many of the first layers are the base's.
    pub fn layers(self) -> Option<usize> {
        self.0.map(|(layers, _)| layers)
    }

    /// How many of the first layers are those of a base that the operator lists.
    pub fn configured_layers(self) -> Option<usize> {
        self.0.filter(|(_, basis)| *basis == Basis::Configured).map(|(layers, _)| layers)
    }

    /// By what the base is known.
    pub fn basis(self) -> Option<Basis> {
        self.0.map(|(_, basis)| basis)
    }

    /// Whose the layer is.
    pub fn side(self, layer: usize) -> Side {
        match self.layers() {
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
        assert_eq!(base.basis(), Some(Basis::Configured));
        let proven = Base::of_provenance(&image, &[chain("ab"), chain("x")]);
        assert_eq!((proven.layers(), proven.basis()), (Some(2), Some(Basis::Provenance)));
        assert_eq!((base.configured_layers(), proven.configured_layers()), (Some(2), None));
        assert_eq!((Base::default().side(0), Base::default().basis()), (Side::Unknown, None));
    }
}
