//! Storing a document beside an image: what is written, what is left alone, and what a registry cannot make us do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::kit::{
    Registry, Reply, Request, Store, bare, digest, index_of, limits, settings, with_credentials,
};
use crate::{
    attest::Listing,
    digest::ManifestDigest,
    image::MediaType,
    limits::Limits,
    reference::{Location, Selector},
    source::{Attachment, Published, SourceError, SourceSettings, push_referrer},
};

const KIND: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// An image in a store, and a document for it.
fn image() -> (Store, Value) {
    let mut store = Store::default();
    let image = store.image("linux/amd64", "layer");
    (store, bare(&image))
}

fn attachment(image: &Value, text: &str) -> Attachment {
    Attachment {
        subject: digest(image),
        subject_media_type: MediaType::new(image["mediaType"].as_str().unwrap()),
        subject_bytes: image["size"].as_u64().unwrap(),
        media_type: KIND.to_owned(),
        bytes: Bytes::from(text.to_owned()),
        annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    }
}

fn tag_of(image: &Value) -> String {
    digest(image).to_string().replace(':', "-")
}

/// What was put, by name.
type Written = Arc<Mutex<BTreeMap<String, String>>>;

/// The answers of a registry that takes what it is sent.
fn taking(written: &Written, knows_subjects: bool) -> impl Fn(&Request) -> Option<Reply> + use<> {
    let written = Arc::clone(written);
    move |request| {
        let mut written = written.lock().unwrap();
        let name = request.path().rsplit('/').next().unwrap().to_owned();
        match request.method.as_str() {
            "POST" => Some(Reply::new(202).with("Location", "/v2/app/blobs/uploads/1?state=x%2B")),
            "PUT" if request.path().contains("/blobs/uploads/") => {
                assert!(request.target.contains("state=x%2B&digest=sha256%3A"), "{request:?}");
                Some(Reply::new(201))
            }
            "PUT" => {
                written.insert(name, request.body.clone());
                let reply = Reply::new(201);
                Some(if knows_subjects { reply.with("OCI-Subject", "sha256:x") } else { reply })
            }
            _ => {
                let body = written.get(&name)?;
                let kind: Value = serde_json::from_str(body).unwrap();
                let kind = kind["mediaType"].as_str().unwrap_or_default().to_owned();
                let version = format!("\"{}\"", ManifestDigest::of(body.as_bytes()));
                let reply = Reply::new(200).with("Content-Type", kind).with("ETag", version);
                Some(reply.bytes(body.clone()))
            }
        }
    }
}

async fn push(
    registry: &Registry,
    image: &Value,
    text: &str,
    settings: &SourceSettings,
) -> Result<Published, SourceError> {
    push_referrer(&registry.location(), &attachment(image, text), settings, &limits()).await
}

