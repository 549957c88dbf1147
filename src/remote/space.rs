//! The two spaces of a shared store: `cas/<digest>` for objects, `ac/<key>` for signed receipts.
//! Nothing here is believed: whoever reads checks.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, PutPayload, RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::error::RemoteError;
use super::location::Location;
use super::transport::{Connector, LARGEST_ANSWER, Limits};
use crate::id::{Digest, Key};
use crate::wording::causes;

/// Bytes that are asked for, or sent, at a time.
pub const PART: u64 = 32 << 20;

/// An open shared store. Cheap to clone; several threads may use it.
#[derive(Clone, Debug)]
pub struct Remote {
    location: Location,
    store: Arc<dyn ObjectStore>,
}

impl Remote {
    /// Opens the store at `location` without asking it anything. For a bucket, the variables
    /// `AWS_...` of the environment say who asks, and where.
    ///
    /// # Errors
    /// If the place or the environment can't be understood.
    pub fn open(location: &Location) -> Result<Self, RemoteError> {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::open_within(location, Limits::default(), std::env::vars_os().filter_map(text))
    }

    /// The same within other limits and with other variables.
    ///
    /// # Errors
    /// As [`Remote::open`].
    pub(super) fn open_within(
        location: &Location,
        limits: Limits,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, RemoteError> {
        let unusable = |error: Error| RemoteError::Location {
            text: location.to_string(),
            cause: causes(&error),
        };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 2.0,
            },
            max_retries: limits.retries,
            retry_timeout: Duration::from_secs(240),
        };
        let store: Arc<dyn ObjectStore> = match location {
            Location::Folder(path) => {
                let found = LocalFileSystem::new_with_prefix(path).map_err(unusable)?;
                Arc::new(found.with_fsync(true))
            }
            Location::Bucket { bucket, prefix } => {
                let known = variables.filter(|(name, _)| name.starts_with("AWS_"));
                let known = known.filter_map(|(name, value)| {
                    Some((name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().ok()?, value))
                });
                let s3 = known
                    .fold(AmazonS3Builder::new(), |builder, (name, value)| {
                        builder.with_config(name, value)
                    })
                    .with_bucket_name(bucket)
                    .with_retry(retry)
                    .with_http_connector(Connector(limits))
                    .build()
                    .map_err(unusable)?;
                Arc::new(PrefixStore::new(s3, prefix.as_str()))
            }
            Location::Web(url) => {
                let limits = Limits { redirects: 5, ..limits };
                // An encrypted connection is not left for a plain one.
                let plain = url.starts_with("http://");
                let options = ClientOptions::new().with_allow_http(plain);
                let web = HttpBuilder::new()
                    .with_url(url)
                    .with_client_options(options)
                    .with_retry(retry)
                    .with_http_connector(Connector(limits))
                    .build()
                    .map_err(unusable)?;
                Arc::new(web)
            }
        };
        Ok(Self { location: location.clone(), store })
    }

    /// Makes the folder of a store that is one, so that it can be opened; others are made by
    /// whoever runs them.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub fn create(location: &Location) -> Result<(), RemoteError> {
        let Location::Folder(path) = location else { return Ok(()) };
        fs::create_dir_all(path).map_err(|source| RemoteError::Io {
            action: "create",
            path: path.clone(),
            source,
        })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The bytes at `ac/<key>`; none where there is nothing.
    ///
    /// # Errors
    /// If the store fails, or they are more than a receipt can be.
    pub fn receipt(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteError> {
        let path = receipt_path(key);
        if self.is_odd(&path) {
            return Ok(Some(Vec::new()));
        }
        let read = async {
            let found = self.store.get(&path).await?;
            if found.meta.size > LARGEST_ANSWER {
                let source = format!("it has {} bytes, and is no receipt", found.meta.size).into();
                return Err(Error::Generic { store: "ac", source });
            }
            found.bytes().await
        };
        match block_on(read) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", &path, &error)),
        }
    }

    /// Puts a receipt at `ac/<key>` unless there is something. Says whether it did.
    ///
    /// # Errors
    /// If the store fails, or can only be read.
    pub fn put_receipt(&self, key: &Key, bytes: Vec<u8>) -> Result<bool, RemoteError> {
        self.require_writable()?;
        let path = receipt_path(key);
        let options = PutOptions::from(PutMode::Create);
        match block_on(self.store.put_opts(&path, PutPayload::from(bytes), options)) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", &path, &error)),
        }
    }

    /// The size of the object called `digest`; none where there is no such object.
    ///
    /// # Errors
    /// If the store fails.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, RemoteError> {
        let path = object_path(digest);
        match block_on(self.store.head(&path)) {
            Ok(found) => Ok(Some(found.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", &path, &error)),
        }
    }

    /// Puts an object of `size` bytes in the place of whatever is called so; it goes in parts
    /// where it is large.
    ///
    /// # Errors
    /// If reading fails, or the store, or it can only be read.
    pub fn put_object(
        &self,
        digest: &Digest,
        size: u64,
        from: &mut dyn Read,
    ) -> Result<(), RemoteError> {
        self.require_writable()?;
        let path = object_path(digest);
        let failed = |cause: String| RemoteError::Transfer {
            place: self.location.to_string(),
            action: "write",
            path: path.to_string(),
            cause,
        };
        let part = |from: &mut dyn Read| -> Result<Vec<u8>, RemoteError> {
            let mut bytes = Vec::new();
            let read = from.take(PART).read_to_end(&mut bytes);
            read.map_err(|error| failed(causes(&error)))?;
            Ok(bytes)
        };
        if size <= PART {
            let bytes = PutPayload::from(part(from)?);
            let put = block_on(self.store.put(&path, bytes));
            return put.map(drop).map_err(|error| failed(causes(&error)));
        }
        let mut upload = block_on(self.store.put_multipart(&path))
            .map_err(|error| self.failed("write", &path, &error))?;
        let mut send = || -> Result<(), RemoteError> {
            loop {
                let bytes = part(from)?;
                if bytes.is_empty() {
                    break;
                }
                let sent = block_on(upload.put_part(PutPayload::from(bytes)));
                sent.map_err(|error| failed(causes(&error)))?;
            }
            block_on(upload.complete()).map(drop).map_err(|error| failed(causes(&error)))
        };
        let sent = send();
        if sent.is_err() {
            // What is left of the upload is the server's to clear away where this fails too.
            let _ = block_on(upload.abort());
        }
        sent
    }

    /// The bytes of the object called `digest`, which should be `size`, as they come.
    pub fn object(&self, digest: &Digest, size: u64) -> impl Read {
        Object {
            remote: self.clone(),
            path: object_path(digest),
            size,
            at: 0,
            part: io::Cursor::default(),
        }
    }

    /// Bytes of an object; none where there is none, or one of another size.
    fn part(&self, path: &Path, from: u64, to: u64, whole: bool) -> Result<Vec<u8>, RemoteError> {
        if self.is_odd(path) {
            return Ok(Vec::new());
        }
        // A server that knows no ranges still gives what is small.
        let options = GetOptions::default();
        let options = if whole { options } else { options.with_range(Some(from..to)) };
        let read = async {
            let found = self.store.get_opts(path, options).await?;
            if whole && found.meta.size != to {
                return Ok(Vec::new());
            }
            found.bytes().await.map(Vec::from)
        };
        match block_on(read) {
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            read => read.map_err(|error| self.failed("read", path, &error)),
        }
    }

    /// Whether something lies in an entry's place in a folder that is no file, such as a pipe,
    /// which would be waited for. It counts as an entry without bytes.
    fn is_odd(&self, path: &Path) -> bool {
        let Location::Folder(folder) = &self.location else { return false };
        let place = folder.join(path.as_ref());
        fs::metadata(place).is_ok_and(|found| !found.is_file())
    }

    fn require_writable(&self) -> Result<(), RemoteError> {
        if self.location.is_writable() {
            return Ok(());
        }
        let cause =
            "a web server is no place to put results; name the folder or the bucket behind it";
        Err(RemoteError::ReadOnly { place: self.location.to_string(), cause })
    }

    fn failed(&self, action: &'static str, path: &Path, error: &Error) -> RemoteError {
        RemoteError::Transfer {
            place: self.location.to_string(),
            action,
            path: path.to_string(),
            cause: causes(error),
        }
    }
}

fn receipt_path(key: &Key) -> Path {
    Path::from(format!("ac/{key}"))
}

fn object_path(digest: &Digest) -> Path {
    Path::from(format!("cas/{digest}"))
}

/// Reads an object part by part.
struct Object {
    remote: Remote,
    path: Path,
    size: u64,
    at: u64,
    part: io::Cursor<Vec<u8>>,
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.part.read(buffer)?;
        if count > 0 || self.at >= self.size || buffer.is_empty() {
            return Ok(count);
        }
        let (to, whole) = (self.size.min(self.at + PART), self.size <= PART);
        let part = self.remote.part(&self.path, self.at, to, whole).map_err(io::Error::other)?;
        // What is asked for as a whole is not asked for again, however little has come.
        self.at = if whole || part.is_empty() { self.size } else { self.at + part.len() as u64 };
        self.part = io::Cursor::new(part);
        self.part.read(buffer)
    }
}

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Waits for `work` on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|cell| {
        let runtime = cell.get_or_init(|| {
            let built = Builder::new_current_thread().enable_time().build();
            built.expect("a runtime without threads and sockets can be made")
        });
        runtime.block_on(work)
    })
}
