//! What an operator may change of the pages without writing one: a name, a logo, a colour.

use ::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderValue, Response};
use bytes::Bytes;

use super::colour::Colour;
use crate::error::ConfigError;
use crate::seal::sha256;
use crate::text::bounded;

/// The longest name, in characters.
const MAX_NAME: usize = 80;
/// The largest logo, in bytes.
const MAX_LOGO: usize = 256 * 1024;
/// A logo that is looked at as a document of its own does nothing either: an SVG may hold scripts, and people who find
/// them.
const LOGO_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// How the pages are the operator's own: whose they are, a logo, an accent colour.
///
/// ```
/// use dcr_core::Theme;
///
/// let theme = Theme::new().name("Example Corp").logo_path("/static/logo.svg").colour("#0b6e4f");
/// # let _ = theme;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Theme {
    name: Option<String>,
    logo: Option<Logo>,
    colour: Option<String>,
}

#[derive(Debug, Clone)]
enum Logo {
    /// A path of our own origin, which the host serves.
    Path(String),
    /// A picture that the engine serves.
    Bytes(Bytes),
}

impl Theme {
    /// Nothing of one's own: the host's name, no logo, a blue.
    pub fn new() -> Self {
        Self::default()
    }

    /// The organisation or service, in the head of every page: at most 80 characters. Default: the host of the public
    /// URL.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A logo for the engine to serve: a PNG or an SVG, at most 256 KiB. It is shown 40 px high, on white. An SVG is
    /// shown as a picture, so nothing in it runs and nothing is loaded by it.
    pub fn logo(mut self, picture: impl Into<Bytes>) -> Self {
        self.logo = Some(Logo::Bytes(picture.into()));
        self
    }

    /// A logo that the host serves at this path of the public URL.
    pub fn logo_path(mut self, path: impl Into<String>) -> Self {
        self.logo = Some(Logo::Path(path.into()));
        self
    }

    /// The accent colour, as `#rrggbb`: of the button that approves. Its text becomes black or white, whichever reads
    /// better, and rings, links and borders a darker or lighter shade of it where that is needed, so that every colour
    /// keeps to WCAG AA.
    pub fn colour(mut self, colour: impl Into<String>) -> Self {
        self.colour = Some(colour.into());
        self
    }

    /// Checks everything. `host` is the name to show if there is none.
    pub(super) fn checked(&self, host: &str, prefix: &str) -> Result<(Brand, Option<LogoFile>), ConfigError> {
        let name = match &self.name {
            None => host.to_owned(),
            Some(name) => {
                let shown = bounded(name, MAX_NAME);
                if shown.is_empty() || shown != name.trim() {
                    return Err(wrong("name", "write 1 to 80 visible characters, without line breaks"));
                }
                shown
            }
        };
        let (logo, file) = match &self.logo {
            None => (None, None),
            Some(Logo::Path(path)) if is_plain_path(path) => (Some(path.clone()), None),
            Some(Logo::Path(_)) => {
                let why =
                    "write a path of this server's own, such as /static/logo.svg: no host, no query, plain characters";
                return Err(wrong("logo path", why));
            }
            Some(Logo::Bytes(picture)) => {
                let file = LogoFile::new(picture, prefix)?;
                (Some(file.path.clone()), Some(file))
            }
        };
        let style = match &self.colour {
            None => String::new(),
            Some(colour) => match Colour::parse(colour) {
                Some(colour) => accent(colour),
                None => return Err(wrong("colour", "write a hash and six hexadecimal digits, such as #0a5fc2")),
            },
        };
        Ok((Brand { name, logo, style }, file))
    }
}

fn wrong(what: &'static str, why: &'static str) -> ConfigError {
    ConfigError::Theme { what, why }
}

fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    path.len() > 1
        && path.len() <= 200
        && path.starts_with('/')
        && path.bytes().all(plain)
        && !path.contains("//")
        && path.split('/').all(|segment| segment != "." && segment != "..")
}

/// The variables of the style sheet that an accent colour sets, for light and for dark.
fn accent(colour: Colour) -> String {
    let (text, light) = (colour.text(), colour.readable_on(Colour::LIGHT_CARD, Colour::BLACK));
    let dark = colour.readable_on(Colour::DARK_CARD, Colour::WHITE);
    format!(
        ":root{{--accent:{colour};--on-accent:{text};--ring:{light}}}\
         @media (prefers-color-scheme:dark){{:root{{--accent:{colour};--on-accent:{text};--ring:{dark}}}}}"
    )
}

/// What the pages show of a theme.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Brand {
    /// The organisation or service; the host of the public URL if the operator named none.
    pub name: String,
    /// The path of the logo, for the `src` of an image.
    pub logo: Option<String>,
    /// CSS that sets `--accent`, `--on-accent` (text on it) and `--ring` (a shade that is readable on a card of `#fff`,
    /// or of `#191f27` in the dark). Empty if the operator picked no colour.
    pub style: String,
}

