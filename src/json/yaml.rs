//! YAML that all readers understand alike, as JSON.
//!
//! Readers of YAML differ in tags, merge keys (`<<`), keys that are no text, and plain words that YAML 1.1 takes for
//! something else (`no`, `0777`, `1_000`). Turns a document without any of these into a JSON value; what is left out here
//! would mean one thing to who wrote it and another to who reads it.

use std::fmt;

use serde_json::{Map, Number, Value};

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list, counted from 0.
    Item(usize),
}

/// What readers understand differently, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous {
    /// The way to it from the top.
    pub path: Vec<Step>,
    /// What is there.
    pub found: String,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for step in &self.path {
            match step {
                Step::Key(key) if first => write!(f, "{}", key.escape_debug())?,
                Step::Key(key) => write!(f, ".{}", key.escape_debug())?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
            first = false;
        }
        write!(f, ": {}; {}", self.found, self.help)
    }
}

/// Which values a document may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Settings: a key without a value would be read as if it were not there.
    Settings,
    /// Data: also nothing, and no words that YAML 1.1 reads in another way.
    Data,
}

/// The document as JSON.
///
/// # Errors
/// The first thing that readers understand differently.
pub fn plain(document: &yaml_serde::Value, form: Form) -> Result<Value, Ambiguous> {
    value(document, form, &mut Vec::new())
}

fn value(
    document: &yaml_serde::Value,
    form: Form,
    path: &mut Vec<Step>,
) -> Result<Value, Ambiguous> {
    use yaml_serde::Value as Yaml;
    let refuse =
        |path: &[Step], found: String, help| Err(Ambiguous { path: path.to_vec(), found, help });
    match document {
        Yaml::Null if form == Form::Settings => {
            let help = "give the key a value, or remove the key for the default";
            refuse(path, "nothing".to_owned(), help)
        }
        Yaml::Null => Ok(Value::Null),
        Yaml::Bool(it) => Ok(Value::Bool(*it)),
        Yaml::Number(number) => match self::number(number) {
            Some(number) => Ok(Value::Number(number)),
            None => refuse(path, number.to_string(), "write a number that JSON has"),
        },
        Yaml::String(text) if form == Form::Data && reads_otherwise(text) => {
            let help =
                "YAML 1.1 reads the bare word as something else; write the data as data.json";
            refuse(path, format!("{text:?}"), help)
        }
        Yaml::String(text) => Ok(Value::String(text.clone())),
        Yaml::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (position, item) in items.iter().enumerate() {
                path.push(Step::Item(position));
                list.push(value(item, form, path)?);
                path.pop();
            }
            Ok(Value::Array(list))
        }
        Yaml::Mapping(mapping) => {
            let mut object = Map::new();
            for (key, inner) in mapping {
                let key = match key {
                    Yaml::String(key) if key == "<<" => {
                        let help = "write the merged keys out; readers differ in what they mean";
                        return refuse(path, "the merge key <<".to_owned(), help);
                    }
                    Yaml::String(key) if !(form == Form::Data && reads_otherwise(key)) => key,
                    other => {
                        let found = match other {
                            Yaml::String(key) => format!("the key {key:?}"),
                            Yaml::Number(key) => format!("the key {key}"),
                            Yaml::Bool(key) => format!("the key {key}"),
                            Yaml::Null => "the key null".to_owned(),
                            _ => "a key that is no text".to_owned(),
                        };
                        return refuse(path, found, "keys are texts; write the data as data.json");
                    }
                };
                path.push(Step::Key(key.clone()));
                object.insert(key.clone(), value(inner, form, path)?);
                path.pop();
            }
            Ok(Value::Object(object))
        }
        Yaml::Tagged(tagged) => {
            refuse(path, format!("the tag {}", tagged.tag), "write the value without a tag")
        }
    }
}

/// The first tag in a text. The reader takes those of the core schema (`!!bool "true"`) for what they say before anybody sees
/// them.
pub fn tag(text: &str) -> Option<&str> {
    let (mut before, mut quote) = ('\n', None);
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        let begins = before.is_whitespace() || matches!(before, '[' | '{' | ',' | '(');
        match (c, quote) {
            ('\\', Some('"')) => {
                characters.next();
            }
            (c, Some(end)) => quote = (c != end).then_some(end),
            ('"' | '\'', None) if begins => quote = Some(c),
            ('#', None) if before.is_whitespace() => {
                characters.by_ref().find(|(_, c)| *c == '\n');
                before = '\n';
                continue;
            }
            ('!', None) if begins => {
                let tag = text.get(at..).unwrap_or_default();
                return tag
                    .split(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'))
                    .next();
            }
            _ => {}
        }
        before = c;
    }
    None
}

