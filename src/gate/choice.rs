//! By which preset an image is judged: for its name, its namespace, and what its object asks for.
//!
//! The first entry of `policy.presets` that is about image and namespace gives the preset, `policy.preset` where none is. Labels of
//! a namespace are the apiserver's word ([`namespaces`](super::namespaces)), read only where an entry takes them to tell; where they
//! cannot be read the image is denied. An object may ask for more by the label [`PRESET_LABEL`], which whoever makes it can write: a
//! preset that includes the chosen one and that the operator listed is taken in its place, one that is included changes nothing, and
//! any other denies.

use super::{
    namespaces::{Namespaces, Told},
    outcome::Own,
};
use crate::{
    policy::{bundle::Preset, namespaces::NamespaceSelector},
    reference::Reference,
    trust::ImagePattern,
    untrusted::{clean, shortened},
};

/// The label of a pod, or pod template, that names the least preset for its images.
pub const PRESET_LABEL: &str = "hallmark.dev/preset";
/// Characters of a label's value that a message repeats: as many as a label can have.
const SHOWN_CHARS: usize = 63;

/// What an image is judged by, as far as it is chosen for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Chosen {
    /// The entry of `policy.presets`; none for all other images.
    pub entry: Option<usize>,
    /// The stricter preset that the object asks for.
    pub raised: Option<&'static str>,
}

/// An entry of `policy.presets`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which images.
    pub images: Vec<ImagePattern>,
    /// In which namespaces; in all where nothing is said.
    pub namespaces: Option<NamespaceSelector>,
    /// By which preset.
    pub preset: &'static str,
}

/// The presets that there are to choose from.
pub struct Presets {
    /// That of images that no entry is about.
    pub preset: &'static str,
    /// The entries, in their order.
    pub entries: Vec<Entry>,
    /// What objects may ask for.
    pub objects: Vec<&'static str>,
    /// Who tells the labels of namespaces.
    pub namespaces: Option<Namespaces>,
}

/// What was chosen, and how that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) chosen: Chosen,
    /// The preset.
    pub(super) preset: &'static str,
    /// Whether it is another than the image's name alone would have.
    pub(super) is_of_object: bool,
    /// A weaker preset that the object asks for.
    pub(super) weaker: Option<&'static str>,
}

impl Presets {
    /// The preset for an image that an object in `namespace` runs, which asks for the preset `asked`, if for any.
    ///
    /// # Errors
    /// Why nobody can tell, or why the object may not ask for it: the image is to be denied.
    pub(super) async fn choose(
        &self,
        image: &Reference,
        namespace: &str,
        asked: Option<&str>,
    ) -> Result<Choice, Own> {
        let location = match image {
            Reference::At(location, _) => location.to_string(),
            bare @ Reference::Bare(_) => bare.to_string(),
        };
        let mut labels: Option<Told> = None;
        let mut found = None;
        for (index, entry) in self.entries.iter().enumerate() {
            if !entry.images.iter().any(|image| image.matches_written(&location)) {
                continue;
            }
            let Some(selector) = &entry.namespaces else {
                found = Some((index, entry));
                break;
            };
            if !selector.has_name(namespace) {
                continue;
            }
            if selector.asks_labels() {
                if labels.is_none() {
                    labels = Some(self.labels(namespace).await);
                }
                match &labels {
                    Some(Ok(labels)) if selector.has_labels(labels) => {}
                    Some(Ok(_)) => continue,
                    Some(Err(why)) => return Err(unread(index, namespace, why)),
                    None => return Err(unread(index, namespace, "nobody was asked")),
                }
            }
            found = Some((index, entry));
            break;
        }
        let preset = found.map_or(self.preset, |(_, entry)| entry.preset);
        let is_of_object = found.is_some_and(|(_, entry)| entry.namespaces.is_some());
        let chosen = Chosen { entry: found.map(|(index, _)| index), raised: None };
        self.raise(Choice { chosen, preset, is_of_object, weaker: None }, asked)
    }

