//! What a page must have, whoever made it. A page without the sealed request or without one of the decisions would
//! leave people stuck, and a script or a style of its own would not work under the content security policy.

use std::borrow::Cow;

use super::{ConnectionsPage, ConsentPage, RefusalPage, SignInPage};

/// Why a page cannot be served. The operator's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageFault(pub(super) &'static str);

/// A consent page has one form, for this action, with the sealed request and both decisions in it.
pub(super) fn consent(html: &str, page: &ConsentPage) -> Result<(), PageFault> {
    let tags = any(html)?;
    let form = forms(&tags, &page.action).next().ok_or(PageFault("it has no form that posts to `action`"))?;
    let sends = |name: &str, value: &str| sends(form, name, value);
    if !sends("request", &page.request) {
        return Err(PageFault("its form lacks the field `request` with the sealed request"));
    }
    if !sends("decision", "approve") || !sends("decision", "deny") {
        return Err(PageFault("its form lacks a button `decision` with the value `approve`, or the one with `deny`"));
    }
    Ok(())
}

/// A refusal shows its reference: without it nobody finds the log line.
pub(super) fn refusal(html: &str, page: &RefusalPage) -> Result<(), PageFault> {
    any(html)?;
    if html.contains(&page.reference) { Ok(()) } else { Err(PageFault("it does not show the reference")) }
}

/// A sign-in page has one form, for this action, with where the person wanted to in it.
pub(super) fn sign_in(html: &str, page: &SignInPage) -> Result<(), PageFault> {
    let tags = any(html)?;
    let form = forms(&tags, &page.action).next().ok_or(PageFault("it has no form that posts to `action`"))?;
    // Of the characters that such a path may have, this one alone is written in more than one manner.
    let written =
        |next: &str| ["&#38;", "&#x26;", "&amp;"].iter().fold(next.to_owned(), |out, at| out.replace(at, "&"));
    let has = |tag: &Tag<'_>| {
        tag.name == "input"
            && tag.value("name") == Some("next")
            && tag.value("value").map(written) == Some(page.next.clone())
    };
    if form.iter().any(has) { Ok(()) } else { Err(PageFault("its form lacks the field `next`")) }
}

/// A page of connections has a form for each of them and one to sign out, and each has the token.
pub(super) fn connections(html: &str, page: &ConnectionsPage) -> Result<(), PageFault> {
    let tags = any(html)?;
    let mut of_apps = forms(&tags, &page.disconnect);
    if !of_apps.all(|form| sends(form, "token", &page.token)) {
        return Err(PageFault("a form of it that disconnects lacks the field `token`"));
    }
    let disconnects = |id: &str| forms(&tags, &page.disconnect).any(|form| sends(form, "connection", id));
    if !page.apps.iter().all(|app| disconnects(&app.id)) {
        return Err(PageFault("it has an app without a form that disconnects it"));
    }
    if forms(&tags, &page.sign_out).any(|form| sends(form, "token", &page.token)) {
        Ok(())
    } else {
        Err(PageFault("it has no form that signs out, with the field `token`"))
    }
}

/// What is in each of the forms that post to `action`.
fn forms<'a>(tags: &'a [Tag<'a>], action: &'a str) -> impl Iterator<Item = &'a [Tag<'a>]> {
    let posts = move |tag: &Tag<'_>| {
        let method = tag.value("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
        tag.name == "form" && method && tag.value("action") == Some(action)
    };
    tags.iter().enumerate().filter(move |(_, tag)| posts(tag)).map(|(begin, _)| {
        let form = &tags[begin + 1..];
        &form[..form.iter().position(|tag| tag.name == "/form").unwrap_or(form.len())]
    })
}

/// Whether a form sends this.
fn sends(form: &[Tag<'_>], name: &str, value: &str) -> bool {
    form.iter().any(|tag| {
        let sent = tag.name == "input" || tag.name == "button";
        sent && tag.value("name") == Some(name) && tag.value("value") == Some(value)
    })
}

fn any(html: &str) -> Result<Vec<Tag<'_>>, PageFault> {
    let tags = tags(html);
    for tag in &tags {
        if tag.name == "script" || tag.attributes.iter().any(|(name, _)| name.starts_with("on")) {
            return Err(PageFault("it has a script, and the pages work without any"));
        }
        if tag.value("style").is_some() {
            return Err(PageFault(
                "it has a style attribute, which the content security policy stops; put it in `style()`",
            ));
        }
        if tag.name == "meta" && tag.value("http-equiv").is_some() {
            return Err(PageFault("it has a meta element that stands for a header; headers are the engine's"));
        }
    }
    if !tags.iter().any(|tag| tag.name == "html" && tag.value("lang").is_some_and(|lang| !lang.is_empty())) {
        return Err(PageFault("its html element has no lang attribute"));
    }
    Ok(tags)
}

/// A start tag, or the name of an end tag with a slash before it. Names are in lower case.
struct Tag<'a> {
    name: Cow<'a, str>,
    attributes: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Tag<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

