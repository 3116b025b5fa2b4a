//! Files that look like test data and documents inside of installed packages.
//!
//! The keys in such files are published, and open nothing. Whoever makes an image chooses its paths, so that none of them proves
//! it: it takes a package that recorded the very bytes ([`Vouchers`](crate::contents::accounts::Vouchers)). That alone does
//! not, either: a package of one's own may bring a key that is in use.

/// Folders in which managers install packages; a path with two parts has to have both in a row.
const ROOTS: [&[&str]; 19] = [
    &["site-packages"],
    &["dist-packages"],
    &["node_modules"],
    &["gems"],
    &["share", "doc"],
    &["share", "man"],
    &["share", "info"],
    &["usr", "share"],
    &["usr", "lib"],
    &["usr", "local", "lib"],
    &["usr", "local", "share"],
    &["lib", "python2.7"],
    &["lib", "python3"],
    &["lib", "perl5"],
    &["local", "go"],
    &["go", "pkg"],
    &["registry", "src"],
    &["local", "bundle"],
    &["vendor", "bundle"],
];

/// Folders of tests, examples and documents.
const TESTS: [&str; 26] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "test-data",
    "test_data",
    "fixtures",
    "fixture",
    "__fixtures__",
    "__tests__",
    "example",
    "examples",
    "spec",
    "specs",
    "mock",
    "mocks",
    "sample",
    "samples",
    "doc",
    "docs",
    "man",
    "demo",
    "demos",
    "certdata",
    "benchmark",
    "benchmarks",
];

/// Whether a path looks like such data.
pub(in crate::contents) fn is_test_data(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let root = |at: usize| {
        ROOTS.iter().find_map(|root| {
            let here = parts.get(at..at + root.len())?;
            let like = |(part, word): (&&str, &&str)| {
                part == word || *word == "python3" && part.starts_with("python3.")
            };
            here.iter().zip(root.iter()).all(like).then_some(at + root.len())
        })
    };
    (0..parts.len()).filter_map(root).any(|behind| {
        let name = parts.last().copied().unwrap_or_default();
        let documents =
            parts.get(behind - 1).is_some_and(|part| matches!(*part, "doc" | "man" | "info"));
        let folders = parts.get(behind..parts.len().saturating_sub(1)).unwrap_or_default();
        let below = folders.iter().any(|part| TESTS.contains(part));
        documents || below || is_test(name)
    })
}

/// Whether a file is called as tests are.
fn is_test(name: &str) -> bool {
    let ends = [
        "_test.go", "_test.py", ".test.js", ".spec.js", ".test.ts", ".spec.ts", "_spec.rb",
        "_test.rb",
    ];
    ends.iter().any(|end| name.ends_with(end)) || name.starts_with("test_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_test_data() {
        for path in [
            "/usr/lib/python3.12/test/certdata/keycert.pem",
            "/usr/lib/python3/dist-packages/twisted/test/server.pem",
            "/usr/local/lib/python3.12/site-packages/a/tests/key.pem",
            "/app/node_modules/public-encrypt/test/test_key.pem",
            "/usr/local/go/src/crypto/tls/testdata/example-key.pem",
            "/root/go/pkg/mod/x.y/z@v1/testdata/key.pem",
            "/usr/share/doc/libssl/key.pem",
            "/usr/lib/google-cloud-sdk/third_party/requests/tests/certs/server.key",
            "/usr/local/go/src/crypto/tls/example_test.go",
            "/usr/local/bundle/gems/eventmachine-1/tests/client.key",
            "/root/.cargo/registry/src/index/a-1/examples/key.pem",
        ] {
            assert!(is_test_data(path), "{path}");
        }
        for path in [
            "/app/tests/key.pem",
            "/app/test_key.pem",
            "/usr/lib/app/key.pem",
            "/app/key.pem",
            "/usr/lib/python3/dist-packages/a/key.pem",
            "/app/node_modules/a/lib/key.pem",
            "/etc/ssl/private/test/key.pem",
            "/app/docs/node_modules/a/key.pem",
            "/usr/share/key.pem",
            "/test",
            "/",
        ] {
            assert!(!is_test_data(path), "{path}");
        }
    }
}
