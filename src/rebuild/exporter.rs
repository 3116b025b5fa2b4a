//! How the published image was written.
//!
//! Turns an image and what its provenance says of the exporter into an [`Exporter`]. BuildKit records none of its exporter
//! options, so they are read from the image itself: rewritten layers carry the annotation `buildkit/rewritten-timestamp`
//! (moby/buildkit, `util/converter`), media types and compression stand in the manifest, and buildah's choice between one
//! layer for each instruction and one for each stage shows in the history. Of the level of compression, a gzip header tells
//! the best and the fastest one from all others; a zstd frame tells nothing. A wrong guess costs a rung of the ladder and
//! never a rebuild: content is compared, too. Every guess names its evidence. Where the image is silent, [`alternatives`]
//! lists what else is possible, to be tried only if the first guess differs in what they would change.

use super::{Clue, EngineKind, Exporter, Plan, pins};
use crate::{
    amount::plural,
    attest::provenance::Provenance,
    image::{
        Compression, Descriptor, History, Image,
        gzip::{Effort, GzipHeader},
    },
};

/// The annotation that BuildKit leaves on a layer whose times it clamped.
const REWRITTEN: &str = "buildkit/rewritten-timestamp";

/// Reads the exporter's options; `carried` layers at the end were not written by the exporter.
pub fn infer(
    image: &Image,
    provenance: &Provenance,
    engine: EngineKind,
    carried: usize,
) -> Exporter {
    let own = image.manifest.layers.len().saturating_sub(carried);
    let layers = image.manifest.layers.get(..own).unwrap_or_default();
    let mut evidence = Vec::new();
    let rewrite_timestamp = timestamp(image, layers, provenance, engine, &mut evidence);
    let oci_media_types = image.manifest.media_type.is_oci();
    evidence.push(Clue::Read(format!("media type {}", image.manifest.media_type)));
    let compression = compression(layers, provenance, &mut evidence);
    let force_compression = forced(layers, compression);
    if force_compression {
        evidence.push(Clue::Read(format!("every layer is {}, the base's too", compression.name())));
    }
    let layered = layered(&image.config.history, provenance, &mut evidence);
    Exporter {
        rewrite_timestamp,
        oci_media_types,
        compression,
        level: None,
        force_compression,
        layers: layered,
        evidence,
    }
}

/// The highest level of any compressor.
const LEVEL_MAX: u32 = 22;

/// Adds the level of compression, where it was recorded or the header of the last layer that the exporter wrote tells it.
pub fn add_level(
    exporter: &mut Exporter,
    provenance: &Provenance,
    engine: EngineKind,
    header: Option<GzipHeader>,
) {
    // buildah has no such option before 1.30, and what it records is its own affair.
    if engine != EngineKind::Buildkit || exporter.compression == Compression::None {
        return;
    }
    let recorded = provenance.exporter.get("compressionLevel").and_then(|l| l.parse().ok());
    if let Some(level) = recorded.filter(|level| *level <= LEVEL_MAX) {
        exporter.level = Some(level);
        exporter.evidence.push(Clue::Read(format!("recorded: compressionLevel={level}")));
        return;
    }
    let Some(header) = header.filter(|_| exporter.compression == Compression::Gzip) else { return };
    exporter.level = match header.effort() {
        Effort::Best if header.is_gos() => Some(9),
        Effort::Fastest if header.is_gos() => Some(1),
        _ => None,
    };
    // Nothing to say of what all builders write.
    if exporter.level.is_some() || !header.is_gos() {
        exporter.evidence.push(Clue::Read(format!("last layer has a gzip {header}")));
    }
}

/// The other ways in which the image can have been written; none where it shows how, and one at most. Docker's media
/// types have no annotations, so that nothing marks a layer whose times were rewritten; the epoch is then the one of the
/// build.
pub fn alternatives(
    provenance: &Provenance,
    engine: EngineKind,
    chosen: &Exporter,
) -> Vec<Exporter> {
    let silent = engine == EngineKind::Buildkit
        && !chosen.oci_media_types
        && chosen.rewrite_timestamp.is_none()
        && !provenance.exporter.contains_key("rewriteTimestamp");
    let epoch = provenance.epoch_seconds.filter(|_| silent);
    let rewritten = |seconds: i64| {
        let mut other = chosen.clone();
        other.rewrite_timestamp = Some(seconds);
        other.evidence.push(Clue::Read(format!(
            "Docker's media types do not show whether times were rewritten to {seconds}"
        )));
        other
    };
    epoch.map(rewritten).into_iter().collect()
}

