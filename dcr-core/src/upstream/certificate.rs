//! A certificate with which we prove to the provider who we are (`private_key_jwt`, RFC 7523 section 2.2).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::clock::Timestamp;
use crate::seal::{b64, sha256};

/// How long an assertion is good for: between the 5 and 10 minutes that Entra ID documents.
const LIFE_SECONDS: i64 = 5 * 60;

/// Why a certificate cannot be used. The operator's fault. Nothing of the key is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No certificate.
    #[error("there is no certificate in it: a PEM text with BEGIN CERTIFICATE and BEGIN PRIVATE KEY is needed")]
    NoCertificate,
    /// No private key.
    #[error("there is no private key in it: a PEM text with BEGIN CERTIFICATE and BEGIN PRIVATE KEY is needed")]
    NoKey,
    /// The key is none of the kind that PS256 signs with.
    #[error("its private key is no unencrypted RSA key of 2,048 bits or more (PKCS#8 or PKCS#1)")]
    Key,
    /// The certificate does not parse.
    #[error("its certificate does not parse")]
    Certificate,
    /// They do not belong together.
    #[error("its private key is not the one of its first certificate")]
    OtherKey,
}

/// A certificate and its RSA key.
pub struct ClientCertificate {
    key: RsaKeyPair,
    /// SHA-256 of the certificate, base64url: `x5t#S256`.
    thumbprint: String,
    not_after: Timestamp,
}

impl ClientCertificate {
    /// From a PEM text that has both: the certificate that is registered with the provider first, then its chain if there is
    /// one; and the private key, unencrypted, anywhere.
    ///
    /// # Errors
    /// [`CertificateError`] says what is wrong with it. That the certificate has expired is none: the provider says so, and
    /// [`ClientCertificate::not_after`] beforehand.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let pem = String::from_utf8_lossy(pem);
        let certificate = section(&pem, "CERTIFICATE").ok_or(CertificateError::NoCertificate)?;
        let key = match (section(&pem, "PRIVATE KEY"), section(&pem, "RSA PRIVATE KEY")) {
            (Some(key), _) => RsaKeyPair::from_pkcs8(&key),
            (None, Some(key)) => RsaKeyPair::from_der(&key),
            (None, None) if pem.contains("PRIVATE KEY-----") => return Err(CertificateError::Key),
            (None, None) => return Err(CertificateError::NoKey),
        };
        let key = key.ok().filter(|key| key.public_modulus_len() >= 256).ok_or(CertificateError::Key)?;
        let validity = Validity::read(&certificate).ok_or(CertificateError::Certificate)?;
        // The public key stands in the certificate as it is: if it is not there, this is another's.
        if !contains(validity.after, key.public_key().as_ref()) {
            return Err(CertificateError::OtherKey);
        }
        Ok(Self { key, thumbprint: b64(&sha256(&certificate)), not_after: validity.not_after })
    }

    /// When the certificate lapses. From then on the provider refuses it, and nobody signs in.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The SHA-256 thumbprint of the certificate, base64url, as providers list it. Not secret.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// An assertion that `client_id` asks the token endpoint `audience`. `id` names it, and comes once.
    pub(super) fn assertion(&self, client_id: &str, audience: &str, id: &[u8; 16], now: Timestamp) -> Option<String> {
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let iat = now.unix_seconds();
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": b64(id),
            "iat": iat,
            "nbf": iat,
            "exp": iat + LIFE_SECONDS,
        });
        let signed = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        // The salt of RSA-PSS comes from the library: it takes no other source.
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", b64(&signature)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The contents of the first section of a PEM text that has this label (RFC 7468 section 2).
fn section(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (text, _) = rest.split_once("-----END ")?;
    STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok()
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && all.windows(part.len()).any(|window| window == part)
}

/// What is read of a certificate (RFC 5280 section 4.1): its end, and what comes after it, the public key among that.
struct Validity<'a> {
    not_after: Timestamp,
    after: &'a [u8],
}

