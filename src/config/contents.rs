//! `contents`: which bases are known, so that an image's own layers are told apart from theirs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};
use crate::digest::DiffId;

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    #[serde(default)]
    bases: Vec<RawBase>,
}

/// One base as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBase {
    layers: Vec<String>,
}

/// The layers of each known base, lowest first.
pub(super) fn bases(reader: &Reader<'_>, raw: &Raw) -> Result<Vec<Vec<DiffId>>, ConfigError> {
    let mut bases = Vec::new();
    for (index, base) in raw.bases.iter().enumerate() {
        let complain =
            |expected| want(expected, "they are rootfs.diff_ids of the base's configuration");
        let at = || key!["contents", "bases", index, "layers"];
        if base.layers.is_empty() {
            return Err(reader.refuse(at(), "an empty list", complain("at least one diffID")));
        }
        let layers = base.layers.iter().enumerate().map(|(layer, text)| {
            let at = key!["contents", "bases", index, "layers", layer];
            let refuse =
                || reader.refuse(at, format!("{text:?}"), complain("a diffID, as sha256:HEX"));
            text.parse::<DiffId>().map_err(|_| refuse())
        });
        let layers: Vec<DiffId> = layers.collect::<Result<_, _>>()?;
        if bases.contains(&layers) {
            let help = "remove one of them";
            return Err(reader.refuse(
                at(),
                "the layers of another base",
                want("each base once", help),
            ));
        }
        bases.push(layers);
    }
    Ok(bases)
}
