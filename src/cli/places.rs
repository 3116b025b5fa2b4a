//! Which files a call reads, and which it writes: no output takes the place of an input.
//!
//! Told from the words of the call, before it does anything: every option that is not known to name an output is taken for one that names
//! an input, so that a new option is guarded without being listed here. Files that the configuration names count, too. Two names mean one
//! file where device and number of it are the same, or where it would have the same name in the same folder.

use std::{
    any::TypeId,
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches};

use super::{
    Failure, context, output,
    reports::{Wanted, real},
};
use crate::scratch::{read_file, read_regular};

/// Largest file that is asked whether it is a bundle, in bytes.
const MOST_BUNDLE_BYTES: u64 = 16 << 20;
/// Largest configuration that is looked through for names of files, in bytes.
const MOST_CONFIGURATION_BYTES: u64 = 1 << 20;
/// Longest text in a configuration that may be the name of a file, in bytes.
const LONGEST_NAME: usize = 4096;
/// How the type of a Sigstore bundle begins, in all of its versions.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// What an output takes the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any file but an input.
    Plain,
    /// The same, and one such file for each platform, with its name in that of the file.
    ForEach,
    /// A bundle, and no other file.
    Bundle,
    /// What this call made before, which the configuration and `--previous` may name.
    Renewed,
}

/// A file that the call writes.
#[derive(Debug, Clone)]
struct Output {
    option: String,
    file: PathBuf,
    form: Form,
}

/// What names an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// An option or a word of the command line.
    Option,
    /// The former result, which the new one may replace.
    Former,
    /// The configuration, or what it names.
    Configuration,
}

/// A file that the call reads.
#[derive(Debug, Clone)]
struct Input {
    name: String,
    file: PathBuf,
    by: By,
}

/// What a call reads and writes.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    outputs: Vec<Output>,
    inputs: Vec<Input>,
}

/// Why a call does not begin, and which files nothing may be written to, its failure neither.
#[derive(Debug)]
pub(super) struct Refusal {
    pub failure: Failure,
    pub files: Vec<PathBuf>,
}

impl Places {
    /// What the words name, as they were read.
    pub(super) fn of(command: &clap::Command, matches: &ArgMatches) -> Self {
        let mut places = Self::default();
        let (mut command, mut matches, mut path) = (command, matches, Vec::new());
        loop {
            for arg in command.get_arguments() {
                places.add(arg, matches, &path);
            }
            let Some((name, below)) = matches.subcommand() else { return places };
            let Some(next) = command.find_subcommand(name) else { return places };
            path.push(name);
            (command, matches) = (next, below);
        }
    }

    fn add(&mut self, arg: &Arg, matches: &ArgMatches, path: &[&str]) {
        let id = arg.get_id().as_str();
        let Ok(Some(values)) = matches.try_get_raw(id) else { return };
        let named = arg.get_long().map_or_else(
            || {
                arg.get_value_names()
                    .and_then(<[_]>::first)
                    .map_or(id, |name| name.as_str())
                    .to_owned()
            },
            |long| format!("--{long}"),
        );
        let kind = arg.get_value_parser().type_id();
        let (is_file, is_report) =
            (kind == TypeId::of::<PathBuf>(), kind == TypeId::of::<Wanted>());
        // A word of a fixed set names no file.
        if !is_file && !is_report && !arg.get_possible_values().is_empty() {
            return;
        }
        for value in values {
            if is_report {
                let file = Wanted::read(value).and_then(|wanted| wanted.file);
                self.outputs.extend(file.map(|file| Output {
                    option: "-o".to_owned(),
                    file,
                    form: Form::Plain,
                }));
            } else if let Some(form) = form(id, path, matches).filter(|_| is_file) {
                // Where it is standard output, and where it is refused, is known to the command.
                if value != "-" {
                    let file = PathBuf::from(value);
                    self.outputs.push(Output { option: named.clone(), file, form });
                }
            } else {
                let by = match id {
                    "previous" => By::Former,
                    "config" => By::Configuration,
                    _ => By::Option,
                };
                let input = |file| Input { name: named.clone(), file, by };
                self.inputs.extend(files_of(value, is_file).into_iter().map(input));
            }
        }
    }

