//! Documentation as modules.

pub mod decisions;
pub mod limits;
