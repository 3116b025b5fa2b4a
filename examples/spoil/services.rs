//! A Sigstore client without manners: it asks the lab's services for exactly what it is told, and puts together whatever comes.

use std::process::Command;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Outcome;

/// The addresses of `scripts/sigstore-lab`.
pub(crate) struct Lab {
    fulcio: String,
    timestamp: String,
    other_timestamp: String,
    log: String,
    mint: String,
    pub(crate) log_origin: String,
    pub(crate) issuer: String,
    pub(crate) trusted_root: String,
    client: reqwest::Client,
}

impl Lab {
    pub(crate) fn from_environment() -> Outcome<Lab> {
        let variable = |name: &str| {
            std::env::var(name)
                .map_err(|_| format!("{name} is not set; source a sigstore-lab's env"))
        };
        Ok(Lab {
            fulcio: variable("FULCIO")?,
            timestamp: variable("TIMESTAMP")?,
            other_timestamp: variable("OTHER_TIMESTAMP")?,
            log: variable("LOG")?,
            mint: variable("MINT")?,
            log_origin: variable("LOG_ORIGIN")?,
            issuer: variable("ISSUER")?,
            trusted_root: variable("TRUSTED_ROOT")?,
            // The servers close idle connections whenever they like.
            client: reqwest::Client::builder().pool_max_idle_per_host(0).build()?,
        })
    }

    /// A certificate (DER) for the key, by somebody who has that address: Fulcio's `POST /api/v2/signingCert`.
    pub(crate) async fn certificate(&self, key: &Key, email: &str) -> Outcome<Vec<u8>> {
        let token = Command::new(&self.mint).arg(email).output()?;
        let request = json!({
            "credentials": {"oidcIdentityToken": String::from_utf8(token.stdout)?.trim()},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": key.public_pem()?},
                "proofOfPossession": STANDARD.encode(key.sign(email.as_bytes())?),
            },
        });
        let url = format!("{}/api/v2/signingCert", self.fulcio);
        let answer: Value = self.post(&url, &request).await?.json().await?;
        let pem = answer
            .pointer("/signedCertificateDetachedSct/chain/certificates/0")
            .or_else(|| answer.pointer("/signedCertificateEmbeddedSct/chain/certificates/0"))
            .and_then(Value::as_str)
            .ok_or_else(|| format!("no certificate from Fulcio: {answer}"))?;
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Ok(STANDARD.decode(body)?)
    }

    /// An RFC 3161 reply over the bytes.
    pub(crate) async fn stamp(&self, by: Authority, content: &[u8]) -> Outcome<Vec<u8>> {
        let authority = match by {
            Authority::Trusted => &self.timestamp,
            Authority::Other => &self.other_timestamp,
        };
        let request = json!({
            "artifactHash": STANDARD.encode(digest(&SHA256, content)),
            "hashAlgorithm": "sha256",
            "certificates": true,
        });
        let reply = self.post(&format!("{authority}/api/v1/timestamp"), &request).await?;
        Ok(reply.bytes().await?.to_vec())
    }

    /// A log entry over signed bytes: Rekor v2's `POST /api/v2/log/entries`, kind hashedrekord 0.0.2.
    pub(crate) async fn log(
        &self,
        signed: &[u8],
        signature: &[u8],
        key: &Key,
        certificate: &[u8],
    ) -> Outcome<Value> {
        let request = json!({"hashedRekordRequestV002": {
            "digest": STANDARD.encode(key.digest(signed)),
            "signature": {
                "content": STANDARD.encode(signature),
                "verifier": {
                    "x509Certificate": {"rawBytes": STANDARD.encode(certificate)},
                    "keyDetails": key.details(),
                },
            },
        }});
        Ok(self.post(&format!("{}/api/v2/log/entries", self.log), &request).await?.json().await?)
    }

    async fn post(&self, url: &str, request: &Value) -> Outcome<reqwest::Response> {
        let answer = self.client.post(url).json(request).send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(format!("{url}: {}: {}", answer.status(), answer.text().await?).into())
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Authority {
    Trusted,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Curve {
    P256,
    P384,
}

/// A signing key that lives as long as its bundle.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    curve: Curve,
}

impl Key {
    pub(crate) fn generate(curve: Curve) -> Outcome<Key> {
        let algorithm = match curve {
            Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        };
        Ok(Key { pair: EcdsaKeyPair::generate(algorithm)?, curve })
    }

    /// P-256, PKCS#8 DER.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Outcome<Key> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)?;
        Ok(Key { pair, curve: Curve::P256 })
    }

    pub(crate) fn sign(&self, content: &[u8]) -> Outcome<Vec<u8>> {
        Ok(self.pair.sign(&SystemRandom::new(), content)?.as_ref().to_vec())
    }

    fn digest(&self, content: &[u8]) -> Vec<u8> {
        let algorithm = match self.curve {
            Curve::P256 => &SHA256,
            Curve::P384 => &SHA384,
        };
        digest(algorithm, content).as_ref().to_vec()
    }

    fn details(&self) -> &'static str {
        match self.curve {
            Curve::P256 => "PKIX_ECDSA_P256_SHA_256",
            Curve::P384 => "PKIX_ECDSA_P384_SHA_384",
        }
    }

    fn public_pem(&self) -> Outcome<String> {
        let der = AsDer::<PublicKeyX509Der>::as_der(self.pair.public_key())?;
        Ok(format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der.as_ref())
        ))
    }
}
