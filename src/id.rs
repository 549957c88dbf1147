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
            ///
            /// # Errors
            /// If reading fails.
            pub fn of_reader(from: impl std::io::Read) -> std::io::Result<Self> {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(from)?;
                Ok(Self(*hasher.finalize().as_bytes()))
            }

            /// The address with these bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of the address.
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

/// Passes on what is read from a source, and takes its BLAKE3.
pub struct Digesting<R> {
    source: R,
    hasher: blake3::Hasher,
}

impl<R: std::io::Read> Digesting<R> {
    /// A reader that passes on `source` from its present position.
    pub fn new(source: R) -> Self {
        Self { source, hasher: blake3::Hasher::new() }
    }

    /// The digest of all that was read and of what is left.
    ///
    /// # Errors
    /// If reading fails.
    pub fn finish(mut self) -> std::io::Result<Digest> {
        self.hasher.update_reader(self.source)?;
        Ok(Digest(*self.hasher.finalize().as_bytes()))
    }
}

impl<R: std::io::Read> std::io::Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
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
    fn bytes_passed_on_give_the_digest_of_all() {
        use std::io::Read;
        for passed_on in [0, 3, 7] {
            let mut digesting = Digesting::new(b"titrate".as_slice());
            let mut some = vec![0; passed_on];
            digesting.read_exact(&mut some).unwrap();
            assert_eq!(some, b"titrate"[..passed_on]);
            assert_eq!(digesting.finish().unwrap(), Digest::of(b"titrate"));
        }
    }

    #[test]
    fn other_spellings_of_an_address_are_refused() {
        let upper = Digest::of(b"x").to_string().to_uppercase();
        for text in ["", "abc", upper.as_str()] {
            assert!(text.parse::<Digest>().is_err(), "{text:?}");
        }
    }
}