    /// The same with the configuration, what it names, and the files of logins.
    pub(super) fn with_configuration(mut self, configuration: Option<PathBuf>) -> Self {
        // Nothing is looked through for a call that writes nothing.
        if self.outputs.is_empty() {
            return self;
        }
        let input = |file| {
            let name = "the configuration".to_owned();
            Input { name, file, by: By::Configuration }
        };
        if let Some(file) = configuration {
            let named = named_in(&file).into_iter().map(input);
            self.inputs.extend(named);
            self.inputs.push(input(file));
        }
        let logins = context::credentials().into_iter();
        let logins = logins.flat_map(|file| [file.join("config.json"), file]);
        let logins = logins.filter(|file| file.is_file());
        self.inputs.extend(logins.map(|file| Input {
            name: "the files of logins".to_owned(),
            file,
            by: By::Option,
        }));
        self
    }

    /// Looks whether each output may and can be written, and writes nothing.
    ///
    /// # Errors
    /// One would take the place of an input, of another output, of a private key, or of a file that is none of its kind; or it cannot be
    /// written.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let mut refusal: Option<Refusal> = None;
        for (index, output) in self.outputs.iter().enumerate() {
            if let Err(failure) = self.may_be_written(index, output) {
                let refusal = refusal.get_or_insert(Refusal { failure, files: Vec::new() });
                refusal.files.push(output.file.clone());
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    fn may_be_written(&self, index: usize, output: &Output) -> Result<(), Failure> {
        let Output { option, file, form } = output;
        let shown = file.display();
        let taken = self.inputs.iter().find(|input| input.counts_for(output));
        if let Some(Input { name, .. }) = taken {
            let mut failure = Failure::usage(format!(
                "{option} {shown}: the call reads this file ({name}), so that it is not written to"
            ));
            failure.help("name another file for what is written");
            return Err(failure);
        }
        if let Some(other) = self.outputs.iter().take(index).find(|other| same(&other.file, file)) {
            return Err(Failure::usage(format!(
                "two outputs would go to {shown}: that of {} and that of {option}",
                other.option
            )));
        }
        output::tried(file)?;
        if *form == Form::Bundle && !is_bundle(file) {
            let mut failure =
                Failure::usage(format!("{option} {shown}: a file is there that is no bundle"));
            failure.help("it replaces a bundle and no other file; name a new file");
            return Err(failure);
        }
        Ok(())
    }
}

impl Input {
    /// Whether an output would take its place.
    fn counts_for(&self, output: &Output) -> bool {
        let is_renewed = match self.by {
            By::Option => false,
            By::Former => true,
            // A database and the configuration itself; its keys are nothing that a call makes.
            By::Configuration => !is_pem(&self.file),
        };
        if output.form == Form::Renewed && is_renewed {
            return false;
        }
        if self.file.is_dir() {
            return is_part_of(&self.file, &output.file);
        }
        same(&self.file, &output.file)
            || (output.form == Form::ForEach && is_one_of_each(&self.file, &output.file))
    }
}

/// What an option's value is written over, where it names an output.
fn form(id: &str, path: &[&str], matches: &ArgMatches) -> Option<Form> {
    let is_set = |id: &str| matches.try_get_raw(id).is_ok_and(|values| values.is_some());
    let all = || matches.try_get_one::<bool>("all_platforms").is_ok_and(|all| all == Some(&true));
    match (path, id) {
        (["verify"], "attest") if !is_set("platform") => Some(Form::ForEach),
        (["rebuild"], "attest") if all() => Some(Form::ForEach),
        (_, "attest" | "output") | (["provenance", "embed"], "statement") => Some(Form::Plain),
        (["sign"] | ["provenance", "attest"], "bundle") => Some(Form::Bundle),
        (["init"], "write") | (["vulns", ..], "out") => Some(Form::Renewed),
        _ => None,
    }
}

/// Files that a value may mean: itself, and what stands behind `NAME=` or `oci-archive:`. Of a value that may be something else only
/// those count that are there.
fn files_of(value: &OsStr, is_file: bool) -> Vec<PathBuf> {
    if value == "-" {
        return Vec::new();
    }
    let mut found = vec![PathBuf::from(value)];
    if !is_file {
        let bytes = value.as_bytes();
        let mut behind = |sign: u8| {
            let at = bytes.iter().position(|byte| *byte == sign);
            let rest = at.and_then(|at| bytes.get(at + 1..)).unwrap_or_default();
            found.push(PathBuf::from(OsStr::from_bytes(rest)));
        };
        behind(b'=');
        behind(b':');
        found.retain(|file| file.exists());
    }
    found
}

/// Files that are there, and that a configuration names in any of its texts.
fn named_in(configuration: &Path) -> Vec<PathBuf> {
    // What a pipe holds is read once, by whom it is meant for.
    let Ok(bytes) = read_regular(configuration, MOST_CONFIGURATION_BYTES) else {
        return Vec::new();
    };
    // What cannot be read is refused when it is.
    let Ok(document) = yaml_serde::from_slice::<yaml_serde::Value>(&bytes) else {
        return Vec::new();
    };
    let folder = configuration.parent().unwrap_or(Path::new(""));
    let (mut texts, mut left) = (Vec::new(), vec![&document]);
    while let Some(value) = left.pop() {
        match value {
            yaml_serde::Value::String(text) => texts.push(text.as_str()),
            yaml_serde::Value::Sequence(all) => left.extend(all),
            yaml_serde::Value::Mapping(all) => left.extend(all.values()),
            yaml_serde::Value::Tagged(tagged) => left.push(&tagged.value),
            _ => {}
        }
    }
    let texts = texts.into_iter().filter(|text| !text.is_empty() && text.len() <= LONGEST_NAME);
    let files =
        texts.flat_map(|text| files_of(OsStr::new(text), false).into_iter().chain([text.into()]));
    files.map(|file| folder.join(file)).filter(|file| file.exists()).collect()
}

/// Whether two names mean one file. What is no file, as a terminal, may be read and written.
fn same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        _ => real(one) == real(other),
    }
}

