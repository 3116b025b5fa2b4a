//! Rego that OPA reads and the engine does not, and what to write instead.
//!
//! Adds a help to what the engine says of a module that does not compile, where the module has a known form of this kind
//! outside its texts and comments.

/// Keywords that OPA takes as the first name of a rule.
const KEYWORDS: [&str; 15] = [
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null",
    "package", "some", "true", "with",
];

const INTERPOLATED: &str =
    "`$\"…\"` (string interpolation) is not available; write sprintf(\"…%v…\", [x])";
const KEYWORD: &str =
    "a name that begins with a keyword and a point is not available; give the rule another name";
const LONG: &str = "break the line, or put the text into a data file";

/// What the engine says, and a help where there is one.
pub(super) fn with_help(why: String, module: &str) -> String {
    match help(&why, module) {
        Some(help) => format!("{why}\n  help: {help}"),
        None => why,
    }
}

fn help(why: &str, module: &str) -> Option<&'static str> {
    if why.contains("line exceeds maximum column width") {
        return Some(LONG);
    }
    let code = code(module);
    if code.contains("$\"") || code.contains("$`") {
        return Some(INTERPOLATED);
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '"';
    let begins = |keyword: &str| {
        code.match_indices(&format!("{keyword}.")).any(|(at, _)| {
            let before = code.get(..at).and_then(|text| text.chars().next_back());
            !before.is_some_and(is_name)
        })
    };
    KEYWORDS.into_iter().any(begins).then_some(KEYWORD)
}

/// A module without what is in its texts and comments.
fn code(module: &str) -> String {
    let mut code = String::with_capacity(module.len());
    let mut chars = module.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '`' => {
                code.push(c);
                while let Some(inside) = chars.next() {
                    if inside == c {
                        break;
                    }
                    if inside == '\\' && c == '"' {
                        chars.next();
                    }
                }
                code.push(c);
            }
            '#' => {
                if chars.any(|c| c == '\n') {
                    code.push('\n');
                }
            }
            c => code.push(c),
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_is_for_forms_that_are_there() {
        let cases = [
            ("error: invalid character", "p := $\"a {1}\"\n", Some(INTERPOLATED)),
            ("error: invalid character", "p := $`a {1}`\n", Some(INTERPOLATED)),
            ("error: expecting }", "p if {\n\tx == $\"{y}\"\n}\n", Some(INTERPOLATED)),
            ("error: invalid character", "p := \"costs $\"\nq := @\n", None),
            ("error: invalid character", "p := `a\\`\nq := \"\\\"$\"\n@", None),
            ("error: invalid character", "# $\"a\"\np := @\n", None),
            ("error: unexpected keyword `as`", "as.foo := 1\n", Some(KEYWORD)),
            ("error: expecting expression", "p if some.foo == 1\n", Some(KEYWORD)),
            ("error: unexpected keyword `with`", "p if with.foo == 1\n", Some(KEYWORD)),
            ("error: expecting }", "p if {\n\tfoo.as.x == has.x\n", None),
            ("error: line exceeds maximum column width of 1024", "p := 1\n", Some(LONG)),
        ];
        for (why, module, want) in cases {
            assert_eq!(help(why, module), want, "{module}");
        }
        let said = with_help("error: invalid character".to_owned(), "p := $\"\"\n");
        assert!(said.starts_with("error: invalid character\n  help: `$\"…\"`"), "{said}");
    }
}
