//! What somebody says about whether an image is affected: statements of VEX, whatever their format.
//!
//! Turns [`Statement`]s by signers whom the operator trusts, and the vulnerabilities of an image, into a decision for
//! each: of the statements about it the most specific count, of those the newest, and where they disagree nothing is
//! suppressed. What a statement says that matches nothing is told with the reason. Nothing here proves who said it:
//! that is the caller's.

mod fits;
mod platform;
pub mod read;
mod versions;

use std::{cmp::Ordering, collections::BTreeSet, str::FromStr as _};

use packageurl::PackageUrl;
pub use platform::{Misfit, Platforms};
pub use versions::Versions;

use super::distribution::Distribution;
use fits::{image_fit, purl_fit};

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
    /// Who signed it, by the operator's names; empty as it is read, since a document proves nothing of that.
    pub signers: Vec<String>,
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
    /// The platforms that it is on. A digest needs none: it names one image wherever that is.
    pub platforms: Platforms,
    /// The versions of it that are meant, where a statement lists them.
    pub versions: Option<Versions>,
}

impl Identity {
    /// What a text means: a package URL, or nothing that is known here.
    pub fn of(text: &str) -> Self {
        let purls = text.starts_with("pkg:").then(|| text.to_owned());
        Self { purls: purls.into_iter().collect(), ..Self::default() }
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
    /// Its distribution and release, where it says them.
    pub distribution: Option<Distribution>,
}

/// A vulnerability of a package, as statements are held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question<'q> {
    /// Every id of it, whole.
    pub ids: BTreeSet<&'q str>,
    /// Ids of the vulnerabilities that it is made of: an advisory of a distribution is about many at once.
    pub parts: BTreeSet<&'q str>,
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
    /// It is about another platform or other versions.
    #[error("{0}")]
    Misfit(Misfit),
    /// It names no product that can be compared.
    #[error("it names no product by package URL or digest")]
    Nameless,
    /// It suppresses one of several vulnerabilities.
    #[error(
        "it is about one of several vulnerabilities of an advisory, and nothing says the same of the others"
    )]
    Others,
    /// It says that the product is not affected, and not why.
    #[error("it says not_affected without a justification or an impact statement")]
    Unjustified,
}

/// How well a statement fits; the larger, the more specific.
type Fit = (u8, u8);

/// What the statements say of one vulnerability. One that is made of several is suppressed where each of them is.
pub fn answer(question: &Question<'_>, statements: &[Statement], judged: &Judged) -> Answer {
    let mut answers = question.each().map(|ids| answer_one(&ids, question, statements, judged));
    let first = answers.next().unwrap_or(Answer::Silent);
    answers.fold(first, |all, one| match (&all, &one) {
        (Answer::Conflict(_), _) => all,
        (_, Answer::Conflict(_)) => one,
        (Answer::Counts(_), _) => all,
        (_, Answer::Counts(_)) => one,
        (Answer::Silent, _) => all,
        (_, Answer::Silent) => one,
        (Answer::Suppressed(_), Answer::Suppressed(_)) => all,
    })
}

