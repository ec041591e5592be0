//! The file that an SQLite database is: made so that only its owner reads it, and watched, since a process goes on
//! writing into a file that somebody deleted and would lose all of it.

use std::fs;
use std::path::PathBuf;
#[cfg(feature = "sqlite")]
use std::{fs::OpenOptions, io, path::Path};

/// A database file that is open.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    identity: Identity,
}

/// The file is not the one that was opened.
#[derive(Debug, thiserror::Error)]
#[error("the database file {0} was deleted or replaced while it was open; restart the server")]
pub(crate) struct Displaced(PathBuf);

impl DatabaseFile {
    /// The file at `path`, made empty and for its owner only (0600) if it does not exist: the secret may live in it.
    ///
    /// One that exists is not opened here: closing it again would drop the locks that SQLite holds on it in this process.
    #[cfg(feature = "sqlite")]
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let identity = identity(&fs::metadata(&path)?);
        Ok(Self { path, identity })
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to this file.
    pub(crate) fn in_place(&self) -> Result<(), Displaced> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(()),
            _ => Err(Displaced(self.path.clone())),
        }
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere an open file cannot be deleted.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {}