/// Whether the file is one of those that count in a folder that is read: rules, and whatever an image's layout has.
fn is_part_of(folder: &Path, file: &Path) -> bool {
    let (Ok(folder), Ok(file)) = (fs::canonicalize(folder), fs::canonicalize(file)) else {
        return false;
    };
    let counts =
        file.extension().is_some_and(|kind| kind == "rego") || folder.join("oci-layout").is_file();
    counts && file.starts_with(&folder)
}

/// Whether the input has a name that the output of a platform may get: `vsa-linux-amd64.json` for `vsa.json`.
fn is_one_of_each(input: &Path, output: &Path) -> bool {
    let (input, output) = (real(input), real(output));
    let start = output.file_stem().map(|stem| {
        let mut start = OsString::from(stem);
        start.push("-");
        start
    });
    let (Some(start), Some(stem)) = (start, input.file_stem()) else { return false };
    input.parent() == output.parent()
        && input.extension() == output.extension()
        && stem.as_bytes().starts_with(start.as_bytes())
}

/// Whether a file begins as keys and certificates do.
fn is_pem(file: &Path) -> bool {
    const BEGINS: &[u8] = b"-----BEGIN ";
    let mut first = [0; BEGINS.len()];
    let is_file = fs::metadata(file).is_ok_and(|there| there.is_file());
    let mut read = || fs::File::open(file).and_then(|mut file| file.read_exact(&mut first));
    is_file && read().is_ok() && first == BEGINS
}

/// Whether a bundle may be written there: nothing is, or a bundle.
fn is_bundle(file: &Path) -> bool {
    let Ok(there) = fs::metadata(file) else { return true };
    if !there.is_file() || there.len() == 0 {
        return true;
    }
    let Ok(bytes) = read_file(file, MOST_BUNDLE_BYTES) else { return false };
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return false };
    let kind = document.get("mediaType").and_then(serde_json::Value::as_str);
    kind.is_some_and(|kind| kind.starts_with(BUNDLE))
}

