//! Nodes by path: what the layers so far add up to.
//!
//! Changes are made as a runtime makes them that unpacks onto a copy of the layers below; what it removes of those is given
//! back, so that the caller can hold it against what overlayfs would show.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{HOPS_MAX, Node};
use crate::image::tar::EntryKind;

/// Nodes by path. Every node but the root has its parent directory in the tree. There may be a million of them: paths are
/// shared with what else is known of them, and the places in the map are small.
#[derive(Debug, Default)]
pub(super) struct Tree(
    pub(super) BTreeMap<Arc<str>, Box<Node>>,
    /// Nodes that were looked at, for tests of how much work a layer makes.
    #[cfg(test)]
    pub(super) usize,
);

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The path without symbolic links.
    pub(super) path: String,
    /// The first link on the way that a layer below the given one has.
    pub(super) crossed: Option<String>,
    /// Nodes that were looked up on the way, for tests of how much work a layer makes.
    pub(super) lookups: usize,
}

impl Tree {
    /// The path with every symbolic link on the way followed, inside the root. What is not there stays as it is. Links of
    /// layers below `layer` are told.
    pub(super) fn resolve(&self, path: &str, layer: usize) -> Result<Way, &'static str> {
        let (start, mut lookups) = self.nearest_folder(path);
        let rest = path.get(start..).unwrap_or(path);
        let mut todo: Vec<&str> = rest.split('/').rev().collect();
        let mut done = String::with_capacity(path.len());
        done.push_str(path.get(..start).unwrap_or_default());
        let (mut hops, mut crossed) = (0, None);
        while let Some(part) = todo.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                name => {
                    done.push('/');
                    done.push_str(name);
                }
            }
            lookups += 1;
            let node = self.0.get(done.as_str()).map(Box::as_ref);
            let Some(Node { link: Some(link), layer: of, .. }) = node else {
                continue;
            };
            hops += 1;
            if hops > HOPS_MAX || todo.len() > usize::from(u16::MAX) {
                return Err("too many symbolic links");
            }
            if *of < layer && crossed.is_none() {
                crossed = Some(done.clone());
            }
            let keep = if link.starts_with('/') { 0 } else { done.rfind('/').unwrap_or(0) };
            done.truncate(keep);
            todo.extend(link.split('/').rev());
        }
        if done.is_empty() {
            done.push('/');
        }
        Ok(Way { path: done, crossed, lookups })
    }

    /// Where the way to a path begins: behind the nearest folder above it that is there, since all above a node are folders
    /// and no links; and how many nodes were looked up. Entries come folder by folder, and nobody walks down to each anew.
    fn nearest_folder(&self, path: &str) -> (usize, usize) {
        let is_odd = |part: &str| matches!(part, "" | "." | "..");
        if !path.starts_with('/') || path.split('/').skip(1).any(is_odd) {
            return (0, 0);
        }
        let ends = std::iter::once(path.len()).chain(path.rmatch_indices('/').map(|(at, _)| at));
        let mut lookups = 0;
        for end in ends.filter(|end| *end > 0) {
            lookups += 1;
            let node = path.get(..end).and_then(|folder| self.0.get(folder));
            if node.is_some_and(|node| node.kind == EntryKind::Directory) {
                return (end, lookups);
            }
        }
        (0, lookups)
    }

    /// Puts a node in place of what is there; its parents must be there. Gives the paths of layers below that it replaces
    /// or hides.
    pub(super) fn put(&mut self, path: &Arc<str>, node: Node) -> Vec<Arc<str>> {
        let layer = node.layer;
        let mut gone = Vec::new();
        if node.kind != EntryKind::Directory {
            gone = self.remove_below(path, |_| true, layer);
        }
        let before = self.0.insert(Arc::clone(path), Box::new(node));
        if before.is_some_and(|before| before.layer < layer) {
            gone.push(Arc::clone(path));
        }
        gone
    }

    /// Removes what layers below `layer` have at `path` and below it.
    pub(super) fn hide(&mut self, path: &str, layer: usize) -> Vec<Arc<str>> {
        let mut gone = self.hide_below(path, layer);
        if self.0.get(path).is_some_and(|node| node.layer < layer) && !self.has_below(path) {
            gone.extend(self.0.remove_entry(path).map(|(path, _)| path));
        }
        gone
    }

    /// As [`Tree::hide`], for everything below a folder. A folder stays where something of this layer is in it.
    pub(super) fn hide_below(&mut self, folder: &str, layer: usize) -> Vec<Arc<str>> {
        let gone = self.remove_below(folder, |node| node.layer < layer, layer);
        let survivors: Vec<Arc<str>> = self.below(folder).map(|(path, _)| path.clone()).collect();
        for path in survivors {
            // Paths come in order: above the nearest that is there, all are.
            let parents = path.rmatch_indices('/').filter_map(|(at, _)| path.get(..at));
            for parent in parents.filter(|parent| !parent.is_empty()) {
                if self.0.contains_key(parent) {
                    break;
                }
                self.0.insert(parent.into(), Box::new(Node::implied(layer)));
            }
        }
        gone
    }

    fn has_below(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    fn below(&self, folder: &str) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        below(&self.0, folder).map(|(path, node)| (path, node.as_ref()))
    }

    /// Removes the nodes below a folder that `remove` picks; gives the paths of those of layers below `layer`.
    fn remove_below(
        &mut self,
        folder: &str,
        remove: impl Fn(&Node) -> bool,
        layer: usize,
    ) -> Vec<Arc<str>> {
        let picked: Vec<Arc<str>> = self
            .below(folder)
            .filter(|(_, node)| remove(node))
            .map(|(path, _)| path.clone())
            .collect();
        #[cfg(test)]
        {
            self.1 += self.below(folder).count() + picked.len();
        }
        let mut gone = Vec::new();
        for path in picked {
            if self.0.remove(&path).is_some_and(|node| node.layer < layer) {
                gone.push(path);
            }
        }
        gone
    }
}

/// Everything below a folder, in order of paths.
pub(super) fn below<'m, V>(
    map: &'m BTreeMap<Arc<str>, V>,
    folder: &str,
) -> impl Iterator<Item = (&'m Arc<str>, &'m V)> + use<'m, V> {
    let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
    map.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
        .take_while({
            let prefix = prefix.clone();
            move |(path, _)| path.starts_with(&prefix)
        })
        .filter(move |(path, _)| path.len() > prefix.len())
}
