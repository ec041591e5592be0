//! The provider over real HTTP.

mod faults;
mod login;
mod party;
