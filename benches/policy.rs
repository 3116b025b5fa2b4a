//! What a decision by rules costs: preset `regulated` over an image with 1,000 packages, next to OPA.
//!
//! The input is the honest one of `fixtures/policy/cases.json` with 1,000 packages in the inventory and in the SBOM, as `policy input`
//! writes it but without its index. `a decision` is what is done for each image, one after the other on one core: the index of the packages
//! made, the input made into the engine's values with its settings, all rules evaluated, results sorted. `from a file` reads the JSON
//! besides, as `policy eval` does. `an input` is what `judge` gets of an inventory: packages and their licences in the form of the input. Beside them,
//! where `scripts/peers opa` has built it: `opa eval` as a program, and OPA's own loop inside of one process (`opa bench`), which has its
//! input ready and so does less. Last, 5,000 rules are compiled. Prints medians, p99 and ratios; with the word `each`, what each
//! package of rules takes by itself instead.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hallmark::{
    contents::{self, accounts::Base},
    limits::Limits,
    policy::{Bundle, Policies, bundle::Preset, input::InventoryInput},
};
use serde_json::{Map, Value, json};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PACKAGES: usize = 1000;
/// Decisions and processes that are timed.
const ROUNDS: Rounds = Rounds { decisions: 500, processes: 7 };
/// The same among the tests, where nothing is optimised and it is enough to know that it works.
const ROUNDS_OF_A_TEST: Rounds = Rounds { decisions: 3, processes: 1 };
const RULES: usize = 5000;
const RULES_IN_A_FILE: usize = 100;

struct Rounds {
    decisions: usize,
    processes: usize,
}

