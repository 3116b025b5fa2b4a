//! What rules say of themselves in METADATA, by package and code.
//!
//! Turns the blocks of a bundle and the rules that they stand above (OPA, "Annotations") into one [`Custom`] for each code of a package.
//! A result has a package and a code, and nobody knows which rule gave it: what lifts a denial or puts it off counts only where each rule
//! that may give the code says it of itself. A block above a package speaks for the rules of its file that have none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{
    check::{
        Graph, Node, is_named,
        syntax::{File, Rule},
    },
    metadata::{Custom, Metadata},
};

/// By package and code.
pub(super) type Said = BTreeMap<(String, String), Custom>;

/// A rule that may give a code and says nothing of it, so that what others say of it counts for nothing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Silent {
    pub(super) file: String,
    /// Line, from 1.
    pub(super) line: u32,
    pub(super) code: String,
}

/// A rule that may give a code, and what it says of that.
type Giver<'a> = (Node, Option<&'a Custom>);

/// What counts of the METADATA of a bundle, each block with its file.
pub(super) fn of(graph: &Graph<'_>, metadata: &[(String, Metadata)]) -> Said {
    let blocks = Blocks::new(graph, metadata);
    let mut said = Said::new();
    for (package, block) in &blocks.all {
        let says = said.entry((package.clone(), block.code.clone())).or_default();
        let (early, lacks) = (says.early || block.early, says.lacks.or(block.lacks));
        *says = Custom { early, lacks, review: false, effective_on: None, ..(*block).clone() };
    }
    for (key, givers) in blocks.givers() {
        if let Some(custom) = said.get_mut(&key) {
            custom.review = givers.iter().all(|(_, says)| says.is_some_and(|says| says.review));
            custom.effective_on = first_day(givers.iter().map(|(_, says)| *says));
        }
    }
    said
}

/// Rules because of which something that others say counts for nothing.
pub(super) fn silent(graph: &Graph<'_>, metadata: &[(String, Metadata)]) -> BTreeSet<Silent> {
    let mut all = BTreeSet::new();
    for ((_, code), givers) in Blocks::new(graph, metadata).givers() {
        let counts = |says: &Custom| says.review || says.effective_on.is_some();
        if !givers.iter().any(|(_, says)| says.is_some_and(counts)) {
            continue;
        }
        let silent = givers.iter().filter(|(_, says)| says.is_none());
        all.extend(silent.filter_map(|(node, _)| graph.at(*node)).map(|(file, rule)| Silent {
            file: file.name.clone(),
            line: rule.line,
            code: code.clone(),
        }));
    }
    all
}

/// The day from which on all of them deny: the earliest, and a rule without one has always done so.
fn first_day<'a>(givers: impl Iterator<Item = Option<&'a Custom>>) -> Option<Date> {
    givers.map(|says| says.and_then(|says| says.effective_on)).min().flatten()
}

/// The blocks that name a code.
struct Blocks<'a> {
    graph: &'a Graph<'a>,
    /// Each with its package.
    all: Vec<(String, &'a Custom)>,
    /// Those above a rule.
    above: BTreeMap<Node, Vec<&'a Custom>>,
    /// Those above the package of a file, by its number.
    on_top: BTreeMap<usize, Vec<&'a Custom>>,
}

impl<'a> Blocks<'a> {
    fn new(graph: &'a Graph<'a>, metadata: &'a [(String, Metadata)]) -> Self {
        let (mut all, mut on_top) = (Vec::new(), BTreeMap::<usize, Vec<&Custom>>::new());
        let mut above = BTreeMap::<Node, Vec<&Custom>>::new();
        let mut of_files = BTreeMap::<&str, Vec<&Metadata>>::new();
        for (file, block) in metadata.iter().filter(|(_, block)| !block.custom.code.is_empty()) {
            of_files.entry(file).or_default().push(block);
        }
        for (number, file) in graph.files().iter().enumerate() {
            for block in of_files.get(file.name.as_str()).into_iter().flatten() {
                let below = |rule: &Rule| rule.line > block.line;
                if block.line < file.line {
                    on_top.entry(number).or_default().push(&block.custom);
                } else if let Some(at) = file.rules.iter().position(below) {
                    above.entry((number, at)).or_default().push(&block.custom);
                }
                all.push((file.package.join("."), &block.custom));
            }
        }
        Self { graph, all, above, on_top }
    }

    /// Whoever may deny with a code, by package and code.
    fn givers(&self) -> BTreeMap<(String, String), Vec<Giver<'a>>> {
        let mut all = BTreeMap::<(String, String), Vec<Giver<'a>>>::new();
        let mut any = Vec::new();
        for (node, file, _) in self.graph.asked().filter(|(_, _, rule)| is_named(rule, "deny")) {
            let package = file.package.join(".");
            let given = self.of_denial(node, file);
            if given.is_empty() {
                any.push((package.clone(), node));
            }
            for (code, giver) in given {
                all.entry((package.clone(), code)).or_default().push(giver);
            }
        }
        // What is computed may be any code of its package.
        for (package, node) in any {
            let codes = all.iter_mut().filter(|((of, _), _)| *of == package);
            codes.for_each(|(_, givers)| givers.push((node, None)));
        }
        all
    }

    /// The blocks above a rule, else those of its file, but for those of warnings.
    fn above(&self, node: Node) -> impl Iterator<Item = &'a Custom> {
        let blocks = self.above.get(&node).or_else(|| self.on_top.get(&node.0));
        blocks.into_iter().flatten().copied().filter(|block| block.severity != "warn")
    }

    /// What a rule says of its codes.
    fn of_rule(&self, node: Node) -> Vec<(String, Giver<'a>)> {
        self.above(node).map(|block| (block.code.clone(), (node, Some(block)))).collect()
    }

    /// The same of a rule that denies, and of those that it takes its results from.
    fn of_denial(&self, denial: Node, file: &File) -> Vec<(String, Giver<'a>)> {
        let mut given = Vec::new();
        for node in self.graph.reach([denial]) {
            let Some((from, rule)) = self.graph.at(node) else { continue };
            if from.package == file.package {
                given.extend(self.of_rule(node));
            }
            let unsaid = self.unsaid(denial, node, rule).into_iter();
            given.extend(unsaid.map(|code| (code, (node, None))));
        }
        given
    }

    /// Codes in a rule's text that neither it nor the denial says something of.
    fn unsaid(&self, denial: Node, node: Node, rule: &Rule) -> Vec<String> {
        let says: BTreeSet<&str> =
            self.above(denial).chain(self.above(node)).map(|block| block.code.as_str()).collect();
        rule.codes.iter().filter(|code| !says.contains(code.as_str())).cloned().collect()
    }
}
