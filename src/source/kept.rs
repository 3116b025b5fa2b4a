//! Saved evidence as a source: answers that are kept while they are given, and given again without asking anybody.
//!
//! Turns a [`Source`] into one that keeps what it answers ([`keeping`]), and a folder of saved evidence into a [`Source`] for the place
//! that was asked ([`again`]). What is read again is bytes under a digest, checked as those of a layout are, and answers that have none:
//! what a tag meant, what a list of referrers held, what was not there. A registry could have given any of these, and so could whoever
//! made the folder: no verdict rests on them. A question that was not asked then has no answer now, which is never "there is none".

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Blob, Handed, LookAhead, Meter, Referrers, Refusal, Source, SourceError, Spool, StoredManifest,
    layout::LayoutSource, told,
};
use crate::{
    attest::Listing,
    digest::ManifestDigest,
    image::{Descriptor, MediaType, Platform},
    limits::Limits,
    reference::{Location, PinnedReference, Reference, Selector},
    saved::{Access, Saved, Saver, question},
};

/// A source whose answers are kept, where they are to be.
pub(super) fn keeping(source: Arc<dyn Source>, access: &Access) -> Arc<dyn Source> {
    match access.saver() {
        Some(saver) => Arc::new(Keeping { source, saver: Arc::clone(saver) }),
        None => source,
    }
}

/// Notes that a place could not be opened.
pub(super) fn unopened(location: &Location, error: &SourceError, access: &Access) {
    if let Some(saver) = access.saver() {
        saver.answer(asked("open", location, ""), || failed(error));
    }
}

fn asked(what: &str, location: &Location, name: &str) -> String {
    question(&[what, &location.to_string(), name])
}

fn failed(error: &SourceError) -> Value {
    json!({ "error": told::of_error(error) })
}

/// An answer, or the error in its place.
fn answer<T>(result: &Result<T, SourceError>, tell: impl FnOnce(&T) -> Value) -> Value {
    match result {
        Ok(found) => json!({ "ok": tell(found) }),
        Err(error) => failed(error),
    }
}

/// What a reference meant, kept where answers are.
pub(super) fn keep_meaning(
    reference: &Reference,
    found: &Result<PinnedReference, SourceError>,
    access: &Access,
) {
    let Some(saver) = access.saver() else { return };
    if let Ok(pinned) = found {
        saver.subject(pinned.digest.digest());
        if told::location(&told::of_location(&pinned.location)).as_ref() != Some(&pinned.location) {
            saver.lost(format!("{}: its path is no UTF-8", pinned.location));
        }
    }
    saver.answer(question(&["resolve", &reference.to_string()]), || {
        answer(found, |pinned| {
            json!({
                "location": told::of_location(&pinned.location),
                "digest": pinned.digest.to_string(),
            })
        })
    });
}

/// What a reference meant when it was saved. The place is the one that is typed now: who made the folder does not choose by whose
/// rules it is judged. Where nobody believes the folder, a bare digest is at the one place that the operator has, and which part of
/// a typed path names the image is what [`super::located`] says.
///
/// # Errors
/// What was wrong then, or that nobody asked.
pub(super) fn meaning(
    reference: &Reference,
    places: &[Location],
    saved: &Saved,
) -> Result<PinnedReference, SourceError> {
    let place = reference.to_string();
    let is_one = places.first().is_some_and(|first| places.iter().all(|place| place == first));
    if matches!(reference, Reference::Bare(_)) && !saved.is_believed() && !is_one {
        let place = format!(
            "one place of your own: repositories of hallmark.yaml has none or several, and the saved evidence in {} does not choose; \
             name the image whole, as NAME@{place}, or its place with --repository NAME",
            saved.path().display()
        );
        return Err(SourceError::NotFound { what: reference.to_string(), place });
    }
    let found = taken(saved, &question(&["resolve", &place]), &place, |value| {
        let location = told::location(value.get("location")?)?;
        Some(PinnedReference { location, digest: value.get("digest")?.as_str()?.parse().ok()? })
    })?;
    let fits = match reference {
        Reference::Bare(digest) => found.digest == *digest && places.contains(&found.location),
        Reference::At(location, selector) => {
            let digest_fits = !matches!(selector, Selector::Digest(d) if *d != found.digest);
            let place_fits = match saved.is_believed() {
                true => is_of(&found.location, location),
                false => {
                    let own = super::located(reference);
                    matches!(&own, Reference::At(own, _) if *own == found.location)
                }
            };
            digest_fits && place_fits
        }
    };
    match fits {
        true => Ok(found),
        false => {
            let folder = saved.path().display();
            let why = format!(
                "the saved evidence in {folder} says that it is {found}, which is another image"
            );
            Err(SourceError::Unreadable { place, why })
        }
    }
}

