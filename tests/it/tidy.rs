//! Facts about the code base that nothing else keeps true.
//!
//! Each is a fact and not a taste: the layer order of ARCHITECTURE.md, no input or output below layer 3, a doc for each
//! module, documents that name only what exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file under `folder` with this extension, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Top-level module -> layer, from the table in ARCHITECTURE.md: rows `| 1 | attest, image, sbom | … |`.
fn layers() -> BTreeMap<String, u32> {
    let row = Regex::new(r"(?m)^\| (\d) \| ([^|]+) \|").unwrap();
    let text = read("ARCHITECTURE.md");
    let table: BTreeMap<String, u32> = row
        .captures_iter(&text)
        .flat_map(|c| {
            let layer = c[1].parse().unwrap();
            c[2].split(',')
                .map(|m| (m.trim().trim_matches('`').to_owned(), layer))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(table.len() > 10, "ARCHITECTURE.md has lost its layer table");
    table
}

/// The top-level module that a source file belongs to.
fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Source without its `#[cfg(test)]` part and without comments.
fn product_code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let tests = Regex::new(r"#\[cfg\(test\)\]\n(pub\(crate\) )?mod tests").unwrap();
    let code = tests.split(&text).next().unwrap();
    code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether a source file is compiled for tests alone.
fn is_for_tests(path: &Path) -> bool {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let mut parts = relative.iter();
    parts.any(|part| {
        ["tests", "tests.rs", "testing.rs", "conformance.rs"].iter().any(|name| part == *name)
    })
}

/// `crate::` paths, those in nested `use crate::{…}` groups included.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 && (c.is_alphanumeric() || c == '_') {
                    word.push(c);
                } else if depth == 0 || c == '{' {
                    if !word.is_empty() && (c == ':' || c == ',') {
                        used.insert(word.clone());
                    }
                    if c == ',' {
                        word.clear();
                    }
                    if c == ':' || c == '{' {
                        word = " ".to_owned();
                    }
                }
            }
            used.insert(word);
        } else {
            used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used
}

