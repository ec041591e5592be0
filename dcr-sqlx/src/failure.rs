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
    /// Anything else.
    Store(StoreError),
}

/// What an error of sqlx means.
pub(crate) fn failure<DB: Dialect>(error: sqlx::Error) -> Failure {
    match &error {
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => Failure::Taken(error),
        sqlx::Error::Database(database) => match DB::fault(database.as_ref()) {
            Fault::Conflict => Failure::Conflict(error),
            Fault::Unavailable => unavailable(error),
            Fault::Inconsistent => inconsistent(&error),
        },
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

fn unavailable(error: sqlx::Error) -> Failure {
    Failure::Store(StoreError::Unavailable(Box::new(error)))
}

fn inconsistent(error: &sqlx::Error) -> Failure {
    Failure::Store(StoreError::Inconsistent(error.to_string()))
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(error) => Self::Unavailable(Box::new(error)),
            Failure::Taken(error) => Self::Inconsistent(error.to_string()),
            Failure::Store(error) => error,
        }
    }
}
