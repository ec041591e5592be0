//! Documentation as modules.

pub mod decisions;