fn in_lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// The tags of a page, well enough to find one's own fields again: comments and the content of style sheets are passed
/// over.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        // The slash of an end tag belongs to its name; any other ends one.
        let first = usize::from(rest.starts_with('/'));
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/');
        let end = rest[first..].find(ends_name).map_or(rest.len(), |at| first + at);
        let name = in_lower_case(&rest[..end]);
        if !name.trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let attributes;
        (attributes, rest) = attributes_of(&rest[end..]);
        if matches!(&*name, "style" | "title" | "textarea") {
            let closes = |at: usize| {
                let after = rest[at..].strip_prefix("</").and_then(|after| after.as_bytes().get(..name.len()));
                after.is_some_and(|after| after.eq_ignore_ascii_case(name.as_bytes()))
            };
            rest = rest.match_indices('<').find(|(at, _)| closes(*at)).map_or("", |(at, _)| &rest[at..]);
        }
        found.push(Tag { name, attributes });
    }
    found
}

/// The attributes of a tag, and what follows it.
fn attributes_of(mut rest: &str) -> (Vec<(Cow<'_, str>, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return (found, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        let ends_name = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
        // The first character belongs to the name, whatever it is: the loop must get on.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find(ends_name).map_or(rest.len(), |at| first + at);
        let name = in_lower_case(&rest[..end]);
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or_else(|| (&after[1..], "")),
                _ => after.split_at(after.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(after.len())),
            };
        }
        found.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Language;

    /// A page of somebody who writes HTML in another manner than we do.
    fn page_with(form: &str) -> String {
        format!("<!DOCTYPE html><HTML LANG=en><!-- <script> --><style>a>b{{}}</style><title><b></title>{form}</html>")
    }

    fn judged(form: &str) -> Result<(), PageFault> {
        let page = ConsentPage::sample(Language::English);
        let form = form.replace("{request}", &page.request).replace("{action}", &page.action);
        consent(&page_with(&form), &page)
    }

    const WHOLE: &str = "<Form Method=POST Action='{action}'><input type=hidden value={request} name = \"request\" />\
        <button name='decision' value=\"approve\">a > b</button><input type=submit name=decision value=deny></form>";

    #[test]
    fn a_form_with_the_request_and_both_decisions_passes_however_it_is_written() {
        assert_eq!(judged(WHOLE), Ok(()));
    }

    #[test]
    fn a_form_that_lacks_something_does_not() {
        for (from, to, expected) in [
            ("POST", "get", "no form"),
            ("'{action}'", "/elsewhere", "no form"),
            ("{request}", "x", "`request`"),
            ("\"request\"", "other", "`request`"),
            ("approve", "yes", "`decision`"),
            ("value=deny", "value=no", "`decision`"),
            ("<button", "</form><button", "`decision`"),
            ("<button", "<!-- <button", "`decision`"),
            ("<button", "<script></script><button", "script"),
            ("<button", "<b onclick=x></b><button", "script"),
            ("<button", "<b/OnClick=x></b><button", "script"),
            ("<button", "<p style='color:red'><button", "style"),
            ("<button", "<meta http-equiv=refresh content=0><button", "header"),
        ] {
            let fault = judged(&WHOLE.replace(from, to)).unwrap_err();
            assert!(fault.0.contains(expected), "{from} -> {to}: {fault:?}");
        }
        let page = ConsentPage::sample(Language::English);
        assert!(consent(&page_with("").replace(" LANG=en", ""), &page).unwrap_err().0.contains("lang"));
    }

    #[test]
    fn cb_1_a_sign_in_page_has_a_form_with_where_to_go_on() {
        let mut page = SignInPage::sample(Language::English);
        page.next = "/oauth/admin/events?kind=refused&limit=5".to_owned();
        let form =
            "<form method=post action=/oauth/connections/sign-in><input name=next value='{next}'><button></form>";
        for written in ["&amp;", "&#38;", "&#x26;"] {
            let form = form.replace("{next}", &page.next.replace('&', written));
            assert_eq!(sign_in(&page_with(&form), &page), Ok(()), "{written}");
        }
        for wrong in [form.replace("{next}", "/elsewhere"), form.replace("name=next", ""), form.replace("post", "get")]
        {
            assert!(sign_in(&page_with(&wrong), &page).is_err(), "{wrong}");
        }
    }

    #[test]
    fn co_2_every_form_of_a_page_of_connections_has_the_token() {
        let page = ConnectionsPage::sample(Language::English);
        let token = format!("<input name=token value={}>", page.token);
        let out = format!("<form method=post action={}>{token}<button></form>", page.sign_out);
        let one = |id: &str, token: &str| {
            format!("<form method=post action={}>{token}<button name=connection value={id}></form>", page.disconnect)
        };
        let id = page.apps[0].id.as_str();
        let judged = |html: &str| connections(&page_with(html), &page);
        assert_eq!(judged(&format!("{}{}{out}", one(id, &token), one("all", &token))), Ok(()));
        for (wrong, expected) in [
            (one(id, &token), "signs out"),
            (format!("{}{}", one(id, &token), out.replace(&token, "")), "signs out"),
            (format!("{}{out}", one("all", &token)), "an app"),
            (format!("{}{}{out}", one(id, &token), one("all", "")), "`token`"),
            (format!("{}{out}", one(id, "<input name=token value=x>")), "`token`"),
        ] {
            let fault = judged(&wrong).unwrap_err();
            assert!(fault.0.contains(expected), "{wrong}: {fault:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_page_that_breaks_off_anywhere_is_read_to_its_end(html in "[<>/='\"!a-c \n\u{e9}-]{0,40}") {
            tags(&html);
            tags(&format!("<style>{html}"));
            tags(&format!("<a {html}"));
        }
    }
}
