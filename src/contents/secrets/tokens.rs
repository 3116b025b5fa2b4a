//! Tokens of clouds, forges and services, by the forms that their vendors gave them.
//!
//! Each form begins with a fixed word, so that one search over all words finds the places; there the whole form is asked for, and
//! where the form has a checksum, or two parts that belong together, that decides. Length and characters alone are taken only
//! where the word before them is the vendor's own and long enough to be nobody else's. Vendors' documented examples are none.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::Crc;
use regex::bytes::Regex;

use super::{
    Kind, keys,
    place::{BACK_BYTES, Match, Place},
    placeholder,
};

/// Bytes from a place on that the form of a token may have.
const FORM_BYTES: usize = 2048;

/// What is asked of a match beyond its form.
type Check = fn(&[u8], &Place<'_>) -> bool;

/// A form of tokens.
pub(super) struct Form {
    /// How each begins.
    begins: &'static [&'static str],
    /// The whole, from its beginning.
    pattern: &'static str,
    kind: Kind,
    check: Check,
    /// Whether the form itself proves that it is one, so that programs are searched for it, too.
    proven: bool,
}

const fn form(
    begins: &'static [&'static str],
    pattern: &'static str,
    kind: Kind,
    check: Check,
) -> Form {
    Form { begins, pattern, kind, check, proven: false }
}

const fn proven(
    begins: &'static [&'static str],
    pattern: &'static str,
    kind: Kind,
    check: Check,
) -> Form {
    Form { begins, pattern, kind, check, proven: true }
}

/// Every form but those of keys.
const FORMS: &[Form] = &[
    proven(
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"gh[pousr]_[A-Za-z0-9]{36}",
        Kind::GitHub,
        crc62,
    ),
    form(&["github_pat_"], r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", Kind::GitHub, drawn),
    proven(&["npm_"], r"npm_[A-Za-z0-9]{36}", Kind::Npm, crc62),
    form(
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "glsoat-", "glcbt-", "glimt-", "glagent-",
            "gloas-", "glft-",
        ],
        r"gl(?:pat|dt|rt|ptt|soat|cbt|imt|agent|oas|ft)-[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9})?",
        Kind::GitLab,
        drawn,
    ),
    form(
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"],
        r"xox[bpars]-[0-9]{8,14}-[0-9]{8,14}-(?:[0-9]{8,14}-)?[A-Za-z0-9]{20,40}",
        Kind::Slack,
        drawn,
    ),
    form(&["xapp-1-"], r"xapp-1-A[A-Z0-9]{8,12}-[0-9]{8,14}-[a-f0-9]{64}", Kind::Slack, drawn),
    form(
        &["hooks.slack.com/services/"],
        r"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24}",
        Kind::Slack,
        drawn,
    ),
    form(
        &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        r"pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,1000}",
        Kind::PyPi,
        drawn,
    ),
    form(&["sk_live_", "rk_live_"], r"[sr]k_live_[A-Za-z0-9]{20,250}", Kind::Stripe, drawn),
    form(&["whsec_"], r"whsec_[A-Za-z0-9+/]{32}", Kind::Stripe, drawn),
    form(&["AKIA", "ASIA"], r"A[KS]IA[A-Z2-7]{16}", Kind::Aws, aws_pair),
    form(&["AccountKey="], r"AccountKey=[A-Za-z0-9+/]{86}==", Kind::Azure, azure_account),
    form(&["SharedAccessKey="], r"SharedAccessKey=[A-Za-z0-9+/]{43}=", Kind::Azure, azure_bus),
    form(&["GOCSPX-"], r"GOCSPX-[A-Za-z0-9_-]{28}", Kind::Google, drawn),
    form(&["SG."], r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", Kind::SendGrid, drawn),
    form(&["dop_v1_", "doo_v1_", "dor_v1_"], r"do[opr]_v1_[a-f0-9]{64}", Kind::DigitalOcean, drawn),
    form(&["dckr_pat_", "dckr_oat_"], r"dckr_[po]at_[A-Za-z0-9_-]{27,40}", Kind::Docker, drawn),
    form(
        &["sk-ant-"],
        r"sk-ant-(?:api|admin)[0-9]{2}-[A-Za-z0-9_-]{80,120}",
        Kind::Anthropic,
        drawn,
    ),
    form(&["T3BlbkFJ"], r"T3BlbkFJ[A-Za-z0-9_-]{20,100}", Kind::OpenAi, openai),
    form(&["hvs.", "hvb."], r"hv[sb]\.[A-Za-z0-9_-]{24,300}", Kind::Vault, drawn),
    form(&["rubygems_"], r"rubygems_[a-f0-9]{48}", Kind::RubyGems, drawn),
    form(&["shpat_", "shpca_", "shpss_"], r"shp(?:at|ca|ss)_[a-fA-F0-9]{32}", Kind::Shopify, drawn),
    proven(&["glsa_"], r"glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}", Kind::Grafana, grafana),
    form(
        &["AGE-SECRET-KEY-1"],
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
        Kind::Age,
        drawn,
    ),
    form(&[".atlasv1."], r"\.atlasv1\.[A-Za-z0-9_-]{60,80}", Kind::Terraform, drawn),
    form(
        &["eyJhbGciOi"],
        r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,3000}\.[A-Za-z0-9_-]{40,1000}",
        Kind::Kubernetes,
        of_kubernetes,
    ),
    form(
        &["PuTTY-User-Key-File-"],
        r"PuTTY-User-Key-File-[23]: [a-z0-9-]+\r?\nEncryption: (?:none|aes256-cbc)\r?\n(?s:.{0,1500})Private-Lines: [0-9]+\r?\n[A-Za-z0-9+/=]{40,128}",
        Kind::PrivateKey,
        |_, _| true,
    ),
];

