//! What a difference probably comes from, and what would make it go away.
//!
//! A hint is a guess from the shape of a difference, for the person who has to act on it. Nothing is judged by it.

use super::{
    Class, Difference, Inside, Place, Repeats, SideValue, Stored, What, leftovers::MOUNTED_FILES,
};

/// A probable cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LikelyCause {
    /// Compressed in another way, of which nothing is known.
    Compressor,
    /// Compressed at another level.
    CompressorLevel,
    /// Compressed by a program of another family.
    CompressorFamily,
    /// Compressed at the same level by another version of a program of the same family.
    CompressorVersion,
    /// Compressed by a program of the same family, at a level that it does not say.
    CompressorAlike,
    /// Media types or annotations of another exporter.
    Exporter,
    /// Times of the build in the configuration or on files.
    Times,
    /// A time that a format inside holds.
    NestedTime,
    /// A time written into a text.
    EmbeddedTime,
    /// Cache or log.
    Cache,
    /// A directory on which runtimes mount something.
    MountPoint,
    /// Opaque whiteouts, which depend on the builder's filesystem.
    Whiteouts,
    /// The package manager fetched another version.
    PackageDrift,
    /// What the compiler notes about itself.
    Toolchain,
    /// Two rebuilds differ here, too.
    Unstable,
    /// Files that name the machine of the build.
    Host,
    /// What an engine mounts or writes while it builds.
    EngineLeftover,
    /// Permissions or owners.
    Permissions,
    /// A setuid bit or a capability.
    LendsRights,
    /// A symbolic or hard link leads elsewhere.
    Link,
    /// Something hidden, or no longer hidden.
    Hidden,
    /// Settings with effect at run time.
    Configuration,
    /// A configuration that lies about its layers.
    LyingDiffId,
    /// Something there on one side only.
    OneSided,
    /// The files are simply not the same.
    OtherContent,
}