/// Whether a place is the one that was typed. Names of images in a layout have colons, as paths have: which part was which, the folder
/// said that was there.
fn is_of(found: &Location, typed: &Location) -> bool {
    use Location::{DockerArchive, Layout, OciArchive};
    match (found, typed) {
        (Layout(found), Layout(typed))
        | (OciArchive(found), OciArchive(typed))
        | (DockerArchive(found), DockerArchive(typed)) => {
            let (found, typed) = (found.to_string_lossy(), typed.to_string_lossy());
            let rest = typed.strip_prefix(&*found);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        }
        (found, typed) => found == typed,
    }
}

/// What a question asks for, in the words of whoever saves evidence.
fn in_words(question: &str) -> String {
    let parts: Vec<String> = serde_json::from_str(question).unwrap_or_default();
    let text = |at: usize| parts.get(at).map_or("", String::as_str);
    // Of a blob the size stands behind the digest.
    let name = text(2).split(' ').next().unwrap_or_default();
    let place = text(1);
    match text(0) {
        "resolve" if name.is_empty() => format!("the image {place}"),
        "resolve" => format!("which image a tag of {place} names"),
        "open" => format!("anything of {place}"),
        "manifest" => format!("the manifest {name} of {place}"),
        "tagged" => format!("what the tag {name} of {place} names"),
        "blob" => format!("the document {name} of {place}"),
        "layer" => format!("the layer {name} of {place}"),
        "referrers" => format!("what is attached to {name} in {place}"),
        _ => format!("an answer about {place}"),
    }
}

/// An answer that was kept.
fn taken<T>(
    saved: &Saved,
    question: &str,
    place: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, SourceError> {
    let folder = saved.path().display();
    let Some(answer) = saved.answer(question) else {
        let why = format!("the saved evidence in {folder} does not have {}", in_words(question));
        return Err(SourceError::Refused { place: place.to_owned(), rule: Refusal::NotSaved, why });
    };
    let read = match (answer.get("ok"), answer.get("error")) {
        (Some(value), None) => read(value).map(Ok),
        (None, Some(error)) => told::error(error).map(Err),
        _ => None,
    };
    let garbled = || {
        let words = in_words(question);
        let why = format!("the saved evidence in {folder} has {words}, and it cannot be read");
        Err(SourceError::Unreadable { place: place.to_owned(), why })
    };
    read.unwrap_or_else(garbled)
}

/// A source that keeps what it answers.
struct Keeping {
    source: Arc<dyn Source>,
    saver: Arc<Saver>,
}

impl Keeping {
    fn note(&self, what: &str, name: &str, answer: impl FnOnce() -> Value) {
        self.saver.answer(asked(what, self.location(), name), answer);
    }

    fn stored(&self, stored: &StoredManifest) -> Value {
        let StoredManifest { document, media_type } = stored;
        let said = media_type.as_ref().map(MediaType::as_str);
        // A list of names: what the document itself is, its bytes say.
        let listed = said.unwrap_or_else(|| own_type(&document.bytes));
        self.saver.manifest(document.digest.digest(), listed, &document.bytes);
        json!({ "digest": document.digest.to_string(), "mediaType": said })
    }
}

/// What the bytes of a manifest are, as far as `index.json` lists it.
fn own_type(bytes: &[u8]) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Listed {
        manifests: Option<serde::de::IgnoredAny>,
    }
    let read: Result<Listed, _> = serde_json::from_slice(bytes);
    match read {
        Ok(Listed { manifests: Some(_) }) => MediaType::OCI_INDEX,
        _ => MediaType::OCI_MANIFEST,
    }
}