/// What one word begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The word of a marker.
    Key,
    /// An escape of a letter of a marker's word.
    Letter,
    /// A key that is written in base64 once more, with so many dashes of its marker before it.
    KeyInBase64(usize),
    /// A token of the form at this place of the table.
    Token(usize),
}

/// The words that are searched for, with what each begins: in text, those of every form; elsewhere, of those that prove themselves.
pub(super) fn words(text: bool) -> Vec<(&'static str, Begins)> {
    let tokens = FORMS.iter().enumerate().filter(|(_, form)| text || form.proven);
    let word = |place| move |word: &&'static str| (*word, Begins::Token(place));
    let tokens = tokens.flat_map(|(place, form)| form.begins.iter().map(word(place)));
    let of_key = |(dashes, word)| (word, Begins::KeyInBase64(dashes));
    let in_base64 = keys::IN_BASE64.into_iter().enumerate().map(of_key);
    let letters = keys::ESCAPED.into_iter().filter(|_| text).map(|word| (word, Begins::Letter));
    [(keys::MARKER, Begins::Key)]
        .into_iter()
        .chain(in_base64)
        .chain(letters)
        .chain(tokens)
        .collect()
}

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let pattern = |form: &Form| {
        let pattern = format!(r"\A(?-u:{})", form.pattern);
        Regex::new(&pattern).expect("the pattern is a constant")
    };
    FORMS.iter().map(pattern).collect()
});

/// The secret that begins at a place, and how many bytes were looked at.
pub(super) fn at(begins: Begins, place: &Place<'_>) -> (Option<Match>, usize) {
    match begins {
        Begins::Key => keys::at_word(place),
        Begins::Letter => keys::at_letter(place),
        Begins::KeyInBase64(dashes) => keys::in_base64(place, dashes),
        Begins::Token(form) => (token(form, place), cost(form)),
    }
}

/// Bytes that are looked at for a form: some have long parts.
fn cost(form: usize) -> usize {
    match FORMS.get(form).map(|form| form.kind) {
        Some(Kind::Kubernetes | Kind::PrivateKey) => FORM_BYTES,
        Some(Kind::Aws) => 2 * BACK_BYTES,
        _ => 64,
    }
}

fn token(position: usize, place: &Place<'_>) -> Option<Match> {
    let form = FORMS.get(position)?;
    let pattern = PATTERNS.get(position)?;
    let hidden = place.before().last().is_some_and(|byte| is_word(*byte));
    // These two stand in the middle of what they are a part of.
    let middle = matches!(form.kind, Kind::OpenAi | Kind::Terraform);
    if hidden && !middle {
        return None;
    }
    let rest = place.from(FORM_BYTES.max(7000));
    let found = pattern.find(rest)?;
    // A longer run of the same characters is something else.
    if rest.get(found.end()).is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    (form.check)(found.as_bytes(), place).then_some(Match {
        kind: form.kind,
        encrypted: form.kind == Kind::PrivateKey && is_locked(found.as_bytes()),
        end: place.at + found.end(),
    })
}

