//! Ruby gems as they are installed (`Gem::Specification#to_ruby`).
//!
//! Turns `specifications/*.gemspec`, which RubyGems writes when it installs a gem, into name, version and platform. The file is
//! a program of Ruby, and is not run: read are the first line `# stub: NAME VERSION PLATFORM …` and the lines `s.NAME = "…"`,
//! and where they differ it is refused. The `.gemspec` that lies among a gem's own files is its author's, and no installation.

use std::collections::BTreeMap;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    parts::{form, is_fixture, lines, listed, split, word},
};
use crate::image::collect::Seen;

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "gem", ecosystem: "gem", managed: false },
    wants,
    file_bytes: 1 << 20,
    copies: 1,
    read: |path, bytes, most| read(path, bytes, most).into(),
};

fn wants(seen: &Seen<'_>) -> bool {
    is_specification(seen.path)
}

/// Whether a file is the specification of an installed gem, or of one that comes with Ruby (`specifications/default`).
fn is_specification(path: &str) -> bool {
    let (folder, name) = split(path);
    let (above, last) = split(folder);
    let kept = last == "specifications" || last == "default" && split(above).1 == "specifications";
    let parts: Vec<&str> = above.split('/').collect();
    let gems = parts.iter().position(|part| *part == "gems").unwrap_or(parts.len());
    let aside = parts.iter().skip(gems).any(|part| is_fixture(part) || *part == "spec");
    kept && name.ends_with(".gemspec") && name != ".gemspec" && !aside
}

fn read(_: &str, bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    if most == 0 {
        return Err(Garbled::TooMany);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| form("its gem specification is no UTF-8"))?;
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let mut licences = Vec::new();
    let mut stubs = 0;
    for line in text.lines() {
        if let Some(stub) = line.strip_prefix("# stub: ") {
            stubs += 1;
            // The second one lists extensions to be compiled.
            if stubs > 1 {
                continue;
            }
            for (field, value) in ["name", "version", "platform"].into_iter().zip(stub.split(' ')) {
                set(&mut values, field, value)?;
            }
        } else if let Some((field, value)) = assignment(line) {
            match field {
                "name" | "version" | "platform" => {
                    set(&mut values, field, plain(quoted(value).next())?)?;
                }
                "license" | "licenses" => licences.extend(quoted(value)),
                _ => {}
            }
        }
    }
    let mut take = |field| {
        values.remove(field).ok_or_else(|| form(format!("its gem specification has no {field}")))
    };
    let package = listed(word(&take("name")?, "name")?, word(&take("version")?, "version")?);
    let architecture =
        take("platform").ok().filter(|platform| platform != "ruby" && !platform.is_empty());
    let architecture = architecture.map(|platform| word(&platform, "platform")).transpose()?;
    Ok(vec![Listed { architecture, licence: lines(licences), ..package }])
}

fn set<'t>(
    values: &mut BTreeMap<&'t str, String>,
    field: &'t str,
    value: &str,
) -> Result<(), Garbled> {
    match values.insert(field, value.to_owned()) {
        Some(before) if before != value => {
            Err(form(format!("its gem specification has two values of {field}")))
        }
        _ => Ok(()),
    }
}

/// `  s.FIELD = VALUE`, with the receiver that RubyGems writes.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (field, value) = line.trim_start().strip_prefix("s.")?.split_once('=')?;
    let field = field.trim_end();
    field
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b == b'_')
        .then_some((field, value.trim_start()))
}

/// A text in which Ruby replaces nothing.
fn plain(text: Option<&str>) -> Result<&str, Garbled> {
    let text = text.unwrap_or_default();
    if text.contains('\\') || text.contains("#{") {
        return Err(form("its gem specification has a text with escapes"));
    }
    Ok(text)
}

/// The texts in quotes on a line: `"MIT".freeze`, `["MIT".freeze, "Ruby".freeze]`, `Gem::Version.new("1.0")`.
fn quoted(value: &str) -> impl Iterator<Item = &str> {
    value.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::said;

    #[test]
    fn what_is_installed() {
        let cases = [
            ("/usr/local/bundle/specifications/rake-13.0.6.gemspec", true),
            ("/usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", true),
            ("/usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec", true),
            ("/usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/rake.gemspec", false),
            ("/usr/lib/ruby/gems/3.1.0/gems/x-1/test/specifications/y-1.gemspec", false),
            ("/usr/lib/ruby/gems/3.1.0/gems/x-1/spec/specifications/y-1.gemspec", false),
            ("/usr/local/bundle/cache/rake-13.0.6.gem", false),
            ("/app/specifications/.gemspec", false),
            ("/app/specifications/other/x.gemspec", false),
        ];
        for (path, want) in cases {
            assert_eq!(is_specification(path), want, "{path}");
        }
    }

    #[test]
    fn lines_are_read_and_never_run() {
        let whole = "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  \
            s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n  s.licenses = [\"MIT\".freeze]\n  \
            s.required_ruby_version = Gem::Requirement.new(\">= 2.2\".freeze)\n  s.add_runtime_dependency(%q<x>, [\"1\"])\nend\n";
        let cases: [(&str, &str); 11] = [
            (whole, "rake 13.0.6"),
            ("# stub: a 1.0 x86_64-linux lib\n", "a 1.0"),
            ("# stub: a 1.0 ruby lib\n# stub: ext/a/extconf.rb\n  s.name = \"a\"\n", "a 1.0"),
            ("  s.name = \"a\"\n  s.version = Gem::Version.new(\"1.0\")\n", "a 1.0"),
            (
                "# stub: a 1.0 ruby lib\n  s.version = \"2.0\"\n",
                "error: its gem specification has two values of version",
            ),
            (
                "# stub: a 1.0 ruby lib\n# stub: ext/a/extconf.rb\n  s.name = \"b\"\n",
                "error: its gem specification has two values of name",
            ),
            ("  s.name = \"a\"\n", "error: its gem specification has no version"),
            ("  s.name = A\n  s.version = \"1\"\n", "error: the name \"\" is empty"),
            (
                "  s.name = \"a\\nb\"\n  s.version = \"1\u{202e}\"\n",
                "error: its gem specification has a text with escapes",
            ),
            ("spec.name = \"a\"\n", "error: its gem specification has no name"),
            ("", "error: its gem specification has no name"),
        ];
        for (text, want) in cases {
            assert_eq!(said(read("/x", text.as_bytes(), 1)), want, "{text}");
        }
        assert_eq!(said(read("/x", b"\xff", 1)), "error: its gem specification is no UTF-8");
        let package = &read("/x", whole.as_bytes(), 1).unwrap()[0];
        assert_eq!((package.licence.as_deref(), &package.architecture), (Some("MIT"), &None));
        let native = &read("/x", b"# stub: a 1.0 x86_64-linux lib\n", 1).unwrap()[0];
        assert_eq!(native.architecture.as_deref(), Some("x86_64-linux"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "(# stub: |s\\.name = |\"|a|\n| |=){0,40}") {
            let _ = read("/x", text.as_bytes(), 1);
        }
    }
}
