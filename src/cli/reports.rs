//! Which reports a call writes: one on stdout, others to files, each in its form.
//!
//! Reads `-o FORMAT` and `-o FORMAT=FILE`. Text goes to stdout where nothing else does: whoever reads the log of a pipeline reads the
//! verdict, and a report that goes nowhere is none.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use clap::{
    Args, ValueEnum,
    builder::{EnumValueParser, PossibleValue, TypedValueParser},
};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For machines: everything that is known
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit's XML: a suite for each platform
    Junit,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab's Code Quality report
    Gitlab,
    /// GitLab's container scanning report: known vulnerabilities
    GitlabContainerScanning,
    /// Markdown, for the summary of a job and for comments
    Markdown,
    /// For people with a browser: one page that needs nothing else
    Html,
    /// SLSA verification summaries to be signed, a line for each platform; of verify, and with --verifier
    Vsa,
}

impl ReportFormat {
    /// Whether it is written from what pipelines are told of a run, and not from the verdict itself.
    pub fn is_for_pipelines(self) -> bool {
        !matches!(self, Self::Text | Self::Json)
    }
}

/// A report, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its form.
    pub format: ReportFormat,
    /// The file; stdout where there is none.
    pub file: Option<PathBuf>,
}

impl Wanted {
    /// A report on stdout.
    pub fn on_stdout(format: ReportFormat) -> Self {
        Self { format, file: None }
    }

    /// What an option's value asks for, where it can be read.
    pub(super) fn read(value: &OsStr) -> Option<Self> {
        let (format, file) = parts(value);
        let format = ReportFormat::from_str(format.to_str()?, false).ok()?;
        match file {
            Some(file) if file.is_empty() => None,
            file => Some(Self { format, file: named(file) }),
        }
    }
}

/// The file that is named; `-` is stdout, as it is standard input where something is read.
fn named(file: Option<&OsStr>) -> Option<PathBuf> {
    file.filter(|file| *file != "-").map(PathBuf::from)
}

/// `FORMAT` and, after the first equals sign, `FILE`.
fn parts(value: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = value.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            let (format, file) = bytes.split_at(at);
            let file = file.get(1..).unwrap_or_default();
            (OsStr::from_bytes(format), Some(OsStr::from_bytes(file)))
        }
        None => (value, None),
    }
}

/// Reads `FORMAT` or `FORMAT=FILE`; what it says of another format is what clap says of one.
#[derive(Debug, Clone)]
struct WantedParser;

impl TypedValueParser for WantedParser {
    type Value = Wanted;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Wanted, clap::Error> {
        let (format, file) = parts(value);
        let format = EnumValueParser::<ReportFormat>::new().parse_ref(command, arg, format)?;
        match file {
            Some(file) if file.is_empty() => Err(clap::Error::raw(
                clap::error::ErrorKind::InvalidValue,
                format!(
                    "no file after {}; expected FORMAT or FORMAT=FILE\n",
                    value.to_string_lossy()
                ),
            )
            .with_cmd(command)),
            file => Ok(Wanted { format, file: named(file) }),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = ReportFormat::value_variants().iter();
        Some(Box::new(values.filter_map(ValueEnum::to_possible_value)))
    }
}

/// Which reports are written.
#[derive(Debug, Clone, Default, Args)]
pub struct Reports {
    /// Report on stdout (or =-), or with =FILE in a file; may be repeated, once for stdout, which has text where nothing is said
    #[arg(long, short, value_name = "FORMAT[=FILE]", value_parser = WantedParser)]
    output: Vec<Wanted>,
}

impl Reports {
    /// All of them, that on stdout first.
    pub fn all(&self) -> Vec<Wanted> {
        in_order(self.output.clone())
    }

    /// Whether one of them has this form.
    pub fn has(&self, format: ReportFormat) -> bool {
        self.output.iter().any(|wanted| wanted.format == format)
    }

