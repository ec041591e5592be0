//! The reference that a page shows when something does not work, so that an operator can find what it was.

use std::fmt;
use std::str::FromStr;

use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::session::NotAnId;

/// In characters that survive being read out over a telephone: Crockford's base 32 has no I, L, O and U.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const HALF: usize = 4;

/// A short reference: shown to the person, and kept beside the reason. Reading one is lenient, since people copy it.
///
/// ```
/// use dcr_core::record::Reference;
///
/// let reference: Reference = "7ka2-0o1x".parse()?;
/// assert_eq!(reference.to_string(), "7KA2-001X");
/// # Ok::<(), dcr_core::session::NotAnId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference([u8; 2 * HALF]);

impl Reference {
    pub(crate) fn mint(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        let symbol = |byte: u8| SYMBOLS.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        Ok(Self(bytes::<{ 2 * HALF }>(random)?.map(symbol)))
    }
}

impl FromStr for Reference {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() > 64 {
            return Err(NotAnId);
        }
        let typed = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        let meant: Vec<u8> = typed
            .map(|byte| match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            })
            .collect();
        if !meant.iter().all(|byte| SYMBOLS.contains(byte)) {
            return Err(NotAnId);
        }
        meant.try_into().map(Self).map_err(|_| NotAnId)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at == HALF {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*byte))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_reference_is_read_as_people_copy_it() {
        let reference = Reference::mint(&SystemRandom).unwrap();
        let text = reference.to_string();
        assert_eq!(text.len(), 9);
        for copied in [text.clone(), text.to_lowercase(), text.replace('-', ""), format!(" {text} ")] {
            assert_eq!(copied.parse(), Ok(reference), "{copied}");
        }
        assert_eq!("iLoO-0000".parse::<Reference>().unwrap().to_string(), "1100-0000");
        for wrong in ["", "ABCD", "ABCD-EFGHJ", "ABCD-EFGU", "ABCD-EFG\u{e9}", "AB\u{301}CD-EFG"] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
