//! Which of many hints at how an image was built is followed first.
//!
//! Provenance that nobody proved is a hint, and whoever may push can attach thousands. Turns them into the plans that name
//! trusted inputs alone, each once, those first that nothing in the published image contradicts (attack H42): its time, labels,
//! arguments in its history, and the digest of its base are what a build would write. What the image does not show cannot be
//! told apart without a build, so that whoever copies the right hint and changes such a thing has a place beside it.

use super::{
    Plan, Planned,
    inputs::questions,
    plan::{LayerTraces, PlanOptions, plan},
};
use crate::{
    attest::provenance::{Pin, Provenance},
    image::Image,
    trust::TrustedSource,
};

/// The label of the commit (image-spec v1.1, annotations.md).
const REVISION: &str = "org.opencontainers.image.revision";
/// The annotation of the base (image-spec v1.1, annotations.md).
const BASE: &str = "org.opencontainers.image.base.digest";
/// Plans that are kept: more than are asked about, and each once.
const MOST_PLANS: usize = 256;

/// Hints that may be followed, the likeliest first.
#[derive(Debug, Default)]
pub struct Hints {
    /// Which hint, and its plan.
    pub fitting: Vec<(usize, Plan)>,
    /// How many more there are, or may be.
    pub left_out: usize,
    /// What is not trusted of the first that cannot be followed.
    pub untrusted: Vec<String>,
}

/// Chooses among hints. `go_on` says whether anybody still waits.
pub fn choose(
    hints: &[Provenance],
    image: &Image,
    (traces, options): (&LayerTraces, &PlanOptions),
    sources: &[TrustedSource],
    go_on: &mut dyn FnMut() -> bool,
) -> Hints {
    let location = &image.reference.location;
    let mut chosen = Hints::default();
    let mut ranked: Vec<(usize, usize, Plan)> = Vec::new();
    for (place, hint) in hints.iter().enumerate() {
        if !go_on() {
            break;
        }
        let Planned::Plan(plan) = plan(hint, image, traces, options) else { continue };
        match questions(&plan, location, sources) {
            Ok(_) => ranked.push((misfits(&plan, image), place, *plan)),
            Err(untrusted) if chosen.untrusted.is_empty() => chosen.untrusted = untrusted,
            Err(_) => {}
        }
    }
    ranked.sort_by_key(|(misfits, place, _)| (*misfits, *place));
    for (_, place, plan) in ranked {
        if chosen.fitting.iter().any(|(_, known)| *known == plan) {
            continue;
        }
        match chosen.fitting.len() < MOST_PLANS {
            true => chosen.fitting.push((place, plan)),
            false => chosen.left_out = chosen.left_out.saturating_add(1),
        }
    }
    chosen
}

/// How many things in the published image a build by this plan would write otherwise.
fn misfits(plan: &Plan, image: &Image) -> usize {
    let labels = &image.config.runtime.labels;
    let time = image.config.created.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let other_time = match (plan.epoch_seconds, time) {
        (Some(epoch), Some(time)) => time.as_second() != epoch,
        _ => false,
    };
    let commit = plan.source.repository().map(|repository| repository.commit.as_str());
    let revision = labels.get(REVISION).or(image.manifest.annotations.get(REVISION));
    let other_commit = revision.is_some_and(|text| commit.is_some_and(|commit| commit != text));
    let other_labels = plan.labels.iter().filter(|(key, value)| labels.get(*key) != Some(value));
    let other_args = plan.build_args.iter().filter(|(key, value)| is_other_arg(key, value, image));
    let base = labels.get(BASE).or(image.manifest.annotations.get(BASE));
    let is_base = |base: &str| {
        let pins = plan.materials.iter().map(|material| &material.pin);
        pins.filter_map(|pin| match pin {
            Pin::Content(digest) => Some(digest.to_string()),
            _ => None,
        })
        .any(|digest| digest == base)
    };
    let other_base = base.is_some_and(|base| !is_base(base));
    usize::from(other_time)
        + usize::from(other_commit)
        + other_labels.count()
        + other_args.count()
        + usize::from(other_base)
}

