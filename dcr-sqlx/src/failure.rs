//! What went wrong in a statement, told apart by what to do about it.

use dcr_core::store::StoreError;
use sqlx::error::ErrorKind;

use crate::dialect::{Dialect, Fault};

/// Why a transaction did not go through.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another transaction was in the way: the same one again may go through.
    Conflict(sqlx::Error),
    /// A row with this key exists already.
    Taken(sqlx::Error),
    /// The connection is gone and nothing was committed: the same transaction on another one may go through.
    Lost(sqlx::Error),
    /// Anything else.
    Store(StoreError),
}

/// What an error of sqlx means, in a statement that commits nothing.
pub(crate) fn failure<DB: Dialect>(error: sqlx::Error) -> Failure {
    match &error {
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => Failure::Taken(error),
        sqlx::Error::Database(database) => match DB::fault(database.as_ref()) {
            Fault::Conflict => Failure::Conflict(error),
            Fault::Lost => Failure::Lost(error),
            Fault::Unavailable => unavailable(error),
            Fault::Inconsistent => inconsistent(&error),
        },
        sqlx::Error::Io(_) if DB::DEADLINE.is_some() => Failure::Lost(error),
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::InvalidArgument(_)
        | sqlx::Error::Configuration(_) => inconsistent(&error),
        // Input/output, TLS, protocol, pool: the connection, not the data.
        _ => unavailable(error),
    }
}

pub(crate) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Store(StoreError::Unavailable(error.into()))
}

fn inconsistent(error: &sqlx::Error) -> Failure {
    Failure::Store(StoreError::Inconsistent(error.to_string()))
}

impl Failure {
    /// The same failure for somebody else who met it.
    pub(crate) fn again(&self) -> Self {
        let copy = |error: &sqlx::Error| sqlx::Error::Protocol(error.to_string());
        match self {
            Self::Conflict(error) => Self::Conflict(copy(error)),
            Self::Taken(error) => Self::Taken(copy(error)),
            Self::Lost(error) => Self::Lost(copy(error)),
            Self::Store(StoreError::Unavailable(error)) => unavailable(error.to_string()),
            Self::Store(StoreError::Inconsistent(text)) => Self::Store(StoreError::Inconsistent(text.clone())),
            Self::Store(error) => Self::Store(StoreError::Inconsistent(error.to_string())),
        }
    }

    /// The same, of a statement that commits: whether it did before the connection was lost, nobody knows.
    pub(crate) fn of_commit(self) -> Self {
        match self {
            Self::Lost(error) => unavailable(error),
            other => other,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(error) | Failure::Lost(error) => Self::Unavailable(Box::new(error)),
            Failure::Taken(error) => Self::Inconsistent(error.to_string()),
            Failure::Store(error) => error,
        }
    }
}
