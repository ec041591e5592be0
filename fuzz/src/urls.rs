//! Second and third readers of URLs: `ada-url`, WHATWG in C++, which browsers agree with; and `fluent-uri`, RFC 3986 to the
//! letter, which other software agrees with. Neither shares code with the `url` crate that the gate uses.

/// What matters of a URL.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    pub scheme: String,
    /// With brackets if it is an IPv6 address.
    pub host: String,
    pub port: Option<u16>,
    pub path: String,
    pub query: Option<String>,
    /// User information or a fragment, which none of ours may have.
    pub has_more: bool,
}

/// As WHATWG says, and the text that comes of it.
pub fn whatwg(text: &str) -> Option<(Parts, String)> {
    let url = ada_url::Url::parse(text, None).ok()?;
    let parts = Parts {
        scheme: url.protocol().trim_end_matches(':').to_owned(),
        host: url.hostname().to_owned(),
        port: url.port().parse().ok(),
        path: url.pathname().to_owned(),
        query: url.has_search().then(|| url.search().strip_prefix('?').unwrap_or_default().to_owned()),
        has_more: !url.username().is_empty()
            || !url.password().is_empty()
            || url.has_hash()
            || url.href().split('/').nth(2).is_some_and(|authority| authority.contains('@')),
    };
    let href = url.href().to_owned();
    Some((parts, href))
}

/// As RFC 3986 says.
pub fn rfc3986(text: &str) -> Option<Parts> {
    let uri = fluent_uri::Uri::parse(text).ok()?;
    let authority = uri.authority()?;
    Some(Parts {
        scheme: uri.scheme().as_str().to_owned(),
        host: authority.host().to_owned(),
        port: match authority.port() {
            Some(port) => Some(port.as_str().parse().ok()?),
            None => None,
        },
        path: uri.path().as_str().to_owned(),
        query: uri.query().map(|query| query.as_str().to_owned()),
        has_more: authority.has_userinfo() || uri.has_fragment(),
    })
}