impl LikelyCause {
    /// The word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Compressor => "compressor",
            Self::CompressorLevel => "compressor-level",
            Self::CompressorFamily => "compressor-family",
            Self::CompressorVersion => "compressor-version",
            Self::CompressorAlike => "compressor-alike",
            Self::Exporter => "exporter",
            Self::Times => "times",
            Self::NestedTime => "nested-time",
            Self::EmbeddedTime => "embedded-time",
            Self::Cache => "cache",
            Self::MountPoint => "mount-point",
            Self::Whiteouts => "whiteouts",
            Self::PackageDrift => "package-drift",
            Self::Toolchain => "toolchain",
            Self::Unstable => "unstable",
            Self::Host => "host",
            Self::EngineLeftover => "engine-leftover",
            Self::Permissions => "permissions",
            Self::LendsRights => "lends-rights",
            Self::Link => "link",
            Self::Hidden => "hidden",
            Self::Configuration => "configuration",
            Self::LyingDiffId => "lying-diff-id",
            Self::OneSided => "one-sided",
            Self::OtherContent => "other-content",
        }
    }

    /// What probably happened.
    pub fn why(self) -> &'static str {
        match self {
            Self::Compressor => "the same bytes, compressed by another program, version or level",
            Self::CompressorLevel => {
                "the same bytes, compressed at another level: one header says best or fastest"
            }
            Self::CompressorFamily => {
                "the same bytes: one side was compressed by gzip, pigz or zlib, the other by a program in Go, as builders are; buildah and podman compress a base's layers again when they push"
            }
            Self::CompressorVersion => {
                "the same bytes at the same level by another compressor: a builder made with Go before 1.27 against one from 1.27 on, or podman and buildah, which compress again when they push"
            }
            Self::CompressorAlike => {
                "the same bytes under the same header: a level between fastest and best, a builder made with Go before 1.27 against one from 1.27 on, or podman and buildah, which compress again when they push"
            }
            Self::Exporter => "the manifest was written with other exporter options",
            Self::Times => "times of the build: SOURCE_DATE_EPOCH was not passed, or not applied",
            Self::NestedTime => "a time of the build inside the file's format",
            Self::EmbeddedTime => "the build writes the current time into the file",
            Self::Cache => "a cache or log that a step left behind",
            Self::MountPoint => {
                "a place for runtimes to mount on, which some builders leave behind"
            }
            Self::Whiteouts => "opaque whiteouts depend on the filesystem of the builder",
            Self::PackageDrift => "the package manager fetched another version than before",
            Self::Toolchain => "only what compiler and linker note about themselves differs",
            Self::Unstable => "the build is not deterministic: two rebuilds differ here, too",
            Self::Host => "the file names the machine that built the image",
            Self::EngineLeftover => {
                "engines mount over /etc/hosts, /etc/hostname and /etc/resolv.conf and write to /run while they build, and some leave a file or a folder there: buildah leaves /run"
            }
            Self::Permissions => {
                "other permissions or owner: another umask or checkout, or a change after the build"
            }
            Self::LendsRights => {
                "rights that the other side does not give: no build varies in this by chance"
            }
            Self::Link => "the link leads elsewhere",
            Self::Hidden => "a whiteout hides a file of a lower layer on one side only",
            Self::Configuration => "a setting that changes what runs, or how",
            Self::LyingDiffId => "the configuration states a digest that its layer does not have",
            Self::OneSided => "a step made it on one side only",
            Self::OtherContent => "other source, other tools, or a change after the build",
        }
    }

    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            Self::CompressorLevel => {
                "nothing: layers are compared uncompressed; for equal manifests record the level (compressionLevel) in the build manifest"
            }
            Self::CompressorFamily => {
                "nothing: layers are compared uncompressed; for equal manifests push layers as they are (skopeo copy --preserve-digests)"
            }
            Self::CompressorVersion => {
                "nothing: layers are compared uncompressed; for equal manifests rebuild with the release of the builder that made the image"
            }
            Self::CompressorAlike => {
                "nothing: layers are compared uncompressed; for equal manifests record the level (compressionLevel) and rebuild with the release of the builder that made the image"
            }
            Self::Compressor => {
                "nothing: layers are compared uncompressed; for equal manifests use the same builder version"
            }
            Self::Exporter => "build with the media types and annotations of the published image",
            Self::Times => {
                "pass SOURCE_DATE_EPOCH to the build and rewrite-timestamp=true to the exporter, and build with --no-cache: older times of a cached layer are kept"
            }
            Self::NestedTime => "pass SOURCE_DATE_EPOCH into the step (ARG SOURCE_DATE_EPOCH)",
            Self::EmbeddedTime => {
                "declare ARG SOURCE_DATE_EPOCH and have the step write that instead of the clock"
            }
            Self::Cache => {
                "remove it in the step that makes it, as rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*"
            }
            Self::MountPoint => "nothing: runtimes mount over it",
            Self::Whiteouts => {
                "nothing: both come to the same tree; use the same snapshotter for equal layers"
            }
            Self::PackageDrift => "pin the versions, or install from a snapshot of the archive",
            Self::Toolchain => {
                "build with the same tools and -ffile-prefix-map or -trimpath; --build-id=none or =sha1 over equal inputs"
            }
            Self::Unstable => {
                "make the step deterministic: sort inputs, fix seeds, build in one thread, set SOURCE_DATE_EPOCH"
            }
            Self::Host => "do not write host names or machine ids into the image",
            Self::EngineLeftover => {
                "nothing for containers, where runtimes do the same; for equal layers rebuild with the engine and version that made the image"
            }
            Self::Permissions => {
                "set them in the Dockerfile: COPY --chmod --chown, or chmod in the step"
            }
            Self::LendsRights => "find out who added it before anything else",
            Self::Link => "compare the steps that make the link",
            Self::Hidden => "compare what the steps delete",
            Self::Configuration => {
                "compare the instructions of both Dockerfiles and the build arguments"
            }
            Self::LyingDiffId => "do not use the image; rebuild it",
            Self::OneSided => "compare the steps that made the layer on both sides",
            Self::OtherContent => {
                "check the source commit and the tools; if both are right, treat the image as changed"
            }
        }
    }

    /// The hint for a difference whose class is settled.
    pub(super) fn of(difference: &Difference) -> Option<Self> {
        if difference.repeats == Repeats::No {
            return Some(Self::Unstable);
        }
        let what = &difference.what;
        Some(match difference.class {
            Class::Envelope => Self::Exporter,
            Class::Compression => match what {
                What::Stored(stored) => Self::from(*stored),
                _ => Self::Compressor,
            },
            Class::ConfigBenign => return config_hint(&difference.place),
            Class::ConfigRuntime => Self::Configuration,
            Class::TarBenign if *what == What::EntryForm => Self::Times,
            Class::TarBenign => return None,
            Class::TarSecurity => security_hint(difference),
            Class::OpaqueWhiteout => Self::Whiteouts,
            Class::MountPoint => Self::MountPoint,
            Class::NestedTime => Self::NestedTime,
            Class::Cache => Self::Cache,
            Class::PackageDrift => Self::PackageDrift,
            Class::Toolchain => Self::Toolchain,
            Class::Host | Class::Content if is_engine_leftover(difference) => Self::EngineLeftover,
            Class::Host => Self::Host,
            Class::LyingDiffId => Self::LyingDiffId,
            Class::Content if difference.inside.as_ref().is_some_and(Inside::is_only_times) => {
                Self::EmbeddedTime
            }
            Class::Content if matches!(what, What::OnlyIn(_)) => Self::OneSided,
            Class::Content => Self::OtherContent,
        })
    }
}