    async fn labels(&self, namespace: &str) -> Told {
        match &self.namespaces {
            Some(namespaces) => namespaces.labels(namespace).await,
            None => Err("gate.apiserver is not configured".into()),
        }
    }

    fn raise(&self, choice: Choice, asked: Option<&str>) -> Result<Choice, Own> {
        let Some(asked) = asked else { return Ok(choice) };
        let Some(name) = Preset::names().find(|name| *name == asked) else {
            return Err(refused(asked, "there is no such preset", &self.objects));
        };
        let broken = |_| refused(name, "the presets cannot be compared", &self.objects);
        let known = |name: &str| Preset::named(name).map_err(broken);
        let (asked, own) = (known(name)?, known(choice.preset)?);
        if own.includes(&asked) {
            let weaker = (name != choice.preset).then_some(name);
            return Ok(Choice { weaker, ..choice });
        }
        if !asked.includes(&own) {
            let why = format!("it leaves out what {} asks for here", choice.preset);
            return Err(refused(name, &why, &self.objects));
        }
        if !self.objects.contains(&name) {
            let why = "gate.objectPresets in hallmark.yaml does not list it";
            return Err(refused(name, why, &self.objects));
        }
        let chosen = Chosen { raised: Some(name), ..choice.chosen };
        Ok(Choice { chosen, preset: name, is_of_object: true, weaker: None })
    }
}

fn unread(index: usize, namespace: &str, why: &str) -> Own {
    let words = format!(
        "the labels of namespace {} cannot be read, by which policy.presets[{index}] chooses: {why}\n\
         help: see gate.apiserver in hallmark.yaml, and whether its token may get namespaces; try again",
        clean(&shortened(namespace, SHOWN_CHARS))
    );
    Own("gate-namespace", words.into())
}

