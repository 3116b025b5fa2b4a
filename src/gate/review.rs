//! AdmissionReview v1 on the wire (`k8s.io/api/admission/v1`).
//!
//! Only the fields that a decision needs are read, and of the objects only what leads to images ([`Shape`]). `userInfo` and
//! `options` are not: who asks changes nothing about what an image is. Other versions are refused in words, because an
//! answer must be in the version of the question.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::shape::Shape;
use crate::json::{self, JsonError};

/// The version that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// What the apiserver asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Names this request; the answer repeats it.
    pub uid: String,
    /// Kind of `object`.
    pub kind: GroupVersionKind,
    /// Empty, or the subresource, such as `ephemeralcontainers`.
    #[serde(default)]
    pub sub_resource: String,
    /// What is done.
    pub operation: String,
    /// Namespace; empty for objects that are in none.
    #[serde(default)]
    pub namespace: String,
    /// Name, as far as it is known already.
    #[serde(default)]
    pub name: String,
    /// What the name begins with that the apiserver is going to make, where there is none yet.
    #[serde(skip)]
    pub generate_name: String,
    /// The object as it will be; null on DELETE.
    #[serde(default)]
    pub object: Shape,
    /// The object as it is in the cluster, by the apiserver's own word; null on CREATE.
    #[serde(default)]
    pub old_object: Shape,
}

/// The part of a review by which its version is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    request: Option<IgnoredAny>,
}

/// A review of the version that is spoken.
#[derive(Deserialize)]
struct Review {
    request: Request,
}

/// A kind with its group and version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `Pod`.
    pub kind: String,
}

impl std::fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.group.as_str() {
            "" => write!(f, "{} {}", self.version, self.kind),
            group => write!(f, "{group}/{} {}", self.version, self.kind),
        }
    }
}

/// Why a body is no review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON that all parsers read alike, or not of this form.
    #[error("the body is no AdmissionReview: {0}")]
    Json(#[from] JsonError),
    /// Another kind or version.
    #[error(
        "expected kind AdmissionReview of {API_VERSION}, found {kind:?} of {api_version:?}; set admissionReviewVersions: [v1] in the webhook configuration"
    )]
    Version {
        /// What it says it is.
        kind: String,
        /// In which version.
        api_version: String,
    },
    /// There is nothing to answer.
    #[error("the AdmissionReview has no request")]
    NoRequest,
    /// Without it the apiserver takes no answer.
    #[error("the request's uid is empty")]
    NoUid,
}

/// Reads a review of at most `limit_bytes` bytes.
///
/// # Errors
/// See [`ReviewError`]. Duplicate keys at any depth are refused (attack E17).
pub fn parse(body: &[u8], limit_bytes: usize) -> Result<Request, ReviewError> {
    // The version is judged first: the request of another version may have another form.
    let document = json::check(body, limit_bytes)?;
    let Envelope { kind, api_version, request } = document.read()?;
    let (kind, api_version) = (kind.unwrap_or_default(), api_version.unwrap_or_default());
    if kind != "AdmissionReview" || api_version != API_VERSION {
        return Err(ReviewError::Version { kind, api_version });
    }
    if request.is_none() {
        return Err(ReviewError::NoRequest);
    }
    let Review { request } = document.read()?;
    if request.uid.is_empty() { Err(ReviewError::NoUid) } else { Ok(named(request)) }
}

/// The same with what the object says of its name, where the request has none. Nothing is decided by it.
fn named(mut request: Request) -> Request {
    if request.name.is_empty() {
        request.name = request.object.metadata("name").to_owned();
    }
    if request.name.is_empty() {
        request.generate_name = request.object.metadata("generateName").to_owned();
    }
    request
}

/// A review as it goes back.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    api_version: &'static str,
    kind: &'static str,
    /// The answer.
    pub response: Response,
}