/// Whether no layer is stored otherwise. BuildKit leaves a base's gzip as it is unless it is told not to; where the base
/// was stored so already, telling it changes nothing.
fn forced(layers: &[Descriptor], compression: Compression) -> bool {
    let alike = |l: &Descriptor| l.media_type.layer_compression() == Some(compression);
    compression != Compression::Gzip && layers.iter().all(alike)
}

fn timestamp(
    image: &Image,
    layers: &[Descriptor],
    provenance: &Provenance,
    engine: EngineKind,
    evidence: &mut Vec<Clue>,
) -> Option<i64> {
    if let Some(recorded) = provenance.exporter.get("rewriteTimestamp") {
        evidence.push(Clue::Read(format!("recorded: rewriteTimestamp={recorded}")));
        return if recorded == "true" { provenance.epoch_seconds } else { None };
    }
    let annotated = layers.iter().rev().find_map(|l| l.annotations.get(REWRITTEN)?.parse().ok());
    if let Some(seconds) = annotated {
        evidence.push(Clue::Read(format!("layer annotation {REWRITTEN}={seconds}")));
        return Some(seconds);
    }
    if engine != EngineKind::Buildah {
        return None;
    }
    let seconds = one_time(image)?;
    evidence.push(Clue::Read(format!(
        "configuration and last step were created at the same second, {seconds}"
    )));
    Some(seconds)
}

/// buildah's `--timestamp` gives the configuration and each step of this build the same whole second; without it, steps
/// have fractions of seconds.
fn one_time(image: &Image) -> Option<i64> {
    let created: jiff::Timestamp = image.config.created.as_deref()?.parse().ok()?;
    let last: jiff::Timestamp = image.config.history.last()?.created.as_deref()?.parse().ok()?;
    (created == last && created.subsec_nanosecond() == 0).then(|| created.as_second())
}

/// Base layers keep the compression that they came with, so the last layer tells.
fn compression(
    layers: &[Descriptor],
    provenance: &Provenance,
    evidence: &mut Vec<Clue>,
) -> Compression {
    let all = [Compression::None, Compression::Gzip, Compression::Zstd];
    let recorded = provenance.exporter.get("compression");
    if let Some(found) = all.into_iter().find(|c| recorded.is_some_and(|r| r == c.name())) {
        evidence.push(Clue::Read(format!("recorded: compression={}", found.name())));
        return found;
    }
    let last = layers.last().and_then(|l| l.media_type.layer_compression());
    evidence
        .push(Clue::Read(format!("last layer is {}", last.unwrap_or(Compression::Gzip).name())));
    last.unwrap_or(Compression::Gzip)
}

/// Without `--layers`, buildah's steps that write files leave no layer of their own, except for the last one.
fn layered(history: &[History], provenance: &Provenance, evidence: &mut Vec<Clue>) -> bool {
    if let Some(recorded) = provenance.exporter.get("layers") {
        evidence.push(Clue::Read(format!("recorded: layers={recorded}")));
        return recorded == "true";
    }
    let squashed = history.iter().filter(|step| step.empty_layer && writes_files(&step.created_by));
    let squashed = squashed.count();
    let steps = plural(squashed, "step");
    evidence.push(Clue::Read(format!("{steps} without a layer that would have written files")));
    squashed == 0
}

fn writes_files(step: &str) -> bool {
    let step = step.trim_start();
    match step.split_once("#(nop)") {
        Some((_, nop)) => ["COPY ", "ADD "].iter().any(|word| nop.trim_start().starts_with(word)),
        None => {
            step.starts_with("/bin/sh -c ") || step.starts_with('|') || step.starts_with("RUN ")
        }
    }
}

