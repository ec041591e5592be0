//! Pages as a browser's tokenizer reads them.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, HtmlString, Token, Tokenizer};

/// What the pages of this server are made of, and nothing else.
const ELEMENTS: [&str; 34] = [
    "html", "head", "meta", "title", "style", "body", "main", "p", "img", "span", "h1", "h2", "div", "svg", "path",
    "strong", "ul", "li", "dl", "dt", "dd", "code", "bdi", "form", "input", "button", "details", "summary", "a", "br",
    "em", "small", "h3", "time",
];

/// The elements of a page with their attributes, and its text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub elements: Vec<(String, BTreeMap<String, String>)>,
    pub text: String,
}

impl Page {
    /// Reads a page that must be inert: known elements only, no script, no event handler, no comment, no style but the one.
    ///
    /// # Panics
    /// If it is not.
    pub fn inert(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut page = Self::default();
        let Ok(()) = read(Tokenizer::new_with_emitter(html, emitter), &mut page);
        page
    }

    /// The elements without the values of their attributes.
    pub fn shape(&self) -> Vec<(&str, Vec<&str>)> {
        self.elements
            .iter()
            .map(|(name, attributes)| (name.as_str(), attributes.keys().map(String::as_str).collect()))
            .collect()
    }

    /// The value of the first such attribute of the first such element that has it.
    pub fn value(&self, element: &str, attribute: &str) -> Option<&str> {
        let mut all = self.elements.iter().filter(|(name, _)| name == element);
        all.find_map(|(_, attributes)| attributes.get(attribute)).map(String::as_str)
    }

    /// Where its links go, in order.
    pub fn links(&self) -> Vec<&str> {
        let links = self.elements.iter().filter(|(name, _)| name == "a");
        links.filter_map(|(_, attributes)| attributes.get("href")).map(String::as_str).collect()
    }
}

fn text(html: &HtmlString) -> String {
    String::from_utf8_lossy(html).into_owned()
}

fn read<'a>(tokens: Tokenizer<html5gum::StringReader<'a>>, page: &mut Page) -> Result<(), std::convert::Infallible> {
    let mut doctypes = 0;
    for token in tokens {
        match token? {
            Token::StartTag(tag) => {
                let name = text(&tag.name);
                assert!(ELEMENTS.contains(&name.as_str()), "an element that no page has: {name}");
                let attributes: BTreeMap<String, String> =
                    tag.attributes.iter().map(|(name, value)| (text(name), text(value))).collect();
                for (attribute, value) in &attributes {
                    assert!(
                        !attribute.starts_with("on") && attribute != "style" && attribute != "http-equiv",
                        "{attribute}"
                    );
                    if attribute == "href" || attribute == "src" || attribute == "action" {
                        let scheme = value.split(':').next().unwrap_or_default().to_ascii_lowercase();
                        assert!(!["javascript", "data", "vbscript"].contains(&scheme.trim()), "{value}");
                    }
                }
                page.elements.push((name, attributes));
            }
            Token::String(string) => page.text.push_str(&text(&string)),
            Token::Comment(comment) => panic!("a comment: {}", text(&comment)),
            Token::Doctype(_) => doctypes += 1,
            Token::EndTag(_) | Token::Error(_) => {}
        }
    }
    assert_eq!(doctypes, 1, "one document");
    Ok(())
}
