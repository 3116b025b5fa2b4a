//! Paths as a tree of folders.

use std::{borrow::Cow, collections::BTreeMap};

use maud::{Markup, PreEscaped, html};

use super::{View, clean, row_class, worst};
use crate::compare::{Account, Difference, Place};

/// Folders inside folders that are drawn; what lies deeper keeps the rest of its path as its name.
const DEPTH: usize = 24;
/// Rows of a folder that is open before anybody opens it.
const ROWS_OPEN: usize = 25;
/// Files of which the same is said in rows of their own.
const TOLD_ALONE: usize = 2;

/// Files of one folder of which the same is said.
struct Row<'t> {
    names: Vec<&'t str>,
    difference: &'t Difference,
    what: String,
    detail: String,
}

/// A folder.
#[derive(Default)]
pub(super) struct Tree<'d> {
    folders: BTreeMap<&'d str, Tree<'d>>,
    /// Differences of this folder itself and of the files in it, by name.
    files: Vec<(Cow<'d, str>, &'d Difference)>,
}

impl<'d> Tree<'d> {
    /// The tree of the differences of one layer.
    pub(super) fn of(differences: &[&'d Difference]) -> Self {
        let mut root = Self::default();
        for difference in differences {
            match &difference.place {
                Place::Entry { path, .. } => root.put(path, difference),
                _ => root.files.push((Cow::Borrowed("the layer"), difference)),
            }
        }
        root
    }

    /// Differences without folders, by their places.
    pub(super) fn flat(differences: &[&'d Difference]) -> Self {
        let named =
            |difference: &&'d Difference| (Cow::Owned(difference.place.to_string()), *difference);
        Self { folders: BTreeMap::new(), files: differences.iter().map(named).collect() }
    }

    fn put(&mut self, path: &'d str, difference: &'d Difference) {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut at = self;
        for _ in 0..DEPTH {
            let Some((folder, below)) = rest.split_once('/') else { break };
            (at, rest) = (at.folders.entry(folder).or_default(), below);
        }
        at.files.push((Cow::Borrowed(rest), difference));
    }

    fn all(&self) -> Vec<&'d Difference> {
        let below = self.folders.values().flat_map(Tree::all);
        self.files.iter().map(|(_, difference)| *difference).chain(below).collect()
    }

    /// The only folder of a folder without files, so that both are drawn as one.
    fn only_folder(&self) -> Option<(&'d str, &Self)> {
        let mut folders = self.folders.iter();
        match (folders.next(), folders.next(), self.files.is_empty()) {
            (Some((name, folder)), None, true) => Some((name, folder)),
            _ => None,
        }
    }

    /// The rows of the files in it: those that say the same are one.
    fn rows(&self, view: &View<'_>) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = Vec::new();
        let mut known: BTreeMap<(Account, String, String), usize> = BTreeMap::new();
        for (name, difference) in &self.files {
            let what = view.what(difference).into_string();
            let detail = view.detail(difference).into_string();
            let key = (difference.account(), what.clone(), detail.clone());
            let at = *known.entry(key).or_insert(rows.len());
            match rows.get_mut(at) {
                Some(row) => row.names.push(name),
                None => rows.push(Row { names: vec![name], difference, what, detail }),
            }
        }
        rows
    }

    /// Whether it is shown before anybody opens it: it has few rows, of which the gravest is unexplained, and the page has room.
    pub(super) fn opens(&self, view: &View<'_>, all: &[&Difference]) -> bool {
        let rows = self.folders.len() + self.files.len();
        let rows = if rows > ROWS_OPEN { self.folders.len() + self.rows(view).len() } else { rows };
        worst(all) == Account::Open && rows <= ROWS_OPEN && view.has_room(rows)
    }

    /// Draws it; `seen` where what it is in is open.
    pub(super) fn markup(&self, view: &View<'_>, seen: bool) -> Markup {
        html! {
            ul {
                @for (name, folder) in &self.folders { (Self::folder(name, folder, view, seen)) }
                @for row in self.rows(view) { (row.markup()) }
            }
        }
    }

    fn folder(name: &str, mut folder: &Self, view: &View<'_>, seen: bool) -> Markup {
        let mut name = format!("{name}/");
        while let Some((next, below)) = folder.only_folder() {
            name.push_str(next);
            name.push('/');
            folder = below;
        }
        let all = folder.all();
        let open = if seen {
            folder.opens(view, &all)
        } else {
            worst(&all) == Account::Open && all.len() <= ROWS_OPEN
        };
        html! {
            li class=(row_class(worst(&all))) {
                details open[open] {
                    summary { span class="name" { (clean(&name)) } " " span class="badge" { (all.len()) } }
                    (folder.markup(view, open && seen))
                }
            }
        }
    }
}

impl Row<'_> {
    fn markup(&self) -> Markup {
        let what = PreEscaped(&self.what);
        let detail = PreEscaped(&self.detail);
        let noun = match &self.difference.place {
            Place::Entry { .. } => " files",
            _ => " values",
        };
        html! {
            @if self.names.len() > TOLD_ALONE {
                li class=(row_class(self.difference.account())) {
                    details {
                        summary { span class="name" { (self.names.len()) (noun) } " " (what) }
                        ul class="names" { @for name in &self.names { li { code { (clean(name)) } } } }
                    }
                    (detail)
                }
            } @else {
                @for name in &self.names {
                    li class=(row_class(self.difference.account())) {
                        div class="row" { span class="name" { (clean(name)) } " " (what) }
                        (detail)
                    }
                }
            }
        }
    }
}
