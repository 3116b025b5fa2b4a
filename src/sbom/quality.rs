//! What a document should say, by a profile's name.
//!
//! Turns an [`Sbom`] and a [`Profile`] into what is missing. The profiles are tables: `ntia-2021` is "The Minimum Elements For
//! a Software Bill of Materials" (NTIA, 2021-07-12), `cisa-2026` the "2026 Minimum Elements" of CISA, `bsi-tr-03183-2` version
//! 2.1.0 of the BSI's technical guideline, sections 5.1 and 5.2. What an element is in each format is the readers' affair; what
//! only an organisation can promise is not checked.

use super::{
    Sbom,
    model::{Component, Element, Stated},
};

/// A set of elements that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// NTIA, 2021.
    Ntia2021,
    /// CISA, 2026.
    Cisa2026,
    /// BSI TR-03183, part 2.
    BsiTr03183,
}

/// An element that is missing, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap<'s> {
    /// The element's word, as `supplier`.
    pub element: &'static str,
    /// The components that lack it; empty where the document does.
    pub components: Vec<&'s Component>,
}

/// Whether `NOASSERTION` counts as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Counts,
    Lacks,
}

type Row = (Element, &'static str);

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ntia2021, Self::Cisa2026, Self::BsiTr03183];

    /// The name by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntia2021 => "ntia-2021",
            Self::Cisa2026 => "cisa-2026",
            Self::BsiTr03183 => "bsi-tr-03183-2",
        }
    }

    /// The profile of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    fn of_document(self) -> &'static [Row] {
        match self {
            Self::Ntia2021 => &[
                (Element::Author, "author"),
                (Element::Timestamp, "timestamp"),
                (Element::Relation, "relationships"),
            ],
            Self::Cisa2026 => &[
                (Element::Author, "author"),
                (Element::Timestamp, "timestamp"),
                (Element::Tool, "tool"),
                (Element::ToolVersion, "tool-version"),
                (Element::Serial, "document-id"),
                (Element::Context, "generation-context"),
                (Element::Relation, "relationships"),
                (Element::Coverage, "coverage"),
            ],
            Self::BsiTr03183 => &[
                (Element::Author, "author"),
                (Element::Timestamp, "timestamp"),
                (Element::Relation, "relationships"),
                (Element::Coverage, "coverage"),
            ],
        }
    }

    fn of_component(self) -> &'static [Row] {
        match self {
            Self::Ntia2021 => &[
                (Element::Name, "name"),
                (Element::Version, "version"),
                (Element::Supplier, "supplier"),
                (Element::Id, "identifier"),
            ],
            Self::Cisa2026 => &[
                (Element::Name, "name"),
                (Element::Version, "version"),
                (Element::Supplier, "supplier"),
                (Element::Identifier, "identifier"),
                (Element::Hash, "hash"),
                (Element::Licence, "licence"),
            ],
            Self::BsiTr03183 => &[
                (Element::Name, "name"),
                (Element::Version, "version"),
                (Element::Supplier, "supplier"),
                (Element::Identifier, "identifier"),
                (Element::Sha512, "sha512"),
                (Element::Licence, "licence"),
                (Element::Filename, "filename"),
                (Element::FileProperties, "file-properties"),
            ],
        }
    }

    /// NTIA's elements are answers; CISA's may be that nobody knows, as long as it is said.
    fn unknown(self) -> Unknown {
        match self {
            Self::Cisa2026 => Unknown::Counts,
            Self::Ntia2021 | Self::BsiTr03183 => Unknown::Lacks,
        }
    }

    /// Formats that the profile takes.
    fn takes(self, format: &str) -> bool {
        // 2.1.0, chapter 4: CycloneDX from 1.6, SPDX from 3.0.1.
        let enough = ["CycloneDX-1.6", "CycloneDX-1.7", "SPDX-3.0.1"];
        self != Self::BsiTr03183 || enough.contains(&format)
    }
}

/// What a document lacks, in the order of the profile.
pub fn gaps(sbom: &Sbom, profile: Profile) -> Vec<Gap<'_>> {
    let lacks = |stated: &Stated, element: Element| {
        let known = stated.given.has(element);
        let told = profile.unknown() == Unknown::Counts && stated.unknown.has(element);
        // What others know a thing by tells it apart in the document, too.
        let other = element == Element::Id && stated.given.has(Element::Identifier);
        !(known || told || other)
    };
    let mut gaps = Vec::new();
    if !profile.takes(&sbom.format) {
        gaps.push(Gap { element: "format", components: Vec::new() });
    }
    for (element, word) in profile.of_document() {
        if lacks(&sbom.stated, *element) {
            gaps.push(Gap { element: word, components: Vec::new() });
        }
    }
    // The container itself has no supplier and version in the sense of a package, where others are listed beside it.
    let alone = sbom.components.is_empty();
    let all = sbom.components.iter().chain(sbom.main.iter().filter(|_| alone));
    // One pass over the components, of which there may be hundreds of thousands.
    let gap = |(_, element): &Row| Gap { element, components: Vec::new() };
    let mut of_component: Vec<Gap<'_>> = profile.of_component().iter().map(gap).collect();
    for component in all {
        for ((element, _), gap) in profile.of_component().iter().zip(&mut of_component) {
            if lacks(&component.stated, *element) {
                gap.components.push(component);
            }
        }
    }
    gaps.extend(of_component.into_iter().filter(|gap| !gap.components.is_empty()));
    gaps
}