/// A logo that the engine serves, at a path that changes with it.
#[derive(Debug, Clone)]
pub(crate) struct LogoFile {
    pub(crate) path: String,
    picture: Bytes,
    content_type: &'static str,
}

impl LogoFile {
    fn new(picture: &Bytes, prefix: &str) -> Result<Self, ConfigError> {
        if picture.len() > MAX_LOGO {
            return Err(wrong("logo", "it is larger than 256 KiB; make it smaller"));
        }
        let (content_type, ending) = if picture.starts_with(b"\x89PNG\r\n\x1a\n") {
            ("image/png", "png")
        } else if is_svg(picture) {
            ("image/svg+xml", "svg")
        } else {
            return Err(wrong("logo", "it is neither a PNG nor an SVG; convert it to one of them"));
        };
        let hash: String = sha256(picture)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: format!("{prefix}/logo/{hash}.{ending}"), picture: picture.clone(), content_type })
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.picture.clone());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        // Another picture has another path.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(LOGO_POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let policy = HeaderName::from_static("cross-origin-resource-policy");
        headers.insert(policy, HeaderValue::from_static("same-origin"));
        response
    }
}

/// Text that begins like an SVG, and says so before anything is drawn.
fn is_svg(picture: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(picture) else { return false };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = ["<svg", "<?xml", "<!--", "<!DOCTYPE svg"].iter().any(|start| text.starts_with(start));
    begins && text.contains("<svg") && !text.to_ascii_lowercase().contains("<script")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><rect width='1' height='1'/></svg>";

    fn check(theme: &Theme) -> Result<(Brand, Option<LogoFile>), String> {
        theme.checked("mcp.example", "/oauth").map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_theme_the_host_is_named_and_nothing_else_changes() {
        let (brand, logo) = check(&Theme::new()).unwrap();
        assert_eq!(brand, Brand { name: "mcp.example".to_owned(), logo: None, style: String::new() });
        assert!(logo.is_none());
    }

    #[test]
    fn an_accent_keeps_its_colour_and_its_shades_are_readable() {
        let (brand, _) = check(&Theme::new().colour("#FFCC00")).unwrap();
        assert!(brand.style.contains("--accent:#ffcc00;--on-accent:#000000;--ring:#"), "{}", brand.style);
        assert!(
            !brand.style.contains("--ring:#ffcc00;") && brand.style.ends_with("--ring:#ffcc00}}"),
            "{}",
            brand.style
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_to_write_instead() {
        for (theme, expected) in [
            (Theme::new().colour("blue"), "such as #0a5fc2"),
            (Theme::new().colour("#0a5fc2}body{display:none"), "colour"),
            (Theme::new().name(""), "visible characters"),
            (Theme::new().name("a\nb"), "visible characters"),
            (Theme::new().name("Ex\u{202e}ample"), "visible characters"),
            (Theme::new().name("x".repeat(81)), "visible characters"),
            (Theme::new().logo_path("https://cdn.example/logo.svg"), "/static/logo.svg"),
            (Theme::new().logo_path("//cdn.example/logo.svg"), "/static/logo.svg"),
            (Theme::new().logo_path("/a/../b.svg"), "/static/logo.svg"),
            (Theme::new().logo_path("/a.svg?x"), "/static/logo.svg"),
            (Theme::new().logo_path("/a\" onerror=\"b"), "/static/logo.svg"),
            (Theme::new().logo("GIF89a"), "neither a PNG nor an SVG"),
            (Theme::new().logo("<html><svg></svg></html>"), "neither a PNG nor an SVG"),
            (Theme::new().logo("<svg><SCRIPT>1</SCRIPT></svg>"), "neither a PNG nor an SVG"),
            (Theme::new().logo(vec![0x89; MAX_LOGO + 1]), "256 KiB"),
        ] {
            let text = check(&theme).map(|_| ()).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_logo_is_served_at_a_path_that_changes_with_it_and_can_do_nothing() {
        let (brand, file) = check(&Theme::new().logo(SVG)).unwrap();
        let file = file.unwrap();
        assert_eq!(brand.logo.as_deref(), Some(file.path.as_str()));
        assert!(file.path.starts_with("/oauth/logo/") && file.path.ends_with(".svg"), "{}", file.path);
        let response = file.response();
        assert_eq!(response.headers()["content-type"], "image/svg+xml");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
        let (_, other) = check(&Theme::new().logo(format!("<?xml version='1.0'?>{SVG}"))).unwrap();
        assert_ne!(other.unwrap().path, file.path);
        let (_, png) = check(&Theme::new().logo(&b"\x89PNG\r\n\x1a\n..."[..])).unwrap();
        assert_eq!(png.unwrap().response().headers()["content-type"], "image/png");
    }
}