/// Whether the history shows this argument, and with another value alone: a step that may read it is recorded as
/// `RUN |1 NAME=value /bin/sh -c …`.
fn is_other_arg(key: &str, value: &str, image: &Image) -> bool {
    let steps = image.config.history.iter().map(|step| step.created_by.as_str());
    let steps: Vec<&str> = steps.filter(|step| step.contains(" |")).collect();
    let shows = |text: &str| steps.iter().any(|step| step.contains(text));
    shows(&format!(" {key}=")) && !shows(&format!(" {key}={value} "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        rebuild::{inputs, tests},
        trust::sources::tests::source,
    };

    /// Provenance that sets this time and this argument.
    fn hint(epoch: i64, version: &str) -> Provenance {
        let mut predicate = tests::predicate();
        let args = predicate.pointer_mut("/invocation/parameters/args").unwrap();
        args["build-arg:SOURCE_DATE_EPOCH"] = epoch.to_string().into();
        args["build-arg:VERSION"] = version.into();
        let options = args.as_object_mut().unwrap();
        options.retain(|key, _| {
            !["add-hosts", "force-network-mode", "no-cache", "label:l"].contains(&key.as_str())
        });
        tests::parse(predicate)
    }

    fn plan_of(hint: &Provenance, image: &Image) -> Plan {
        match plan(hint, image, &LayerTraces::default(), &PlanOptions::default()) {
            Planned::Plan(plan) => *plan,
            Planned::NotReplayable(gaps) => panic!("{gaps:#?}"),
        }
    }

    /// When the image of `rebuild::tests` was made.
    const MADE: i64 = 1_735_689_600;

    #[test]
    fn h42_what_the_image_contradicts_comes_last_and_what_cannot_be_followed_has_no_place() {
        let image = tests::image();
        let honest = hint(MADE, "1");
        let trusted = inputs::tests::enough(&plan_of(&honest, &image));
        let choose_of = |hints: &[Provenance]| {
            choose(
                hints,
                &image,
                (&LayerTraces::default(), &PlanOptions::default()),
                std::slice::from_ref(&trusted),
                &mut || true,
            )
        };
        // Equal plans are one, however often they are attached.
        let mut hints: Vec<Provenance> = (0..600).map(|n| hint(MADE + 1 + n % 300, "1")).collect();
        hints.push(honest.clone());
        let chosen = choose_of(&hints);
        assert_eq!(chosen.fitting.first().map(|(place, _)| *place), Some(600));
        assert_eq!((chosen.fitting.len(), chosen.left_out > 0), (MOST_PLANS, true));
        let twins = choose_of(&vec![honest.clone(); 10]);
        assert_eq!((twins.fitting.len(), twins.left_out), (1, 0));
        // What is of no listed repository, and what cannot be planned.
        let mut elsewhere = tests::predicate();
        elsewhere["materials"] = json!([]);
        let none = choose(
            std::slice::from_ref(&honest),
            &image,
            (&LayerTraces::default(), &PlanOptions::default()),
            &[source()],
            &mut || true,
        );
        assert!(none.fitting.is_empty() && !none.untrusted.is_empty());
        let mut mixed = vec![tests::parse(elsewhere); 10];
        mixed.push(honest);
        assert_eq!(choose_of(&mixed).fitting.len(), 1);
    }

    #[test]
    fn h42_what_the_image_shows_tells_hints_apart() {
        let labels =
            json!({ REVISION: "0".repeat(40), BASE: format!("sha256:{}", "9".repeat(64)) });
        let plain = tests::image();
        let mut shown = tests::image_with(&labels, 2);
        let fits = plan_of(&hint(MADE, "1"), &plain);
        assert_eq!(misfits(&fits, &plain), 0);
        assert_eq!(misfits(&plan_of(&hint(MADE + 1, "1"), &plain), &plain), 1, "another time");
        assert_eq!(misfits(&fits, &shown), 2, "another commit and another base");
        std::sync::Arc::make_mut(&mut shown.config).runtime.labels.clear();
        for (step, want) in [
            ("RUN |1 VERSION=1 /bin/sh -c make", 0),
            ("RUN |1 VERSION=2 /bin/sh -c make", 1),
            ("RUN make VERSION=2 x", 0),
        ] {
            let config = std::sync::Arc::make_mut(&mut shown.config);
            step.clone_into(&mut config.history[0].created_by);
            assert_eq!(misfits(&fits, &shown), want, "{step}");
        }
        let labelled = Plan { labels: [("a".to_owned(), "b".to_owned())].into(), ..fits };
        assert_eq!(misfits(&labelled, &plain), 1, "a label that is not there");
    }
}
