//! The SQL texts, one module for each database, side by side.
//!
//! They are consts, so a database prepares each of them once and no text is ever put together from input. To add a
//! database: a module here, a folder of migrations, and a way to open it.

#[cfg(feature = "sqlite")]
mod sqlite;
