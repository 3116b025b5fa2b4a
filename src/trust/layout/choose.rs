//! Which links are of this build.
//!
//! A registry keeps links of many builds beside each other, all signed by the same functionaries, and anybody can attach
//! the links of one build to the image of another. So links are chosen by what is signed in them: for each step every
//! list of artifacts that enough functionaries report alike is a [`Choice`], and a supply chain is proven where one
//! choice for each step makes all rules hold together. [`Search`] looks for it, the step that left the image first, along
//! the MATCH rules. A choice that no rule and no artifact ties to the others could be of any build, and counts for none.
//! What is left over changes nothing.
//!
//! The search is exact: it goes back wherever a choice led nowhere, and its steps are limited. It tries first what has
//! most artifacts in common with what is chosen already, which finds the links of one build among those of many without
//! going back.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    LayoutError, Remark,
    rules::{self, Item, There},
};
use crate::{
    attest::in_toto::{ItemRules, Rule},
    digest::Digest,
};

/// What enough functionaries report alike about a step or inspection.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// Fingerprints of their keys.
    pub(super) by: BTreeSet<String>,
    /// What they report.
    pub(super) item: Arc<Item>,
    /// Payloads of the sublayouts that it rests on; each stands for one step alone.
    pub(super) sublayouts: BTreeSet<Digest>,
    /// What is worth knowing.
    pub(super) remarks: Vec<Remark>,
}

/// A step or inspection of one layout.
pub(super) struct Node<'l> {
    pub(super) name: &'l str,
    pub(super) rules: &'l ItemRules,
    pub(super) kind: Kind,
    pub(super) choices: Vec<Choice>,
}

/// What a node is, and what it sees of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A step; its rules speak about steps.
    Step,
    /// An inspection that has to be there; its rules speak about everything.
    Inspection,
    /// An inspection that is left out where no report about this build is there.
    Optional,
}

/// Which choice of each node is chosen, by the nodes' numbers; `None` for an inspection that is left out.
pub(super) type Chosen = Vec<Option<usize>>;

/// The first choices that make everything hold, or all that differ in what the whole starts from and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    First,
    Ends,
}

/// Whether choices have to have an artifact in common with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// They were put together by whoever attached them.
    Asked,
    /// The operator put them into one folder.
    Given,
}

/// Choices that are tried, for each link that a layout may have.
const TRIES: usize = 16;

pub(super) struct Search<'s> {
    nodes: &'s [Node<'s>],
    /// Digests of each choice of each node.
    digests: Vec<Vec<BTreeSet<String>>>,
    order: Vec<usize>,
    /// How many of the order are the ends of the chain.
    ends: usize,
    ties: Ties,
    wanted: Wanted,
    chosen: Vec<Option<&'s Choice>>,
    /// Which choice of each node is chosen.
    at: Chosen,
    found: Vec<Chosen>,
    /// How far the search came, and what stopped it there.
    deepest: Option<(usize, LayoutError)>,
    /// How many choices may still be tried; `None` where that was not enough.
    tries: Option<usize>,
}