impl<'a> Validity<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        const SEQUENCE: u8 = 0x30;
        const VERSION: u8 = 0xa0;
        let (certificate, _) = expect(der, SEQUENCE)?;
        let (mut rest, _) = expect(certificate, SEQUENCE)?;
        if let Some((_, after)) = expect(rest, VERSION) {
            rest = after;
        }
        let (_, _, rest) = element(rest)?; // serial number
        let (_, rest) = expect(rest, SEQUENCE)?; // algorithm of the signature
        let (_, rest) = expect(rest, SEQUENCE)?; // issuer
        let (validity, after) = expect(rest, SEQUENCE)?;
        let (_, _, end) = element(validity)?;
        let (kind, end, _) = element(end)?;
        Some(Self { not_after: time(kind, end)?, after })
    }
}

/// One element: tag, contents, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((tag, contents, after))
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, contents, after)| (contents, after))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on (RFC 5280 section 4.1.2.5).
fn time(kind: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (kind, text.len()) {
        (0x17, 12) => {
            let year: u32 = text[..2].parse().ok()?;
            (if year < 50 { 2_000 + year } else { 1_900 + year }, &text[2..])
        }
        (0x18, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let at = |from: usize| &rest[from..from + 2];
    format!("{year:04}-{}-{}T{}:{}:{}Z", at(0), at(2), at(4), at(6), at(8)).parse().ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

    use super::*;
    use crate::seal::unb64;

    /// In lines, as they are written.
    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\r\n{}\r\n-----END {label}-----\r\n", lines.join("\r\n"))
    }

    fn key_pem(key: &KeyPair) -> String {
        pem("PRIVATE KEY", &key.serialize_der())
    }

    fn made() -> (KeyPair, String) {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::new(vec!["dcr.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 17);
        let certificate = params.self_signed(&key).unwrap();
        (key, pem("CERTIFICATE", certificate.der()))
    }

    #[test]
    fn up_08_an_assertion_is_signed_with_the_certificates_key_and_says_which_that_is() {
        let (key, certificate) = made();
        let both = format!("{certificate}{}", key_pem(&key));
        let ours = ClientCertificate::from_pem(both.as_bytes()).unwrap();
        assert_eq!(ours.not_after().to_string(), "2031-05-17T00:00:00Z");
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        let jwt = ours.assertion("app", "https://idp.example/token", &[7; 16], now).unwrap();
        let parts: Vec<&str> = jwt.split('.').collect();
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&unb64(part.as_bytes()).unwrap()).unwrap();
        let (header, claims) = (json(parts[0]), json(parts[1]));
        assert_eq!((&header["alg"], &header["x5t#S256"]), (&json!("PS256"), &json!(ours.thumbprint())));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("app")));
        assert_eq!(claims["aud"], "https://idp.example/token");
        assert_eq!(claims["exp"], 1_790_000_300);
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public_key_raw());
        let signed = format!("{}.{}", parts[0], parts[1]);
        public.verify(signed.as_bytes(), &unb64(parts[2].as_bytes()).unwrap()).unwrap();
        assert!(!format!("{ours:?}").contains("BEGIN"));
    }

    #[test]
    fn what_does_not_belong_together_is_refused_at_once() {
        let (key, certificate) = made();
        let (other, _) = made();
        let refused = |text: String| ClientCertificate::from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(refused(String::new()), CertificateError::NoCertificate);
        assert_eq!(refused(certificate.clone()), CertificateError::NoKey);
        assert_eq!(refused(key_pem(&key)), CertificateError::NoCertificate);
        assert_eq!(refused(format!("{certificate}{}", key_pem(&other))), CertificateError::OtherKey);
        let curve = pem("EC PRIVATE KEY", b"not looked at");
        assert_eq!(refused(format!("{certificate}{curve}")), CertificateError::Key);
        let curve = key_pem(&KeyPair::generate().unwrap());
        assert_eq!(refused(format!("{certificate}{curve}")), CertificateError::Key);
    }

    #[test]
    fn the_two_ways_to_write_a_time_are_read() {
        let shown = |kind, text: &str| time(kind, text.as_bytes()).map(|time| time.to_string());
        assert_eq!(shown(0x17, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(shown(0x18, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        for (kind, bad) in [(0x17, "20500101000000Z"), (0x18, "491231235959Z"), (0x17, "4912312359é"), (0x02, "1")] {
            assert_eq!(shown(kind, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cut_certificate_does_not_parse() {
        let (_, certificate) = made();
        let der = section(&certificate, "CERTIFICATE").unwrap();
        for end in 0..der.len() {
            assert!(Validity::read(&der[..end]).is_none(), "{end}");
        }
    }
}
