//! The pages. They load nothing from elsewhere, need no script, and escape whatever came with the request.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::faults::{Armed, Fault};
use crate::users::User;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}\
    .warning{background:#fff3cd;color:#000;border:2px solid #b58100;padding:.5rem 1rem}\
    .error{border-left:4px solid #b00020;padding-left:1rem}\
    button{display:block;width:100%;text-align:left;font:inherit;padding:.6rem 1rem;margin:.4rem 0}\
    code{overflow-wrap:anywhere}";

// `form-action` is left out: browsers apply it to the redirect that answers the form, too.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// A whole page around `body`, which is HTML already.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<p class=warning>Development identity provider. It checks no password: \
         never let it guard anything.</p>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, html).into_response()
}

/// The page on which a user is chosen. `action` is the authorization request itself, so nothing is kept meanwhile.
pub(crate) fn picker(action: &str, client_id: &str, prompt: Option<&str>, users: &[User]) -> Response {
    let mut body = format!(
        "<p>Sign in to <code>{}</code>{}.</p>\n<form method=post action=\"{}\">\n",
        escape(client_id),
        prompt.map(|prompt| format!(" (prompt: <code>{}</code>)", escape(prompt))).unwrap_or_default(),
        escape(action),
    );
    for user in users {
        body.push_str(&format!(
            "<button name=user value=\"{}\">{}<br><small>{}, {}{}{}</small></button>\n",
            escape(&user.id),
            escape(&user.name),
            escape(&user.preferred_username),
            escape(user.email.as_deref().unwrap_or("no e-mail address")),
            if user.home.is_some() { ", guest of another tenant" } else { "" },
            if user.disabled { ", disabled" } else { "" },
        ));
    }
    body.push_str("<button name=cancel value=1>Cancel</button>\n");
    body.push_str(&format!(
        "<details><summary>Simulate a fault</summary>\n<p><label>In this login: {}</label></p>\n</details>\n</form>\n",
        fault_select(None)
    ));
    page(StatusCode::OK, "Pick an account", &body)
}

/// The start page: who can sign in, and which fault is armed.
pub(crate) fn faults(issuers: &[String], users: &[User], armed: Option<Armed>) -> Response {
    let mut body = "<h2>Issuers</h2>\n<ul>\n".to_owned();
    for issuer in issuers {
        body.push_str(&format!("<li><code>{}</code></li>\n", escape(issuer)));
    }
    body.push_str("</ul>\n<h2>Users</h2>\n<ul>\n");
    for user in users {
        body.push_str(&format!("<li>{}, <code>{}</code></li>\n", escape(&user.name), escape(&user.oid)));
    }
    let now = match armed {
        Some(Armed { fault, once: true }) => format!("Armed for one request: <strong>{fault}</strong>."),
        Some(Armed { fault, once: false }) => format!("Armed until cleared: <strong>{fault}</strong>."),
        None => "No fault is armed.".to_owned(),
    };
    body.push_str(&format!(
        "</ul>\n<h2>Faults</h2>\n<p>{now}</p>\n<form method=post action=\"/dev/faults\">\n\
         <p><label>Fault: {}</label></p>\n\
         <p><label><input type=checkbox name=once value=1> for one request only</label></p>\n\
         <button>Set</button>\n</form>\n<dl>\n",
        fault_select(armed.map(|armed| armed.fault))
    ));
    for fault in Fault::ALL {
        body.push_str(&format!("<dt><code>{fault}</code></dt><dd>{}</dd>\n", escape(fault.about())));
    }
    body.push_str("</dl>\n");
    page(StatusCode::OK, "Development identity provider", &body)
}

fn fault_select(selected: Option<Fault>) -> String {
    let mut html = "<select name=fault><option>none</option>".to_owned();
    for fault in Fault::ALL {
        let mark = if selected == Some(*fault) { " selected" } else { "" };
        html.push_str(&format!("<option{mark}>{fault}</option>"));
    }
    html.push_str("</select>");
    html
}

/// Text made safe for HTML, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a href=\"x\" id='y'>&"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
    }
}
