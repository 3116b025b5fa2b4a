//! Files and the packages that own them, by what package managers wrote down.
//!
//! Turns dpkg's lists of checksums (`/var/lib/dpkg/info/*.md5sums`) and apk's database into paths. What cannot be read owns
//! nothing: that it cannot be read is for the inventory to say.

use std::collections::BTreeSet;

use super::{apk, dpkg};

/// Whether the file at `path` is a list of the files of one package, beside the database.
pub fn is_list(path: &str) -> bool {
    dpkg::owner(path).is_some()
}

/// The paths that the file at `path` gives to packages of these names, each with a leading slash.
pub fn owned(path: &str, bytes: &[u8], packages: &BTreeSet<&str>) -> Vec<String> {
    match dpkg::owner(path) {
        Some(owner) if packages.contains(owner) => dpkg::listed(bytes),
        Some(_) => Vec::new(),
        None if apk::PATHS.contains(&path) => apk::owned(bytes, packages),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APK: &str =
        "P:zlib\nV:1\nF:usr/lib\nR:libz.so\nZ:Q1\nF:\nR:readme\n\nP:bash\nV:5\nF:bin\nR:bash\n\n";
    const SUMS: &str = "d41d8cd98f00b204e9800998ecf8427e  usr/lib/libz.so.1\nno line\n";

    #[test]
    fn files_belong_to_the_package_that_lists_them() {
        let cases: &[(&str, &str, &[&str], &[&str])] = &[
            ("/lib/apk/db/installed", APK, &["zlib"], &["/usr/lib/libz.so", "/readme"]),
            ("/usr/lib/apk/db/installed", APK, &["bash", "x"], &["/bin/bash"]),
            ("/lib/apk/db/installed", "garbage\nR:a\n", &["zlib"], &[]),
            ("/var/lib/dpkg/info/zlib1g.md5sums", SUMS, &["zlib1g"], &["/usr/lib/libz.so.1"]),
            ("/var/lib/dpkg/info/zlib1g:amd64.md5sums", SUMS, &["zlib1g"], &["/usr/lib/libz.so.1"]),
            ("/var/lib/dpkg/info/zlib1g.md5sums", SUMS, &["bash"], &[]),
            ("/var/lib/dpkg/info/zlib1g.list", SUMS, &["zlib1g"], &[]),
            ("/srv/zlib1g.md5sums", SUMS, &["zlib1g"], &[]),
            ("/srv/installed", APK, &["zlib"], &[]),
        ];
        for (path, text, packages, want) in cases {
            let packages = packages.iter().copied().collect();
            assert_eq!(owned(path, text.as_bytes(), &packages), *want, "{path}");
        }
    }
}