#[test]
fn modules_use_only_their_own_layer_or_a_lower_one() {
    let layers = layers();
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let module = module_of(&path);
        let Some(own) = layers.get(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} is in no layer");
            continue;
        };
        if is_for_tests(&path) {
            continue;
        }
        for used in used_modules(&product_code(&path)) {
            if layers.get(&used).is_some_and(|layer| layer > own) {
                wrong.push(format!("{}: layer {own} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn modules_of_one_layer_have_no_cycle() {
    let layers = layers();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files("src", "rs").into_iter().filter(|path| !is_for_tests(path)) {
        let module = module_of(&path);
        let used = used_modules(&product_code(&path)).into_iter();
        let others = used.filter(|m| *m != module && layers.contains_key(m));
        uses.entry(module.clone()).or_default().extend(others);
    }
    // Remove what depends on nothing that is left, until nothing changes: what remains is a cycle.
    loop {
        let done: Vec<String> =
            uses.iter().filter(|(_, u)| u.is_empty()).map(|(m, _)| m.clone()).collect();
        if done.is_empty() {
            break;
        }
        for module in &done {
            uses.remove(module);
        }
        for used in uses.values_mut() {
            used.retain(|m| !done.contains(m));
        }
    }
    assert!(uses.is_empty(), "modules that depend on each other in a circle: {uses:#?}");
}

/// Every path that `use` names, groups written out.
fn imports(code: &str) -> Vec<String> {
    let items = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?use ([^;]+);").unwrap();
    let mut found = Vec::new();
    for item in items.captures_iter(code) {
        write_out("", &item[1], &mut found);
    }
    found
}

/// Writes out `a::{b, c::{d, e}}` behind a prefix.
fn write_out(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                match part.split_once('{') {
                    Some((head, group)) => {
                        let group = group.strip_suffix('}').unwrap_or(group);
                        write_out(&format!("{prefix}{}", head.trim()), group, found);
                    }
                    None if part.is_empty() => {}
                    None => found.push(format!("{prefix}{}", part.split(' ').next().unwrap())),
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// A source file as a module: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
fn as_module(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

/// The file in which a path that is written in a module ends, if it is one of ours.
fn file_of(path: &str, module: &str, all: &BTreeSet<String>) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    let mut rest: Vec<&str> = path.split("::").collect();
    match *rest.first()? {
        "crate" => base.clear(),
        "super" => {
            base.pop();
        }
        "self" => {}
        _ => return None,
    }
    rest.remove(0);
    while rest.first() == Some(&"super") {
        base.pop();
        rest.remove(0);
    }
    base.extend(rest);
    let longest = (1..=base.len()).rev().map(|n| base[..n].join("::"));
    longest.into_iter().find(|name| all.contains(name))
}

/// The files that each file names, by module.
fn file_uses() -> BTreeMap<String, BTreeSet<String>> {
    let inline = Regex::new(r"\b((?:super|crate)(?:::[A-Za-z_0-9]+)+)").unwrap();
    let sources: Vec<_> =
        files("src", "rs").into_iter().filter(|path| !is_for_tests(path)).collect();
    let all: BTreeSet<String> = sources.iter().map(|path| as_module(path)).collect();
    let uses = |path: &PathBuf| {
        let (module, code) = (as_module(path), product_code(path));
        let mut paths = imports(&code);
        paths.extend(inline.captures_iter(&code).map(|found| found[1].to_owned()));
        let found = paths.iter().filter_map(|path| file_of(path, &module, &all));
        let found = found.filter(|f| *f != module).collect();
        (module, found)
    };
    sources.iter().map(uses).collect()
}

/// The circles: what is left when modules that use nothing, or that nothing uses, are taken away until none goes.
fn circles(mut uses: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let used: BTreeSet<String> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        uses.retain(|module, others| !others.is_empty() && used.contains(module));
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        uses.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
        if uses.len() == before {
            return uses;
        }
    }
}

/// A folder and what is in it are one matter; siblings and strangers are not.
#[test]
fn files_have_no_circle() {
    let within = |a: &str, b: &str| b.starts_with(&format!("{a}::"));
    let mut uses = file_uses();
    for (module, others) in &mut uses {
        others.retain(|other| !within(other, module) && !within(module, other));
    }
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 500, "it sees nothing");
    let found = circles(uses);
    assert!(found.is_empty(), "files that depend on each other in a circle: {found:#?}");
}

/// The two siblings in which two modules lie, where neither lies within the other.
fn siblings(a: &str, b: &str) -> Option<(String, String)> {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split("::").collect(), b.split("::").collect());
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    (shared < a.len() && shared < b.len())
        .then(|| (a[..=shared].join("::"), b[..=shared].join("::")))
}

/// A folder counts as one module with all that is in it: two files may be in no circle, and their folders in one.
#[test]
fn folders_have_no_circle() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, others) in file_uses() {
        for (from, to) in others.iter().filter_map(|other| siblings(&module, other)) {
            uses.entry(from).or_default().insert(to);
        }
    }
    assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 500, "it sees nothing");
    let found = circles(uses);
    assert!(found.is_empty(), "folders that depend on each other in a circle: {found:#?}");
}

#[test]
fn modules_are_told_by_the_siblings_they_lie_in() {
    let table = [
        ("a::b::c", "a::d", Some(("a::b", "a::d"))),
        ("a::b::c", "a::b::d::e", Some(("a::b::c", "a::b::d"))),
        ("a", "b::c", Some(("a", "b"))),
        ("a::b", "a::b::c", None),
        ("a::b::c", "a", None),
    ];
    for (from, to, want) in table {
        let want = want.map(|(a, b): (&str, &str)| (a.to_owned(), b.to_owned()));
        assert_eq!(siblings(from, to), want, "{from} {to}");
    }
}