/// Whether a report's file is named a second time in a command line that cannot be read: whatever it is there, it is not written to.
pub(super) fn is_named_twice(file: &Path, words: &[String]) -> bool {
    let names = |word: &&String| {
        let behind = word.split_once('=').map(|(_, file)| file);
        let joined = word.strip_prefix('-').and_then(|word| word.get(1..));
        let all = [Some(word.as_str()), behind, joined];
        all.into_iter().flatten().any(|name| !name.is_empty() && same(Path::new(name), file))
    };
    words.iter().filter(names).count() > 1
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    /// A folder with what calls read.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "k.pub",
            "im.txt",
            "sbom.json",
            "s.json",
            "b.json",
            "a.tar",
            "db",
            "vsa-linux-amd64.json",
        ] {
            fs::write(at(name), "{}").unwrap();
        }
        fs::write(at("r2.key"), KEY).unwrap();
        fs::write(at("old.key"), KEY).unwrap();
        fs::write(at("bundle.json"), format!("{{\"mediaType\": \"{BUNDLE}.v0.3+json\"}}")).unwrap();
        fs::write(at("empty"), "").unwrap();
        let yaml =
            "trust: {signers: [{name: a, key: conf.pub}]}\nvulnerabilities: {database: db}\n";
        fs::write(at("h.yaml"), yaml).unwrap();
        fs::write(at("conf.pub"), "-----BEGIN PUBLIC KEY-----").unwrap();
        for name in ["dir", "rules", "layout"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("rules/r.rego"), "x").unwrap();
        fs::write(at("layout/oci-layout"), "x").unwrap();
        fs::write(at("layout/index.json"), "x").unwrap();
        std::os::unix::fs::symlink("r2.key", at("link.json")).unwrap();
        std::os::unix::fs::symlink("new.json", at("ahead.json")).unwrap();
        fs::hard_link(at("k.pub"), at("hard.json")).unwrap();
        folder
    }

    /// What is said of a call, in which `@` is the folder.
    fn told(folder: &Path, line: &str) -> Result<(), Refusal> {
        let words = line.replace('@', &format!("{}/", folder.display()));
        let mut command = Cli::command();
        let words = ["hallmark"].into_iter().chain(words.split_whitespace());
        let matches = command.try_get_matches_from_mut(words).unwrap();
        let config = matches.get_one::<PathBuf>("config").cloned();
        let config = config.or_else(|| {
            let (_, below) = matches.subcommand()?;
            below.try_get_one::<PathBuf>("config").ok().flatten().cloned()
        });
        Places::of(&command, &matches).with_configuration(config).check()
    }

    const VSA: &str = "--verifier https://v.example";
    const REBUILDER: &str = "--rebuilder https://r.example --operator me";

    #[test]
    fn no_output_takes_the_place_of_what_the_call_reads() {
        let folder = folder();
        let cases = [
            "sign oci:@dir --key @r2.key --bundle @r2.key".to_owned(),
            "sign oci:@dir --key @r2.key --bundle @link.json".to_owned(),
            "sign oci:@dir --key @r2.key --password-file @k.pub --bundle @hard.json".to_owned(),
            "sign oci:@dir --key @r2.key --statement @s.json --bundle @s.json".to_owned(),
            "sign oci:@dir --key @r2.key --type vuln --predicate @s.json --bundle @s.json"
                .to_owned(),
            "sign oci:@dir --key @r2.key --bundle @layout/../s.json --statement @dir/../s.json"
                .to_owned(),
            "provenance attest oci:@dir @s.json --key @r2.key --bundle @s.json".to_owned(),
            format!("verify r/a --key @r2.key --attest @r2.key {VSA}"),
            format!("verify r/a --key @vsa-linux-amd64.json --attest @vsa.json {VSA}"),
            format!("rebuild r/a --attest @r2.key --key @r2.key --push {REBUILDER}"),
            "verify r/a --key @k.pub -o json=@k.pub".to_owned(),
            "verify r/a --key=@k.pub -ojson=@k.pub".to_owned(),
            "verify r/a --key @k.pub -o json=@hard.json".to_owned(),
            "verify r/a -c @h.yaml -o json=@h.yaml".to_owned(),
            "-c @h.yaml verify r/a -o json=@h.yaml".to_owned(),
            "verify r/a -c @h.yaml -o json=@conf.pub".to_owned(),
            "verify r/a -c @new.yaml -o json=@new.yaml".to_owned(),
            "verify r/a --key @new.json -o json=@ahead.json".to_owned(),
            "verify -f @im.txt -o junit=@im.txt".to_owned(),
            "verify r/a --bundle @b.json -o json=@b.json".to_owned(),
            "verify r/a --sbom @sbom.json -o json=@sbom.json".to_owned(),
            "verify r/a --trusted-root @s.json -o json=@s.json".to_owned(),
            "verify oci-archive:@a.tar -o json=@a.tar".to_owned(),
            "verify oci:@layout -o json=@layout/index.json".to_owned(),
            "verify r/a --policy @rules -o json=@rules/r.rego".to_owned(),
            "-c @h.yaml vulns import @s.json --out @conf.pub".to_owned(),
            "-c @h.yaml vulns import @s.json --out @s.json".to_owned(),
            // Outputs that are not there yet, and two of them.
            format!("verify r/a --attest @new -o json=@new --platform linux/amd64 {VSA}"),
            // A private key is nobody's output, whether the call reads it or not.
            "verify r/a -o json=@r2.key".to_owned(),
            "verify r/a -o json=@link.json".to_owned(),
            "sign oci:@dir --key @r2.key --bundle @old.key".to_owned(),
            "init r/a --key @k.pub --write @r2.key --force".to_owned(),
            "sbom generate --format spdx-2.3 -o @old.key r/a".to_owned(),
            "vulns import @s.json --out @old.key".to_owned(),
            // What is no bundle.
            "sign oci:@dir --key @r2.key --bundle @b.json".to_owned(),
            "sign oci:@dir --key @r2.key --bundle @k.pub".to_owned(),
            // What could not be written at the end.
            "verify r/a -o json=@dir".to_owned(),
            "verify r/a -o json=@none/x".to_owned(),
            format!("verify r/a --attest @none/x {VSA}"),
            format!("verify r/a --attest @dir {VSA}"),
            "sign oci:@dir --key @r2.key --bundle @none/x".to_owned(),
        ];
        for line in cases {
            let refusal = told(folder.path(), &line).expect_err(&line);
            assert!(refusal.failure.code == 2 && refusal.files.len() == 1, "{line}: {refusal:?}");
        }
    }

    #[test]
    fn other_outputs_are_written() {
        let folder = folder();
        let cases = [
            "sign oci:@dir --key @r2.key --bundle @new.json".to_owned(),
            "sign oci:@dir --key @r2.key --bundle @bundle.json".to_owned(),
            "sign oci:@dir --key @r2.key --bundle @empty".to_owned(),
            "sign oci:@dir --key @r2.key --bundle /dev/null --password-file /dev/null".to_owned(),
            "verify r/a --key @k.pub -o json=@s.json -o sarif=@new.sarif".to_owned(),
            "verify r/a -c @h.yaml -o json=@s.json".to_owned(),
            "verify r/a --policy @rules -o json=@rules/new.json".to_owned(),
            format!(
                "verify r/a --key @vsa-linux-amd64.json --attest @vsa.json --platform linux/amd64 {VSA}"
            ),
            format!("verify r/a --key @k.pub --attest @vsa.json {VSA}"),
            // What renews what it made before.
            "init r/a -c @h.yaml --write @h.yaml --force".to_owned(),
            "-c @h.yaml vulns import @s.json --out @db --previous @db".to_owned(),
            "inspect r/a -o json".to_owned(),
        ];
        for line in cases {
            let told = told(folder.path(), &line);
            assert!(told.is_ok(), "{line}: {told:?}");
        }
    }

    #[test]
    fn a_command_line_that_cannot_be_read_overwrites_nothing_that_it_names() {
        let folder = folder();
        let cases = [
            ("verify --key @k.pub -o json=@k.pub --bogus", true),
            ("verify --key=@k.pub -ojson=@k.pub --bogus", true),
            ("verify -f@k.pub -o json=@k.pub", true),
            ("verify --key @k.pub -o json=@hard.json", true),
            ("verify --key @s.json -o json=@k.pub --bogus", false),
        ];
        for (line, want) in cases {
            let line = line.replace('@', &format!("{}/", folder.path().display()));
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let name = if line.contains("hard") { "hard.json" } else { "k.pub" };
            assert_eq!(is_named_twice(&folder.path().join(name), &words), want, "{line}");
        }
    }
}
