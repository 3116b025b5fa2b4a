//! What somebody says about whether an image is affected: statements of VEX, whatever their format.
//!
//! Turns [`Statement`]s by signers whom the operator trusts, and the vulnerabilities of an image, into a decision for
//! each: of the statements about it the most specific count, of those the newest, and where they disagree nothing is
//! suppressed. What a statement says that matches nothing is told with the reason. Nothing here proves who said it:
//! that is the caller's.

pub mod read;

use std::collections::BTreeSet;

use packageurl::PackageUrl;
use std::str::FromStr as _;

use crate::contents::is_distribution;

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The product is not affected.
    NotAffected,
    /// The product has the fix.
    Fixed,
    /// The product is affected.
    Affected,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl Status {
    /// The word of OpenVEX.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Fixed => "fixed",
            Self::Affected => "affected",
            Self::UnderInvestigation => "under_investigation",
        }
    }

    /// Whether it says that there is nothing to do.
    fn suppresses(self) -> bool {
        matches!(self, Self::NotAffected | Self::Fixed)
    }
}

/// One statement about one vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Ids of the vulnerability: its name and aliases.
    pub vulnerability: Vec<String>,
    /// What it says.
    pub status: Status,
    /// Why, in the word of the format.
    pub justification: Option<String>,
    /// Why, in words.
    pub why: Option<String>,
    /// About what.
    pub products: Vec<Product>,
    /// When it was said last, in the form in which times are compared as text.
    pub time: Option<jiff::Timestamp>,
    /// The document.
    pub document: String,
}

/// A product, and the parts of it that a statement is about; none means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Product {
    /// What it is.
    pub identity: Identity,
    /// Its parts.
    pub parts: Vec<Identity>,
}

/// What something is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Package URLs.
    pub purls: Vec<String>,
    /// Digests in hexadecimal digits, without the algorithm.
    pub digests: Vec<String>,
}

impl Identity {
    /// What a text means: a package URL, or nothing that is known here.
    pub fn of(text: &str) -> Self {
        let purls = text.starts_with("pkg:").then(|| text.to_owned());
        Self { purls: purls.into_iter().collect(), digests: Vec::new() }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.purls.is_empty() && self.digests.is_empty()
    }
}

/// The image that is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// Digests of its manifest, and of the index that it is from, in hexadecimal digits.
    pub digests: Vec<String>,
    /// Its repository, as `registry.example/app`; Docker Hub's is docker.io.
    pub repository: String,
}

/// A vulnerability of a package, as statements are held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'q> {
    /// Every id of it.
    pub ids: BTreeSet<&'q str>,
    /// The package URL of the package; that of its source package, too.
    pub purls: Vec<&'q str>,
}

/// What statements say of one vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Silent,
    /// That it counts: the statement's place.
    Counts(usize),
    /// That it does not: the statement's place.
    Suppressed(usize),
    /// Statements that are alike specific and alike new disagree: their places.
    Conflict(Vec<usize>),
}

/// Why a statement is about nothing of this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unmatched {
    /// Nothing has its vulnerability.
    #[error("no package of the image has this vulnerability, as far as the data knows")]
    Vulnerability,
    /// It is about another product.
    #[error(
        "none of its products is this image, by digest or repository, or the package that has the vulnerability"
    )]
    Product,
    /// It is about another part.
    #[error(
        "it is about this image, and none of its parts is the package that has the vulnerability"
    )]
    Part,
    /// It names no product that can be compared.
    #[error("it names no product by package URL or digest")]
    Nameless,
    /// It says that the product is not affected, and not why.
    #[error("it says not_affected without a justification or an impact statement")]
    Unjustified,
}

/// How well a statement fits; the larger, the more specific.
type Fit = (u8, u8);

/// What the statements say of one vulnerability.
pub fn answer(question: &Question<'_>, statements: &[Statement], judged: &Judged) -> Answer {
    let fits = statements.iter().enumerate().filter_map(|(place, statement)| {
        let fit = fit(question, statement, judged).ok()?;
        Some((fit, statement.time, place, statement.status))
    });
    let mut fits: Vec<_> = fits.collect();
    fits.sort_by(|a, b| (b.0, b.1, a.2).cmp(&(a.0, a.1, b.2)));
    let Some((fit, time, first, status)) = fits.first().copied() else { return Answer::Silent };
    let equal: Vec<_> = fits.iter().take_while(|one| one.0 == fit && one.1 == time).collect();
    let agree = equal.iter().all(|one| one.3.suppresses() == status.suppresses());
    match (agree, status.suppresses()) {
        (false, _) => Answer::Conflict(equal.iter().map(|one| one.2).collect()),
        (true, true) => Answer::Suppressed(first),
        (true, false) => Answer::Counts(first),
    }
}

