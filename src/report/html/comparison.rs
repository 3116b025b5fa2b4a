//! A comparison as parts of a page: how far both sides agree, what probably happened, layer by layer, and the differences in a tree
//! of folders.

mod tree;

use std::cell::Cell;

use maud::{Markup, html};

use super::{clean, words};
use crate::{
    amount::bytes,
    compare::{
        Account, BuildStep, Comparison, Difference, Inside, LayerFacts, Level, LikelyCause,
        PackageChange, Part, Place, SideWords,
    },
    report::difference::{causes, with_tabs},
};
use tree::Tree;

/// Packages that are listed; the rest is counted.
const PACKAGES_SHOWN: usize = 500;
/// Rows of differences that a page shows before anybody opens a folder.
const ROWS_OPEN: usize = 60;

/// One comparison on a page.
pub(super) struct View<'c> {
    comparison: &'c Comparison,
    /// What the sides are called.
    pub sides: SideWords,
    /// What names of anchors begin with: each comparison of a page has another.
    anchors: String,
    causes: Vec<(LikelyCause, usize)>,
    /// Rows that may still be shown before anybody opens a folder.
    room: Cell<usize>,
}

impl<'c> View<'c> {
    /// The comparison of that number on its page.
    pub(super) fn new(comparison: &'c Comparison, sides: SideWords, number: usize) -> Self {
        let anchors = if number == 0 { String::new() } else { format!("p{number}-") };
        let causes = causes(comparison);
        Self { comparison, sides, anchors, causes, room: Cell::new(ROWS_OPEN) }
    }

    /// All of its parts.
    pub(super) fn markup(&self) -> Markup {
        html! {
            (self.summary())
            (allowed(self.comparison))
            (self.packages())
            (self.layers())
            (self.differences())
        }
    }

    /// Whether so many more rows may be shown before anybody opens a folder; they are, then.
    pub(super) fn has_room(&self, rows: usize) -> bool {
        let left = self.room.get().checked_sub(rows);
        self.room.set(left.unwrap_or(self.room.get()));
        left.is_some()
    }

    fn anchor(&self, name: &str, number: usize) -> String {
        format!("{}{name}-{number}", self.anchors)
    }
}

/// A rung with its name.
pub(super) fn rung(level: Level) -> Markup {
    html! { span class={ "level r" (level.number()) } { "R" (level.number()) } " " b { (level.name()) } }
}

/// What a rung means.
pub(super) fn meaning(level: Level) -> &'static str {
    match level {
        Level::ManifestIdentical => "Both are the same manifest, byte for byte.",
        Level::ConfigIdentical => {
            "The same configuration and the same layers; only how they are stored differs. All digests were recomputed."
        }
        Level::LayersIdentical => {
            "The same layers; the configurations differ only in what has no effect at run time."
        }
        Level::ContentIdentical => {
            "The same files with the same rights; only times, order or format differ."
        }
        Level::Explained => {
            "Files differ, and each difference is explained by a normalizer or allowed by the operator."
        }
        Level::Different => "Something differs that nothing explains.",
    }
}

/// The class of rows of the page.
pub(super) fn row_class(account: Account) -> &'static str {
    match account {
        Account::Open => "open",
        Account::Explained => "explained",
        Account::Benign => "benign",
    }
}

fn count(comparison: &Comparison, wanted: Account) -> usize {
    comparison.differences.iter().filter(|difference| difference.account() == wanted).count()
}