/// Whether PuTTY's header names a cipher.
fn is_locked(key: &[u8]) -> bool {
    const CIPHER: &[u8] = b"Encryption: aes";
    key.windows(CIPHER.len()).any(|window| window == CIPHER)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The part behind the vendor's own word.
fn body(token: &[u8]) -> &[u8] {
    let at = token.iter().rposition(|byte| matches!(byte, b'_' | b'.' | b'=' | b'/' | b'-'));
    let behind = at.and_then(|at| token.get(at + 1..)).unwrap_or(token);
    // A token whose characters include these is judged as a whole.
    if behind.len() < 16 { token.get(5..).unwrap_or(token) } else { behind }
}

/// That nobody typed it.
fn drawn(token: &[u8], _: &Place<'_>) -> bool {
    let body = body(token);
    let digits = body.iter().filter(|byte| byte.is_ascii_digit()).count();
    !placeholder::is_made_up(body) && (digits > 0 || body.len() > 60)
}

/// The last six characters are the CRC-32 of those before, in base 62, as GitHub and npm do.
fn crc62(token: &[u8], _: &Place<'_>) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((_, rest)) = token.split_first_chunk::<4>() else { return false };
    let Some((random, check)) = rest.split_last_chunk::<6>() else { return false };
    let mut sum = crc32(random);
    let written = check.iter().rev().all(|byte| {
        let digit = DIGITS.get(sum as usize % DIGITS.len());
        sum /= 62;
        digit == Some(byte)
    });
    written && !placeholder::is_made_up(random)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The last eight characters are the CRC-32 of those before, as Grafana does.
fn grafana(token: &[u8], _: &Place<'_>) -> bool {
    let Some((random, check)) = token.split_last_chunk::<8>() else { return false };
    let random = random.strip_suffix(b"_").unwrap_or(random);
    let body = random.strip_prefix(b"glsa_").unwrap_or(random);
    let written = [random, body].map(|of| format!("{:08x}", crc32(of)));
    written.iter().any(|sum| sum.as_bytes() == check)
}

/// An access key id is public; with its secret beside it, it is one.
fn aws_pair(id: &[u8], place: &Place<'_>) -> bool {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?-u)(?:\A|[^A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|\z)";
        Regex::new(pattern).expect("the pattern is a constant")
    });
    if id.ends_with(b"EXAMPLE") {
        return false;
    }
    let (before, after) = (place.before(), place.from(BACK_BYTES));
    [after, before].into_iter().any(|near| {
        let mut all = SECRET.captures_iter(near).filter_map(|found| found.get(1));
        all.any(|found| is_aws_secret(found.as_bytes()))
    })
}

/// Forty characters of base64; a hash in hexadecimal has no capitals, a path has its words.
fn is_aws_secret(secret: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| secret.iter().any(is);
    let mixed =
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    mixed && !placeholder::is_made_up(secret)
}

/// The key of a storage account; the emulator's is the same for everybody.
fn azure_account(key: &[u8], _: &Place<'_>) -> bool {
    !key.starts_with(b"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq")
        && !placeholder::is_made_up(key.get(11..).unwrap_or_default())
}

fn azure_bus(key: &[u8], place: &Place<'_>) -> bool {
    let near = place.before();
    let named =
        near.windows(12).any(|window| window == b"Endpoint=sb:" || window == b"HostName=htt");
    let named = named || near.windows(9).any(|window| window == b"HostName=");
    named && !placeholder::is_made_up(key.get(16..).unwrap_or_default())
}

/// `sk-…T3BlbkFJ…`: the word in the middle is theirs.
fn openai(token: &[u8], place: &Place<'_>) -> bool {
    let near = place.before();
    let near = near.get(near.len().saturating_sub(120)..).unwrap_or_default();
    near.windows(3).any(|window| window == b"sk-")
        && !placeholder::is_made_up(token.get(8..).unwrap_or_default())
}

/// A JSON web token of a Kubernetes service account; others prove nothing by their form.
fn of_kubernetes(token: &[u8], _: &Place<'_>) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let mut json = || -> Option<serde_json::Value> {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let (Some(header), Some(claims)) = (json(), json()) else { return false };
    let signed =
        header.get("alg").and_then(serde_json::Value::as_str).is_some_and(|alg| alg != "none");
    let issuer = claims.get("iss").and_then(serde_json::Value::as_str).unwrap_or_default();
    let subject = claims.get("sub").and_then(serde_json::Value::as_str).unwrap_or_default();
    signed
        && (issuer == "kubernetes/serviceaccount" || subject.starts_with("system:serviceaccount:"))
}