fn blob_name(descriptor: &Descriptor) -> String {
    format!("{} {}", descriptor.digest, descriptor.size)
}

#[async_trait]
impl Source for Keeping {
    fn location(&self) -> &Location {
        self.source.location()
    }

    fn meter(&self) -> Option<&Meter> {
        self.source.meter()
    }

    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        self.source.resolve(selector).await
    }

    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        let found = self.source.manifest(digest).await;
        let told = answer(&found, |stored| self.stored(stored));
        self.note("manifest", &digest.to_string(), || told);
        found
    }

    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        let found = self.source.tagged(tag).await;
        let told = answer(&found, |stored| stored.as_ref().map_or(Value::Null, |s| self.stored(s)));
        self.note("tagged", tag, || told);
        found
    }

    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        let found = self.source.small_blob(descriptor, limit_bytes).await;
        if let Ok(bytes) = &found {
            self.saver.blob(descriptor.digest.digest(), &mut &**bytes);
        }
        self.note("blob", &blob_name(descriptor), || answer(&found, |_| Value::Null));
        found
    }

    async fn blob(&self, descriptor: &Descriptor, spool: &Spool) -> Result<Blob, SourceError> {
        let found = self.source.blob(descriptor, spool).await;
        if let Ok(blob) = &found {
            let (blob, saver) = (blob.clone(), Arc::clone(&self.saver));
            let digest = descriptor.digest.digest().clone();
            let copying = tokio::task::spawn_blocking(move || match blob.stored() {
                Ok(mut bytes) => saver.blob(&digest, &mut bytes),
                Err(error) => saver.lost(format!("{digest}: {error}")),
            });
            if copying.await.is_err() {
                self.saver.lost(format!("{}: copying it broke down", descriptor.digest));
            }
        }
        self.note("layer", &blob_name(descriptor), || answer(&found, |_| Value::Null));
        found
    }

    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        let found = self.source.referrers(digest).await;
        self.note("referrers", &digest.to_string(), || answer(&found, of_referrers));
        found
    }

    fn handed(&self) -> &[Handed] {
        self.source.handed()
    }

    fn stated(&self, digest: &ManifestDigest) -> Option<Platform> {
        let found = self.source.stated(digest);
        let said = found.as_ref().map(ToString::to_string);
        self.note("stated", &digest.to_string(), || json!({ "ok": said }));
        found
    }

    fn called(&self, digest: &ManifestDigest) -> Option<String> {
        let found = self.source.called(digest);
        if found.is_some() {
            self.note("called", &digest.to_string(), || json!({ "ok": found }));
        }
        found
    }

    async fn look_ahead(&self, wanted: &LookAhead) {
        self.source.look_ahead(wanted).await;
    }
}

/// The words for how referrers were listed.
const VIA: [(Listing, &str); 3] =
    [(Listing::Api, "api"), (Listing::Tag, "tag"), (Listing::Layout, "layout")];

fn of_referrers(referrers: &Referrers) -> Value {
    let word = |via: Listing| VIA.iter().find(|(known, _)| *known == via).map(|(_, word)| word);
    json!({
        "descriptors": referrers.descriptors.iter().map(Descriptor::json).collect::<Vec<_>>(),
        "via": referrers.via.and_then(word),
        "incomplete": referrers.incomplete,
    })
}

fn referrers(value: &Value) -> Option<Referrers> {
    let listed = value.get("descriptors")?.as_array()?;
    let descriptors = listed.iter().map(|one| Descriptor::from_json(one.clone()).ok());
    let via = match value.get("via")?.as_str() {
        Some(word) => Some(VIA.iter().find(|(_, known)| *known == word)?.0),
        None => None,
    };
    let incomplete = value.get("incomplete")?.as_str().map(ToOwned::to_owned);
    Some(Referrers { descriptors: descriptors.collect::<Option<_>>()?, via, incomplete })
}

