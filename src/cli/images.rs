//! The images of one call: from the command line, from files, from standard input.
//!
//! A list has one reference a line; blank lines and lines that begin with `#` count for nothing. All of it is read before
//! anything is verified, and a list that names no image is refused: to verify nothing would be a pass of nothing.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Failure,
    args::{self, Given},
    files::Operand,
};
use crate::{reference::Reference, scratch::seen};

/// Most bytes of a list.
const MAX_LIST_BYTES: u64 = 1 << 20;
/// Most images of one call.
const MAX_IMAGES: usize = 1000;

/// The images of one call, at least one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Images {
    /// In the order in which they were named.
    pub references: Vec<Reference>,
    /// What is answered.
    pub form: Form,
}

/// Whether the answer is about one image or about a list, be it one of a single image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One image, named on the command line.
    One,
    /// Several, or a list.
    List,
}

/// Reads what the command line names.
pub(super) fn read(given: &[Given], files: &[PathBuf]) -> Result<Images, Failure> {
    let is_input = |file: &&PathBuf| file.as_os_str() == "-";
    let inputs = given.iter().filter(|given| **given == Given::Listed).count();
    if inputs + files.iter().filter(is_input).count() > 1 {
        return Err(Failure::usage("standard input can be read once, and - is there twice"));
    }
    let mut references = Vec::new();
    for image in given {
        match image {
            Given::Image(reference) => references.push(reference.clone()),
            Given::Listed => references.extend(listed(Path::new("-"))?),
        }
    }
    for file in files {
        references.extend(listed(file)?);
    }
    if references.len() > MAX_IMAGES {
        let found = references.len();
        return Err(Failure::usage(format!(
            "{found} images in one call; the limit is {MAX_IMAGES}"
        )));
    }
    let form = match (references.len(), inputs, files) {
        (1, 0, []) => Form::One,
        _ => Form::List,
    };
    Ok(Images { references, form })
}

/// `--file` of `verify`.
const LIST: Operand =
    Operand { option: "", form: "-f takes a file with one image a line, or - for standard input" };

/// The references of one list.
fn listed(file: &Path) -> Result<Vec<Reference>, Failure> {
    let (name, text) = match file.as_os_str() == "-" {
        true => ("standard input".to_owned(), all(io::stdin().lock())),
        false => (file.display().to_string(), File::open(file).and_then(all)),
    };
    let text = text.map_err(|error| LIST.unreadable(Path::new(&name), &error))?;
    if let Some(what) = seen(text.as_bytes()).filter(|_| !text.trim().is_empty()) {
        return Err(LIST.unusable(Path::new(&name), &what));
    }
    parse(&name, &text)
}

fn all(input: impl Read) -> io::Result<String> {
    let mut text = String::new();
    input.take(MAX_LIST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 <= MAX_LIST_BYTES {
        return Ok(text);
    }
    Err(io::Error::other(format!("a list of images has at most {MAX_LIST_BYTES} bytes")))
}

fn parse(name: &str, text: &str) -> Result<Vec<Reference>, Failure> {
    // Editors of some systems begin a file with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut references = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let reference = args::image(line).map_err(|error| {
            Failure::of_operator(&format!(
                "{name}:{}: {error}\n  help: one image a line, as registry.example/app:1; # begins a comment",
                number + 1
            ))
        })?;
        references.push(reference);
        if references.len() > MAX_IMAGES {
            let why =
                format!("{name}: more than {MAX_IMAGES} images, which is the limit of one call");
            return Err(Failure::usage(why));
        }
    }
    if references.is_empty() {
        return Err(LIST.unusable(Path::new(name), &"it lists no image, and nothing was verified"));
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        let read = parse("list", text).map_err(|failure| failure.to_string());
        read.map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_list_has_one_reference_a_line() {
        let text = "\u{feff}# ours\r\n\nr.example/a:1\r\n  r.example/b:2  \n# r.example/c:3\n\t\noci:/d e#f";
        assert_eq!(names(text).unwrap(), ["r.example/a:1", "r.example/b:2", "oci:/d e#f"]);
        let cases = [
            ("", "it lists no image"),
            ("# only\n\n", "it lists no image"),
            ("r.example/a\nr.example/A\n", "list:2: repository \"A\""),
            ("r.example/a r.example/b", "list:1: "),
            ("-", "list:1: "),
            ("a\u{202e}b", "list:1: "),
        ];
        for (text, wanted) in cases {
            let error = names(text).expect_err(wanted);
            assert!(error.contains(wanted), "{text:?}: {error}");
            assert!(!error.contains('\u{202e}'), "{error:?}");
        }
    }

    #[test]
    fn a_list_is_bounded_in_images_and_bytes() {
        let many = |count: usize| "r.example/a\n".repeat(count);
        assert_eq!(names(&many(MAX_IMAGES)).unwrap().len(), MAX_IMAGES);
        assert!(names(&many(MAX_IMAGES + 1)).unwrap_err().contains("the limit of one call"));
        let most = usize::try_from(MAX_LIST_BYTES).unwrap();
        assert!(all(&*vec![b' '; most]).is_ok());
        assert!(all(&*vec![b' '; most + 1]).is_err());
        assert!(all(&b"\xff"[..]).is_err());
    }

    #[test]
    fn what_is_answered_follows_how_images_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, "r.example/b\n").unwrap();
        let given = |text: &str| text.parse::<Given>().unwrap();
        let one = read(&[given("r.example/a")], &[]).unwrap();
        assert_eq!((one.references.len(), one.form), (1, Form::One));
        let of_file = read(&[], std::slice::from_ref(&file)).unwrap();
        assert_eq!((of_file.references.len(), of_file.form), (1, Form::List));
        let both = read(&[given("r.example/a")], &[file]).unwrap();
        let names: Vec<String> = both.references.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["r.example/a:latest", "r.example/b:latest"]);
        assert_eq!(both.form, Form::List);
        let twice = read(&[given("-")], &[PathBuf::from("-")]).unwrap_err();
        assert!(twice.to_string().contains("- is there twice"), "{twice}");
    }
}