impl<'s> Search<'s> {
    /// Looks for choices, by which `first` and `last` are the numbers of the first and last step.
    ///
    /// # Errors
    /// What stopped the search where it came farthest.
    pub(super) fn run(
        nodes: &'s [Node<'s>],
        (first, last): (usize, usize),
        ties: Ties,
        wanted: Wanted,
        links: usize,
    ) -> Result<Vec<Chosen>, LayoutError> {
        let (order, ends) = order(nodes, first, last);
        let of_item = |choice: &Choice| rules::digests(&choice.item);
        let digests = nodes.iter().map(|node| node.choices.iter().map(of_item).collect()).collect();
        let (chosen, at) = (vec![None; nodes.len()], vec![None; nodes.len()]);
        let (found, deepest) = (Vec::new(), None);
        let limit = links.saturating_mul(TRIES);
        let tries = Some(limit);
        let mut search =
            Self { nodes, digests, order, ends, ties, wanted, chosen, at, found, deepest, tries };
        search.go(0);
        let name = search.name(last);
        match (search.found.is_empty(), search.tries, search.deepest) {
            (false, ..) => Ok(search.found),
            (true, None, _) => {
                let unit = "ways to choose among its links, 16 for each link,";
                Err(LayoutError::limit(unit, limit, "layout_links"))
            }
            (true, _, Some((_, error))) => Err(error),
            (true, _, None) => Err(LayoutError::Unrelated { step: name }),
        }
    }

    /// Chooses for the node at this place of the order and for those behind it. Whether that led to something.
    fn go(&mut self, depth: usize) -> bool {
        let Some(number) = self.order.get(depth).copied() else { return self.arrived() };
        let Some(node) = self.nodes.get(number) else { return false };
        let mut led = false;
        for option in self.options(number, node) {
            self.tries = self.tries.and_then(|tries| tries.checked_sub(1));
            if self.tries.is_none() {
                return led;
            }
            self.set(number, option);
            match self.holds(number, depth) {
                Ok(()) => led |= self.go(depth + 1),
                Err(error) => self.stopped(depth, error),
            }
            self.set(number, None);
            // Another choice in the middle changes nothing about the ends.
            if led && (self.wanted == Wanted::First || depth >= self.ends) {
                return true;
            }
        }
        led
    }

    fn set(&mut self, number: usize, option: Option<usize>) {
        let choice = option.and_then(|option| self.nodes.get(number)?.choices.get(option));
        if let (Some(at), Some(chosen)) = (self.at.get_mut(number), self.chosen.get_mut(number)) {
            (*at, *chosen) = (option, choice);
        }
    }

    /// What may be chosen for a node, in the order in which it is tried.
    fn options(&self, number: usize, node: &Node<'_>) -> Vec<Option<usize>> {
        let known = self.known();
        let none = BTreeSet::new();
        let own = |option: usize| {
            let digests = self.digests.get(number).and_then(|choices| choices.get(option));
            digests.unwrap_or(&none)
        };
        let shared = |option: usize| own(option).intersection(&known).count();
        let mut options: Vec<(usize, usize)> =
            (0..node.choices.len()).map(|option| (shared(option), option)).collect();
        if node.kind == Kind::Optional && self.ties == Ties::Asked {
            // A report about another build is as if it were not there; one about this build has to hold.
            options.retain(|(shared, _)| *shared > 0);
        }
        options.sort_by_key(|(shared, option)| (Reverse(*shared), *option));
        match options.is_empty() && node.kind == Kind::Optional {
            true => vec![None],
            false => options.into_iter().map(|(_, option)| Some(option)).collect(),
        }
    }

    /// Digests of everything that is chosen.
    fn known(&self) -> BTreeSet<String> {
        let chosen = self.at.iter().zip(&self.digests);
        let of =
            |(at, digests): (&Option<usize>, &Vec<BTreeSet<String>>)| digests.get((*at)?).cloned();
        chosen.filter_map(of).flatten().collect()
    }

    /// Whether the newest choice goes with those before it, as far as that can be said.
    fn holds(&self, number: usize, depth: usize) -> Result<(), LayoutError> {
        self.stands_alone(number)?;
        let decided: BTreeSet<usize> = self.order.iter().take(depth + 1).copied().collect();
        let newest = self.nodes.get(number).map(|node| node.name).unwrap_or_default();
        for at in &decided {
            let Some(node) = self.nodes.get(*at) else { continue };
            if *at == number || speaks_about(node.rules, newest) {
                self.rules_hold(*at, &decided)?;
            }
        }
        Ok(())
    }

    /// One payload stands for one step (H36).
    fn stands_alone(&self, number: usize) -> Result<(), LayoutError> {
        let Some(Some(choice)) = self.chosen.get(number) else { return Ok(()) };
        let others = self.chosen.iter().enumerate().filter(|(other, _)| *other != number);
        let mut others = others.filter_map(|(_, choice)| *choice);
        if others.any(|other| !other.sublayouts.is_disjoint(&choice.sublayouts)) {
            return Err(LayoutError::SublayoutTwice { step: self.name(number) });
        }
        Ok(())
    }

    fn rules_hold(&self, number: usize, decided: &BTreeSet<usize>) -> Result<(), LayoutError> {
        let (Some(node), Some(Some(choice))) = (self.nodes.get(number), self.chosen.get(number))
        else {
            return Ok(());
        };
        let there = |name: &str| {
            let Some(other) = self.nodes.iter().position(|other| other.name == name) else {
                return There::Nothing;
            };
            let kind = self.nodes.get(other).map(|other| other.kind);
            if node.kind == Kind::Step && kind != Some(Kind::Step) {
                return There::Nothing;
            }
            match self.chosen.get(other) {
                Some(Some(choice)) => There::Is(&choice.item),
                _ if decided.contains(&other) => There::Nothing,
                _ => There::Undecided,
            }
        };
        rules::hold(node.name, node.rules, &choice.item, &there)
    }

    /// All are chosen: they are of one build where each has an artifact in common with another, up to the last step.
    fn arrived(&mut self) -> bool {
        if self.ties == Ties::Asked
            && let Some(number) = self.untied()
        {
            self.stopped(self.order.len(), LayoutError::Unrelated { step: self.name(number) });
            return false;
        }
        self.found.push(self.at.clone());
        true
    }

    /// The first node that no artifact leads to from the last step.
    fn untied(&self) -> Option<usize> {
        let digests = |number: usize| {
            let at = self.at.get(number).copied().flatten()?;
            self.digests.get(number).and_then(|choices| choices.get(at))
        };
        let mut waiting: Vec<usize> =
            self.order.iter().copied().filter(|number| digests(*number).is_some()).collect();
        let mut reached = match waiting.is_empty() {
            true => return None,
            false => digests(waiting.remove(0)).cloned().unwrap_or_default(),
        };
        loop {
            let tied =
                |number: &usize| digests(*number).is_some_and(|own| !own.is_disjoint(&reached));
            let Some(position) = waiting.iter().position(tied) else { break };
            let number = waiting.remove(position);
            reached.extend(digests(number).into_iter().flatten().cloned());
        }
        waiting.first().copied()
    }

    fn stopped(&mut self, depth: usize, error: LayoutError) {
        if self.deepest.as_ref().is_none_or(|(deepest, _)| *deepest < depth) {
            self.deepest = Some((depth, error));
        }
    }

    fn name(&self, number: usize) -> String {
        self.nodes.get(number).map(|node| node.name.to_owned()).unwrap_or_default()
    }
}

