//! Names of platforms as CPE: the URI of version 2.2, and the formatted string of 2.3 (NIST IR 7695, 6.1 and 6.2).
//!
//! Turns either into vendor and product with version, as OSV's ecosystem of Red Hat writes them:
//! `enterprise_linux:9::appstream`.

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    /// Whether it is an operating system (`o`), and no application or hardware.
    pub is_system: bool,
    /// `redhat`.
    pub vendor: String,
    /// Product, version, update and edition as in a URI, without what is empty at the end.
    pub product: String,
}

/// Parts of a formatted string behind `cpe:2.3:`.
const PARTS: usize = 11;

/// Reads a CPE; none where the text is none, or names no product.
pub(super) fn platform(text: &str) -> Option<Platform> {
    let parts = match text.strip_prefix("cpe:2.3:") {
        Some(formatted) => unbound(formatted)?,
        None => text.strip_prefix("cpe:/")?.split(':').map(str::to_owned).collect(),
    };
    let mut parts = parts.into_iter();
    let (part, vendor) = (parts.next()?, parts.next()?);
    let mut rest: Vec<String> = parts.take(4).collect();
    while rest.last().is_some_and(String::is_empty) {
        rest.pop();
    }
    let named = matches!(part.as_str(), "a" | "o" | "h") && !vendor.is_empty();
    let product = rest.join(":");
    (named && rest.first().is_some_and(|product| !product.is_empty())).then_some(Platform {
        is_system: part == "o",
        vendor,
        product,
    })
}

/// The parts of a formatted string: a backslash quotes what follows it, and `*` alone is any.
fn unbound(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut characters = text.chars();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                part.push(characters.next()?);
                quoted = true;
            }
            ':' => {
                parts.push(any(std::mem::take(&mut part), quoted));
                quoted = false;
            }
            c => part.push(c),
        }
    }
    parts.push(any(part, quoted));
    (parts.len() == PARTS).then_some(parts)
}

fn any(part: String, quoted: bool) -> String {
    if part == "*" && !quoted { String::new() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_one_platform() {
        let cases = [
            ("cpe:/o:redhat:enterprise_linux:9", Some("enterprise_linux:9")),
            ("cpe:/a:redhat:enterprise_linux:9::appstream", Some("enterprise_linux:9::appstream")),
            ("cpe:/a:redhat:rhel_eus:9.2::baseos", Some("rhel_eus:9.2::baseos")),
            ("cpe:2.3:o:redhat:enterprise_linux:9:*:*:*:*:*:*:*", Some("enterprise_linux:9")),
            (
                "cpe:2.3:a:redhat:enterprise_linux:9:*:appstream:*:*:*:*:*",
                Some("enterprise_linux:9::appstream"),
            ),
            ("cpe:2.3:a:redhat:rhel_eus:9\\.2:*:baseos:*:*:*:*:*", Some("rhel_eus:9.2::baseos")),
            ("cpe:2.3:o:redhat:enterprise_linux:9", None),
            ("cpe:2.3:o:redhat:enterprise_linux:9:*:*:*:*:*:*:\\", None),
            ("cpe:/x:redhat:enterprise_linux:9", None),
            ("cpe:/o:redhat", None),
            ("enterprise_linux", None),
        ];
        for (text, want) in cases {
            let read = platform(text);
            assert_eq!(read.as_ref().map(|one| one.product.as_str()), want, "{text}");
            assert!(read.is_none_or(|one| one.vendor == "redhat"), "{text}");
        }
    }
}
