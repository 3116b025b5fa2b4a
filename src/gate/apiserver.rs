//! Labels of a namespace, from the cluster's apiserver.
//!
//! Asks `GET /api/v1/namespaces/NAME` (Kubernetes API, core/v1) by HTTPS, with the token of a service account. Nothing else is
//! asked, no redirect is followed, and no authority is trusted but the configured one. Files are read for each question, because
//! Kubernetes replaces tokens and authorities while pods run. The token is in no message: headers are marked as sensitive, and
//! nothing of an answer is repeated but its status.

use std::{error::Error as _, path::PathBuf, sync::Arc};

use futures_util::FutureExt as _;
use reqwest::{
    Certificate, Client, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::namespaces::ReadLabels;
use crate::{json, policy::namespaces::Labels, scratch::read_file};

/// Bytes of a token, or of a file of authorities.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Bytes of a namespace as the apiserver tells it: etcd takes 1.5 MiB by default.
const MAX_NAMESPACE_BYTES: usize = 2 << 20;

/// Where labels are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apiserver {
    /// Address, by HTTPS.
    pub server: Url,
    /// PEM file of the authorities of its certificate.
    pub ca: PathBuf,
    /// File with the bearer token.
    pub token: PathBuf,
}

/// A namespace, as far as it is read (core/v1 `Namespace`).
#[derive(Deserialize)]
struct Namespace {
    kind: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: Option<Labels>,
}

impl Apiserver {
    /// The function that asks.
    pub fn read(self) -> Arc<ReadLabels> {
        let apiserver = Arc::new(self);
        Arc::new(move |name: String| {
            let apiserver = Arc::clone(&apiserver);
            async move { apiserver.labels(&name).await }.boxed()
        })
    }

    /// Whether its files can be used, without asking.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        self.client().and_then(|_| self.authorization()).map(|_| ())
    }

    async fn labels(&self, name: &str) -> Result<Labels, String> {
        let url = self.server.join(&format!("/api/v1/namespaces/{name}"));
        let url = url.map_err(|error| error.to_string())?;
        let (client, token) = (self.client()?, self.authorization()?);
        let request = client.get(url).header(AUTHORIZATION, token);
        let response = request.header(ACCEPT, "application/json").send().await.map_err(told)?;
        match response.status() {
            StatusCode::OK => read(name, &body(response).await?),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(format!(
                "the apiserver answers {}: the service account has to be allowed to get namespaces",
                status.as_u16()
            )),
            StatusCode::NOT_FOUND => Err("the apiserver knows no such namespace".to_owned()),
            status => Err(format!("the apiserver answers {}", status.as_u16())),
        }
    }

    fn client(&self) -> Result<Client, String> {
        let (path, shown) = (&self.ca, self.ca.display());
        let pem = read_file(path, MAX_FILE_BYTES).map_err(|error| format!("{shown}: {error}"))?;
        let roots = Certificate::from_pem_bundle(&pem);
        let roots = roots.map_err(|error| format!("{shown}: {}", told(error)))?;
        if roots.is_empty() {
            return Err(format!("{shown} holds no PEM certificate"));
        }
        Client::builder()
            .user_agent(concat!("hallmark/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(true)
            .tls_certs_only(roots)
            .build()
            .map_err(told)
    }

    fn authorization(&self) -> Result<HeaderValue, String> {
        let (path, shown) = (&self.token, self.token.display());
        let bytes = read_file(path, MAX_FILE_BYTES).map_err(|error| format!("{shown}: {error}"))?;
        let bytes = Zeroizing::new(bytes);
        let no_token = || format!("{shown} holds no token");
        let token = std::str::from_utf8(&bytes).map_err(|_| no_token())?.trim();
        if token.is_empty() {
            return Err(no_token());
        }
        let header = Zeroizing::new(format!("Bearer {token}"));
        let mut header = HeaderValue::from_str(&header).map_err(|_| no_token())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// A body of bounded length.
async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_NAMESPACE_BYTES {
            return Err(format!(
                "the apiserver's answer has more than {MAX_NAMESPACE_BYTES} bytes"
            ));
        }
    }
    Ok(bytes)
}

/// The labels in what the apiserver says of the namespace of this name.
fn read(name: &str, bytes: &[u8]) -> Result<Labels, String> {
    let found: Namespace = json::from_slice(bytes, MAX_NAMESPACE_BYTES)
        .map_err(|_| "the apiserver's answer is no namespace".to_owned())?;
    if found.kind != "Namespace" || found.metadata.name != name {
        return Err("the apiserver's answer is about something else".to_owned());
    }
    Ok(found.metadata.labels.unwrap_or_default())
}

/// An error with its causes and without its URL.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_apiserver_says_is_about_the_namespace_that_was_asked_for() {
        let told = |text: &str| read("pay", text.as_bytes());
        let labels = told(
            r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"pay","uid":"u","labels":{"env":"prod"}},"spec":{},"status":{}}"#,
        );
        assert_eq!(labels, Ok(Labels::from([("env".to_owned(), "prod".to_owned())])));
        for none in [
            r#"{"kind":"Namespace","metadata":{"name":"pay"}}"#,
            r#"{"kind":"Namespace","metadata":{"name":"pay","labels":null}}"#,
        ] {
            assert_eq!(told(none), Ok(Labels::new()), "{none}");
        }
        for wrong in [
            "",
            "[]",
            r#"{"kind":"Status","metadata":{"name":"pay"}}"#,
            r#"{"kind":"Namespace","metadata":{"name":"team"}}"#,
            r#"{"kind":"Namespace","metadata":{}}"#,
            r#"{"kind":"Namespace","metadata":{"name":"pay","labels":{"env":1}}}"#,
            r#"{"kind":"Namespace","metadata":{"name":"pay","labels":{"env":"a","env":"b"}}}"#,
        ] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_token_is_in_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = file("ca.crt", &pair.cert.pem());
        let with = |token: PathBuf| Apiserver {
            server: "https://localhost".parse().unwrap(),
            ca: ca.clone(),
            token,
        };
        let good = with(file("token", "s3cret-token\n"));
        good.check().unwrap();
        let header = good.authorization().unwrap();
        assert_eq!(header, "Bearer s3cret-token");
        assert!(!format!("{header:?}{good:?}").contains("s3cret"));
        for wrong in ["", "\n", "s3cret\ntoken", "s3cret\u{1}"] {
            let why = with(file("wrong", wrong)).check().unwrap_err();
            assert!(why.contains("holds no token") && !why.contains("s3cret"), "{why}");
        }
        assert!(with(folder.path().join("absent")).check().unwrap_err().contains("absent"));
        let no_ca = Apiserver { ca: file("none.crt", ""), ..good };
        assert!(no_ca.check().unwrap_err().contains("none.crt"));
    }
}
