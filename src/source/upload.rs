//! Requests that change a registry: blobs and manifests in.
//!
//! Turns bytes into a blob or manifest of one repository (distribution-spec v1.1, "Push"). The rules of [`super::http`] hold,
//! and stricter ones: nothing is sent anywhere but to the registry's own origin, redirects are refused, and the place
//! that a registry names for an upload has to be at that origin too. Every request may be sent again: an upload
//! begins anew, and a manifest under its digest is the same however often it is put.

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
        LOCATION,
    },
};
use url::Url;

use super::{
    Refusal, SourceError,
    address::Side,
    http::{Answer, Fault, Http, header, host_of},
};
use crate::{digest::Digest, image::MediaType, reference::Repository};

/// The header by which a registry says that it lists the manifest under its subject (distribution-spec v1.1, "Pushing
/// Manifests with Subject").
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A manifest to be put.
pub(super) struct Put<'a> {
    /// Its digest, or a tag.
    pub(super) name: &'a str,
    pub(super) media_type: &'a str,
    pub(super) bytes: &'a Bytes,
    pub(super) condition: Condition,
}

/// What has to be there for a manifest to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Anything.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(HeaderValue),
}

/// What became of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is there. Whether the registry says that it knows its subject.
    Here {
        /// The registry answered with the subject's digest.
        subject: bool,
    },
    /// Somebody else changed it in the meantime (412).
    Changed,
}

/// A request's body and headers.
#[derive(Clone)]
struct Change {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Http {
    /// The same registry, asked for leave to write to the repository.
    pub(super) fn writing(mut self, repository: &Repository) -> Self {
        self.scope = format!("repository:{}:pull,push", repository.path);
        self
    }

    /// Stores a blob.
    pub(super) async fn put_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), SourceError> {
        let start = self.url(&format!("/v2/{}/blobs/uploads/", repository.path))?;
        self.persist(|| self.put_blob_once(&start, digest, bytes)).await
    }

    async fn put_blob_once(
        &self,
        start: &Url,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<(), Fault> {
        let begin = Change { method: Method::POST, headers: HeaderMap::new(), body: Bytes::new() };
        let response = self.change(start, begin).await?;
        let place = header(&response, LOCATION).and_then(|place| start.join(place).ok());
        let Some(mut place) = place else {
            let why = "it names no place for an upload".to_owned();
            return Err(self.unavailable(why).into());
        };
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let octets = HeaderValue::from_static("application/octet-stream");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, octets)]);
        let finish = Change { method: Method::PUT, headers, body: bytes.clone() };
        self.change(&place, finish).await.map(|_| ())
    }

    /// Stores a manifest.
    pub(super) async fn put_manifest(
        &self,
        repository: &Repository,
        put: &Put<'_>,
    ) -> Result<Stored, SourceError> {
        let url = self.url(&format!("/v2/{}/manifests/{}", repository.path, put.name))?;
        self.persist(|| self.put_manifest_once(&url, put)).await
    }

    async fn put_manifest_once(&self, url: &Url, put: &Put<'_>) -> Result<Stored, Fault> {
        let media_type = HeaderValue::from_str(put.media_type)
            .map_err(|_| self.unavailable("a media type cannot stand in a header".to_owned()))?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        match &put.condition {
            Condition::Any => {}
            Condition::Absent => drop(headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Condition::Version(etag) => drop(headers.insert(IF_MATCH, etag.clone())),
        }
        let change = Change { method: Method::PUT, headers, body: put.bytes.clone() };
        let response = self.change(url, change).await?;
        if response.status() == StatusCode::PRECONDITION_FAILED {
            return Ok(Stored::Changed);
        }
        Ok(Stored::Here { subject: response.headers().contains_key(OCI_SUBJECT) })
    }

    /// Sends one request, with a new token where the old one is refused. Gives answers of success, and 412.
    async fn change(&self, url: &Url, change: Change) -> Result<Response, Fault> {
        self.check_target(url, Side::Home)?;
        if !self.is_home(url) {
            let why = format!("it wants an upload sent to {}; nothing is", host_of(url));
            return Err(self.refused(Refusal::Redirect, why).into());
        }
        let used = self.authorization.lock().await.clone();
        let mut response = self.change_as(url, change.clone(), used.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let fresh = self.authorize(response.headers(), used).await?;
            response = self.change_as(url, change, Some(&fresh)).await?;
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::PRECONDITION_FAILED {
            return Ok(response);
        }
        if status.is_redirection() {
            let why = format!("{} redirects an upload; that is not followed", host_of(url));
            return Err(self.refused(Refusal::Redirect, why).into());
        }
        match self.judge(response, Side::Home).await? {
            Answer::Found(response) => Ok(response),
            Answer::Absent(status) => {
                Err(self.unavailable(format!("{} answers {status}", host_of(url))).into())
            }
        }
    }

    async fn change_as(
        &self,
        url: &Url,
        change: Change,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Fault> {
        let body_bytes = change.body.len() as u64;
        let mut request = self
            .client(Side::Home)?
            .request(change.method, url.clone())
            .headers(change.headers)
            .body(change.body);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        self.perform_with(request, url, body_bytes).await
    }
}

/// Media types under which the list of referrers may be stored.
pub(super) fn is_index(media_type: Option<&MediaType>) -> bool {
    media_type.is_none_or(|kind| kind.is_vague() || kind.as_str() == MediaType::OCI_INDEX)
}