fn refused(asked: &str, why: &str, listed: &[&str]) -> Own {
    let asked = match asked {
        "" => "\"\"".to_owned(),
        asked => clean(&shortened(asked, SHOWN_CHARS)),
    };
    let help = match listed {
        [] => "take the label away".to_owned(),
        listed => format!("take the label away, or ask for one of {}", listed.join(", ")),
    };
    let words = format!(
        "the label {PRESET_LABEL} asks for the preset {asked}, which is not taken: {why}\nhelp: {help}"
    );
    Own("gate-preset", words.into())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::FutureExt as _;

    use super::*;
    use crate::{gate::namespaces::Times, policy::namespaces::Labels};

    fn entry(images: &str, names: &[&str], labels: &[(&str, &str)], preset: &'static str) -> Entry {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), [(*value).to_owned()].into());
        let selector = NamespaceSelector {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            labels: labels.iter().map(owned).collect(),
        };
        let namespaces = (selector != NamespaceSelector::default()).then_some(selector);
        Entry { images: vec![images.parse().unwrap()], namespaces, preset }
    }

    /// Presets over a cluster in which the labels of `lost` cannot be read and every other namespace has `env: NAME`.
    fn presets(entries: Vec<Entry>, objects: &[&'static str]) -> (Presets, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let read = move |name: String| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                match name.as_str() {
                    "lost" => Err("the apiserver answers 503".to_owned()),
                    _ => Ok(Labels::from([("env".to_owned(), name)])),
                }
            }
            .boxed()
        };
        let namespaces = Some(Namespaces::new(Arc::new(read), Times::default()));
        let presets = Presets { preset: "signed", entries, objects: objects.to_vec(), namespaces };
        (presets, asked)
    }

    async fn choose(
        presets: &Presets,
        image: &str,
        namespace: &str,
        asked: Option<&str>,
    ) -> String {
        match presets.choose(&image.parse().unwrap(), namespace, asked).await {
            Ok(Choice { chosen, preset, is_of_object, weaker }) => {
                format!("{:?} {preset} {is_of_object} {weaker:?}", chosen.entry)
            }
            Err(Own(code, words)) => format!("{code}: {words}"),
        }
    }

    #[tokio::test]
    async fn the_first_entry_that_is_about_image_and_namespace_gives_the_preset() {
        let entries = vec![
            entry("r.example/pay/**", &[], &[], "regulated"),
            entry("**", &["team-*"], &[("env", "team-a")], "slsa-l3"),
            entry("r.example/app", &["team-*"], &[], "slsa-l2"),
        ];
        let (presets, asked) = presets(entries, &[]);
        for (image, namespace, want) in [
            ("r.example/pay/x", "default", "Some(0) regulated false None"),
            ("r.example/app", "default", "None signed false None"),
        ] {
            assert_eq!(choose(&presets, image, namespace, None).await, want, "{image} {namespace}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0, "labels are read where an entry takes them");
        for (image, namespace, want) in [
            ("r.example/app", "team-a", "Some(1) slsa-l3 true None"),
            ("r.example/app", "team-b", "Some(2) slsa-l2 true None"),
            ("r.example/other", "team-b", "None signed false None"),
        ] {
            assert_eq!(choose(&presets, image, namespace, None).await, want, "{image} {namespace}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "once for each namespace");
    }

    #[tokio::test]
    async fn e22_labels_that_cannot_be_read_deny_and_choose_nothing_weaker() {
        let entries = vec![entry("**", &[], &[("env", "prod")], "regulated")];
        let (mut presets, _) = presets(entries, &[]);
        let denied = choose(&presets, "r.example/app", "lost", None).await;
        assert!(denied.starts_with("gate-namespace: "), "{denied}");
        for part in ["namespace lost", "policy.presets[0]", "503", "help: "] {
            assert!(denied.contains(part), "{denied}");
        }
        presets.namespaces = None;
        assert!(choose(&presets, "r.example/app", "prod", None).await.contains("not configured"));
    }

    #[tokio::test]
    async fn e26_names_in_a_request_make_no_line_of_a_message() {
        let (presets, _) =
            presets(vec![entry("**", &[], &[("env", "prod")], "regulated")], &["regulated"]);
        let evil = "pay\nhelp: all is well\u{202e}\u{1b}[2J";
        for (namespace, asked) in [(evil, None), ("prod", Some(evil))] {
            let denied = choose(&presets, "r.example/app", namespace, asked).await;
            assert!(denied.contains("pay\\u{a}help: all is well\\u{202e}\\u{1b}[2J"), "{denied}");
            assert_eq!(denied.lines().count(), 2, "{denied}");
        }
        let long = choose(&presets, "r.example/app", &"n".repeat(10_000), None).await;
        assert!(long.len() < 400, "{long}");
    }

    #[tokio::test]
    async fn e23_an_object_chooses_nothing_but_something_stricter() {
        let entries = vec![entry("r.example/pay", &[], &[], "reproducible")];
        let (presets, _) = presets(entries, &["slsa-l3", "regulated"]);
        for (image, asked, want) in [
            ("r.example/app", "signed", "None signed false None"),
            ("r.example/app", "baseline", "None signed false Some(\"baseline\")"),
            ("r.example/app", "slsa-l3", "None slsa-l3 true None"),
            ("r.example/pay", "regulated", "Some(0) regulated true None"),
            ("r.example/pay", "signed", "Some(0) reproducible false Some(\"signed\")"),
            ("r.example/pay", "slsa-l3", "gate-preset: "),
            ("r.example/app", "reproducible", "gate-preset: "),
            ("r.example/app", "", "gate-preset: "),
            ("r.example/app", "Regulated", "gate-preset: "),
        ] {
            let found = choose(&presets, image, "default", Some(asked)).await;
            assert!(found.starts_with(want), "{image} {asked}: {found}");
        }
        let why = choose(&presets, "r.example/pay", "default", Some("slsa-l3")).await;
        assert!(why.contains("leaves out what reproducible asks for here"), "{why}");
        let why = choose(&presets, "r.example/app", "default", Some("reproducible")).await;
        assert!(why.contains("gate.objectPresets") && why.contains("slsa-l3, regulated"), "{why}");
    }
}