/// What they say of a vulnerability with these ids.
fn answer_one(
    ids: &BTreeSet<&str>,
    question: &Question<'_>,
    statements: &[Statement],
    judged: &Judged,
) -> Answer {
    let fits = statements.iter().enumerate().filter_map(|(place, statement)| {
        let fit = fit_one(ids, question, statement, judged).ok()?;
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

impl<'q> Question<'q> {
    /// The ids of each vulnerability that it is made of, with its own; those alone where it is one.
    fn each(&self) -> impl Iterator<Item = BTreeSet<&'q str>> {
        let with = |part: Option<&'q str>| self.ids.iter().copied().chain(part).collect();
        let alone = self.parts.is_empty().then_some(None);
        self.parts.iter().copied().map(Some).chain(alone).map(with)
    }
}

/// Why a statement says nothing of any of the image's vulnerabilities: the nearest that it came to one. `answers` are those
/// of all statements to the questions.
pub fn unmatched(
    questions: &[Question<'_>],
    answers: &[Answer],
    statement: &Statement,
    judged: &Judged,
) -> Option<Unmatched> {
    let mut nearest = None;
    for (question, answer) in questions.iter().zip(answers) {
        match fit(question, statement, judged) {
            // Nothing is said of others, else there were an answer.
            Ok(_) if *answer == Answer::Silent => nearest = nearest.max(Some(Unmatched::Others)),
            Ok(_) => return None,
            Err(why) => nearest = nearest.max(Some(why)),
        }
    }
    Some(nearest.unwrap_or(Unmatched::Vulnerability))
}

/// How well a statement fits a vulnerability of a package, or one of those that it is made of.
fn fit(question: &Question<'_>, statement: &Statement, judged: &Judged) -> Result<Fit, Unmatched> {
    let fits = question.each().map(|ids| fit_one(&ids, question, statement, judged));
    best(fits).unwrap_or(Err(Unmatched::Vulnerability))
}

fn fit_one(
    ids: &BTreeSet<&str>,
    question: &Question<'_>,
    statement: &Statement,
    judged: &Judged,
) -> Result<Fit, Unmatched> {
    if !statement.vulnerability.iter().any(|id| ids.contains(id.as_str())) {
        return Err(Unmatched::Vulnerability);
    }
    if statement.products.iter().all(|product| product.identity.is_empty()) {
        return Err(Unmatched::Nameless);
    }
    let says_why = statement.justification.is_some() || statement.why.is_some();
    if statement.status == Status::NotAffected && !says_why {
        return Err(Unmatched::Unjustified);
    }
    let asked = Asked { question, judged, suppresses: statement.status.suppresses() };
    let fits = statement.products.iter().map(|product| asked.product_fit(product));
    best(fits).unwrap_or(Err(Unmatched::Nameless))
}

/// The best of several; where none fits, the nearest.
fn best<T: Ord>(fits: impl Iterator<Item = Result<T, Unmatched>>) -> Option<Result<T, Unmatched>> {
    fits.max_by(|a, b| match (a, b) {
        (Ok(a), Ok(b)) => a.cmp(b),
        (Ok(_), Err(_)) => Ordering::Greater,
        (Err(_), Ok(_)) => Ordering::Less,
        (Err(a), Err(b)) => a.cmp(b),
    })
}

/// What a product of a statement is held against.
#[derive(Clone, Copy)]
struct Asked<'a> {
    question: &'a Question<'a>,
    judged: &'a Judged,
    /// Whether the statement would suppress: then it has to be certain that it is about the version.
    suppresses: bool,
}

/// What of a package is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// One build, by its version and release.
    Build,
    /// Any of several.
    Any,
}

impl Asked<'_> {
    fn product_fit(self, product: &Product) -> Result<Fit, Unmatched> {
        let image = image_fit(&product.identity, self.judged, self.suppresses)
            .map_err(Unmatched::Misfit)?;
        if image == 0 {
            // The package itself is the product; parts of it are none of the image's packages.
            return match product.parts.is_empty() {
                true => Ok((0, self.package_fit(&product.identity, Unmatched::Product)?)),
                false => Err(Unmatched::Product),
            };
        }
        if image == 1 {
            self.on_platform(&product.identity, Meant::Any)?;
        }
        if product.identity.versions.is_some() && self.suppresses {
            // An image has no version that a list could be held against.
            return Err(Unmatched::Misfit(Misfit::Versions));
        }
        if product.parts.is_empty() {
            return Ok((image, 0));
        }
        let parts = product.parts.iter().map(|part| self.package_fit(part, Unmatched::Part));
        Ok((image, best(parts).unwrap_or(Err(Unmatched::Part))?))
    }

    /// How well an identity means the package: 2 with its version, 1 without one. `far` is why not, where it is another.
    fn package_fit(self, identity: &Identity, far: Unmatched) -> Result<u8, Unmatched> {
        let pairs = identity.purls.iter().flat_map(|own| {
            self.question.purls.iter().map(move |other| self.pair_fit(identity, own, other, far))
        });
        let fit = best(pairs).unwrap_or(Err(far))?;
        let meant = match (fit, &identity.versions) {
            (2, None) => Meant::Build,
            _ => Meant::Any,
        };
        self.on_platform(identity, meant).map(|()| fit)
    }

    /// That an identity is on the image's platform. In doubt it is where nothing is suppressed by it, and where it is
    /// one build, which is the same in each stream of one release that has it.
    fn on_platform(self, identity: &Identity, meant: Meant) -> Result<(), Unmatched> {
        match identity.platforms.fit(self.judged.distribution.as_ref()) {
            Err(Misfit::Stream) if meant == Meant::Build => Ok(()),
            Err(misfit) if misfit.is_doubt() && !self.suppresses => Ok(()),
            fit => fit.map_err(Unmatched::Misfit),
        }
    }

    fn pair_fit(
        self,
        identity: &Identity,
        own: &str,
        other: &str,
        far: Unmatched,
    ) -> Result<u8, Unmatched> {
        let (Ok(own), Ok(other)) = (PackageUrl::from_str(own), PackageUrl::from_str(other)) else {
            return Err(far);
        };
        let fit = purl_fit(&own, &other, self.suppresses).ok_or(far)?;
        self.in_distribution(&own, &other)?;
        let Some(versions) = &identity.versions else { return Ok(fit) };
        let epoch = other.qualifiers().get("epoch").map(|epoch| format!("{epoch}:"));
        let version = other.version().unwrap_or_default();
        let version = format!("{}{version}", epoch.unwrap_or_default());
        match versions.hold(other.ty(), &version) {
            Some(true) => Ok(2),
            Some(false) => Err(Unmatched::Misfit(Misfit::Version)),
            None if self.suppresses => Err(Unmatched::Misfit(Misfit::Versions)),
            None => Ok(fit),
        }
    }

    /// That `distro` of a statement's package URL is the package's, or that of the image.
    fn in_distribution(
        self,
        own: &PackageUrl<'_>,
        other: &PackageUrl<'_>,
    ) -> Result<(), Unmatched> {
        let (said, known) = (own.qualifiers().get("distro"), other.qualifiers().get("distro"));
        let Some(said) = said.filter(|_| said != known) else { return Ok(()) };
        platform::distro(said, self.judged.distribution.as_ref()).map_err(Unmatched::Misfit)
    }
}

#[cfg(test)]
mod tests;
