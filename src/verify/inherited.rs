//! Layers that a rebuilt image has from its base.
//!
//! Turns the bases that a builder was given, by the record of what served them, into the number of first layers of its result that are
//! those of one of them. What annotations and history say of it is the builder's word, and nobody's where times are kept.

use super::{Inquiry, sides::given_bases};
use crate::{
    digest::{DiffId, Digest},
    engine::Finished,
    image::Image,
    rebuild::Plan,
};

/// How many there are; `None` where nothing here served the builder, or where what was served cannot be read any more.
pub(super) async fn count(
    rebuilt: &Image,
    plan: &Plan,
    finished: &Finished,
    inquiry: &Inquiry,
) -> Option<usize> {
    let served = finished.built.report.served.as_ref()?;
    let given = |digest: &Digest| served.contains(digest);
    let (_, bases) = given_bases(plan, finished, given, inquiry).await?;
    bases.iter().map(|base| shared(&base.config.diff_ids, rebuilt)).max().or(Some(0))
}

/// All layers of a base, or none: an image is built on what a base is as a whole.
fn shared(base: &[DiffId], rebuilt: &Image) -> usize {
    if rebuilt.config.diff_ids.starts_with(base) { base.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_a_base_s_where_all_of_it_is_there() {
        let rebuilt = crate::rebuild::tests::image();
        let layers = rebuilt.config.diff_ids.clone();
        assert!(!layers.is_empty());
        assert_eq!(shared(&layers, &rebuilt), layers.len());
        assert_eq!(shared(&[], &rebuilt), 0);
        let other = DiffId::new(Digest::sha256(b"other"));
        assert_eq!(shared(std::slice::from_ref(&other), &rebuilt), 0);
        let longer = [layers.as_slice(), &[other]].concat();
        assert_eq!(shared(&longer, &rebuilt), 0, "a part of a base is no base");
    }
}