/// How many layers of a rebuilt image come from its base. BuildKit's exporter marks every layer whose times it rewrote, and
/// leaves a base's layers alone; buildah names the base in the comment of its own first step. Where nothing tells them
/// apart, all count as rebuilt.
pub fn inherited_layers(rebuilt: &Image, plan: &Plan) -> usize {
    if plan.engine == EngineKind::Buildah {
        return layers_below_base(&rebuilt.config.history, plan);
    }
    if plan.exporter.rewrite_timestamp.is_none() {
        return 0;
    }
    let marked = |layer: &Descriptor| layer.annotations.contains_key(REWRITTEN);
    rebuilt.manifest.layers.iter().take_while(|layer| !marked(layer)).count()
}

/// Layers before the last step whose comment is `FROM` and one of the plan's bases. A base may have been built by buildah
/// too, so an earlier such step can be its own.
fn layers_below_base(history: &[History], plan: &Plan) -> usize {
    let bases = pins::bases(plan);
    let on_base = |step: &History| {
        let reference = step.comment.strip_prefix("FROM ");
        reference.is_some_and(|reference| bases.iter().any(|base| base.answers(reference)))
    };
    let own = history.iter().rposition(on_base).unwrap_or(0);
    history.iter().take(own).filter(|step| !step.empty_layer).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(steps: &[(&str, bool)]) -> Vec<History> {
        let step = |(created_by, empty_layer): &(&str, bool)| History {
            created: None,
            created_by: (*created_by).to_owned(),
            comment: String::new(),
            empty_layer: *empty_layer,
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn buildahs_layers_show_in_the_history() {
        let provenance = crate::rebuild::tests::provenance();
        let cases = [
            (
                vec![("/bin/sh -c #(nop) COPY file:1 in /a", false), ("/bin/sh -c make", false)],
                true,
            ),
            (
                vec![("/bin/sh -c #(nop) COPY file:1 in /a", true), ("/bin/sh -c make", false)],
                false,
            ),
            (vec![("/bin/sh -c #(nop) USER 1", true), ("/bin/sh -c make", false)], true),
            (vec![("|1 A=b /bin/sh -c make", true), ("/bin/sh -c #(nop) CMD x", false)], false),
        ];
        for (steps, want) in cases {
            assert_eq!(layered(&history(&steps), &provenance, &mut Vec::new()), want, "{steps:?}");
        }
        let mut recorded = provenance;
        recorded.exporter.insert("layers".to_owned(), "false".to_owned());
        assert!(!layered(&[], &recorded, &mut Vec::new()), "what is recorded counts");
    }

    #[test]
    fn the_annotation_of_a_rewritten_layer_gives_the_epoch() {
        let mut image = crate::rebuild::tests::image();
        let provenance = crate::rebuild::tests::provenance();
        let plain = infer(&image, &provenance, EngineKind::Buildkit, 0);
        assert_eq!(plain.rewrite_timestamp, None);
        assert_eq!(plain.compression, Compression::Gzip);
        let last = image.manifest.layers.last_mut().unwrap();
        last.annotations.insert(REWRITTEN.to_owned(), "1700000000".to_owned());
        let found = infer(&image, &provenance, EngineKind::Buildkit, 0);
        assert_eq!(found.rewrite_timestamp, Some(1_700_000_000));
        assert!(
            found.evidence.iter().any(|e| e.to_string().contains("1700000000")),
            "{:?}",
            found.evidence
        );
        // A layer that the exporter did not write says nothing about it.
        assert_eq!(infer(&image, &provenance, EngineKind::Buildkit, 1).rewrite_timestamp, None);
    }

    #[test]
    fn the_level_comes_from_what_is_recorded_or_from_the_header() {
        let header = |extra_flags, os| Some(GzipHeader { extra_flags, os });
        let cases = [
            (None, header(0, 255), None),
            (None, header(2, 255), Some(9)),
            (None, header(4, 255), Some(1)),
            // Another family's level is none of BuildKit's.
            (None, header(2, 3), None),
            (None, None, None),
            (Some("5"), header(2, 255), Some(5)),
            (Some("99999"), header(2, 255), Some(9)),
            (Some("-1 --push"), None, None),
        ];
        let image = crate::rebuild::tests::image();
        for (recorded, header, want) in cases {
            let mut provenance = crate::rebuild::tests::provenance();
            if let Some(level) = recorded {
                provenance.exporter.insert("compressionLevel".to_owned(), level.to_owned());
            }
            let mut exporter = infer(&image, &provenance, EngineKind::Buildkit, 0);
            let before = exporter.evidence.len();
            add_level(&mut exporter, &provenance, EngineKind::Buildkit, header);
            assert_eq!(exporter.level, want, "{recorded:?} {header:?}");
            assert!(want.is_none() || exporter.evidence.len() > before, "{:?}", exporter.evidence);
            let mut other = infer(&image, &provenance, EngineKind::Buildah, 0);
            add_level(&mut other, &provenance, EngineKind::Buildah, header);
            assert_eq!(other.level, None);
        }
    }

    #[test]
    fn what_docker_types_hide_is_tried_second() {
        let (image, mut provenance) =
            (crate::rebuild::tests::image(), crate::rebuild::tests::provenance());
        let shown = infer(&image, &provenance, EngineKind::Buildkit, 0);
        assert_eq!(alternatives(&provenance, EngineKind::Buildkit, &shown), []);
        let hidden = Exporter { oci_media_types: false, ..shown };
        let other = alternatives(&provenance, EngineKind::Buildkit, &hidden);
        let times: Vec<_> = other.iter().map(|exporter| exporter.rewrite_timestamp).collect();
        assert_eq!(times, [provenance.epoch_seconds]);
        assert_eq!(alternatives(&provenance, EngineKind::Buildah, &hidden), []);
        provenance.epoch_seconds = None;
        assert_eq!(alternatives(&provenance, EngineKind::Buildkit, &hidden), []);
    }

    #[test]
    fn a_base_is_compressed_again_only_where_all_layers_are_alike() {
        let layer = |suffix: &str| {
            let mut layer = crate::rebuild::tests::image().manifest.layers.remove(0);
            let text = format!("{}{suffix}", crate::image::MediaType::OCI_LAYER);
            layer.media_type = crate::image::MediaType::new(&text);
            layer
        };
        let cases = [
            (vec![layer("+zstd"), layer("+zstd")], Compression::Zstd, true),
            (vec![layer("+gzip"), layer("+zstd")], Compression::Zstd, false),
            (vec![layer("+gzip"), layer("+gzip")], Compression::Gzip, false),
            (vec![layer(""), layer("")], Compression::None, true),
        ];
        for (layers, compression, want) in cases {
            assert_eq!(forced(&layers, compression), want, "{layers:?}");
        }
    }

    #[test]
    fn buildahs_timestamp_is_one_whole_second() {
        let image = crate::rebuild::tests::image();
        let provenance = crate::rebuild::tests::provenance();
        let found = infer(&image, &provenance, EngineKind::Buildah, 0);
        assert_eq!(found.rewrite_timestamp, Some(1_735_689_600));
        let mut loose = crate::rebuild::tests::image();
        std::sync::Arc::make_mut(&mut loose.config).created =
            Some("2025-01-01T00:00:00.5Z".to_owned());
        assert_eq!(infer(&loose, &provenance, EngineKind::Buildah, 0).rewrite_timestamp, None);
    }

    #[test]
    fn buildah_names_the_base_where_its_own_steps_begin() {
        let mut plan = crate::rebuild::tests::plan();
        plan.engine = EngineKind::Buildah;
        let base = pins::bases(&plan).first().unwrap().pinned();
        let step = |comment: &str, empty_layer| History {
            created: None,
            created_by: "x".to_owned(),
            comment: comment.to_owned(),
            empty_layer,
        };
        let from = format!("FROM {base}");
        let cases = [
            (vec![step("", false), step(&from, true), step("FROM 1f2e", false)], 1),
            (vec![step("", false), step("", true), step("", false), step(&from, false)], 2),
            // The base itself came from the same builder.
            (vec![step(&from, false), step("FROM 1f2e", false), step(&from, false)], 2),
            (vec![step("", false), step("FROM registry.example/other", false)], 0),
            (Vec::new(), 0),
        ];
        for (history, want) in cases {
            let mut image = crate::rebuild::tests::image();
            std::sync::Arc::make_mut(&mut image.config).history = history;
            assert_eq!(inherited_layers(&image, &plan), want, "{:?}", image.config.history);
        }
    }
}