#[test]
fn groups_are_written_out() {
    let code =
        "use std::{fs, io::{self, Read as _}};\n    pub(super) use super::a::{B, c::d};\nuse x;";
    let want = ["std::fs", "std::io::self", "std::io::Read", "super::a::B", "super::a::c::d", "x"];
    assert_eq!(imports(code), want);
}

#[test]
fn nothing_below_layer_three_touches_the_world() {
    let world = Regex::new(
        r"\b(std::fs|tokio::|reqwest::|std::net::Tcp|std::env::var|std::process::Command|SystemTime::now|Instant::now|Timestamp::now|Zoned::now|rand::)",
    )
    .unwrap();
    let layers = layers();
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        if is_for_tests(&path) || layers.get(&module_of(&path)).is_none_or(|layer| *layer >= 3) {
            continue;
        }
        let code = product_code(&path);
        // What a group brings in is named as if it stood alone.
        let code = format!("{code}\n{}", imports(&code).join("::\n"));
        for found in world.find_iter(&code) {
            wrong.push(format!("{}: {}", path.display(), found.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_environment_has_one_reader() {
    let variables = Regex::new(r"\benv::vars?(_os)?\b").unwrap();
    let reads = |path: &PathBuf| {
        let code = product_code(path);
        variables.is_match(&format!("{code}\n{}", imports(&code).join("\n")))
    };
    let sources = files("src", "rs").into_iter().filter(|path| !is_for_tests(path));
    let readers: Vec<_> = sources.filter(reads).map(|path| as_module(&path)).collect();
    assert_eq!(readers, ["environment"]);
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in files("src", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} has no module doc", path.display());
    }
}

#[test]
fn no_unwrap_outside_tests_and_every_expect_has_its_reason() {
    let empty =
        Regex::new(r#"\.unwrap\(\)|\.expect\(""\)|\btodo!|\bunimplemented!|\bdbg!"#).unwrap();
    for path in files("src", "rs") {
        if is_for_tests(&path) {
            continue;
        }
        let code = product_code(&path);
        let found = empty.find(&code).map(|m| m.as_str());
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn documents_name_only_what_exists() {
    let named = Regex::new(r"`((?:src|tests|docs|policies|fixtures|scripts|deploy|benches|examples|fuzz|\.ci)/[A-Za-z0-9_./-]*)`").unwrap();
    for document in files(".", "md") {
        let relative = document.strip_prefix(root()).unwrap().to_path_buf();
        if relative.starts_with("target") || relative.starts_with("./target") {
            continue;
        }
        let text = fs::read_to_string(&document).unwrap();
        for path in named.captures_iter(&text).map(|c| c[1].to_owned()) {
            assert!(root().join(&path).exists(), "{} names {path}", document.display());
        }
    }
}

#[test]
fn every_finding_code_is_documented_and_produced() {
    let text = read("docs/findings.md");
    let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    let codes: Vec<&str> = hallmark::finding::Code::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(
        headings, codes,
        "docs/findings.md has one heading for each code, in the table's order"
    );
    let source: String = files("src", "rs")
        .iter()
        .filter(|p| !p.ends_with("finding/code.rs"))
        .map(|p| product_code(p))
        .collect();
    for code in hallmark::finding::Code::ALL {
        let used = source.contains(&format!("Code::{code:?}"));
        assert!(used, "nothing produces {code}");
    }
}

/// Attacks that have to be in the table, with a test whose name begins with the id: by group, up to this number.
const ATTACKS_WITH_A_ROW: [(char, u32); 5] = [('A', 26), ('B', 10), ('D', 10), ('G', 7), ('H', 9)];

#[test]
fn every_attack_names_a_test_that_exists() {
    let row = Regex::new(r"^\| ([A-Z]\d+) \| [^|]{10,} \| ([^|]+) \|$").unwrap();
    let named = Regex::new(r"`([a-z_0-9/.]+\.rs)::([a-z_0-9]+)`").unwrap();
    let text = read("docs/attacks.md");
    let mut ids = Vec::new();
    for line in text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| id ")) {
        let row = row.captures(line).unwrap_or_else(|| panic!("not a row: {line}"));
        let tests: Vec<_> = named.captures_iter(&row[2]).collect();
        assert_eq!(tests.len(), row[2].split(", ").count(), "tests are `file::name`: {line}");
        for test in &tests {
            let declared = format!("fn {}(", &test[2]);
            assert!(read(&test[1]).contains(&declared), "{} has no {}", &test[1], &test[2]);
        }
        let id = format!("{}_", row[1].to_lowercase());
        let own = tests.iter().any(|test| test[2].starts_with(&id));
        let (group, number) = (row[1].chars().next().unwrap(), row[1][1..].parse().unwrap());
        let must = ATTACKS_WITH_A_ROW.iter().any(|(g, last)| *g == group && number <= *last);
        assert!(own || !must, "no test is named {id}…: {line}");
        ids.push((group, number));
    }
    for (group, last) in ATTACKS_WITH_A_ROW {
        for number in 1..=last {
            let there = ids.contains(&(group, number));
            assert!(there, "docs/attacks.md has no row {group}{number}");
        }
    }
    assert!(ids.len() > 20, "docs/attacks.md has lost its table");
    assert!(ids.is_sorted_by(|a, b| a < b), "each attack once, in order: {ids:?}");
}

#[test]
fn every_limit_that_a_message_names_is_one() {
    let named = Regex::new(r#"(?:limits::key\(|limit_name: )"(\w+)""#).unwrap();
    let limits: Vec<_> = hallmark::limits::Limits::TABLE.iter().map(|limit| limit.field).collect();
    let mut count = 0;
    for path in files("src", "rs") {
        for name in named.captures_iter(&product_code(&path)).map(|c| c[1].to_owned()) {
            let known = limits.contains(&name.as_str());
            assert!(known, "{}: there is no limit {name}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

/// Rows `| `case` | what | expected | cosign | hallmark |` of docs/measurements/signatures.md, each case once.
fn judged_twice(text: &str) -> BTreeMap<String, [String; 3]> {
    let row =
        Regex::new(r"(?m)^\| `([a-z0-9.-]+)` \| [^|]+ \| (\w+) \| (\w+) \| (\w+) \|$").unwrap();
    row.captures_iter(text)
        .map(|c| (c[1].to_owned(), [2, 3, 4].map(|column| c[column].to_owned())))
        .collect()
}

#[test]
fn every_disagreement_with_cosign_is_explained() {
    let text = read("docs/measurements/signatures.md");
    let (table, why) = text.split_once("## Where cosign differs, and why").unwrap();
    let cases = judged_twice(table);
    assert!(
        cases.len() > 200,
        "docs/measurements/signatures.md has lost its table: {}",
        cases.len()
    );
    let named = Regex::new(r"`([a-z0-9.-]+)`").unwrap();
    let mut explained = BTreeSet::new();
    for line in why.lines().filter(|line| line.starts_with("- ")) {
        let names = line.split(": ").next().unwrap();
        explained.extend(named.captures_iter(names).map(|c| c[1].to_owned()));
    }
    let disagreeing: BTreeSet<String> = cases
        .iter()
        .filter(|(_, [expected, cosign, hallmark])| {
            (expected != "either" && expected != cosign) || cosign != hallmark
        })
        .map(|(case, _)| case.clone())
        .collect();
    assert_eq!(
        explained, disagreeing,
        "docs/measurements/signatures.md: explained, and in need of it"
    );
}

#[test]
fn every_case_of_the_private_sigstore_has_its_reason() {
    let cases = judged_twice(&read("docs/measurements/signatures.md"));
    let expected = read("fixtures/sigstore/expected.tsv");
    let codes: BTreeSet<&str> = hallmark::finding::Code::ALL.iter().map(|c| c.as_str()).collect();
    let mut seen = BTreeSet::new();
    for line in expected.lines().filter(|line| !line.starts_with('#')) {
        let (case, code) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in {line}"));
        assert!(code == "pass" || codes.contains(code), "{case}: {code} is no finding");
        let Some([wanted, _, hallmark]) = cases.get(case) else {
            panic!("docs/measurements/signatures.md has no {case}")
        };
        let passes = code == "pass";
        assert!(wanted == "either" || passes == (wanted == "pass"), "{case}: {wanted}, {code}");
        assert_eq!(
            passes,
            hallmark == "pass",
            "{case}: docs/measurements/signatures.md says {hallmark}"
        );
        assert!(seen.insert(case), "{case} is there twice");
    }
    assert_eq!(seen.len(), cases.len(), "cases without an expectation");
}

/// What makes the release image repeatable: bases that the caller has to name, and no step, file or frontend from a network.
#[test]
fn the_release_image_is_made_of_its_two_bases_and_the_commit() {
    let text = read("deploy/Dockerfile").replace("\\\n", " ");
    let steps: Vec<&str> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let of = |word: &str| -> Vec<&str> {
        steps.iter().filter(|step| step.starts_with(word)).copied().collect()
    };
    assert_eq!(of("FROM "), ["FROM ${BUILDER} AS build", "FROM ${BASE}"]);
    // A default would be a tag, or a digest that somebody forgets to raise.
    assert_eq!(of("ARG B"), ["ARG BUILDER", "ARG BASE"]);
    for step in of("RUN ") {
        assert!(step.starts_with("RUN --network=none "), "{step}");
    }
    assert!(steps.iter().all(|step| !step.starts_with("ADD ")), "{steps:#?}");
    for directive in ["# syntax", "# escape", "#syntax", "#escape"] {
        assert!(!text.starts_with(directive), "deploy/Dockerfile begins with {directive}");
    }
}

/// Nouns that reports count.
const COUNTED: &str = "package|file|component|material|layer|record|advisor(?:y|ie)|version|ghost|image|signature|error|warning|\
    remark|entr(?:y|ie)|platform|signer|statement|vulnerabilit(?:y|ie)|gap|day|result|secret|manifest|finding|difference|place|step|link|rule";

/// Whoever counts says `1 package`: by `amount::plural`, and by nothing else.
#[test]
fn every_count_in_a_report_has_its_noun_by_the_one_helper() {
    let by_hand =
        Regex::new(&format!(r#""[^"\n]*\{{[^}}"\n]*\}} (?:more )?(?:{COUNTED})s\b"#)).unwrap();
    // Bounds are never one, and are no counts.
    let is_bound = Regex::new(r"MAX_|MOST|_FACTOR|limit|DEPTH|more than").unwrap();
    let mut wrong = Vec::new();
    for folder in ["src/report", "src/cli", "src/gate", "src/trust", "src/verify", "src/compare"] {
        for path in files(folder, "rs") {
            let text = read(&path);
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            if path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
            {
                continue;
            }
            let lines =
                text.lines().filter(|line| by_hand.is_match(line) && !is_bound.is_match(line));
            wrong.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "amount::plural writes a number with its noun");
}

/// The same where it is read: in every report that a test keeps.
#[test]
fn no_report_says_one_of_many() {
    let one = Regex::new(&format!(r"(?:^|[^\d.,:-])(1 (?:more )?(?:{COUNTED})s)\b")).unwrap();
    let zero = Regex::new(r"[^\d.]0 MiB").unwrap();
    let kept = ["tests/it/snapshots", "src", "fixtures", "docs", "deploy"];
    let kept = kept.iter().flat_map(|folder| ["snap", "txt", "md"].map(|end| files(folder, end)));
    let (mut looked, mut wrong) = (0, Vec::new());
    for path in kept.flatten().chain([root().join("README.md")]) {
        let text = read(&path);
        looked += 1;
        for line in text.lines().filter(|line| one.is_match(line) || zero.is_match(line)) {
            wrong.push(format!("{}: {}", path.display(), line.trim()));
        }
    }
    assert!(looked > 50, "{looked} files");
    assert_eq!(wrong, Vec::<String>::new());
}