/// What the apiserver is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The request's.
    pub uid: String,
    /// Whether the object may be.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Lines for the user's terminal: one line each, at most 256 bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// For the cluster's audit log; the apiserver puts the webhook's name before each key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<&'static str, String>,
    /// What was decided about each image; the apiserver is told no more than the annotations.
    #[serde(skip)]
    pub decided: Vec<Decided>,
}

/// What was decided about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Its name, as the object has it in full.
    pub image: String,
    /// The digest that was judged; null where none was.
    pub digest: Option<String>,
    /// `allowed` or `denied`.
    pub decision: &'static str,
    /// Codes of the errors, or of the warnings where it is allowed.
    pub codes: Vec<String>,
}

/// Why an object may not be (`metav1.Status`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// HTTP code that the user's client gets.
    pub code: u16,
    /// Text for people.
    pub message: String,
    /// Word for machines.
    pub reason: &'static str,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { api_version: API_VERSION, kind: "AdmissionReview", response }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn review(request: &str) -> String {
        format!(
            r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{request}}}"#
        )
    }

    #[test]
    fn reads_a_request_and_keeps_what_matters() {
        let text = review(
            r#"{"uid":"u","kind":{"group":"apps","version":"v1","kind":"Deployment"},"operation":"CREATE","userInfo":{},"object":{"a":1,"spec":{"b":2,"containers":[]}}}"#,
        );
        let request = parse(text.as_bytes(), LIMIT).expect("valid");
        assert_eq!((request.uid.as_str(), request.namespace.as_str()), ("u", ""));
        assert_eq!(request.kind.to_string(), "apps/v1 Deployment");
        let kept = serde_json::json!({"spec": {"containers": []}});
        assert_eq!(*request.object.value(), kept);
        assert!(request.old_object.value().is_null());
    }

    #[test]
    fn an_object_without_a_name_is_called_by_what_it_says() {
        let cases = [
            (r#""name":"a","object":{"metadata":{"name":"b","generateName":"b-"}}"#, ("a", "")),
            (
                r#""name":"","object":{"metadata":{"name":"b-x1","generateName":"b-"}}"#,
                ("b-x1", ""),
            ),
            (r#""object":{"metadata":{"generateName":"b-"}}"#, ("", "b-")),
            (r#""object":{"metadata":{"generateName":["b-"],"name":{}}}"#, ("", "")),
            (r#""object":{"spec":{}}"#, ("", "")),
            (r#""object":null"#, ("", "")),
        ];
        for (members, want) in cases {
            let text = review(&format!(
                r#"{{"uid":"u","kind":{{"version":"v1","kind":"Pod"}},"operation":"CREATE",{members}}}"#
            ));
            let request = parse(text.as_bytes(), LIMIT).expect(members);
            assert_eq!((request.name.as_str(), request.generate_name.as_str()), want, "{members}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_answered() {
        let kind = r#""kind":{"version":"v1","kind":"Pod"},"operation":"CREATE""#;
        let cases = [
            ("".to_owned(), "EOF"),
            ("[]".to_owned(), "invalid type: sequence"),
            ("{}".to_owned(), "found \"\" of \"\""),
            (review("null"), "has no request"),
            (review(r#"{"uid":"u"}"#), "missing field"),
            (review(&format!(r#"{{"uid":"",{kind}}}"#)), "uid is empty"),
            (review(&format!(r#"{{"uid":"u","uid":"v",{kind}}}"#)), "given twice"),
            (
                review(&format!(r#"{{"uid":"u",{kind},"object":{{"image":"a","image":"b"}}}}"#)),
                "given twice",
            ),
            (review(&format!(r#"{{"uid":"u",{kind}}}"#)) + "x", "trailing"),
            (review("null").replace("/v1", "/v1beta1"), "admissionReviewVersions"),
            (review("null").replace("AdmissionReview", "Admissionreview"), "expected kind"),
        ];
        for (text, want) in cases {
            let error = parse(text.as_bytes(), LIMIT).expect_err(&text).to_string();
            assert!(error.contains(want), "{text}\n{error}");
        }
    }
}