fn allowed(comparison: &Comparison) -> Markup {
    html! {
        @if !comparison.allowed.is_empty() {
            section {
                h3 { "Allowed by the operator" }
                table {
                    thead { tr { th { "×" } th { "class" } th { "paths" } th { "why" } th { "owner" } th { "until" } } }
                    tbody {
                        @for entry in &comparison.allowed {
                            tr {
                                td class="number" data-label="differences" { (entry.uses(&comparison.differences)) }
                                td data-label="class" { (entry.class.name()) }
                                td data-label="paths" { code { (clean(&entry.pattern.to_string())) } }
                                td data-label="why" { (clean(&entry.reason)) }
                                td data-label="owner" { (clean(&entry.owner)) }
                                td data-label="until" { (entry.expires.to_string()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn layer_cell(facts: Option<&LayerFacts>) -> Markup {
    html! {
        @match facts {
            None => span class="none" { "none" },
            Some(facts) => {
                code class="short" { (words(&facts.blob.to_string())) }
                " " span class="none" { (bytes(facts.size)) }
            }
        }
    }
}

fn made(cause: &BuildStep) -> Markup {
    html! {
        @if let Some(place) = cause.place() { span class="none" { (clean(&place)) " " } }
        code { (clean(&cause.instruction)) }
    }
}

/// The gravest account among differences.
pub(super) fn worst(found: &[&Difference]) -> Account {
    found.iter().map(|difference| difference.account()).min().unwrap_or(Account::Benign)
}

impl View<'_> {
    fn summary(&self) -> Markup {
        html! {
            div class="counts" {
                @for (wanted, words) in [
                    (Account::Open, "unexplained"),
                    (Account::Explained, "explained"),
                    (Account::Benign, "benign"),
                ] {
                    div class={ "count " (row_class(wanted)) } { b { (count(self.comparison, wanted)) } " " (words) }
                }
                @if self.comparison.omitted > 0 {
                    div class="count open" { b { (self.comparison.omitted) } " not listed" }
                }
            }
            @if !self.causes.is_empty() {
                section {
                    h3 { "Probable causes" }
                    table class="causes" {
                        thead { tr { th {} th { "×" } th { "what probably happened" } th { "what to do" } } }
                        tbody {
                            @for (number, (hint, count)) in self.causes.iter().enumerate() {
                                tr id=(self.anchor("cause", number + 1)) {
                                    td class="number" { "cause " (number + 1) }
                                    td class="number" data-label="differences" { (count) }
                                    td { (hint.why()) }
                                    td data-label="to do" { (hint.fix()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn packages(&self) -> Markup {
        let changes: &[PackageChange] = &self.comparison.packages;
        let version = |version: &Option<String>| match version {
            Some(version) => html! { code { (clean(version)) } },
            None => html! { span class="none" { "none" } },
        };
        html! {
            @if !changes.is_empty() {
                section {
                    h3 { "Packages" }
                    table {
                        thead { tr { th { "package" } th { (self.sides.left) } th { (self.sides.right) } } }
                        tbody {
                            @for change in changes.iter().take(PACKAGES_SHOWN) {
                                tr {
                                    td { code { (clean(&change.name)) } " " span class="none" { (change.ecosystem) } }
                                    td data-label=(self.sides.left) { (version(&change.left)) }
                                    td data-label=(self.sides.right) { (version(&change.right)) }
                                }
                            }
                        }
                    }
                    @if changes.len() > PACKAGES_SHOWN {
                        p { "… and " (changes.len() - PACKAGES_SHOWN) " more" }
                    }
                }
            }
        }
    }

    fn layers(&self) -> Markup {
        let of_layer = |position: usize| {
            self.comparison.differences.iter().filter(move |difference| match difference.place {
                Place::Layer(layer) | Place::Entry { layer, .. } => layer == position,
                Place::Manifest(_) | Place::Config(_) => false,
            })
        };
        let made_by = |position: usize| of_layer(position).find_map(|d| d.cause.as_ref());
        let sides = self.sides;
        html! {
            section {
                h3 { "Layers" }
                table class="layers" {
                    thead { tr { th { "#" } th { (sides.left) } th { (sides.right) } th { "differences" } th { "made by" } } }
                    tbody {
                        @for pair in &self.comparison.layers {
                            @let found = of_layer(pair.position).count();
                            @let same = pair.left.as_ref().map(|l| &l.blob) == pair.right.as_ref().map(|r| &r.blob);
                            tr {
                                td class="number" data-label="layer" { (pair.position) }
                                @for (side, word) in [(&pair.left, sides.left), (&pair.right, sides.right)] {
                                    td data-label=(word) { (layer_cell(side.as_ref())) }
                                }
                                td class="number" data-label="differences" {
                                    @if same { span class="none" { "same blob" } }
                                    @else if found > 0 { a href={ "#" (self.anchor("layer", pair.position)) } { (found) } }
                                    @else { "0" }
                                }
                                @if let Some(cause) = made_by(pair.position) {
                                    td class="made" data-label="made by" { (made(cause)) }
                                } @else { td class="made" {} }
                            }
                        }
                    }
                }
            }
        }
    }

    fn differences(&self) -> Markup {
        let (mut about, mut layers) = (Vec::new(), Vec::<(usize, Vec<&Difference>)>::new());
        for difference in &self.comparison.differences {
            match &difference.place {
                Place::Manifest(_) | Place::Config(_) => about.push(difference),
                Place::Layer(layer) | Place::Entry { layer, .. } => {
                    match layers.iter_mut().find(|(position, _)| position == layer) {
                        Some((_, found)) => found.push(difference),
                        None => layers.push((*layer, vec![difference])),
                    }
                }
            }
        }
        layers.sort_by_key(|(position, _)| *position);
        let accounts = |wanted| count(self.comparison, wanted) > 0;
        let choice =
            accounts(Account::Open) && (accounts(Account::Explained) || accounts(Account::Benign));
        let only = format!("{}unexplained", self.anchors);
        let of_image = Tree::flat(&about);
        html! {
            section class="tree" {
                h3 { "Differences" }
                @if self.comparison.differences.is_empty() { p { "None." } }
                @if choice {
                    input class="only" type="checkbox" id=(only);
                    label class="only" for=(only) { " only what is unexplained" }
                }
                @if !about.is_empty() {
                    details open[of_image.opens(self, &about)] class=(row_class(worst(&about))) {
                        summary { "manifest and configuration " span class="badge" { (about.len()) } }
                        (of_image.markup(self, true))
                    }
                }
                @for (position, found) in &layers {
                    @let tree = Tree::of(found);
                    @let opens = tree.opens(self, found);
                    details open[opens] id=(self.anchor("layer", *position)) class=(row_class(worst(found))) {
                        summary {
                            "layer " (position) " " span class="badge" { (found.len()) } " "
                            @if let Some(cause) = found.iter().find_map(|d| d.cause.as_ref()) {
                                span class="made" { (made(cause)) }
                            }
                        }
                        (tree.markup(self, opens))
                    }
                }
            }
        }
    }

    /// What differs, behind a name.
    pub(super) fn what(&self, difference: &Difference) -> Markup {
        let class = difference.class;
        let cause = difference.hint.and_then(|hint| {
            let number = self.causes.iter().position(|(other, _)| *other == hint)? + 1;
            Some((number, hint))
        });
        html! {
            span class="what" { (clean(&difference.what.told(self.sides))) }
            " " span class="class" { "class " (class.letter()) ": " (class.name()) }
            @if let Some(by) = &difference.explained_by {
                " " span class="by" { "explained by " (clean(&by.to_string())) }
            }
            @if let Some((number, hint)) = cause {
                " " a class="cause" href={ "#" (self.anchor("cause", number)) } title=(hint.why()) { "cause " (number) }
            }
        }
    }

    /// Both sides of a difference, and what differs inside.
    pub(super) fn detail(&self, difference: &Difference) -> Markup {
        html! {
            (self.sides_of(&difference.sides()))
            @if let Some(inside) = &difference.inside { (self.look(inside)) }
        }
    }

    fn sides_of(&self, sides: &[Option<String>; 2]) -> Markup {
        html! {
            @if sides.iter().any(Option::is_some) {
                dl class="sides" {
                    @for (word, side) in [self.sides.left, self.sides.right].into_iter().zip(sides) {
                        @if let Some(text) = side { dt { (word) } dd { code { (words(text)) } } }
                    }
                }
            }
        }
    }

    fn look(&self, inside: &Inside) -> Markup {
        html! {
            @match inside {
                Inside::Lines { lines, more, .. } => {
                    pre class="lines" {
                        @for line in lines {
                            @let kind = match line.chars().next() {
                                Some('-') => "removed",
                                Some('+') => "added",
                                Some('@') => "at",
                                _ => "same",
                            };
                            span class=(kind) { (clean(&with_tabs(line))) } "\n"
                        }
                        @if *more { span class="at" { "…" } }
                    }
                }
                Inside::Parts { of, parts, omitted } => {
                    ul class="parts" {
                        @for part in parts { li { (self.member(of.name(), part)) } }
                        @if parts.is_empty() { li { "members are equal; their times or order are not" } }
                        @if *omitted > 0 { li { "… and " (omitted) " more" } }
                    }
                }
            }
        }
    }

    fn member(&self, of: &str, part: &Part) -> Markup {
        let sides = [&part.left, &part.right].map(|side| side.as_ref().map(ToString::to_string));
        html! {
            span class="none" { (of) } " " span class="name" { (clean(&part.name.to_string())) }
            (self.sides_of(&sides))
            @if let Some(inside) = &part.inside { (self.look(inside)) }
        }
    }
}
