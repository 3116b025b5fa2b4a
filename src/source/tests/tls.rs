//! A registry with a certificate of a private authority.

use std::path::PathBuf;

use axum::{Router, http::HeaderMap, routing::get};

use super::kit::*;
use crate::{
    digest::ManifestDigest,
    reference::Location,
    source::{RegistrySettings, SourceSettings, open},
};

const DOCUMENT: &str = "{}";

/// Serves one manifest over TLS; gives the host and the authority's certificate.
fn start(folder: &tempfile::TempDir) -> (String, PathBuf) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority_certificate.pem()).unwrap();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let digest = ManifestDigest::of(DOCUMENT.as_bytes());
    // The manifest is there only for those who speak HTTP/2.
    let manifest = |request: axum::extract::Request| async move {
        match request.version() {
            axum::http::Version::HTTP_2 => Ok((HeaderMap::new(), DOCUMENT)),
            other => Err(format!("{other:?}")),
        }
    };
    let router = Router::new().route(&format!("/v2/app/manifests/{digest}"), get(manifest));
    let (certificate, key) = (certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    tokio::spawn(async move {
        let config =
            axum_server::tls_rustls::RustlsConfig::from_pem(certificate, key).await.unwrap();
        axum_server::from_tcp_rustls(listener, config)
            .unwrap()
            .serve(router.into_make_service())
            .await
            .unwrap();
    });
    (host, ca)
}

#[tokio::test]
async fn a_private_authority_counts_where_it_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let (host, ca) = start(&folder);
    let location = Location::Registry(format!("{host}/app").parse().unwrap());
    let digest = ManifestDigest::of(DOCUMENT.as_bytes());
    for (ca, want) in [(Some(ca), true), (None, false)] {
        let registry = RegistrySettings { host: host.clone(), ca, ..Default::default() };
        let settings = SourceSettings { registries: vec![registry], ..settings() };
        let source = open(&location, &settings, &limits()).await.unwrap();
        let got = source.manifest(&digest).await;
        assert_eq!(got.is_ok(), want, "{got:?}");
        if let Err(error) = got {
            let text = error.to_string();
            assert!(text.contains("certificate"), "{text}");
            assert!(!text.contains("attempts"), "a bad certificate is not tried again: {text}");
        }
    }
}
