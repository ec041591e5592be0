//! The program itself: how it starts, what it says, how it stops and what it survives.
#![cfg(unix)]

#[path = "../../e2e/shared/process.rs"]
mod process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-server");