/// The place, as it answered when it was saved.
///
/// # Errors
/// It could not be opened then, or the folder cannot be read.
pub(super) async fn again(
    location: &Location,
    saved: &Arc<Saved>,
    meter: Option<&Meter>,
    limits: &Limits,
) -> Result<Arc<dyn Source>, SourceError> {
    let place = location.to_string();
    let question = asked("open", location, "");
    if saved.answer(&question).is_some() {
        taken(saved, &question, &place, |_| None::<()>)?;
    }
    let (folder, limits) = (saved.path().to_owned(), limits.clone());
    let opened = super::on_disk(Location::Layout(folder.clone()), move || {
        LayoutSource::folder(&folder, &limits)
    });
    let layout = opened.await?;
    let (location, saved, meter) = (location.clone(), Arc::clone(saved), meter.cloned());
    Ok(Arc::new(Again { location, saved, layout, meter }))
}

/// A source of kept answers.
struct Again {
    location: Location,
    saved: Arc<Saved>,
    /// The bytes under digests.
    layout: LayoutSource,
    meter: Option<Meter>,
}

impl Again {
    fn taken<T>(
        &self,
        what: &str,
        name: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, SourceError> {
        let question = asked(what, &self.location, name);
        taken(&self.saved, &question, &self.location.to_string(), read)
    }

    async fn stored(
        &self,
        told: (ManifestDigest, Option<MediaType>),
    ) -> Result<StoredManifest, SourceError> {
        let (digest, media_type) = told;
        let stored = self.layout.manifest(&digest).await?;
        Ok(StoredManifest { media_type, ..stored })
    }
}

/// Digest and media type of a manifest.
fn stored(value: &Value) -> Option<(ManifestDigest, Option<MediaType>)> {
    let said = value.get("mediaType")?.as_str().map(MediaType::new);
    Some((value.get("digest")?.as_str()?.parse().ok()?, said))
}

#[async_trait]
impl Source for Again {
    fn location(&self) -> &Location {
        &self.location
    }

    fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// A reference is resolved whole ([`meaning`]).
    async fn resolve(&self, selector: &Selector) -> Result<ManifestDigest, SourceError> {
        match selector {
            Selector::Digest(digest) => Ok(digest.clone()),
            Selector::Only | Selector::Tag(_) => {
                self.taken("resolve", &format!("{selector:?}"), |_| None)
            }
        }
    }

    async fn manifest(&self, digest: &ManifestDigest) -> Result<StoredManifest, SourceError> {
        // What another document is, is nobody's answer about this one.
        let told = self.taken("manifest", &digest.to_string(), |value| {
            stored(value).filter(|(told, _)| told == digest)
        })?;
        self.stored(told).await
    }

    async fn tagged(&self, tag: &str) -> Result<Option<StoredManifest>, SourceError> {
        let told = self.taken("tagged", tag, |value| match value {
            Value::Null => Some(None),
            value => stored(value).map(Some),
        })?;
        match told {
            Some(told) => self.stored(told).await.map(Some),
            None => Ok(None),
        }
    }

    async fn small_blob(
        &self,
        descriptor: &Descriptor,
        limit_bytes: usize,
    ) -> Result<Bytes, SourceError> {
        self.taken("blob", &blob_name(descriptor), |_| Some(()))?;
        self.layout.small_blob(descriptor, limit_bytes).await
    }

    async fn blob(&self, descriptor: &Descriptor, spool: &Spool) -> Result<Blob, SourceError> {
        self.taken("layer", &blob_name(descriptor), |_| Some(()))?;
        self.layout.blob(descriptor, spool).await
    }

    async fn referrers(&self, digest: &ManifestDigest) -> Result<Referrers, SourceError> {
        self.taken("referrers", &digest.to_string(), referrers)
    }

    fn stated(&self, digest: &ManifestDigest) -> Option<Platform> {
        let said = self.taken("stated", &digest.to_string(), |value| Some(value.clone()));
        said.ok()?.as_str()?.parse().ok()
    }