impl From<Stored> for LikelyCause {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Otherwise => Self::Compressor,
            Stored::Level => Self::CompressorLevel,
            Stored::Family => Self::CompressorFamily,
            Stored::Version => Self::CompressorVersion,
            Stored::Alike => Self::CompressorAlike,
        }
    }
}

/// Whether an engine left it: what it mounts over in `/etc`, the note to itself in `/run`, or that folder alone.
fn is_engine_leftover(difference: &Difference) -> bool {
    let Place::Entry { path, .. } = &difference.place else { return false };
    let sides = [&difference.left, &difference.right];
    let mut values = sides.into_iter().flatten();
    MOUNTED_FILES.contains(&path.as_str())
        || path == "/run/.containerenv"
        || path == "/run"
            && matches!(difference.what, What::OnlyIn(_))
            && values.all(SideValue::is_directory)
}

fn config_hint(place: &Place) -> Option<LikelyCause> {
    let Place::Config(pointer) = place else { return None };
    let time = pointer == "/created" || pointer.ends_with("/created");
    time.then_some(LikelyCause::Times)
}

fn security_hint(difference: &Difference) -> LikelyCause {
    let what = &difference.what;
    let mut sides = [&difference.left, &difference.right].into_iter().flatten();
    let is_mode = matches!(what, What::Mode | What::OnlyIn(_));
    if matches!(what, What::Xattr(_)) || is_mode && sides.any(SideValue::lends_rights) {
        return LikelyCause::LendsRights;
    }
    let is_whiteout = matches!(&difference.place, Place::Entry { path, .. }
        if path.rsplit('/').next().is_some_and(|name| name.starts_with(".wh.")));
    match what {
        _ if is_whiteout => LikelyCause::Hidden,
        What::Mode | What::Uid | What::Gid => LikelyCause::Permissions,
        What::LinkTarget | What::SharedFile => LikelyCause::Link,
        What::OnlyIn(_) => LikelyCause::OneSided,
        _ => LikelyCause::OtherContent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compare::{EntryValue, Holds, Which},
        image::{gzip::GzipHeader, tar::EntryKind},
    };

    #[test]
    fn headers_of_both_sides_tell_what_compressed_them() {
        let header = |extra_flags, os| Some(GzipHeader { extra_flags, os });
        let cases = [
            (header(0, 255), header(0, 255), LikelyCause::CompressorAlike),
            (header(2, 255), header(2, 255), LikelyCause::CompressorVersion),
            (header(0, 255), header(2, 255), LikelyCause::CompressorLevel),
            (header(4, 3), header(2, 3), LikelyCause::CompressorLevel),
            (header(0, 3), header(0, 255), LikelyCause::CompressorFamily),
            (header(0, 3), header(0, 3), LikelyCause::Compressor),
            (header(0, 255), None, LikelyCause::Compressor),
        ];
        for (left, right, want) in cases {
            for headers in [[left, right], [right, left]] {
                let what = What::Stored(Stored::of(headers));
                let found = Difference::new(Place::Layer(0), Class::Compression, what);
                assert_eq!(LikelyCause::of(&found), Some(want), "{headers:?}");
            }
        }
    }

    /// An entry of one side alone.
    fn entry(kind: EntryKind, mode: u32) -> SideValue {
        SideValue::Entry(EntryValue { kind, mode, uid: 0, gid: 0, holds: Holds::Nothing })
    }

    fn hint(path: &str, class: Class, what: What, right: SideValue) -> LikelyCause {
        let place = Place::Entry { layer: 0, path: path.to_owned() };
        LikelyCause::of(&Difference::new(place, class, what).between(None, Some(right))).unwrap()
    }

    #[test]
    fn what_engines_leave_in_etc_is_told_from_other_files_of_the_host() {
        let only = || What::OnlyIn(Which::Rebuilt);
        let text = || SideValue::Text("x".to_owned());
        let (file, folder) = (entry(EntryKind::File, 0o644), entry(EntryKind::Directory, 0o755));
        let link = entry(EntryKind::Symlink, 0o777);
        let cases = [
            ("/etc/resolv.conf", Class::Host, What::Content, text(), LikelyCause::EngineLeftover),
            ("/etc/hosts", Class::Host, only(), file.clone(), LikelyCause::EngineLeftover),
            ("/etc/machine-id", Class::Host, What::Content, text(), LikelyCause::Host),
            ("/run", Class::Content, only(), folder, LikelyCause::EngineLeftover),
            ("/run", Class::Content, only(), link, LikelyCause::OneSided),
            ("/run/x", Class::Content, only(), file, LikelyCause::OneSided),
        ];
        for (path, class, what, right, want) in cases {
            assert_eq!(
                hint(path, class, what.clone(), right.clone()),
                want,
                "{path} {what} {right}"
            );
        }
    }

    #[test]
    fn what_lends_rights_is_told_from_other_metadata() {
        let only = || What::OnlyIn(Which::Rebuilt);
        let setuid = SideValue::Mode(0o4755);
        let cases = [
            ("/a", What::Mode, setuid, LikelyCause::LendsRights),
            ("/a", What::Mode, SideValue::Mode(0o2755), LikelyCause::LendsRights),
            ("/a", What::Mode, SideValue::Mode(0o1777), LikelyCause::Permissions),
            ("/a", only(), entry(EntryKind::File, 0o4755), LikelyCause::LendsRights),
            ("/a", only(), entry(EntryKind::CharDevice, 0o644), LikelyCause::OneSided),
            (
                "/a",
                What::Xattr("user.a".to_owned()),
                SideValue::Bytes(vec![1]),
                LikelyCause::LendsRights,
            ),
            ("/a", What::Uid, SideValue::Id(4755), LikelyCause::Permissions),
            ("/a", What::LinkTarget, SideValue::Link(Some("4755".to_owned())), LikelyCause::Link),
            ("/.wh.a", only(), entry(EntryKind::File, 0), LikelyCause::Hidden),
            ("/a", What::Repeated, SideValue::Count(4755), LikelyCause::OtherContent),
        ];
        for (path, what, right, want) in cases {
            let found = hint(path, Class::TarSecurity, what.clone(), right.clone());
            assert_eq!(found, want, "{path} {what} {right}");
        }
    }
}
