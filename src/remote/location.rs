//! Where a shared store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::RemoteError;

/// The place of a shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, such as one that several machines mount.
    Folder(PathBuf),
    /// A bucket of S3 or of a server that speaks like it, and the prefix of all names.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
    /// A web server that has such a folder; it can only be read.
    Web(String),
}

impl Location {
    /// Whether results can be put there at all.
    pub fn is_writable(&self) -> bool {
        !matches!(self, Self::Web(_))
    }
}

impl FromStr for Location {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let refuse =
            |cause: &str| RemoteError::Location { text: text.to_owned(), cause: cause.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(refuse("it has no scheme"));
        };
        if rest.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(refuse("it has spaces or control characters"));
        }
        match scheme {
            "file" if rest.starts_with('/') => Ok(Self::Folder(PathBuf::from(rest))),
            "file" => Err(refuse("its path is not absolute")),
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(refuse("it names no bucket"));
                }
                let prefix = prefix.trim_matches('/').to_owned();
                Ok(Self::Bucket { bucket: bucket.to_owned(), prefix })
            }
            "http" | "https" if rest.trim_matches('/').is_empty() => {
                Err(refuse("it names no host"))
            }
            "http" | "https" if rest.contains('@') => {
                Err(refuse("names and passwords do not belong into it"))
            }
            "http" | "https" => Ok(Self::Web(text.trim_end_matches('/').to_owned())),
            _ => Err(refuse("its scheme is not known")),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Web(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_others_refused_with_the_reason() {
        for text in ["file:///mnt/titrate", "s3://bucket", "s3://bucket/a/b", "https://host/path"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse::<Location>().unwrap().to_string(), "s3://bucket/a");
        assert!(!"https://host".parse::<Location>().unwrap().is_writable());
        let said =
            ["folder", "file://folder", "ftp://host/x", "s3:///x", "https://me:pw@host", "http://"]
                .map(|text| text.parse::<Location>().unwrap_err().to_string());
        let said = said.map(|text| text.split_once("; ").unwrap().0.to_owned()).join("\n");
        expect_test::expect![[r#"
            `folder` is no shared store: it has no scheme
            `file://folder` is no shared store: its path is not absolute
            `ftp://host/x` is no shared store: its scheme is not known
            `s3:///x` is no shared store: it names no bucket
            `https://me:pw@host` is no shared store: names and passwords do not belong into it
            `http://` is no shared store: it names no host"#]]
        .assert_eq(&said);
    }
}
