//! An OpenID Connect issuer for a Sigstore of one's own on loopback: what Fulcio asks before it believes a token (OpenID Connect
//! Discovery 1.0, JWKS of RFC 7517), and the tokens themselves (RFC 7519, RS256), for anybody one would like to be.
//!
//! Test tooling. There is no login: who can read the key file can be everybody. Every path below the address is an issuer of its
//! own (`http://HOST:PORT`, `http://HOST:PORT/ci`), all with one key.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use axum::http::{StatusCode, Uri, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::Parser;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const KEY_ID: &str = "lab";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

#[derive(Parser)]
#[command(about = "An OpenID Connect issuer for tests on loopback")]
enum Command {
    /// Serve discovery and keys until stopped
    Serve {
        /// host:port to listen on, and to name in the documents
        #[arg(long)]
        listen: String,
        /// RSA key, PKCS#8 DER; made when it is not there
        #[arg(long)]
        key: PathBuf,
    },
    /// Print a token
    Token(Token),
    /// Write an ECDSA P-256 key as PREFIX.key (PKCS#8 PEM) and PREFIX.pub, for the log
    LogKey { prefix: PathBuf },
}

#[derive(clap::Args)]
struct Token {
    #[arg(long)]
    key: PathBuf,
    /// URL of the issuer to name
    #[arg(long)]
    issuer: String,
    #[arg(long)]
    subject: String,
    /// Adds the claims email and email_verified
    #[arg(long)]
    email: Option<String>,
    #[arg(long, default_value = "sigstore")]
    audience: String,
    /// Seconds until it expires
    #[arg(long, default_value_t = 600)]
    lifetime: u64,
    /// Further claims, all text
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    match Command::parse() {
        Command::Serve { listen, key } => serve(&listen, &key).await,
        Command::Token(token) => {
            println!("{}", token.mint()?);
            Ok(())
        }
        Command::LogKey { prefix } => write_log_key(&prefix),
    }
}

async fn serve(listen: &str, key: &Path) -> Outcome<()> {
    if !key.exists() {
        let made = RsaKeyPair::generate(KeySize::Rsa2048)?;
        write_secret(key, AsDer::<Pkcs8V1Der>::as_der(&made)?.as_ref())?;
    }
    let keys = key_set(&read_key(key)?);
    let base = format!("http://{listen}");
    let router = Router::new().fallback(get(move |uri: Uri| {
        let answer = answer(&base, &keys, uri.path());
        async move { answer }
    }));
    axum::serve(tokio::net::TcpListener::bind(listen).await?, router).await?;
    Ok(())
}

fn answer(base: &str, keys: &Value, path: &str) -> Response {
    let document = if let Some(prefix) = path.strip_suffix(DISCOVERY) {
        discovery(&format!("{base}{prefix}"))
    } else if path.ends_with(KEYS) {
        keys.clone()
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// OpenID Connect Discovery 1.0, section 3: the members that are required.
fn discovery(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}{KEYS}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn key_set(key: &RsaKeyPair) -> Value {
    let public = key.public_key();
    json!({"keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
        "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
        "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
    }]})
}

impl Token {
    fn mint(&self) -> Outcome<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience,
            "iat": now, "nbf": now, "exp": now + self.lifetime,
        });
        if let Some(email) = &self.email {
            claims["email"] = json!(email);
            claims["email_verified"] = json!(true);
        }
        for (name, value) in &self.claims {
            claims[name] = json!(value);
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID});
        let signed = format!("{}.{}", encode(&header), encode(&claims));

        let key = read_key(&self.key)?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn claim(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn read_key(path: &Path) -> Outcome<RsaKeyPair> {
    Ok(RsaKeyPair::from_pkcs8(&fs::read(path)?)?)
}

fn write_log_key(prefix: &Path) -> Outcome<()> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let private = key.to_pkcs8v1()?;
    let public = AsDer::<PublicKeyX509Der>::as_der(key.public_key())?;
    write_secret(&prefix.with_extension("key"), pem("PRIVATE KEY", private.as_ref()).as_bytes())?;
    fs::write(prefix.with_extension("pub"), pem("PUBLIC KEY", public.as_ref()))?;
    Ok(())
}

/// RFC 7468: 64 characters a line.
fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> =
        body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn write_secret(path: &Path, content: &[u8]) -> Outcome<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}
