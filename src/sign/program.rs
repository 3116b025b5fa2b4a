//! A program that signs, as users of key services and hardware have one.
//!
//! Turns a message into the signature that an operator's command makes of it: a list of arguments, run without a shell. It gets
//! the message, or its hash, on its standard input and answers with the signature, raw, in base64, or as Vault writes it
//! (`vault:v1:` and base64). Which of these it was needs no telling: a signature that the configured public key does not
//! verify is none. The program has the caller's environment, without the password of a key file; its time and its
//! output are bounded, and it and what it started do not outlive the call.

use std::{ffi::OsString, io, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{scratch::group::Group, trust::PublicKey};

/// Bytes of an answer: a signature of RSA with 8192 bits in base64 has fewer than 1400.
const ANSWER_BYTES: u64 = 16 << 10;
/// Bytes of what it says about a failure.
const COMPLAINT_BYTES: u64 = 4 << 10;
/// Environment variables that hold the password of a key file.
pub const PASSWORDS: [&str; 2] = ["HALLMARK_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// What a program gets on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramInput {
    /// The hash of the message: SHA-256, or SHA-384 and SHA-512 for keys on P-384 and P-521.
    Digest,
    /// The message itself.
    Message,
}

/// A command that signs.
#[derive(Debug, Clone)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    input: ProgramInput,
    public: PublicKey,
    time_limit: Duration,
}

/// Why a program gave no signature.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Ed25519 signs whole messages.
    #[error("a key of kind Ed25519 signs whole messages; let the program have the message")]
    NeedsMessage,
    /// It cannot be run.
    #[error("{program} cannot be run: {error}")]
    Start {
        /// The program.
        program: String,
        /// What happened.
        error: io::Error,
    },
    /// It said that it failed.
    #[error("{program} failed ({status}){said}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// What it wrote to its standard error, as `: text`.
        said: String,
    },
    /// It took too long.
    #[error("{program} took longer than {} s ({})", .limit.as_secs_f64(), crate::limits::key("signing"))]
    Slow {
        /// The program.
        program: String,
        /// How long it may take.
        limit: Duration,
    },
    /// It wrote more than a signature.
    #[error("{program} wrote more than {ANSWER_BYTES} bytes, and a signature has fewer")]
    Long {
        /// The program.
        program: String,
    },
    /// What it wrote is no signature by the configured key.
    #[error(
        "{program} answered with {found} bytes that are no signature over this by the public key \
         {fingerprint:.16}, neither raw nor in base64"
    )]
    Signature {
        /// The program.
        program: String,
        /// How many bytes it wrote.
        found: usize,
        /// The key that should have signed.
        fingerprint: String,
    },
}

impl Program {
    /// A program, its arguments and the public key of the signatures that it makes.
    pub fn new(
        program: OsString,
        arguments: Vec<OsString>,
        input: ProgramInput,
        public: PublicKey,
        time_limit: Duration,
    ) -> Self {
        Self { program, arguments, input, public, time_limit }
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// A signature over `message` that the public key verifies.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ProgramError> {
        let prehash = self.public.prehash(message);
        let input = match (self.input, prehash) {
            (ProgramInput::Message, _) => message.to_vec(),
            (ProgramInput::Digest, Some(digest)) => digest,
            (ProgramInput::Digest, None) => return Err(ProgramError::NeedsMessage),
        };
        let limit = self.time_limit;
        let answer = match timeout(limit, self.run(&input)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(ProgramError::Slow { program: self.name(), limit }),
        };
        let made = readings(&answer).into_iter().find(|bytes| self.public.verifies(message, bytes));
        made.ok_or_else(|| ProgramError::Signature {
            program: self.name(),
            found: answer.len(),
            fingerprint: self.public.fingerprint(),
        })
    }

    async fn run(&self, input: &[u8]) -> Result<Vec<u8>, ProgramError> {
        let start = |error| ProgramError::Start { program: self.name(), error };
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        for name in PASSWORDS {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(start)?;
        let _group = Group(child.id());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let give = async {
            // A program may know enough before it has read everything.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input).await;
            }
        };
        let ((), answer, complaint) =
            tokio::join!(give, read(stdout, ANSWER_BYTES), read(stderr, COMPLAINT_BYTES));
        let Some(answer) = answer else {
            return Err(ProgramError::Long { program: self.name() });
        };
        let status = child.wait().await.map_err(start)?;
        if status.success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&complaint.unwrap_or_default()).trim().to_owned();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Err(ProgramError::Failed { program: self.name(), status: status.to_string(), said })
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

/// Everything that comes, `None` where it is more than allowed.
async fn read(stream: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // What is read of a stream that breaks off is what there is.
    let _ = stream?.take(limit_bytes + 1).read_to_end(&mut bytes).await;
    (bytes.len() as u64 <= limit_bytes).then_some(bytes)
}

/// What an answer can mean.
fn readings(answer: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = vec![answer.to_vec()];
    if let Ok(text) = std::str::from_utf8(answer) {
        let text: String = text.split_whitespace().collect();
        let vault = text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':'));
        let packed = vault.map_or(text.as_str(), |(_, packed)| packed);
        readings.extend(STANDARD.decode(packed));
    }
    readings
}