fn entries(text: &str) -> Vec<String> {
    let index: Value = serde_json::from_str(text).unwrap();
    let all = index["manifests"].as_array().unwrap();
    all.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_registry_that_knows_subjects_gets_no_tag() {
    let (store, image) = image();
    let written = Written::default();
    let answers = taking(&written, true);
    let registry = Registry::start(store, move |request, _| answers(request)).await;
    let published = push(&registry, &image, "bundle", &settings()).await.unwrap();
    assert_eq!(published.via, Listing::Api);
    let written = written.lock().unwrap();
    let names: Vec<&String> = written.keys().collect();
    assert_eq!(names, [&published.manifest.to_string()]);
    let manifest: Value = serde_json::from_str(&written[names[0]]).unwrap();
    assert_eq!(manifest["subject"], image);
    assert_eq!(manifest["artifactType"], KIND);
    assert_eq!(manifest["layers"][0]["mediaType"], KIND);
    assert_eq!(manifest["config"]["mediaType"], MediaType::OCI_EMPTY);
    assert_eq!(manifest["annotations"], json!({"a": "b"}));
    let blobs: Vec<String> = registry
        .requests()
        .iter()
        .filter(|r| r.method == "PUT" && r.path().contains("/uploads/"))
        .map(|r| r.body.clone())
        .collect();
    assert_eq!(blobs, ["bundle", "{}"]);
}

#[tokio::test]
async fn without_the_api_the_fallback_tag_lists_every_document_once() {
    let (store, image) = image();
    let written = Written::default();
    let answers = taking(&written, false);
    let registry = Registry::start(store, move |request, _| answers(request)).await;
    let mut digests = Vec::new();
    for text in ["one", "two", "one"] {
        let published = push(&registry, &image, text, &settings()).await.unwrap();
        assert_eq!(published.via, Listing::Tag);
        digests.push(published.manifest.to_string());
    }
    let written = written.lock().unwrap();
    let list = &written[&tag_of(&image)];
    assert_eq!(entries(list), digests[..2]);
    let list: Value = serde_json::from_str(list).unwrap();
    assert_eq!(list["manifests"][0]["artifactType"], KIND);
    let names: Vec<&str> =
        written.keys().map(String::as_str).filter(|n| !n.starts_with("sha256:")).collect();
    assert_eq!(names, [tag_of(&image)], "no other tag is written");
    let conditions: Vec<Option<String>> = registry
        .requests()
        .iter()
        .filter(|r| r.method == "PUT" && r.path().ends_with(&tag_of(&image)))
        .map(|r| r.headers.get("if-match").or(r.headers.get("if-none-match")).cloned())
        .collect();
    assert_eq!(conditions.len(), 2);
    assert_eq!(conditions[0].as_deref(), Some("*"));
    assert!(conditions[1].as_deref().is_some_and(|etag| etag.starts_with("\"sha256:")));
}

/// Others write between our reading and our writing: one registry knows conditions, the other lets us or them lose.
#[tokio::test]
async fn an_entry_that_was_lost_in_a_race_is_written_again() {
    let other = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": "sha256:aa", "size": 1});
    for refuses in [true, false] {
        let (store, image) = image();
        let written = Written::default();
        let answers = taking(&written, false);
        let (tag, shared) = (tag_of(&image), Arc::clone(&written));
        let theirs = String::from_utf8(index_of(std::slice::from_ref(&other)).to_vec()).unwrap();
        let raced = Mutex::new(false);
        let registry = Registry::start(store, move |request, _| {
            let mut raced = raced.lock().unwrap();
            if request.method == "PUT" && request.path().ends_with(&tag) && !*raced {
                *raced = true;
                shared.lock().unwrap().insert(tag.clone(), theirs.clone());
                return Some(Reply::new(if refuses { 412 } else { 201 }));
            }
            answers(request)
        })
        .await;
        let published = push(&registry, &image, "ours", &settings()).await.unwrap();
        let list = entries(&written.lock().unwrap()[&tag_of(&image)]);
        assert_eq!(list, ["sha256:aa".to_owned(), published.manifest.to_string()], "{refuses}");
    }
}

/// Eight at once, in a registry that knows no conditions, and in one that does: every entry stands, or whoever's does not is told.
#[tokio::test]
async fn h53_every_entry_of_many_writers_stands_or_is_said_to_be_lost() {
    for (knows_conditions, lag) in [(false, 0), (false, 3), (true, 0)] {
        let (store, image) = image();
        let written = Written::default();
        let (answers, tag) = (taking(&written, false), tag_of(&image));
        let shared = Arc::clone(&written);
        let registry = Registry::start(store, move |request, earlier| {
            let list = request.path().ends_with(&tag);
            if list && request.method == "PUT" && knows_conditions {
                let shared = shared.lock().unwrap();
                let there = shared
                    .get(&tag)
                    .map(|body| format!("\"{}\"", ManifestDigest::of(body.as_bytes())));
                let asked = request.headers.get("if-match").cloned();
                if asked != there {
                    return Some(Reply::new(412));
                }
            }
            // Some readers are slower than others.
            if list && request.method == "GET" && lag > 0 {
                let reply = answers(request)?;
                return Some(reply.late(std::time::Duration::from_millis(earlier as u64 % lag)));
            }
            answers(request)
        })
        .await;
        let texts: Vec<String> = (0..8).map(|i| format!("signer {i}")).collect();
        let settings = settings();
        let all = texts.iter().map(|text| push(&registry, &image, text, &settings));
        let published: Vec<_> = futures_util::future::join_all(all).await;
        let list = entries(&written.lock().unwrap()[&tag_of(&image)]);
        let mut doubts = 0;
        for one in &published {
            match one {
                Ok(one) => {
                    assert!(list.contains(&one.manifest.to_string()), "{list:?} {published:?}");
                    doubts += usize::from(one.doubt.is_some());
                }
                Err(error) => assert!(error.to_string().contains("not known"), "{error}"),
            }
        }
        assert_eq!(published.iter().filter(|one| one.is_ok()).count(), 8, "{published:?}");
        assert_eq!(doubts == 0, knows_conditions, "{published:?}");
    }
}

/// A writer that read the list before us and writes it after us.
#[tokio::test]
async fn h53_an_entry_that_a_slow_writer_takes_away_is_written_again() {
    let other = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": "sha256:aa", "size": 1});
    let (store, image) = image();
    let written = Written::default();
    let answers = taking(&written, false);
    let (tag, shared) = (tag_of(&image), Arc::clone(&written));
    let theirs = String::from_utf8(index_of(std::slice::from_ref(&other)).to_vec()).unwrap();
    let readings = Mutex::new(0);
    let registry = Registry::start(store, move |request, _| {
        let mut readings = readings.lock().unwrap();
        if request.method == "GET" && request.path().ends_with(&tag) {
            *readings += 1;
            // The first reading found no list, the second our entry; now theirs comes.
            if *readings == 3 {
                shared.lock().unwrap().insert(tag.clone(), theirs.clone());
            }
        }
        answers(request)
    })
    .await;
    let published = push(&registry, &image, "ours", &settings()).await.unwrap();
    let list = entries(&written.lock().unwrap()[&tag_of(&image)]);
    assert_eq!(list, ["sha256:aa".to_owned(), published.manifest.to_string()]);
    let doubt = published.doubt.expect("the registry let them").to_string();
    assert!(doubt.contains("lost once"), "{doubt}");
}

/// Somebody who never stops is not waited for without end.
#[tokio::test]
async fn h53_an_entry_that_others_keep_removing_is_said_to_be_lost() {
    let (store, image) = image();
    let written = Written::default();
    let answers = taking(&written, false);
    let (tag, shared) = (tag_of(&image), Arc::clone(&written));
    let theirs = String::from_utf8(index_of(&[]).to_vec()).unwrap();
    let registry = Registry::start(store, move |request, _| {
        let is_list = request.path().ends_with(&tag);
        if is_list && request.method == "GET" {
            shared.lock().unwrap().insert(tag.clone(), theirs.clone());
        }
        answers(request)
    })
    .await;
    let error = push(&registry, &image, "ours", &settings()).await.unwrap_err().to_string();
    assert!(error.contains("others keep writing") && error.contains("not known"), "{error}");
    assert!(registry.count(&tag_of(&image)) < 64, "{}", registry.count(&tag_of(&image)));
}

/// What others put into the list takes no place in it but its bytes.
#[tokio::test]
async fn h52_thousands_of_entries_of_others_do_not_keep_anybody_from_signing() {
    let (store, image) = image();
    let junk: Vec<Value> = (0..2501)
        .map(|i| json!({"mediaType": "m", "digest": format!("sha256:{i:064x}"), "size": 1}))
        .collect();
    let written = Written::default();
    let text = String::from_utf8(index_of(&junk).to_vec()).unwrap();
    written.lock().unwrap().insert(tag_of(&image), text);
    let answers = taking(&written, false);
    let registry = Registry::start(store, move |request, _| answers(request)).await;
    let limits = Limits { manifest_bytes: 4 << 20, ..limits() };
    let attachment = attachment(&image, "ours");
    let location = registry.location();
    let published = push_referrer(&location, &attachment, &settings(), &limits).await.unwrap();
    let list = entries(&written.lock().unwrap()[&tag_of(&image)]);
    assert_eq!((list.len(), &list[2501]), (2502, &published.manifest.to_string()));
}

#[tokio::test]
async fn a_list_that_never_keeps_the_entry_is_given_up() {
    let (store, image) = image();
    let tag = tag_of(&image);
    let written = Written::default();
    let answers = taking(&written, false);
    let registry = Registry::start(store, move |request, _| {
        let is_list = request.path().ends_with(&tag);
        (is_list && request.method == "PUT").then(|| Reply::new(201)).or_else(|| answers(request))
    })
    .await;
    let error = push(&registry, &image, "ours", &settings()).await.unwrap_err();
    assert!(error.to_string().contains("does not give it back"), "{error}");
    assert!(error.to_string().contains("not known"), "{error}");
    let writes = registry.requests();
    let writes = writes.iter().filter(|r| r.method == "PUT" && r.path().ends_with(&tag_of(&image)));
    assert_eq!(writes.count(), limits().attempts as usize);
}

/// Artifactory forbids what is not there, GitLab gives the subject for its tag: neither is a list.
#[tokio::test]
async fn a_tag_that_is_not_there_may_be_forbidden_or_the_subject() {
    for forbidden in [true, false] {
        let (store, image) = image();
        let (kind, subject) = store.manifests[&digest(&image).to_string()].clone();
        let tag = tag_of(&image);
        let written = Written::default();
        let (answers, shared) = (taking(&written, false), Arc::clone(&written));
        let registry = Registry::start(store, move |request, _| {
            let reads = request.method == "GET" && request.path().ends_with(&tag);
            let absent = reads && !shared.lock().unwrap().contains_key(&tag);
            match (absent, forbidden) {
                (true, true) => Some(Reply::new(403)),
                (true, false) => {
                    Some(Reply::new(200).with("Content-Type", kind.as_str()).bytes(subject.clone()))
                }
                (false, _) => answers(request),
            }
        })
        .await;
        let published = push(&registry, &image, "ours", &settings()).await.unwrap();
        let list = entries(&written.lock().unwrap()[&tag_of(&image)]);
        assert_eq!(list, [published.manifest.to_string()], "forbidden: {forbidden}");
    }
}

#[tokio::test]
async fn what_is_no_list_of_referrers_is_left_alone() {
    let (mut store, image) = image();
    let somebody = store.image("linux/amd64", "somebody's image");
    store.tag(&tag_of(&image), &somebody);
    let written = Written::default();
    let answers = taking(&written, false);
    let registry = Registry::start(store, move |request, _| answers(request)).await;
    let error = push(&registry, &image, "ours", &settings()).await.unwrap_err();
    assert!(error.to_string().contains("no index"), "{error}");
    assert!(!written.lock().unwrap().contains_key(&tag_of(&image)));
}

#[tokio::test]
async fn f1_an_upload_goes_to_the_registry_and_nowhere_else() {
    let stranger = Registry::start_at("127.0.0.2", Store::default(), |_, _| None).await;
    let elsewhere = format!("http://{}/v2/app/blobs/uploads/1", stranger.host);
    let places = [
        (Reply::new(202).with("Location", elsewhere.clone()), "nothing is"),
        (Reply::new(307).with("Location", elsewhere), "not followed"),
        (Reply::new(202).with("Location", "http://user:pw@127.0.0.1/v2/"), "credentials"),
        (Reply::new(202), "no place"),
    ];
    for (reply, reason) in places {
        let (store, image) = image();
        let registry = Registry::start(store, move |request, _| {
            (request.method == "POST").then(|| reply.clone())
        })
        .await;
        let (_folder, settings) = with_credentials(&[(&registry.host, "robot:hunter2")]);
        let error = push(&registry, &image, "ours", &settings).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    assert_eq!(stranger.requests().len(), 0);
}

#[tokio::test]
async fn f1_a_token_for_writing_is_asked_of_the_registry_only() {
    for foreign in [false, true] {
        let realm_address = if foreign { "127.0.0.2" } else { "127.0.0.1" };
        let realm = Registry::start_at(realm_address, Store::default(), |_, _| {
            Some(Reply::new(200).bytes(r#"{"token":"t"}"#))
        })
        .await;
        let (store, image) = image();
        let written = Written::default();
        let answers = taking(&written, true);
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", realm.host);
        let registry = Registry::start(store, move |request, _| {
            if request.authorization() != Some("Bearer t") {
                return Some(Reply::new(401).with("WWW-Authenticate", challenge.clone()));
            }
            answers(request)
        })
        .await;
        let (_folder, settings) = with_credentials(&[(&registry.host, "robot:hunter2")]);
        push(&registry, &image, "ours", &settings).await.unwrap();
        let asked = realm.requests();
        let [asked] = asked.as_slice() else { panic!("{asked:?}") };
        assert!(asked.target.contains("scope=repository%3Aapp%3Apull%2Cpush"), "{asked:?}");
        assert_eq!(asked.authorization().is_some(), !foreign, "{asked:?}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_stays_is_not() {
    let (store, image) = image();
    let written = Written::default();
    let answers = taking(&written, true);
    let registry = Registry::start(store.clone(), move |request, earlier| {
        let first = earlier == 0 && matches!(request.method.as_str(), "POST" | "PUT");
        if first { Some(Reply::new(503)) } else { answers(request) }
    })
    .await;
    push(&registry, &image, "ours", &settings()).await.unwrap();
    for (status, code) in [(403, "refuses access"), (400, "answers 400"), (405, "answers 405")] {
        let registry = Registry::start(store.clone(), move |request, _| {
            (request.method == "POST").then(|| Reply::new(status))
        })
        .await;
        let error = push(&registry, &image, "ours", &settings()).await.unwrap_err();
        assert!(error.to_string().contains(code), "{status}: {error}");
        assert_eq!(registry.count("/uploads/"), 1, "{status}");
    }
}

#[tokio::test]
async fn a_layout_lists_the_document_and_still_has_one_image() {
    let (store, image) = image();
    let folder = tempfile::tempdir().unwrap();
    store.write_layout(folder.path(), std::slice::from_ref(&image));
    let location = Location::Layout(folder.path().to_path_buf());
    for text in ["one", "two", "one"] {
        let attachment = attachment(&image, text);
        let pushed = push_referrer(&location, &attachment, &settings(), &limits()).await;
        assert_eq!(pushed.unwrap().via, Listing::Layout);
    }
    let source = crate::source::open(&location, &settings(), &limits()).await.unwrap();
    assert_eq!(source.resolve(&Selector::Only).await.unwrap(), digest(&image));
    let list = source.referrers(&digest(&image)).await.unwrap();
    assert_eq!((list.descriptors.len(), list.incomplete), (2, None));
}

#[tokio::test]
async fn a_layout_whose_folders_lead_elsewhere_is_not_written() {
    let (store, image) = image();
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    store.write_layout(folder.path(), std::slice::from_ref(&image));
    let blobs = folder.path().join("blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &blobs).unwrap();
    let location = Location::Layout(folder.path().to_path_buf());
    let pushed = push_referrer(&location, &attachment(&image, "x"), &settings(), &limits()).await;
    assert!(pushed.unwrap_err().to_string().contains("leaves the folder"));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