fn number(number: &yaml_serde::Number) -> Option<Number> {
    let whole = number.as_u64().map(Number::from).or_else(|| number.as_i64().map(Number::from));
    whole.or_else(|| Number::from_f64(number.as_f64()?))
}

/// Whether YAML 1.1 takes the bare word for a truth value or a number.
fn reads_otherwise(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if words.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return true;
    }
    let digits = text.trim_start_matches(['-', '+']);
    let mut rest = digits.bytes();
    let begins = rest.next().is_some_and(|first| first.is_ascii_digit() || first == b'.');
    let numeric = |b: u8| b.is_ascii_hexdigit() || matches!(b, b'_' | b'.' | b'x' | b'o' | b':');
    let odd = digits.contains('_') || digits.contains(':') || digits.starts_with('0');
    begins && digits.len() > 1 && rest.all(numeric) && odd && !is_dotted(digits)
}

/// Versions and addresses: `0.1.2` and `10.0.0.1` are texts to everybody.
fn is_dotted(digits: &str) -> bool {
    digits.bytes().filter(|b| *b == b'.').count() > 1 && !digits.contains(['_', ':'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, form: Form) -> Result<Value, String> {
        let document = yaml_serde::from_str(text).map_err(|e| e.to_string())?;
        plain(&document, form).map_err(|e| e.to_string())
    }

    #[test]
    fn what_all_readers_understand_alike_is_json() {
        let text = "a: [1, -2, 0.5, true, text, '10.0.0.1', 1.2.3, 0.0.1]\nb: {c: {}}\n";
        let want =
            json!({"a": [1, -2, 0.5, true, "text", "10.0.0.1", "1.2.3", "0.0.1"], "b": {"c": {}}});
        assert_eq!(read(text, Form::Settings), Ok(want.clone()));
        assert_eq!(read(text, Form::Data), Ok(want));
        assert_eq!(read("a: ~\n", Form::Data), Ok(json!({"a": null})));
    }

    #[test]
    fn i4_tags_are_found_in_the_text() {
        let cases = [
            ("a: !!bool \"true\"\n", Some("!!bool")),
            ("a: [1, !!str 2]\n", Some("!!str")),
            ("a: {b: !x}\n", Some("!x")),
            ("!!map {a: 1}\n", Some("!!map")),
            ("- !<tag:yaml.org,2002:int> 1\n", Some("!<tag:yaml.org")),
            (
                "a: 'it is !!bool' # !!bool\nb: \"\\\" !!bool\"\nc: hello!!\n# !!int\nd: it's\n",
                None,
            ),
        ];
        for (text, want) in cases {
            assert_eq!(tag(text), want, "{text}");
        }
    }

    #[test]
    fn i4_what_readers_understand_differently_is_refused() {
        let both = [
            ("a: &x {b: 1}\nc: {<<: *x}\n", "c: the merge key <<"),
            ("a: {b: !set [x]}\n", "a.b: the tag !set"),
            ("a: [0, !x 1]\n", "a[1]: the tag !x"),
            ("a: {1: x}\n", "a: the key 1;"),
            ("a: {true: x}\n", "a: the key true;"),
            ("a: {[b]: x}\n", "a: a key that is no text"),
            ("a: .inf\n", "a: .inf"),
            ("a: .nan\n", "a: .nan"),
            ("a: 1\na: 2\n", "duplicate"),
        ];
        for (text, want) in both {
            for form in [Form::Settings, Form::Data] {
                let error = read(text, form).expect_err(text);
                assert!(error.contains(want), "{text}: {error}");
            }
        }
        for empty in ["a:\n", "a: ~\n", "a: null\n", "a: [x, ]\nb: {c: }\n"] {
            assert!(read(empty, Form::Settings).expect_err(empty).contains("nothing"), "{empty}");
        }
        for word in ["yes", "No", "ON", "off", "y", "0777", "1_000", "190:20:30", "-012"] {
            let text = format!("a: {word}\n");
            assert!(read(&text, Form::Data).is_err(), "{word}");
            let key = read(&format!("{word}: 1\n"), Form::Data).expect_err(word);
            assert!(key.contains(&format!("the key {word:?}")), "{key}");
        }
    }
}
