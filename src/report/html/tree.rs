//! Paths as a tree of folders.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{clean, row, row_class, worst};
use crate::compare::{Account, Difference, Place};

/// Folders inside folders that are drawn; what lies deeper keeps the rest of its path as its name.
const DEPTH: usize = 24;

/// A folder.
#[derive(Default)]
pub(super) struct Tree<'d> {
    folders: BTreeMap<&'d str, Tree<'d>>,
    /// Differences of this folder itself and of the files in it, by name.
    files: Vec<(&'d str, &'d Difference)>,
}

impl<'d> Tree<'d> {
    /// The tree of the differences of one layer.
    pub(super) fn of(differences: &[&'d Difference]) -> Self {
        let mut root = Self::default();
        for difference in differences {
            match &difference.place {
                Place::Entry { path, .. } => root.put(path, difference),
                _ => root.files.push(("", difference)),
            }
        }
        root
    }

    fn put(&mut self, path: &'d str, difference: &'d Difference) {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut at = self;
        for _ in 0..DEPTH {
            let Some((folder, below)) = rest.split_once('/') else { break };
            (at, rest) = (at.folders.entry(folder).or_default(), below);
        }
        at.files.push((rest, difference));
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

    /// Draws it.
    pub(super) fn markup(&self) -> Markup {
        html! {
            ul {
                @for (name, folder) in &self.folders { (Self::folder(name, folder)) }
                @for (name, difference) in &self.files {
                    li class=(row_class(difference.account())) {
                        (row(if name.is_empty() { "the layer" } else { name }, difference))
                    }
                }
            }
        }
    }

    fn folder(name: &str, mut folder: &Self) -> Markup {
        let mut name = format!("{name}/");
        while let Some((next, below)) = folder.only_folder() {
            name.push_str(next);
            name.push('/');
            folder = below;
        }
        let all = folder.all();
        let worst = worst(&all);
        html! {
            li class=(row_class(worst)) {
                details open[worst == Account::Open] {
                    summary { span class="name" { (clean(&name)) } " " span class="badge" { (all.len()) } }
                    (folder.markup())
                }
            }
        }
    }
}
