//! Typed BLAKE3 addresses. [`Key`] addresses a computation, [`Digest`] addresses bytes; they never
//! mix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address that is not 64 lowercase hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address: 64 lowercase hexadecimal digits expected")]
pub struct ParseAddressError(String);

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// BLAKE3 of `bytes`.
            pub fn of(bytes: &[u8]) -> Self {
                Self(*blake3::hash(bytes).as_bytes())
            }

            /// BLAKE3 of what is left to read.
            pub fn of_reader(from: impl std::io::Read) -> std::io::Result<Self> {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(from)?;
                Ok(Self(*hasher.finalize().as_bytes()))
            }

            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 12 hexadecimal digits: enough to read and to type.
            pub fn short(&self) -> String {
                self.to_string()[..12].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseAddressError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                match blake3::Hash::from_hex(text) {
                    Ok(hash) if lower => Ok(Self(*hash.as_bytes())),
                    _ => Err(ParseAddressError(text.to_owned())),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

address! {
    /// The address of a computation: BLAKE3 of a task's canonical manifest.
    Key
}
address! {
    /// The address of bytes: an object file, or an artifact's list of them.
    Digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_text_form() {
        let digest = Digest::of(b"titrate");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.short().len(), 12);
    }

    #[test]
    fn other_spellings_of_an_address_are_refused() {
        let upper = Digest::of(b"x").to_string().to_uppercase();
        for text in ["", "abc", upper.as_str()] {
            assert!(text.parse::<Digest>().is_err(), "{text:?}");
        }
    }
}