    fn called(&self, digest: &ManifestDigest) -> Option<String> {
        let said = self.taken("called", &digest.to_string(), |value| Some(value.clone()));
        said.ok()?.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;
    use crate::saved::Belief;

    const IMAGE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    /// A folder that says where an image is.
    fn folder(reference: &Reference, location: &Location, folder: &Path) {
        let saver = Arc::new(Saver::begin(folder, Timestamp::UNIX_EPOCH).unwrap());
        let found = PinnedReference { location: location.clone(), digest: IMAGE.parse().unwrap() };
        keep_meaning(reference, &Ok(found), &Access::Saving(Arc::clone(&saver)));
        saver.finish(Timestamp::UNIX_EPOCH, false, &Limits::default()).unwrap();
    }

    fn again(reference: &Reference, places: &[Location], at: &Path, belief: &Belief) -> String {
        let saved = Saved::open(at, belief, &Limits::default()).unwrap();
        match meaning(reference, places, &saved) {
            Ok(found) => found.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn i13_the_folder_chooses_no_place_for_a_bare_digest() {
        let bare: Reference = IMAGE.parse().unwrap();
        let place = |text: &str| Location::Registry(text.parse().unwrap());
        let (strict, lax) = (place("r.example/strict"), place("r.example/lax"));
        let at = tempfile::tempdir().unwrap();
        folder(&bare, &lax, at.path());
        let lax_image = format!("r.example/lax@{IMAGE}");
        let both = [strict, lax];
        let cases = [
            (&both[..], Belief::Nothing, "--repository"),
            (&both[..0], Belief::Nothing, "--repository"),
            (&both[1..], Belief::Nothing, lax_image.as_str()),
            (&both[..1], Belief::Nothing, "another image"),
            (&both[..], Belief::Whole, lax_image.as_str()),
        ];
        for (places, belief, want) in cases {
            let found = again(&bare, places, at.path(), &belief);
            assert!(found.contains(want), "{places:?} {belief:?}: {found}");
        }
    }

    #[test]
    fn i13_the_folder_splits_no_typed_path() {
        let typed: Reference = "oci:/nowhere/a:b/c:d".parse().unwrap();
        for (path, own) in [("/nowhere/a:b/c", true), ("/nowhere/a", false)] {
            let at = tempfile::tempdir().unwrap();
            folder(&typed, &Location::Layout(path.into()), at.path());
            let image = format!("oci:{path}@{IMAGE}");
            assert_eq!(again(&typed, &[], at.path(), &Belief::Whole), image);
            let found = again(&typed, &[], at.path(), &Belief::Nothing);
            assert_eq!(found == image, own, "{found}");
        }
    }

    #[test]
    fn what_was_not_saved_is_told_as_such() {
        let at = tempfile::tempdir().unwrap();
        let typed: Reference = "r.example/app:1".parse().unwrap();
        folder(&typed, &Location::Registry("r.example/app".parse().unwrap()), at.path());
        let saved = Saved::open(at.path(), &Belief::Nothing, &Limits::default()).unwrap();
        let other: Reference = "r.example/other:1".parse().unwrap();
        let error = meaning(&other, &[], &saved).unwrap_err();
        let finding = error.into_finding(crate::finding::Subject::Image(other.to_string()));
        assert_eq!(finding.code, crate::finding::Code::SourceNotSaved);
    }

    #[test]
    fn what_was_not_saved_is_said_in_words() {
        let digest = ManifestDigest::of(b"m").to_string();
        let layer = format!("{digest} 12");
        let cases = [
            (question(&["resolve", "r.example/app:1"]), "the image r.example/app:1".to_owned()),
            (
                question(&["layer", "r.example/app", &layer]),
                format!("the layer {digest} of r.example/app"),
            ),
            (
                question(&["referrers", "r.example/app", &digest]),
                format!("what is attached to {digest} in r.example/app"),
            ),
            (
                question(&["tagged", "oci:a \"b\"", "1"]),
                "what the tag 1 of oci:a \"b\" names".to_owned(),
            ),
        ];
        for (question, want) in cases {
            assert_eq!(in_words(&question), want);
        }
        for what in ["open", "manifest", "blob", "stated", "called"] {
            let words = in_words(&question(&[what, "r.example/app", &digest]));
            assert!(words.ends_with("r.example/app") && !words.contains('['), "{words}");
        }
    }
}
