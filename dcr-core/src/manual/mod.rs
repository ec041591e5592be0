//! Documentation as modules.

pub mod attacks;
pub mod decisions;
pub mod limits;
