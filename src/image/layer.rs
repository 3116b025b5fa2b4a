//! Layers as they are stored, and what is in them once inflated.
//!
//! Turns stored bytes into the tar stream that they hold, and hashes both on the way: the stored bytes must come to the
//! descriptor's digest and size, the inflated bytes come to the recomputed diffID (image-spec v1.1, config.md, "Layer
//! DiffID"). Several gzip members (RFC 1952, section 2.2) or zstd frames (RFC 8878, section 3.1) in a row are legal and
//! read as one stream. Media types but OCI's for a plain tar are hints, as for all runtimes: the first bytes say how a layer is
//! stored. Refuses bytes that belong to no member, streams that end early, and bombs: too many bytes out, or too many beyond what the bytes
//! in account for (attack C5). Memory is constant: one decoder, one buffer, and what is on its way to those who hash.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::{
    Compression, Descriptor,
    asides::{Asides, Frames},
    hashing::Hashing,
    magic::{HEAD_BYTES, Magic},
};
use crate::{
    digest::{Algorithm, BlobDigest, DiffId, Digest},
    limits::Limits,
};

/// Bytes read at a time: large enough for the hashes to run at full speed, small enough for the second-level cache.
const BUFFER_BYTES: usize = 64 << 10;
/// Largest zstd window that is allocated for a frame, as a power of two of bytes (RFC 8878 asks for at least 23).
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Why a layer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// No tar stream whose bytes stand in the registry.
    #[error("{found:?} is no layer that hallmark can unpack; expected tar, tar+gzip or tar+zstd")]
    MediaType {
        /// The media type as written.
        found: String,
    },
    /// The stored bytes could not be read.
    #[error("layer {digest} could not be read: {error}")]
    Read {
        /// The layer.
        digest: BlobDigest,
        /// What the reader said.
        error: io::Error,
    },
    /// The stored bytes are no stream of the compression that the media type names, end early, or go on after its end.
    #[error("layer {digest} is no complete {} stream: {error}", .compression.name())]
    Corrupt {
        /// The layer.
        digest: BlobDigest,
        /// What it should have been.
        compression: Compression,
        /// What the decoder said.
        error: io::Error,
    },
    /// Stored bytes of another format than the media type says.
    #[error(
        "layer {digest} is {found}, and its media type {media_type} says {}: not all runtimes unpack that to the same files; push it as a plain tar, gzip or zstd, with the type of what it is",
        .stated.name()
    )]
    Mislabelled {
        /// The layer.
        digest: BlobDigest,
        /// The media type as written.
        media_type: String,
        /// What it says.
        stated: Compression,
        /// What the bytes begin like.
        found: &'static str,
    },
    /// More or fewer stored bytes than the descriptor says.
    #[error("layer {digest} has {found} bytes, its descriptor says {expected}")]
    Size {
        /// The layer.
        digest: BlobDigest,
        /// Length in the descriptor, in bytes.
        expected: u64,
        /// Length found, in bytes; where there are more than expected, as far as was read.
        found: u64,
    },
    /// The stored bytes hash to something else.
    #[error("layer {digest} hashes to {found}")]
    Digest {
        /// The digest in the descriptor.
        digest: BlobDigest,
        /// What came out.
        found: Digest,
    },
    /// Larger than hallmark reads.
    #[error("layer {digest} has more than {limit} {unit}; the limit is {}", crate::limits::key(.limit_name))]
    Limit {
        /// The layer.
        digest: BlobDigest,
        /// How much is read.
        limit: u64,
        /// Of what.
        unit: &'static str,
        /// The name of the limit in `hallmark.yaml`.
        limit_name: &'static str,
    },
}

/// Counts and hashes stored bytes; an error of the reader below is kept apart from those of the decoder above.
struct Stored<R> {
    reader: R,
    /// Bytes that were looked at before they are read.
    head: io::Cursor<Vec<u8>>,
    hasher: Hashing,
    count: u64,
    size: u64,
    failed: bool,
    /// The frames of a zstd stream.
    frames: Option<Frames>,
}

