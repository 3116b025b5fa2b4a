//! Documents of VEX: OpenVEX 0.0 to 0.2, CycloneDX 1.4 to 1.7 (JSON) and CSAF 2.0 and 2.1, as statements.
//!
//! What a document does not define and a statement refers to makes the document doubtful, and it is refused whole:
//! nobody knows what it meant.

mod csaf;
mod cyclonedx;
mod openvex;

use serde::Deserialize;

use super::Statement;
pub use crate::vulnerabilities::csaf::products::TreeError;
use crate::{
    json::{self, Document, JsonError},
    limits::Limits,
};

/// Most statements, products and parts of one document, each and together.
const MOST: usize = 200_000;

/// Why a document was refused.
#[derive(Debug, thiserror::Error)]
pub enum VexError {
    /// It is no JSON, too large, or not of its form.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// It is none of the three.
    #[error("it is no OpenVEX, CycloneDX or CSAF document of a version that is read here")]
    Unknown,
    /// A status or state means nothing.
    #[error("\"{0}\" is no status")]
    Status(String),
    /// A time is none.
    #[error("\"{0}\" is no time")]
    Time(String),
    /// Something refers to what is not there.
    #[error("{what} refers to {to}, which the document does not define")]
    Undefined {
        /// What refers.
        what: &'static str,
        /// To what.
        to: String,
    },
    /// Something is defined twice.
    #[error("{0} is defined twice")]
    Twice(String),
    /// The products of a CSAF document are doubtful.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// It does not say when it was released.
    #[error("it has no current_release_date")]
    Dateless,
    /// A justification means nothing.
    #[error("\"{0}\" is no justification")]
    Justification(String),
    /// There is too much of it.
    #[error("it has more than {MOST} statements, products and parts")]
    TooMany,
    /// It says nothing.
    #[error("it has no statement")]
    Empty,
}

/// Enough of a document to know what it is.
#[derive(Deserialize)]
struct Outline {
    #[serde(default, rename = "@context")]
    context: Option<serde_json::Value>,
    #[serde(default, rename = "bomFormat")]
    bom_format: Option<String>,
    #[serde(default)]
    document: Option<serde::de::IgnoredAny>,
}

/// The statements of a document.
///
/// # Errors
/// See [`VexError`].
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Statement>, VexError> {
    let document: Document<'_> = json::check(bytes, limits.advisory())?;
    let outline: Outline = document.read()?;
    if outline.context.as_ref().is_some_and(openvex::is_context) {
        openvex::read(&document)
    } else if outline.bom_format.as_deref() == Some("CycloneDX") {
        cyclonedx::read(&document)
    } else if outline.document.is_some() {
        csaf::read(&document)
    } else {
        Err(VexError::Unknown)
    }
}

fn time(text: &str) -> Result<jiff::Timestamp, VexError> {
    text.parse().map_err(|_| VexError::Time(shown(text)))
}

fn shown(text: &str) -> String {
    crate::untrusted::clean(&crate::untrusted::shortened(text, 80))
}

#[cfg(test)]
mod tests;