impl Rounds {
    fn of_this_run() -> Self {
        match std::env::args().any(|argument| argument == "--bench") {
            true => ROUNDS,
            false => ROUNDS_OF_A_TEST,
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Value {
    let text = fs::read_to_string(root().join("fixtures/policy/cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The honest input with so many packages, each in the SBOM, too.
fn input(honest: &Value, packages: usize) -> Value {
    let mut input = honest.clone();
    let more = |list: &mut Value, purl: &str| {
        let first = list[0].clone();
        let all = list.as_array_mut().unwrap();
        for number in all.len()..packages {
            let mut package = first.clone();
            package["name"] = format!("package-{number}").into();
            package["version"] = format!("1.{number}-1").into();
            package[purl] =
                format!("pkg:deb/debian/package-{number}@1.{number}-1?arch=amd64").into();
            all.push(package);
        }
    };
    more(&mut input["inventory"]["packages"], "purl");
    more(&mut input["sboms"][0]["components"], "purl");
    input["sboms"][0]["reconciliation"]["matched"] = packages.into();
    input
}

/// Times in rising order.
fn times(count: usize, mut work: impl FnMut()) -> Vec<Duration> {
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn at(times: &[Duration], hundredths: usize) -> Duration {
    times[(times.len() * hundredths / 100).min(times.len() - 1)]
}

fn told(what: &str, times: &[Duration]) -> Duration {
    let (median, slowest) = (at(times, 50), at(times, 99));
    println!("{what}: median {median:.2?}, p99 {slowest:.2?}, of {}", times.len());
    median
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// What OPA takes, beside the input: a folder with the preset's rules, and the query.
fn opa(input: &Value, settings: &Map<String, Value>, own: Duration, processes: usize) {
    let cache = std::env::var("HALLMARK_CACHE").map(PathBuf::from);
    let home = || Path::new(&std::env::var("HOME").unwrap_or_default()).join(".cache/hallmark");
    let program = cache.unwrap_or_else(|_| home()).join("peers/bin/opa");
    if !program.exists() {
        println!("SKIPPED opa: scripts/peers builds it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for rule in Preset::named("regulated").unwrap().rules {
        let file = format!("{rule}.rego");
        fs::copy(root().join("policies").join(&file), folder.path().join(&file)).unwrap();
    }
    let mut input = input.clone();
    input["settings"] = Value::Object(settings.clone());
    let file = folder.path().join("input.json");
    fs::write(&file, input.to_string()).unwrap();
    let packages = |set: &str| format!("[x | some p; x := data.hallmark[p].{set}[_]]");
    let query = format!("{} ; {}", packages("deny"), packages("warn"));
    let call = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.args(words).arg("--input").arg(&file);
        for rule in fs::read_dir(folder.path()).unwrap() {
            let rule = rule.unwrap().path();
            if rule.extension().is_some_and(|end| end == "rego") {
                command.arg("--data").arg(rule);
            }
        }
        let output = command.env("GOMAXPROCS", "1").arg(&query).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
        output.stdout
    };
    let ratio = |theirs: Duration| theirs.as_secs_f64() / own.as_secs_f64();
    let process = times(processes, || drop(call(&["eval", "--format", "json"])));
    let median = told("opa eval, as a program", &process);
    println!("  {:.1} times a decision", ratio(median));
    let bench: Value = serde_json::from_slice(&call(&["bench", "--format", "json"])).unwrap();
    let rounds = bench["N"].as_f64().unwrap_or(f64::NAN);
    let inside = bench["T"].as_f64().unwrap_or(f64::NAN) / rounds;
    let inside = Duration::from_secs_f64(inside / 1e9);
    println!("opa bench, inside of one process: mean {inside:.2?}");
    println!("  {:.1} times a decision", ratio(inside));
}

/// Files of rules that each deny an image for a label of its own.
fn many() -> Bundle {
    let file = |file: usize| {
        let mut text = format!("package hallmark.own{file}\n\n");
        for rule in 0..RULES_IN_A_FILE {
            writeln!(
                text,
                "deny contains {{\"code\": \"label-{file}-{rule}\", \"msg\": msg}} if {{\n\t\
                 value := input.image.labels[\"label-{rule}\"]\n\tnot startswith(value, \"{file}\")\n\t\
                 msg := sprintf(\"the label is %v\", [value])\n}}\n"
            )
            .unwrap();
        }
        (format!("own{file}.rego"), text)
    };
    Bundle::from_files((0..RULES / RULES_IN_A_FILE).map(file)).unwrap().at("own")
}

/// The settings of the cases, without the one section that no rule of the preset reads: a setting that nothing reads is refused.
fn settings(cases: &Value) -> Map<String, Value> {
    let mut settings = object(&cases["settings"]);
    settings.remove("malware");
    settings
}

/// What each package of rules takes by itself, about so many packages.
fn each(honest: &Value, settings: &Map<String, Value>, limits: &Limits) {
    let sizes = [2, 100, PACKAGES];
    println!("medians about {sizes:?} packages");
    for rule in Preset::named("regulated").unwrap().rules {
        let bundle = Bundle::default().with_rules(&[&rule]).unwrap();
        let policies = Policies::compile(&bundle.with_shared(settings.clone()), limits).unwrap();
        let medians = sizes.map(|count| {
            let input = input(honest, count);
            let judge = || drop(black_box(policies.judge_saved(&input, &[], limits).unwrap()));
            format!("{:>10.2?}", at(&times(50, judge), 50))
        });
        println!("{rule:16} {}", medians.join(" "));
    }
}

fn main() {
    let (cases, limits) = (cases(), Limits::default());
    let own_settings = settings(&cases);
    if std::env::args().any(|argument| argument == "each") {
        return each(&cases["honest"], &own_settings, &limits);
    }
    let rounds = Rounds::of_this_run();
    let input = input(&cases["honest"], PACKAGES);
    let text = input.to_string();
    println!("{} bytes of input, {PACKAGES} packages", text.len());
    let bundle = Bundle::preset("regulated").unwrap().with_settings(own_settings.clone());
    let policies = Policies::compile(&bundle, &limits).unwrap();
    let judge = |input: &Value| policies.judge_saved(input, &[], &limits).unwrap();
    let judged = judge(&input);
    let codes: Vec<_> = judged.deny.iter().map(|rule| rule.code.as_str()).collect();
    println!("denied with {codes:?}, warned of {}", judged.warn.len());
    let own = told("a decision", &times(rounds.decisions, || drop(black_box(judge(&input)))));
    let from_file = || {
        let read: Value = serde_json::from_str(&text).unwrap();
        drop(black_box(judge(&read)));
    };
    told("a decision from a file", &times(rounds.decisions, from_file));
    let status = (0..PACKAGES).map(|number| {
        format!("Package: package-{number}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.{number}-1\n\n")
    });
    let status = status.collect::<String>();
    let inventory = contents::read([("/var/lib/dpkg/status", status.as_bytes())], &limits);
    let made = || drop(black_box(InventoryInput::of(&inventory, None, Base::default())));
    told("an input", &times(rounds.decisions, made));
    let few = &cases["honest"];
    let count = few["inventory"]["packages"].as_array().unwrap().len();
    told(
        &format!("a decision about {count} packages"),
        &times(rounds.decisions, || drop(black_box(judge(few)))),
    );

    let mut settings = Preset::named("regulated").unwrap().settings;
    for (section, values) in own_settings {
        let into = settings.entry(section).or_insert_with(|| json!({}));
        for (name, value) in object(&values) {
            into[name] = value;
        }
    }
    opa(&input, &settings, own, rounds.processes);

    let many = many();
    let compiled = times(3, || drop(black_box(Policies::compile(&many, &limits).unwrap())));
    told(&format!("{RULES} rules compiled"), &compiled);
}