impl<R: Read> Stored<R> {
    fn new(mut reader: R, descriptor: &Descriptor) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        let hasher = Hashing::new(descriptor.digest.digest().algorithm(), descriptor.size);
        let (head, size) = (io::Cursor::new(head), descriptor.size);
        Ok(Self { reader, head, hasher, count: 0, size, failed: false, frames: None })
    }
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.head.read(buffer)? {
            0 => self.reader.read(buffer).inspect_err(|error| {
                self.failed |= error.kind() != io::ErrorKind::Interrupted;
            })?,
            read => read,
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        self.hasher.update(bytes);
        if let Some(frames) = &mut self.frames {
            frames.feed(bytes);
        }
        self.count = self.count.saturating_add(read as u64);
        if self.count > self.size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more bytes than its descriptor says",
            ));
        }
        Ok(read)
    }
}

/// The members of a gzip stream, one after the other.
struct Members<R: Read> {
    /// The one that is read; there but for the moment between two.
    member: Option<GzDecoder<BufReader<Stored<R>>>>,
    over: bool,
    asides: Asides,
}

impl<R: Read> Members<R> {
    const THERE: &'static str = "a member is put back before anything else is called";

    fn new(reader: BufReader<Stored<R>>) -> Self {
        Self { member: Some(GzDecoder::new(reader)), over: false, asides: Asides::default() }
    }

    fn buffered(&self) -> &BufReader<Stored<R>> {
        self.member.as_ref().expect(Self::THERE).get_ref()
    }

    fn into_buffered(self) -> BufReader<Stored<R>> {
        self.member.expect(Self::THERE).into_inner()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.over {
            let member = self.member.as_mut().expect(Self::THERE);
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => self.next()?,
                read => return read,
            }
        }
        Ok(0)
    }

    /// Notes what the member's header says beside a file's name, and goes to the next member.
    fn next(&mut self) -> io::Result<()> {
        let member = self.member.as_mut().expect(Self::THERE);
        if let Some(header) = member.header() {
            for (kind, said) in [(0, header.extra()), (1, header.comment())] {
                said.into_iter().for_each(|bytes| self.asides.add(kind, bytes));
            }
        }
        self.over = loop {
            match member.get_mut().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                rest => break rest?.is_empty(),
            }
        };
        if !self.over {
            self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(())
    }
}

enum Decoder<R: Read> {
    None(Box<BufReader<Stored<R>>>),
    Gzip(Box<Members<R>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Stored<R>>>>),
}

