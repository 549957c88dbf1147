//! Shared stores: results that travel between machines, signed by whoever made them and checked by
//! whoever takes them.
//!
//! May import `id`, `regular`, `store` and `wording`. Its surface is synchronous; the client below
//! has a runtime of its own for each thread. Two spaces:
//!
//! ```text
//! cas/<digest>  objects; anyone may have written them, their name says what they are
//! ac/<key>      receipts with a signature; the first stays, whatever comes later
//! ```

mod config;
mod error;
mod exchange;
mod location;
mod signature;
mod space;
#[cfg(test)]
pub(crate) mod tests;
mod transport;

pub use config::Config;
pub use error::{RemoteError, Untrusted};
pub use exchange::{ExchangeError, Pushed};
pub use location::Location;
pub use signature::{PublicKey, Signing, Trust, unsigned};
pub use space::Remote;
