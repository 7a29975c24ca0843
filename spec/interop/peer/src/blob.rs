//! Blobs of known content: made from a seed and a position, shown as hex while they are short, else as a checksum.

use serde::Deserialize;
use serde_json::{Value, json};

/// Largest blob or text that the peer makes on request.
pub const MAX_LEN: u64 = 64 << 20;

/// Longest blob that is shown as hex.
const MAX_HEX: usize = 1024;

/// The byte at `position` of the content named `seed`. No two 256-byte rows within 16 MiB are alike, so a chunk that is
/// lost, swapped or repeated on the way shows.
fn byte(seed: u64, position: u64) -> u8 {
    let term = |factor: u64, value: u64| factor.wrapping_mul(value);
    let sum = term(7, seed).wrapping_add(term(31, position));
    sum.wrapping_add(term(13, position >> 8)).wrapping_add(term(5, position >> 16)) as u8
}

pub fn pattern(seed: u64, offset: u64, len: u64) -> impl ExactSizeIterator<Item = u8> {
    (0..len as usize).map(move |at| byte(seed, offset.wrapping_add(at as u64)))
}

/// FNV-1a, 32 bits.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What a blob looks like in an answer: hex, or `{"len", "sum"}` when it is longer than 1,024 bytes.
pub fn show(bytes: &[u8]) -> Value {
    if bytes.len() > MAX_HEX {
        return json!({ "len": bytes.len().to_string(), "sum": format!("{:08x}", checksum(bytes)) });
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// A blob in a command: hex, or `{"len", "seed", "offset"}` for a piece of the pattern (seed and offset default to 0).
pub fn parse(value: Value) -> Result<Vec<u8>, String> {
    #[derive(Deserialize)]
    struct Piece {
        len: u64,
        #[serde(default)]
        seed: u64,
        #[serde(default)]
        offset: u64,
    }
    if let Value::String(hex) = value {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
        let bytes = digits.map(|pair| u8::from_str_radix(pair?, 16).ok());
        return bytes.collect::<Option<_>>().ok_or_else(|| format!("{hex} is not hex"));
    }
    let Piece { len, seed, offset } = serde_json::from_value(value).map_err(|why| format!("blob: {why}"))?;
    if len > MAX_LEN {
        return Err(format!("blob of {len} bytes is over {MAX_LEN}"));
    }
    Ok(pattern(seed, offset, len).collect())
}
