//! Layers as they are stored, and what is in them once inflated.
//!
//! Turns stored bytes into the tar stream that they hold, and hashes both on the way: the stored bytes must come to the
//! descriptor's digest and size, the inflated bytes come to the recomputed diffID (image-spec v1.1, config.md, "Layer
//! DiffID"). Several gzip members (RFC 1952, section 2.2) or zstd frames (RFC 8878, section 3.1) in a row are legal and
//! read as one stream. Refuses bytes that belong to no member, streams that end early, and bombs: too many bytes out,
//! or too many for the bytes in (attack C5). Memory is constant: one decoder and one buffer.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{Compression, Descriptor};
use crate::{
    digest::{Algorithm, BlobDigest, DiffId, Digest, Hasher},
    limits::Limits,
};

/// Bytes read at a time: large enough for the hashes to run at full speed, small enough for the second-level cache.
const BUFFER_BYTES: usize = 64 << 10;
/// Inflated bytes after which the ratio is looked at: honest layers may start with a large file of zeros.
const RATIO_FROM_BYTES: u64 = 64 << 20;
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
    hasher: Hasher,
    count: u64,
    size: u64,
    failed: bool,
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).inspect_err(|error| {
            self.failed |= error.kind() != io::ErrorKind::Interrupted;
        })?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
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

enum Decoder<R: Read> {
    None(BufReader<Stored<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Stored<R>>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Stored<R>>>>),
}

impl<R: Read> Decoder<R> {
    fn new(stored: Stored<R>, compression: Compression) -> io::Result<Self> {
        let buffered = BufReader::with_capacity(BUFFER_BYTES, stored);
        Ok(match compression {
            Compression::None => Self::None(buffered),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered))),
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
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn into_buffered(self) -> BufReader<Stored<R>> {
        match self {
            Self::None(reader) => reader,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(reader) => reader.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
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
    hasher: Hasher,
    inflated: u64,
    inflated_limit: u64,
    ratio_limit: u64,
    failure: Option<LayerError>,
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
        let Some(compression) = descriptor.media_type.layer_compression() else {
            return Err(LayerError::MediaType { found: descriptor.media_type.to_string() });
        };
        if descriptor.size > limits.layer_bytes {
            let (limit, unit) = (limits.layer_bytes, "stored bytes");
            return Err(LayerError::Limit { digest, limit, unit, limit_name: "layer_bytes" });
        }
        let hasher = Hasher::new(digest.digest().algorithm());
        let stored =
            Stored { reader: stored, hasher, count: 0, size: descriptor.size, failed: false };
        let decoder = match Decoder::new(stored, compression) {
            Ok(decoder) => decoder,
            Err(error) => return Err(LayerError::Corrupt { digest, compression, error }),
        };
        Ok(Self {
            decoder,
            digest,
            compression,
            hasher: Hasher::new(algorithm),
            inflated: 0,
            inflated_limit: limits.layer_inflated_bytes,
            ratio_limit: limits.inflate_ratio,
            failure: None,
        })
    }

    /// Reads what is left, and gives the recomputed diffID once the stored bytes are proven to be the descriptor's.
    ///
    /// # Errors
    /// [`LayerError`]; the first failure of any earlier read is repeated here.
    pub fn finish(mut self) -> Result<DiffId, LayerError> {
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
    fn finish_stored(self) -> Result<DiffId, LayerError> {
        let Self { decoder, digest, compression, hasher, .. } = self;
        let mut buffered = decoder.into_buffered();
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
        let found = stored_hasher.finish();
        if found != *digest.digest() {
            return Err(LayerError::Digest { digest, found });
        }
        Ok(DiffId::new(hasher.finish()))
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
        let stored = self.decoder.buffered().get_ref().count;
        if self.inflated > RATIO_FROM_BYTES
            && self.inflated > stored.saturating_mul(self.ratio_limit)
        {
            return over(self.ratio_limit, "bytes for each stored byte", "inflate_ratio");
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
            ("nothing", Vec::new(), Compression::Gzip),
            ("plain as gzip", text, Compression::Gzip),
            ("zstd as gzip", frame.clone(), Compression::Gzip),
            ("trailing zeros", cat(&[&frame, &[0; 512]]), Compression::Zstd),
            ("trailing text", cat(&[&frame, b"evil"]), Compression::Zstd),
            ("cut frame", cut(&frame, 1), Compression::Zstd),
            ("gzip as zstd", packed.clone(), Compression::Zstd),
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

    #[test]
    fn bombs_are_stopped_at_the_ratio() {
        let zeros = vec![0; RATIO_FROM_BYTES as usize + 1];
        for (stored, compression) in
            [(gzip(&zeros, 9), Compression::Gzip), (zstd(&zeros), Compression::Zstd)]
        {
            let found = read(&stored, compression, &Limits::default());
            assert!(
                matches!(found, Err(LayerError::Limit { limit_name: "inflate_ratio", .. })),
                "{found:?}"
            );
            let patient = Limits { inflate_ratio: 100_000, ..Limits::default() };
            assert!(read(&stored, compression, &patient).is_ok(), "{}", compression.name());
        }
        let small = vec![0; RATIO_FROM_BYTES as usize];
        assert!(read(&gzip(&small, 9), Compression::Gzip, &Limits::default()).is_ok());
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
        let found = LayerReader::new(Broken, &d, &Limits::default()).unwrap().finish();
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
