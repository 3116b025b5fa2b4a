//! HTTP clients, made no earlier than they are needed: each that can do TLS reads all the system's roots.

use std::{error::Error as _, path::PathBuf, sync::OnceLock, time::Duration};

use reqwest::{Certificate, Client};

use super::{
    address::{Bounds, Side},
    no_proxy,
};

/// How a client is made.
pub(super) struct Recipe {
    pub(super) bounds: Bounds,
    /// The proxy, and the hosts that are reached without it.
    pub(super) proxy: Option<(String, Option<String>)>,
    pub(super) ca: Vec<Certificate>,
    /// Time to connect.
    pub(super) connect: Duration,
}

/// Which authorities certificates are held against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Roots {
    /// The system's, and those of the registry's settings.
    System,
    /// None: TLS would fail.
    None,
}

impl Recipe {
    pub(super) fn client(&self, side: Side, roots: Roots) -> Result<Client, String> {
        self.build(side, roots).map_err(unmade)
    }

    fn build(&self, side: Side, roots: Roots) -> reqwest::Result<Client> {
        let mut builder = Client::builder()
            .user_agent(concat!("hallmark/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .dns_resolver(self.bounds.resolver(side))
            .connect_timeout(self.connect);
        builder = match roots {
            Roots::System => builder.tls_certs_merge(self.ca.clone()),
            Roots::None => builder.tls_certs_only([]),
        };
        if let Some((proxy, except)) = &self.proxy {
            builder = builder.proxy(no_proxy::proxy(proxy, except.as_deref())?);
        }
        builder.build()
    }
}

/// The client for hosts that the registry sends us to: made when the first one is met, which most never do.
pub(super) struct Away {
    recipe: Recipe,
    client: OnceLock<Result<Client, String>>,
}

impl Away {
    pub(super) fn new(recipe: Recipe) -> Self {
        Self { recipe, client: OnceLock::new() }
    }

    pub(super) fn client(&self) -> Result<&Client, String> {
        let made = self.client.get_or_init(|| self.recipe.client(Side::Away, Roots::System));
        made.as_ref().map_err(Clone::clone)
    }
}

/// The certificates in a PEM file.
pub(super) fn certificates(path: Option<&PathBuf>) -> Result<Vec<Certificate>, String> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|error| format!("ca {shown}: {error}"))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(list) if list.is_empty() => Err(format!("ca {shown}: holds no PEM certificate")),
        Ok(list) => Ok(list),
        Err(error) => Err(format!("ca {shown}: {}", describe(error))),
    }
}

/// Why a client could not be made. A container that holds one program has no authorities to begin with.
pub(super) fn unmade(error: reqwest::Error) -> String {
    let text = describe(error);
    // The words are those of rustls-platform-verifier, which has no type for it.
    if !text.contains("No CA certificates were loaded") {
        return text;
    }
    "this machine has no certificate authorities, without which TLS trusts nobody; install \
     ca-certificates, or name a PEM file of them in SSL_CERT_FILE"
        .to_owned()
}

/// An error with its causes and without its URL.
pub(super) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