/// The order in which nodes are chosen, and how many of them are ends: the last step, the first, then whatever rules lead to
/// from what is chosen already, inspections behind all steps.
fn order(nodes: &[Node<'_>], first: usize, last: usize) -> (Vec<usize>, usize) {
    let mut order = vec![last];
    if first != last {
        order.push(first);
    }
    let ends = order.len();
    let related = |a: usize, b: usize| {
        let (Some(a), Some(b)) = (nodes.get(a), nodes.get(b)) else { return false };
        speaks_about(a.rules, b.name) || speaks_about(b.rules, a.name)
    };
    let is_step = |number: &usize| nodes.get(*number).is_some_and(|node| node.kind == Kind::Step);
    loop {
        let left: Vec<usize> = (0..nodes.len()).filter(|number| !order.contains(number)).collect();
        let mut steps = left.iter().filter(|number| is_step(number)).peekable();
        let Some(some) = steps.peek().copied() else {
            order.extend(left);
            return (order, ends);
        };
        let next = steps.find(|step| order.iter().any(|known| related(*known, **step)));
        order.push(*next.unwrap_or(some));
    }
}

fn speaks_about(rules: &ItemRules, name: &str) -> bool {
    let mut rules = rules.materials.iter().chain(&rules.products);
    rules.any(|rule| matches!(rule, Rule::Match(rule) if rule.from == name))
}

/// The choices among reports: for each list of artifacts the functionaries who report it, where they are enough. Where links
/// alone are too few, one sublayout may complete them, and where no single one does, all of them.
pub(super) fn choices(reports: Vec<Choice>, threshold: usize) -> Vec<Choice> {
    let mut groups: BTreeMap<Arc<Item>, Vec<Choice>> = BTreeMap::new();
    for report in reports {
        groups.entry(Arc::clone(&report.item)).or_default().push(report);
    }
    groups.into_values().flat_map(|group| of_group(group, threshold)).collect()
}

fn of_group(group: Vec<Choice>, threshold: usize) -> Vec<Choice> {
    let (links, subs): (Vec<Choice>, Vec<Choice>) =
        group.into_iter().partition(|report| report.sublayouts.is_empty());
    let enough = |reports: Vec<Choice>| {
        let together = together(reports)?;
        (together.by.len() >= threshold).then_some(together)
    };
    if let Some(choice) = enough(links.clone()) {
        return vec![choice];
    }
    let with = |subs: Vec<Choice>| enough(links.iter().cloned().chain(subs).collect());
    let mut single: Vec<Choice> = subs.iter().filter_map(|sub| with(vec![sub.clone()])).collect();
    single.sort_by(|a, b| a.sublayouts.cmp(&b.sublayouts));
    single.dedup_by(|a, b| a.sublayouts == b.sublayouts);
    match single.is_empty() {
        true => with(subs).into_iter().collect(),
        false => single,
    }
}

fn together(reports: Vec<Choice>) -> Option<Choice> {
    let mut reports = reports.into_iter();
    let mut all = reports.next()?;
    for report in reports {
        all.by.extend(report.by);
        all.sublayouts.extend(report.sublayouts);
        all.remarks.extend(report.remarks);
    }
    Some(all)
}

#[cfg(test)]
mod tests;