impl<R: Read> Decoder<R> {
    fn new(mut stored: Stored<R>, compression: Compression) -> io::Result<Self> {
        stored.frames = (compression == Compression::Zstd).then(Frames::default);
        let buffered = BufReader::with_capacity(BUFFER_BYTES, stored);
        Ok(match compression {
            Compression::None => Self::None(Box::new(buffered)),
            Compression::Gzip => Self::Gzip(Box::new(Members::new(buffered))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(buffered)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    fn buffered(&self) -> &BufReader<Stored<R>> {
        match self {
            Self::None(reader) => reader,
            Self::Gzip(members) => members.buffered(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    /// What is left of the stored bytes, and what the stream said beside its content.
    fn into_parts(self) -> (BufReader<Stored<R>>, Asides) {
        match self {
            Self::None(reader) => (*reader, Asides::default()),
            Self::Gzip(mut members) => {
                let asides = std::mem::take(&mut members.asides);
                (members.into_buffered(), asides)
            }
            Self::Zstd(decoder) => {
                let mut reader = decoder.finish();
                let frames = reader.get_mut().frames.take();
                (reader, frames.map(|frames| frames.asides).unwrap_or_default())
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(reader) => reader.read(buffer),
            Self::Gzip(members) => members.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// The inflated bytes of a layer.
///
/// What was read from it may be believed only after [`LayerReader::finish`] has returned the diffID.
pub struct LayerReader<R: Read> {
    decoder: Decoder<R>,
    digest: BlobDigest,
    compression: Compression,
    hasher: Hashing,
    inflated: u64,
    inflated_limit: u64,
    ratio_limit: u64,
    free_limit: u64,
    stated: Compression,
    failure: Option<LayerError>,
}

/// What reading a layer to its end gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The recomputed diffID.
    pub diff_id: DiffId,
    /// What the compressed stream says beside its content hashes to, where it says something: decoders skip it, and
    /// runtimes that pull lazily obey it.
    pub asides: Option<[u8; 32]>,
    /// All inflated bytes.
    pub inflated_bytes: u64,
    /// Inflated bytes beyond what the stored ones account for (`inflate_ratio`).
    pub excess_bytes: u64,
    /// How it is stored, by its bytes where its media type is a hint.
    pub compression: Compression,
    /// How it is stored, where its media type says something else.
    pub mislabelled: Option<Mislabelled>,
}

/// A layer whose media type is wrong about its compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mislabelled {
    /// What the type says.
    pub stated: Compression,
    /// What the bytes are.
    pub found: Compression,
}

impl<R: Read> LayerReader<R> {
    /// Starts to read the layer of `descriptor` from its stored bytes. The diffID is computed with SHA-256.
    ///
    /// # Errors
    /// [`LayerError::MediaType`] for what is no layer, [`LayerError::Limit`] when the descriptor says more than
    /// `layer_bytes`.
    pub fn new(stored: R, descriptor: &Descriptor, limits: &Limits) -> Result<Self, LayerError> {
        Self::with_algorithm(stored, descriptor, Algorithm::Sha256, limits)
    }

    /// As [`LayerReader::new`], with the algorithm of the diffID that the result will be held against.
    ///
    /// # Errors
    /// As [`LayerReader::new`].
    pub fn with_algorithm(
        stored: R,
        descriptor: &Descriptor,
        algorithm: Algorithm,
        limits: &Limits,
    ) -> Result<Self, LayerError> {
        let digest = descriptor.digest.clone();
        let Some(stated) = descriptor.media_type.layer_compression() else {
            return Err(LayerError::MediaType { found: descriptor.media_type.to_string() });
        };
        if descriptor.size > limits.layer_bytes {
            let (limit, unit) = (limits.layer_bytes, "stored bytes");
            return Err(LayerError::Limit { digest, limit, unit, limit_name: "layer_bytes" });
        }
        let stored = match Stored::new(stored, descriptor) {
            Ok(stored) => stored,
            Err(error) => return Err(LayerError::Read { digest, error }),
        };
        let compression = compression(descriptor, stated, Magic::of(stored.head.get_ref()))?;
        let decoder = match Decoder::new(stored, compression) {
            Ok(decoder) => decoder,
            Err(error) => return Err(LayerError::Corrupt { digest, compression, error }),
        };
        Ok(Self {
            decoder,
            digest,
            compression,
            hasher: Hashing::new(algorithm, descriptor.size),
            inflated: 0,
            inflated_limit: limits.layer_inflated_bytes,
            ratio_limit: limits.inflate_ratio,
            free_limit: limits.inflate_free_bytes,
            stated,
            failure: None,
        })
    }

    /// Reads what is left, and gives the recomputed diffID once the stored bytes are proven to be the descriptor's.
    ///
    /// # Errors
    /// [`LayerError`]; the first failure of any earlier read is repeated here.
    pub fn finish(self) -> Result<DiffId, LayerError> {
        self.finish_fully().map(|finished| finished.diff_id)
    }

    /// As [`LayerReader::finish`], with all that is known of the layer then.
    ///
    /// # Errors
    /// As [`LayerReader::finish`].
    pub fn finish_fully(mut self) -> Result<Finished, LayerError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.finish_stored()
    }

    /// Checks the end of the stored bytes: nothing left over, right size, right digest.
    fn finish_stored(self) -> Result<Finished, LayerError> {
        let (excess_bytes, inflated_bytes) = (self.excess(), self.inflated);
        let Self { decoder, digest, compression, stated, hasher, .. } = self;
        let (mut buffered, asides) = decoder.into_parts();
        let rest = buffered.fill_buf().map(<[u8]>::len);
        let Stored { hasher: stored_hasher, count, size, failed, .. } = buffered.into_inner();
        match rest {
            _ if count > size => {
                return Err(LayerError::Size { digest, expected: size, found: count });
            }
            Err(error) if failed => return Err(LayerError::Read { digest, error }),
            Err(error) => return Err(LayerError::Corrupt { digest, compression, error }),
            Ok(0) => {}
            Ok(_) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "bytes after its end");
                return Err(LayerError::Corrupt { digest, compression, error });
            }
        }
        if count != size {
            return Err(LayerError::Size { digest, expected: size, found: count });
        }
        let lost = |error| LayerError::Read { digest: digest.clone(), error };
        let (found, diff_id) =
            (stored_hasher.finish().map_err(lost)?, hasher.finish().map_err(lost)?);
        if found != *digest.digest() {
            return Err(LayerError::Digest { digest, found });
        }
        let wrong = compression != stated;
        Ok(Finished {
            diff_id: DiffId::new(diff_id),
            asides: asides.finish(),
            inflated_bytes,
            excess_bytes,
            compression,
            mislabelled: wrong.then_some(Mislabelled { stated, found: compression }),
        })
    }

    /// Inflated bytes beyond what the stored ones account for.
    fn excess(&self) -> u64 {
        let stored = self.decoder.buffered().get_ref().count;
        self.inflated.saturating_sub(stored.saturating_mul(self.ratio_limit))
    }

    /// Counts inflated bytes against both bounds.
    fn bound(&mut self, read: u64) -> Result<(), LayerError> {
        self.inflated = self.inflated.saturating_add(read);
        let over = |limit, unit, limit_name| {
            Err(LayerError::Limit { digest: self.digest.clone(), limit, unit, limit_name })
        };
        if self.inflated > self.inflated_limit {
            return over(self.inflated_limit, "inflated bytes", "layer_inflated_bytes");
        }
        if self.excess() > self.free_limit {
            let unit = "inflated bytes beyond those that its stored bytes account for";
            return over(self.free_limit, unit, "inflate_free_bytes");
        }
        Ok(())
    }

    /// Says whose fault a failed read is.
    fn blame(&self, error: io::Error) -> LayerError {
        let stored = self.decoder.buffered().get_ref();
        let digest = self.digest.clone();
        if stored.count > stored.size {
            LayerError::Size { digest, expected: stored.size, found: stored.count }
        } else if stored.failed {
            LayerError::Read { digest, error }
        } else {
            LayerError::Corrupt { digest, compression: self.compression, error }
        }
    }

    /// Keeps the first failure for [`LayerReader::finish`] and gives it to the reader in words.
    fn fail(&mut self, failure: LayerError) -> io::Error {
        let text = failure.to_string();
        self.failure = Some(failure);
        io::Error::other(text)
    }
}

impl<R: Read> Read for LayerReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.to_string()));
        }
        let read = match self.decoder.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let failure = self.blame(error);
                return Err(self.fail(failure));
            }
        };
        if let Err(failure) = self.bound(read as u64) {
            return Err(self.fail(failure));
        }
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// How a layer is read whose type and first bytes say this.
fn compression(
    descriptor: &Descriptor,
    stated: Compression,
    magic: Magic,
) -> Result<Compression, LayerError> {
    let by_bytes = descriptor.media_type.is_hint().then(|| magic.compression());
    match by_bytes {
        Some(Some(found)) => Ok(found),
        None if magic.fits(stated) => Ok(stated),
        Some(None) | None => Err(LayerError::Mislabelled {
            digest: descriptor.digest.clone(),
            media_type: descriptor.media_type.to_string(),
            stated,
            found: magic.name(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::image::MediaType;

    fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::new(level));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn descriptor(stored: &[u8], compression: Compression) -> Descriptor {
        let suffix = match compression {
            Compression::None => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        };
        Descriptor {
            media_type: MediaType::new(&format!("{}{suffix}", MediaType::OCI_LAYER)),
            digest: BlobDigest::of(stored),
            size: stored.len() as u64,
            platform: None,
            selective: false,
            artifact_type: None,
            annotations: Default::default(),
        }
    }

    fn read(
        stored: &[u8],
        compression: Compression,
        limits: &Limits,
    ) -> Result<DiffId, LayerError> {
        LayerReader::new(stored, &descriptor(stored, compression), limits)?.finish()
    }

    fn cat(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn every_encoding_gives_the_same_diff_id() {
        let text = b"abc".repeat(50_000);
        let want = DiffId::of(&text);
        let (head, tail) = text.split_at(70_000);
        // A skippable frame (RFC 8878, section 3.1.2), as zstd:chunked uses for its table of contents.
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
        let cases = [
            (text.clone(), Compression::None),
            (gzip(&text, 1), Compression::Gzip),
            (gzip(&text, 9), Compression::Gzip),
            (cat(&[&gzip(head, 6), &gzip(tail, 6)]), Compression::Gzip),
            (cat(&[&gzip(b"", 6), &gzip(&text, 6), &gzip(b"", 6)]), Compression::Gzip),
            (zstd(&text), Compression::Zstd),
            (cat(&[&zstd(head), &skippable, &zstd(tail)]), Compression::Zstd),
        ];
        for (stored, compression) in cases {
            let found = read(&stored, compression, &Limits::default()).unwrap();
            assert_eq!(found, want, "{}", compression.name());
        }
    }

    #[test]
    fn refuses_streams_that_end_early_or_late() {
        let text = b"abc".repeat(1000);
        let (packed, frame) = (gzip(&text, 6), zstd(&text));
        let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
        let mut flipped = packed.clone();
        let at = flipped.len() - 8;
        flipped[at] ^= 1;
        let cases = [
            ("trailing zeros", cat(&[&packed, &[0; 512]]), Compression::Gzip),
            ("trailing text", cat(&[&packed, b"evil"]), Compression::Gzip),
            ("trailing half member", cat(&[&packed, &cut(&packed, 9)]), Compression::Gzip),
            ("no trailer", cut(&packed, 8), Compression::Gzip),
            ("half a trailer", cut(&packed, 1), Compression::Gzip),
            ("checksum", flipped, Compression::Gzip),
            ("trailing zeros", cat(&[&frame, &[0; 512]]), Compression::Zstd),
            ("trailing text", cat(&[&frame, b"evil"]), Compression::Zstd),
            ("cut frame", cut(&frame, 1), Compression::Zstd),
        ];
        for (name, stored, compression) in cases {
            let found = read(&stored, compression, &Limits::default());
            assert!(matches!(found, Err(LayerError::Corrupt { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn the_stored_bytes_must_be_the_descriptors() {
        let stored = gzip(b"abc", 6);
        let limits = Limits::default();
        let right = descriptor(&stored, Compression::Gzip);
        let size = right.size;
        let run = |d: &Descriptor| LayerReader::new(stored.as_slice(), d, &limits)?.finish();
        let other = BlobDigest::of(b"other");
        assert!(run(&right).is_ok());
        let wrong = Descriptor { digest: other, ..right.clone() };
        assert!(matches!(run(&wrong), Err(LayerError::Digest { .. })));
        for wrong in [size - 1, size + 1] {
            let found = run(&Descriptor { size: wrong, ..right.clone() });
            assert!(matches!(found, Err(LayerError::Size { .. })), "{wrong}: {found:?}");
        }
        let foreign = Descriptor {
            media_type: MediaType::new("application/vnd.oci.image.layer.nondistributable.v1.tar"),
            ..right
        };
        assert!(matches!(run(&foreign), Err(LayerError::MediaType { .. })));
    }

    #[test]
    fn limits_hold_at_n_and_n_plus_one() {
        let text = vec![7; 1000];
        let stored = gzip(&text, 6);
        let n = stored.len() as u64;
        let cases = [
            (Limits { layer_inflated_bytes: 1000, ..Limits::default() }, None),
            (
                Limits { layer_inflated_bytes: 999, ..Limits::default() },
                Some("layer_inflated_bytes"),
            ),
            (Limits { layer_bytes: n, ..Limits::default() }, None),
            (Limits { layer_bytes: n - 1, ..Limits::default() }, Some("layer_bytes")),
        ];
        for (limits, want) in cases {
            let found = match read(&stored, Compression::Gzip, &limits) {
                Ok(_) => None,
                Err(LayerError::Limit { limit_name, .. }) => Some(limit_name),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, want);
        }
    }

    fn of_type(media_type: &str, stored: &[u8]) -> Result<Finished, LayerError> {
        let plain = descriptor(stored, Compression::None);
        let descriptor = Descriptor { media_type: MediaType::new(media_type), ..plain };
        LayerReader::new(stored, &descriptor, &Limits::default())?.finish_fully()
    }

    #[test]
    fn what_layers_are_is_what_their_types_say() {
        let tar = {
            let mut builder = ::tar::Builder::new(Vec::new());
            let mut header = ::tar::Header::new_gnu();
            header.set_size(0);
            builder.append_data(&mut header, "a", &[][..]).unwrap();
            builder.into_inner().unwrap()
        };
        let (gz, zst) = (gzip(&tar, 6), zstd(&tar));
        let (bzip2, xz) = (b"BZh91AY&SY".to_vec(), b"\xfd7zXZ\0\0".to_vec());
        const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";
        const OCI: &str = MediaType::OCI_LAYER;
        let found = |stated, found| Some(Mislabelled { stated, found });
        let (none, gzip, zstd) = (Compression::None, Compression::Gzip, Compression::Zstd);
        // A file's size as the length of a skippable frame, which holds no number where a tar has its checksum.
        let skipped = cat(&[&[0x5f, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], &zst]);
        let old = {
            let mut old = tar.clone();
            old[257..265].fill(0);
            old
        };
        // Types are hints, but for OCI's plain tar.
        for (media_type, stored, want) in [
            (format!("{DOCKER}.gzip"), &tar, found(gzip, none)),
            (format!("{DOCKER}.gzip"), &gz, None),
            (format!("{DOCKER}.gzip"), &zst, found(gzip, zstd)),
            (DOCKER.to_owned(), &gz, found(none, gzip)),
            (DOCKER.to_owned(), &skipped, found(none, zstd)),
            (DOCKER.to_owned(), &tar, None),
            (format!("{DOCKER}.zstd"), &gz, found(zstd, gzip)),
            (format!("{OCI}+gzip"), &tar, found(gzip, none)),
            (format!("{OCI}+gzip"), &zst, found(gzip, zstd)),
            (format!("{OCI}+gzip"), &skipped, found(gzip, zstd)),
            (format!("{OCI}+zstd"), &gz, found(zstd, gzip)),
            (format!("{OCI}+zstd"), &tar, found(zstd, none)),
            (format!("{OCI}+zstd"), &skipped, None),
            (OCI.to_owned(), &tar, None),
        ] {
            let read = of_type(&media_type, stored).unwrap();
            assert_eq!((read.diff_id, read.mislabelled), (DiffId::of(&tar), want), "{media_type}");
        }
        // A tar of before POSIX, and nothing at all, are not known by their bytes: whoever reads the tar judges them.
        for stored in [&old, &Vec::new()] {
            let read = of_type(&format!("{OCI}+gzip"), stored).unwrap();
            assert_eq!((read.diff_id, read.mislabelled), (DiffId::of(stored), found(gzip, none)));
        }
        // What some runtimes unpack and others do not is refused. Messages name both.
        for (media_type, stored, want) in [
            (format!("{DOCKER}.gzip"), &bzip2, "is bzip2, and its media type"),
            (format!("{DOCKER}.gzip"), &xz, "is xz, and its media type"),
            (OCI.to_owned(), &gz, "is gzip, and its media type"),
            (OCI.to_owned(), &zst, "is zstd, and its media type"),
            (OCI.to_owned(), &skipped, "is zstd, and its media type"),
            (OCI.to_owned(), &bzip2, "is bzip2, and its media type"),
            (format!("{OCI}+gzip"), &bzip2, "is bzip2, and its media type"),
            (format!("{OCI}+zstd"), &xz, "is xz, and its media type"),
        ] {
            let error = of_type(&media_type, stored).unwrap_err().to_string();
            assert!(error.contains(want) && error.contains(&media_type), "{error}");
        }
    }

    /// H64: containers/storage knows no skippable frame and reads the tar whose first name begins like one; containerd and
    /// Docker skip the frame that holds this tar, and inflate the one behind.
    #[test]
    fn h64_what_is_zstd_for_some_and_a_tar_for_others_is_no_layer() {
        let tar = |name: &[u8]| {
            let mut header = ::tar::Header::new_old();
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_size(0);
            header.set_mode(0o755);
            header.set_cksum();
            cat(&[header.as_bytes(), &[0; 1024]])
        };
        let length = 1536_u32 - 8;
        let shown = tar(&cat(&[&[0x50, 0x2a, 0x4d, 0x18], &length.to_le_bytes()]));
        let both = cat(&[&shown, &zstd(&tar(b"other"))]);
        // A checksum behind a NUL, which Go's reader takes and the crate `tar` does not.
        let mut behind = both.clone();
        behind.copy_within(148..154, 149);
        behind[148] = 0;
        // It is the attack that it is meant to be.
        assert_eq!(zstd::decode_all(both.as_slice()).unwrap(), tar(b"other"));
        assert!(::tar::Archive::new(both.as_slice()).entries().unwrap().next().unwrap().is_ok());
        for media_type in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
        ] {
            for both in [&both, &behind] {
                let error = of_type(media_type, both).unwrap_err().to_string();
                assert!(error.contains("zstd for some runtimes and a tar for others"), "{error}");
            }
        }
    }

    #[test]
    fn what_a_stream_says_beside_its_content_is_seen() {
        let text = b"abc".repeat(1000);
        let member = |build: fn(flate2::GzBuilder) -> flate2::GzBuilder| {
            let builder = build(flate2::GzBuilder::new());
            let mut encoder = builder.write(Vec::new(), Level::new(6));
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        };
        let footer = {
            let builder = flate2::GzBuilder::new().extra(b"SG\x04\x0012345".to_vec());
            builder.write(Vec::new(), Level::new(0)).finish().unwrap()
        };
        let toc = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
        let plain = member(|b| b);
        let oci = MediaType::OCI_LAYER;
        let cases = [
            ("+gzip", plain.clone(), false),
            ("+gzip", cat(&[&plain, &plain]), false),
            ("+gzip", member(|b| b.filename("layer.tar").mtime(7)), false),
            ("+gzip", member(|b| b.extra(b"SG\x01\0x".to_vec())), true),
            ("+gzip", member(|b| b.comment("obey")), true),
            ("+gzip", cat(&[&plain, &footer]), true),
            ("+gzip", cat(&[&plain, &footer, &plain]), true),
            ("+zstd", zstd(&text), false),
            ("+zstd", cat(&[&zstd(&text), &toc]), true),
            ("+zstd", cat(&[&toc, &zstd(&text)]), true),
        ];
        for (suffix, stored, want) in cases {
            let found = of_type(&format!("{oci}{suffix}"), &stored).unwrap();
            assert_eq!(found.asides.is_some(), want, "{suffix} {}", stored.len());
        }
    }

    #[test]
    fn long_runs_of_zeros_are_no_bombs_and_bombs_end() {
        let zeros = vec![0; 8 << 20];
        let limits = |inflate_free_bytes| Limits { inflate_free_bytes, ..Limits::default() };
        for (stored, compression) in
            [(gzip(&zeros, 9), Compression::Gzip), (zstd(&zeros), Compression::Zstd)]
        {
            assert!(read(&stored, compression, &Limits::default()).is_ok());
            let excess = zeros.len() as u64 - stored.len() as u64 * Limits::default().inflate_ratio;
            assert!(read(&stored, compression, &limits(excess)).is_ok());
            let found = read(&stored, compression, &limits(excess - 1));
            assert!(
                matches!(found, Err(LayerError::Limit { limit_name: "inflate_free_bytes", .. })),
                "{found:?}"
            );
            let patient = Limits { inflate_ratio: 1_000_000, ..limits(0) };
            assert!(read(&stored, compression, &patient).is_ok());
        }
    }

    #[test]
    fn a_failing_reader_is_not_the_layers_fault() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        let d = descriptor(&gzip(b"abc", 6), Compression::Gzip);
        let found = LayerReader::new(Broken, &d, &Limits::default()).and_then(LayerReader::finish);
        assert!(matches!(found, Err(LayerError::Read { .. })), "{found:?}");
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, kind in 0..3_usize) {
            let kinds = [Compression::None, Compression::Gzip, Compression::Zstd];
            let _ = read(&bytes, kinds[kind], &Limits::default());
        }

        #[test]
        fn round_trips(bytes: Vec<u8>, cut in 0..1000_usize) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let stored = [gzip(head, 6), gzip(tail, 1)].concat();
            let found = read(&stored, Compression::Gzip, &Limits::default());
            prop_assert_eq!(found.ok(), Some(DiffId::of(&bytes)));
        }
    }
}
