//! Area `merkle`: inclusion and consistency proofs of RFC 6962.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sigstore_types::Sha256Hash;

use super::{Case, Outcome, Verdict};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
}

pub(crate) fn run(case: &Case) -> Outcome {
    let bytes = case.file("vector")?;
    let verified = if case.name.contains("/inclusion/") {
        serde_json::from_slice(&bytes).map_err(|error| error.to_string()).map(inclusion)?
    } else {
        serde_json::from_slice(&bytes).map_err(|error| error.to_string()).map(consistency)?
    };
    Ok(match verified {
        Ok(()) => Verdict::Accepted,
        Err(why) => Verdict::refused("proof", why),
    })
}

fn hash(text: &str) -> Result<Sha256Hash, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    Sha256Hash::try_from(bytes.as_slice()).map_err(|error| error.to_string())
}

fn hashes(proof: Option<Vec<String>>) -> Result<Vec<Sha256Hash>, String> {
    proof.unwrap_or_default().iter().map(|text| hash(text)).collect()
}

/// Between trees of one size nothing is hashed, roots are only compared, and the suite writes words in their place. A pair of
/// such words is replaced by their SHA-256: what was equal stays equal, and what differed differs.
fn roots(same_size: bool, one: &str, other: &str) -> Result<(Sha256Hash, Sha256Hash), String> {
    let bytes = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    let (first, second) = (bytes(one)?, bytes(other)?);
    if same_size && first.len() != 32 && second.len() != 32 {
        return Ok((sigstore_crypto::sha256(&first), sigstore_crypto::sha256(&second)));
    }
    Ok((hash(one)?, hash(other)?))
}

fn inclusion(vector: Inclusion) -> Result<(), String> {
    let Inclusion { leaf_idx, tree_size, root, leaf_hash, proof } = vector;
    let (leaf, root, proof) = (hash(&leaf_hash)?, hash(&root)?, hashes(proof)?);
    sigstore_merkle::verify_inclusion_proof(&leaf, leaf_idx, tree_size, &proof, &root)
        .map_err(|error| error.to_string())
}

fn consistency(vector: Consistency) -> Result<(), String> {
    let Consistency { size1, size2, root1, root2, proof } = vector;
    let (root1, root2) = roots(size1 == size2, &root1, &root2)?;
    let proof = hashes(proof)?;
    sigstore_merkle::verify_consistency_proof(size1, size2, &proof, &root1, &root2)
        .map_err(|error| error.to_string())
}