    /// Why they cannot all be written.
    pub fn conflict(&self) -> Option<String> {
        let on_stdout = self.output.iter().filter(|wanted| wanted.file.is_none()).count();
        if on_stdout > 1 {
            return Some(
                "one report goes to stdout; name files for others: -o FORMAT=FILE".to_owned(),
            );
        }
        let mut seen = BTreeSet::new();
        let mut files = self.output.iter().filter_map(|wanted| wanted.file.as_ref());
        let twice = files.find(|file| !seen.insert(real(file)));
        twice.map(|file| format!("two reports would go to {}", file.display()))
    }
}

/// The file that is meant, whatever the links and the spelling on the way to it; one that is not there yet is one of its folder.
pub(super) fn real(file: &Path) -> PathBuf {
    // A link that leads to nothing yet leads to a report once that is written.
    let target = fs::read_link(file).ok().filter(|_| !file.exists());
    let named = match (target, file.parent()) {
        (Some(target), Some(folder)) => folder.join(target),
        _ => file.to_owned(),
    };
    if let Ok(real) = fs::canonicalize(&named) {
        return real;
    }
    let folder = named.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (fs::canonicalize(folder.unwrap_or(Path::new("."))), named.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => named,
    }
}

/// The one on stdout first, which is text where none is asked for.
fn in_order(wanted: Vec<Wanted>) -> Vec<Wanted> {
    let (files, mut stdout): (Vec<Wanted>, Vec<Wanted>) =
        wanted.into_iter().partition(|wanted| wanted.file.is_some());
    stdout.truncate(1);
    if stdout.is_empty() {
        stdout.push(Wanted::on_stdout(ReportFormat::Text));
    }
    stdout.into_iter().chain(files).collect()
}

/// The reports that a command line asks for which cannot be read: whoever waits for them gets one that says so.
pub fn of_words(words: &[String]) -> Vec<Wanted> {
    // What comes after -- is an image, whatever it looks like.
    let options = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let words = &words[..options];
    // There, -o names a file.
    if words.windows(2).any(|pair| pair == ["provenance", "create"]) {
        return in_order(Vec::new());
    }
    let mut values = Vec::new();
    let mut words_left = words.iter();
    while let Some(word) = words_left.next() {
        if word == "-o" || word == "--output" {
            values.extend(words_left.next().map(String::as_str));
        } else if let Some(value) =
            ["--output=", "-o=", "-o"].iter().find_map(|start| word.strip_prefix(start))
        {
            values.push(value);
        }
    }
    let reports = words.iter().any(|word| word == "verify" || word == "rebuild");
    let wanted = values.into_iter().filter_map(|value| Wanted::read(OsStr::new(value)));
    // Other commands have -o for one answer on stdout.
    let meant =
        |wanted: &Wanted| reports || (wanted.file.is_none() && !wanted.format.is_for_pipelines());
    in_order(wanted.filter(meant).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_that_cannot_be_read_still_says_where_reports_go() {
        let cases = [
            ("hallmark verify", "Text"),
            ("hallmark verify -o json", "Json"),
            ("hallmark verify -ojson --nonsense", "Json"),
            ("hallmark verify -o sarif=a.sarif -o json --x", "Json Sarif=a.sarif"),
            ("hallmark rebuild --output=junit=a=b.xml", "Text Junit=a=b.xml"),
            ("hallmark verify -o json=-", "Json"),
            ("hallmark verify -o sarif=- -o json=./-", "Sarif Json=./-"),
            ("hallmark verify -o", "Text"),
            ("hallmark verify -o nonsense=a -o sarif= -o text -o json", "Text"),
            ("hallmark inspect -o json", "Json"),
            ("hallmark inspect -o json=a -o sarif", "Text"),
            ("hallmark provenance create -o json", "Text"),
            ("hallmark verify -o json -- --output=junit=a -o", "Json"),
            ("hallmark verify -- -o json", "Text"),
        ];
        for (line, want) in cases {
            let told = of_words(&words(line)).into_iter().map(|wanted| {
                let file = wanted.file.map(|file| format!("={}", file.display()));
                format!("{:?}{}", wanted.format, file.unwrap_or_default())
            });
            assert_eq!(told.collect::<Vec<_>>().join(" "), want, "{line}");
        }
    }

    #[test]
    fn one_report_goes_to_stdout_and_one_into_each_file() {
        let reports = |values: &[&str]| Reports {
            output: values.iter().map(|value| Wanted::read(OsStr::new(value)).unwrap()).collect(),
        };
        let cases: [(&[&str], Option<&str>); 8] = [
            (&[], None),
            (&["json"], None),
            (&["json", "sarif=a", "junit=b", "sarif=c"], None),
            (&["json", "text"], Some("stdout")),
            (&["json", "json"], Some("stdout")),
            (&["json=-", "text"], Some("stdout")),
            (&["json=-", "text=a"], None),
            (&["json=a", "text=a"], Some("go to a")),
        ];
        for (values, want) in cases {
            let conflict = reports(values).conflict();
            assert_eq!(conflict.is_some(), want.is_some(), "{values:?}: {conflict:?}");
            assert!(conflict.unwrap_or_default().contains(want.unwrap_or_default()), "{values:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |form: &str, name: &str| format!("{form}={}/{name}", folder.path().display());
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("there"), "").unwrap();
        std::os::unix::fs::symlink("there", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("below", folder.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("new", folder.path().join("ahead")).unwrap();
        let same = [
            ("there", "./there"),
            ("there", "link"),
            ("there", "below/../there"),
            ("new", "below/../new"),
            ("below/new", "folder/new"),
            ("new", "ahead"),
        ];
        for (one, other) in same {
            let (one, other) = (at("json", one), at("sarif", other));
            assert!(reports(&[one.as_str(), other.as_str()]).conflict().is_some(), "{one} {other}");
        }
        for (one, other) in [("there", "new"), ("new", "below/new"), ("none/a", "none/b")] {
            let (one, other) = (at("json", one), at("sarif", other));
            assert_eq!(reports(&[one.as_str(), other.as_str()]).conflict(), None, "{one} {other}");
        }
        let here = reports(&["json=not-there.json", "sarif=./not-there.json"]);
        assert!(here.conflict().is_some(), "nothing has to be there");
        let all = reports(&["sarif=a", "json"]).all();
        assert_eq!(all.first(), Some(&Wanted::on_stdout(ReportFormat::Json)), "{all:?}");
        assert_eq!(reports(&["sarif=a"]).all().len(), 2, "text is not lost");
    }
}
