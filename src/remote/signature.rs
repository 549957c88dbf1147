//! Signed receipts: what lies at `ac/<key>`, and the keys that sign and are trusted.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::error::{RemoteError, Untrusted};
use crate::id::Key;
use crate::regular;
use crate::store::Receipt;
use crate::wording::causes;

/// What is signed begins so, so that a signature of a receipt is none of anything else.
const CONTEXT: &[u8] = b"titrate receipt 1\n";
/// First word of a file with a signing key.
const SECRET: &str = "titrate-signing-key";
const VERSION: u32 = 1;

/// A public ed25519 key, as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let bytes = from_hex::<32>(text.trim());
        let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        let key = key.filter(|key| !key.is_weak());
        key.map(Self).ok_or_else(|| RemoteError::PublicKey { text: text.to_owned() })
    }
}

/// A secret key that signs receipts.
pub struct Signing(SigningKey);

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({})", self.public())
    }
}

impl Signing {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn generate() -> Result<Self, RemoteError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| RemoteError::Io {
            action: "get random numbers from",
            path: "the system".into(),
            source: error.into(),
        })?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The key in a file that [`Signing::write`] wrote.
    ///
    /// # Errors
    /// If the file can't be read or is no such file.
    pub fn read(path: &Path) -> Result<Self, RemoteError> {
        let refuse = |cause: String| RemoteError::KeyFile {
            path: path.to_owned(),
            what: "signing key",
            cause,
        };
        let text = regular::read_text(path, 4096).map_err(|error| refuse(causes(&error)))?;
        let secret = text.trim().strip_prefix(SECRET).map(str::trim).and_then(from_hex::<32>);
        let expected = "`titrate-signing-key` and 64 hexadecimal digits expected, as \
                        `titrate remote keygen` writes them";
        let secret = secret.ok_or_else(|| refuse(expected.to_owned()))?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Writes the key to a new file that nobody else can read.
    ///
    /// # Errors
    /// If there is a file of that name, or it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), RemoteError> {
        let mut options = OpenOptions::new();
        let written =
            options.write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
                writeln!(file, "{SECRET} {}", to_hex(self.0.as_bytes()))?;
                file.sync_all()
            });
        let path = path.to_owned();
        written.map_err(|source| RemoteError::Io { action: "write", path, source })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// A receipt with its signature, as it is stored.
    pub fn sign(&self, receipt: &Receipt) -> Vec<u8> {
        let text = String::from_utf8(receipt.to_bytes()).expect("JSON is text");
        let signature = self.0.sign(&signed(&text)).to_bytes();
        let (signer, signature) = (self.public().to_string(), to_hex(&signature));
        envelope(text, Some(Seal { signer, signature }))
    }
}

/// A receipt without a signature, in the same form.
pub fn unsigned(receipt: &Receipt) -> Vec<u8> {
    envelope(String::from_utf8(receipt.to_bytes()).expect("JSON is text"), None)
}

/// Whose receipts are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Receipts signed by one of these are.
    pub keys: Vec<PublicKey>,
    /// All receipts are, signed or not.
    pub everyone: bool,
}

impl Trust {
    /// The receipt of `key` in what was stored, if it is one and can be trusted.
    ///
    /// # Errors
    /// The reason why it is not believed.
    pub fn receipt(&self, key: &Key, bytes: &[u8]) -> Result<Receipt, Untrusted> {
        let malformed = |cause: String| Untrusted::Malformed { cause };
        let stored: Envelope = serde_json::from_slice(bytes)
            .map_err(|error| malformed(format!("it is no signed receipt: {error}")))?;
        if stored.titrate_signed_receipt != VERSION {
            let found = stored.titrate_signed_receipt;
            return Err(malformed(format!("it has format {found} instead of {VERSION}")));
        }
        if !self.everyone {
            self.check(&stored)?;
        }
        let receipt = Receipt::from_bytes(stored.receipt.as_bytes(), "what is signed")
            .map_err(|error| malformed(causes(&error)))?;
        if receipt.key != *key {
            return Err(Untrusted::OtherKey { found: receipt.key });
        }
        Ok(receipt)
    }

    fn check(&self, stored: &Envelope) -> Result<(), Untrusted> {
        let Some(Seal { signer, signature }) = &stored.seal else {
            return Err(Untrusted::Unsigned);
        };
        let shown = || signer.chars().take(64).filter(char::is_ascii_hexdigit).collect::<String>();
        let known = signer.parse::<PublicKey>().ok().filter(|key| self.keys.contains(key));
        let known = known.ok_or_else(|| Untrusted::Stranger { signer: shown() })?;
        let signature = from_hex::<64>(signature).map(|bytes| Signature::from_bytes(&bytes));
        let holds = signature.is_some_and(|signature| {
            known.0.verify_strict(&signed(&stored.receipt), &signature).is_ok()
        });
        if holds { Ok(()) } else { Err(Untrusted::Signature { signer: shown() }) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    titrate_signed_receipt: u32,
    /// The receipt's own JSON: a signature is of bytes, and JSON has many spellings.
    receipt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    signer: String,
    signature: String,
}

fn envelope(receipt: String, seal: Option<Seal>) -> Vec<u8> {
    let stored = Envelope { titrate_signed_receipt: VERSION, receipt, seal };
    serde_json::to_vec(&stored).expect("it is plain JSON")
}

fn signed(receipt: &str) -> Vec<u8> {
    [CONTEXT, receipt.as_bytes()].concat()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