/// Why a statement says nothing of any of the image's vulnerabilities: the nearest that it came to one.
pub fn unmatched(
    questions: &[Question<'_>],
    statement: &Statement,
    judged: &Judged,
) -> Option<Unmatched> {
    let mut nearest = None;
    for question in questions {
        match fit(question, statement, judged) {
            Ok(_) => return None,
            Err(why) => nearest = nearest.max(Some(why)),
        }
    }
    Some(nearest.unwrap_or(Unmatched::Vulnerability))
}

/// How well a statement fits a vulnerability of a package.
fn fit(question: &Question<'_>, statement: &Statement, judged: &Judged) -> Result<Fit, Unmatched> {
    if !statement.vulnerability.iter().any(|id| question.ids.contains(id.as_str())) {
        return Err(Unmatched::Vulnerability);
    }
    if statement.products.iter().all(|product| product.identity.is_empty()) {
        return Err(Unmatched::Nameless);
    }
    let says_why = statement.justification.is_some() || statement.why.is_some();
    if statement.status == Status::NotAffected && !says_why {
        return Err(Unmatched::Unjustified);
    }
    let fits = statement.products.iter().map(|product| product_fit(question, product, judged));
    // The best of them; where none fits, the nearest.
    let best = fits.max_by(|a, b| match (a, b) {
        (Ok(a), Ok(b)) => a.cmp(b),
        (Ok(_), Err(_)) => std::cmp::Ordering::Greater,
        (Err(_), Ok(_)) => std::cmp::Ordering::Less,
        (Err(a), Err(b)) => a.cmp(b),
    });
    best.unwrap_or(Err(Unmatched::Nameless))
}

fn product_fit(
    question: &Question<'_>,
    product: &Product,
    judged: &Judged,
) -> Result<Fit, Unmatched> {
    let image = image_fit(&product.identity, judged);
    let package = |identity: &Identity| {
        let pairs = identity
            .purls
            .iter()
            .flat_map(|own| question.purls.iter().map(move |other| purl_fit(own, other)));
        pairs.max().unwrap_or(0)
    };
    if image == 0 {
        // The package itself is the product; parts of it are none of the image's packages.
        return match (package(&product.identity), product.parts.is_empty()) {
            (0, _) | (_, false) => Err(Unmatched::Product),
            (fit, true) => Ok((0, fit)),
        };
    }
    if product.parts.is_empty() {
        return Ok((image, 0));
    }
    match product.parts.iter().map(package).max().unwrap_or(0) {
        0 => Err(Unmatched::Part),
        fit => Ok((image, fit)),
    }
}

/// Whether an identity is the image: 2 by digest, 1 by repository alone, 0 not.
fn image_fit(identity: &Identity, judged: &Judged) -> u8 {
    let is_digest =
        |digest: &str| judged.digests.iter().any(|own| own.eq_ignore_ascii_case(digest));
    if identity.digests.iter().any(|digest| is_digest(digest)) {
        return 2;
    }
    let fits = identity.purls.iter().filter_map(|text| {
        let purl = PackageUrl::from_str(text).ok()?;
        (purl.ty() == "oci").then_some(())?;
        let place = purl.qualifiers().get("repository_url").map(|url| canonical(url));
        let same_place = place.as_ref().is_none_or(|place| *place == canonical(&judged.repository));
        match purl.version().map(|version| version.split_once(':').map_or(version, |(_, hex)| hex))
        {
            Some(digest) if is_digest(digest) && same_place => Some(2),
            Some(_) => None,
            None if place.is_some() && same_place => Some(1),
            None => None,
        }
    });
    fits.max().unwrap_or(0)
}

/// One spelling of a repository.
fn canonical(repository: &str) -> String {
    let repository = repository.trim_start_matches("https://").trim_end_matches('/');
    match repository.strip_prefix("index.docker.io/") {
        Some(rest) => format!("docker.io/{rest}"),
        None => repository.to_owned(),
    }
}

/// Whether a package URL of a statement means a package: 2 with its version, 1 without one, 0 not. Qualifiers of the
/// statement have to be among those of the package.
fn purl_fit(statement: &str, package: &str) -> u8 {
    let (Ok(own), Ok(other)) = (PackageUrl::from_str(statement), PackageUrl::from_str(package))
    else {
        return 0;
    };
    let same = own.ty() == other.ty()
        && own.name() == other.name()
        && (own.namespace() == other.namespace()
            || own.namespace().is_none() && is_distribution(own.ty()));
    let within = own.qualifiers().iter().all(|(key, value)| {
        // `upstream` and `distro` are spelt in several ways: they only narrow where both say them.
        other
            .qualifiers()
            .get(key)
            .map_or(key == "distro" || key == "upstream", |other| *other == *value)
    });
    match (same && within, own.version()) {
        (false, _) => 0,
        (true, None) => 1,
        (true, Some(version)) => {
            if other.version() == Some(version) {
                2
            } else {
                0
            }
        }
    }
}

#[cfg(test)]
mod tests;
