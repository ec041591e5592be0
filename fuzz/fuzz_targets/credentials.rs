//! Client credentials (RFC 6749 section 2.3.1, RFC 7523 section 2.2, TK-6): who is read is who was written, byte for byte; two
//! ways at once are refused; bytes that are no credentials are nobody's.

#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_core::AuthMethod;
use dcr_core::fuzzing::{Parameters, credentials};
use dcr_fuzz::{bounds, query};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    basic: Vec<Basic>,
    id: Option<String>,
    secret: Option<String>,
    assertion: Option<(String, bool)>,
    also: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Basic {
    /// As RFC 6749 says.
    Written { id: String, secret: String, scheme: Scheme },
    /// As many clients do: base64 without the form's encoding.
    Careless { id: String, secret: String },
    /// Base64 of anything.
    Inside(Vec<u8>),
    /// Anything.
    Raw(Vec<u8>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Scheme {
    Basic,
    Lower,
    Upper,
}

impl Basic {
    fn header(&self) -> Option<HeaderValue> {
        let basic = |scheme: &str, inside: &[u8]| format!("{scheme} {}", STANDARD.encode(inside)).into_bytes();
        let bytes = match self {
            Self::Written { id, secret, scheme } => {
                let scheme = match scheme {
                    Scheme::Basic => "Basic",
                    Scheme::Lower => "basic",
                    Scheme::Upper => "BASIC",
                };
                basic(
                    scheme,
                    format!("{}:{}", query::encode(id.as_bytes()), query::encode(secret.as_bytes())).as_bytes(),
                )
            }
            Self::Careless { id, secret } => basic("Basic", format!("{id}:{secret}").as_bytes()),
            Self::Inside(inside) => basic("Basic", inside),
            Self::Raw(raw) => raw.clone(),
        };
        HeaderValue::from_bytes(&bytes).ok()
    }

    /// What it says, by a reader of its own.
    fn read(header: &HeaderValue) -> Option<(Vec<u8>, Vec<u8>)> {
        let (scheme, rest) = header.as_bytes().split_at_checked(6)?;
        let inside = STANDARD.decode(rest.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
        std::str::from_utf8(&inside).ok()?;
        let at = inside.iter().position(|byte| *byte == b':')?;
        Some((query::decode(&inside[..at]), query::decode(&inside[at + 1..])))
    }
}

fn is_id(id: &[u8]) -> bool {
    let taken = id.starts_with(b"usr_") || id.starts_with(b"svc_");
    (1..=1_024).contains(&id.len()) && id.iter().all(|byte| (0x21..=0x7e).contains(byte)) && !taken
}

fuzz_target!(|input: Input| {
    let mut form = vec![("grant_type", "authorization_code".to_owned())];
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty() && !text.contains('\0'));
    let (id, secret) = (some(&input.id), some(&input.secret));
    form.extend(id.clone().map(|id| ("client_id", id)));
    form.extend(secret.clone().map(|secret| ("client_secret", secret)));
    let assertion = input.assertion.as_ref().filter(|(token, _)| !token.is_empty() && !token.contains('\0'));
    if let Some((token, typed)) = assertion {
        form.push(("client_assertion", token.clone()));
        if *typed {
            form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()));
        }
    }
    let mut encoded = query::write(&form).into_bytes();
    let plain = input.also.is_empty();
    if !plain {
        encoded.push(b'&');
        encoded.extend_from_slice(&input.also);
    }
    let Some(parameters) = Parameters::parse(&encoded) else { return };
    let mut headers = HeaderMap::new();
    for header in input.basic.iter().take(3).filter_map(Basic::header) {
        headers.append("authorization", header);
    }
    let size = encoded.len() + headers.values().map(HeaderValue::len).sum::<usize>();
    let read = bounds::within(size * 16 + 64 * 1024, || credentials(&headers, &parameters));
    if !plain {
        return;
    }
    let all: Vec<&HeaderValue> = headers.get_all("authorization").iter().collect();
    let meant = match (all.as_slice(), &id, &secret, assertion) {
        // An assertion is read by a target of its own; here it is only seen that it excludes the others.
        (_, _, _, Some(_)) => {
            assert!(read.is_none_or(|read| read.has_assertion && all.is_empty() && secret.is_none()));
            return;
        }
        ([], Some(id), secret, None) => {
            let secret = secret.clone().map(|secret| (AuthMethod::ClientSecretPost, secret.into_bytes()));
            Some((id.clone().into_bytes(), secret))
        }
        ([header], in_form, None, None) => Basic::read(header)
            .filter(|(id, secret)| std::str::from_utf8(id).is_ok() && std::str::from_utf8(secret).is_ok())
            .filter(|(id, _)| in_form.as_ref().is_none_or(|other| other.as_bytes() == id))
            .map(|(id, secret)| {
                let secret = Some(secret).filter(|secret| !secret.is_empty());
                (id, secret.map(|secret| (AuthMethod::ClientSecretBasic, secret)))
            }),
        _ => None,
    };
    let meant = meant.filter(|(id, _)| is_id(id));
    let read = read.map(|read| {
        assert!(!read.has_assertion);
        (read.id.into_bytes(), read.secret.map(|(method, secret)| (method, secret.into_bytes())))
    });
    assert_eq!(read, meant);
    // As RFC 6749 says it, everything comes through.
    if let ([Basic::Written { id: named, secret, .. }], None, None) = (input.basic.as_slice(), &id, &input.secret)
        && is_id(named.as_bytes())
    {
        let (read, with) = read.expect("well-formed credentials");
        assert_eq!(read, named.as_bytes());
        assert_eq!(with.map(|(_, secret)| secret).unwrap_or_default(), secret.as_bytes());
    }
});
