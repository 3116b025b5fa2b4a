//! Private keys and tokens in every layer, and in the image's configuration and history.
//!
//! Turns files while they stream by, and what the configuration says, into a list of [`Secret`]s: what it is and where it is, and
//! never a part of it. What a later layer deletes is listed, too: whoever pulls the image has it. A secret is known by the form
//! that its vendor gave it, by a checksum, by a structure that decodes, or, in files that hold nothing else, by its field; that
//! text looks random is no evidence. Documented examples, placeholders, public parts and markers without a body are none, and
//! neither are test data that a package of the distribution recorded, byte for byte, which are counted: no path excuses anything,
//! and no record of a language's package. Searched are files, and what stands beside them: names, targets of links, extended
//! attributes, PAX records, annotations.

mod account;
mod ber;
pub mod collector;
mod commands;
mod configured;
mod connections;
mod der;
mod documents;
mod entries;
mod escapes;
mod files;
pub(super) mod fixtures;
mod keys;
mod named;
mod openpgp;
mod pem;
mod place;
mod placeholder;
mod published;
mod runs;
mod scan;
mod settings;
mod shown;
mod stores;
mod tokens;
mod within;
mod words;
mod written;

pub use configured::{shown_command, shown_value, shown_variable};
pub use documents::in_image;
pub use shown::{
    KeyLines, MARK, holds_credentials, in_keys, shown_json, shown_line, shown_named, shown_texts,
    shown_words,
};
pub use within::secrets_within;
pub use words::{shown_path, shown_text};
pub use written::write_shown_in_lines;

use crate::contents::facts::{Bounded, Spot};

/// What a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A private key: PKCS#1, PKCS#8, SEC 1, OpenSSH's, PuTTY's.
    PrivateKey,
    /// A private key of OpenPGP.
    PgpKey,
    /// The key of an SSH server.
    SshHostKey,
    /// An identity of age.
    Age,
    /// AWS: access key id and secret.
    Aws,
    /// Azure: connection strings of storage and messages.
    Azure,
    /// Google Cloud: a service account's key, an OAuth client's secret.
    Google,
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// npm.
    Npm,
    /// `PyPI`.
    PyPi,
    /// RubyGems.
    RubyGems,
    /// Docker Hub.
    Docker,
    /// Slack.
    Slack,
    /// Stripe.
    Stripe,
    /// SendGrid.
    SendGrid,
    /// Shopify.
    Shopify,
    /// DigitalOcean.
    DigitalOcean,
    /// Anthropic.
    Anthropic,
    /// OpenAI.
    OpenAi,
    /// Grafana.
    Grafana,
    /// Vault.
    Vault,
    /// Terraform Cloud.
    Terraform,
    /// A Kubernetes service account's token.
    Kubernetes,
    /// A password or token in a file for credentials: `.netrc`, `.npmrc`, `.docker/config.json`.
    Credentials,
    /// A value whose name says that it is a secret.
    Named,
}

impl Kind {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::PrivateKey => "private-key",
            Self::PgpKey => "pgp-private-key",
            Self::SshHostKey => "ssh-host-key",
            Self::Age => "age-identity",
            Self::Aws => "aws-access-key",
            Self::Azure => "azure-connection-string",
            Self::Google => "google-credentials",
            Self::GitHub => "github-token",
            Self::GitLab => "gitlab-token",
            Self::Npm => "npm-token",
            Self::PyPi => "pypi-token",
            Self::RubyGems => "rubygems-token",
            Self::Docker => "docker-token",
            Self::Slack => "slack-token",
            Self::Stripe => "stripe-key",
            Self::SendGrid => "sendgrid-key",
            Self::Shopify => "shopify-token",
            Self::DigitalOcean => "digitalocean-token",
            Self::Anthropic => "anthropic-key",
            Self::OpenAi => "openai-key",
            Self::Grafana => "grafana-token",
            Self::Vault => "vault-token",
            Self::Terraform => "terraform-token",
            Self::Kubernetes => "kubernetes-token",
            Self::Credentials => "credentials",
            Self::Named => "named-secret",
        }
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A file of a layer.
    File {
        /// Path and layer.
        spot: Spot,
        /// Bytes from its beginning; `None` where it is known by its fields.
        offset: Option<u64>,
        /// Line, from 1, where it is text.
        line: Option<u64>,
        /// What of the file's entry holds it: `path`, `link`, `owner`, `xattr NAME`, `pax KEY`; `None` where its bytes do.
        field: Option<String>,
        /// Whether a later layer deletes or replaces it.
        hidden: bool,
    },
    /// The configuration.
    Config {
        /// `env`, `labels`, `entrypoint`, `cmd`, `healthcheck`, `shell`, `onbuild`, `history`, `annotations`, or, of what none
        /// of these holds, `config`, `manifest` or `index`.
        part: &'static str,
        /// Its place there, counted from 0.
        index: usize,
        /// The variable's, label's or annotation's name.
        name: Option<String>,
    },
}

/// A secret: what and where, and nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    /// Where.
    pub source: Source,
    /// What it opens.
    pub kind: Kind,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
}

/// A reason why files were not searched, or not to their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsearched {
    /// The first of the files.
    pub path: String,
    /// Why.
    pub why: String,
    /// How many files there are.
    pub files: usize,
}

/// What was found in an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The secrets, sorted by place.
    pub found: Bounded<Secret>,
    /// What was not searched.
    pub unsearched: Vec<Unsearched>,
    /// Secrets in test data and documents that packages of the distribution recorded with these bytes, which are none.
    pub fixtures: usize,
}

impl Secrets {
    /// With what was found elsewhere, of which no more than `most` is kept.
    #[must_use]
    pub fn with(mut self, mut more: Vec<Secret>, most: usize) -> Self {
        let left_out = more.len().saturating_sub(most);
        more.truncate(most);
        self.found.items.extend(more);
        self.found.items.sort();
        self.found.left_out = self.found.left_out.saturating_add(left_out);
        self
    }
}

#[cfg(test)]
mod tests;
