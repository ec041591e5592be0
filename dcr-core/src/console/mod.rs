//! The pages of the operator's console. Who asks is known when a request comes here, and that a form is theirs.

use ::http::{Response, StatusCode};
use bytes::Bytes;

use crate::engine::Inner;
use crate::error::Reason;
use crate::http::{Params, Responder};
use crate::pages::escape;
use crate::web::WebPerson;

/// A request of somebody who may use the console.
pub(crate) struct ConsoleRequest<'a> {
    pub(crate) person: &'a WebPerson,
    /// GET, or POST that passed the checks: from our own origin, with the token of this sign-in in the field `token`.
    pub(crate) method: &'a ::http::Method,
    /// Below `/oauth/admin`, without a leading slash; empty for itself.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [u8],
    /// Of a POST.
    pub(crate) form: Option<&'a Params>,
    pub(crate) headers: &'a ::http::HeaderMap,
}

impl Inner {
    /// A page of the console.
    pub(crate) async fn console(&self, request: ConsoleRequest<'_>) -> Response<Bytes> {
        let ConsoleRequest { person, method, path, query, form, headers } = request;
        let respond = Responder::new(self, headers);
        if !path.is_empty() || !query.is_empty() {
            return respond.refusal("console", &Reason::NotFound.into());
        }
        if form.is_some() || *method != ::http::Method::GET {
            return respond.method_not_allowed("GET");
        }
        let (_, style) = self.look.shared();
        let page = format!(
            "<!doctype html><html lang=\"{lang}\"><title>{title}</title><style>{style}</style>\
             <main class=\"card\"><h1>{title}</h1><p>{who}</p><form method=\"post\" action=\"{prefix}/admin/sign-out\">\
             <input type=\"hidden\" name=\"token\" value=\"{token}\"><button>{out}</button></form></main></html>",
            lang = respond.language(),
            title = respond.language().texts().web.console,
            who = escape(&(respond.language().texts().web.signed_in_as)(person.shown())),
            prefix = self.prefix,
            token = person.form_token(),
            out = respond.language().texts().web.sign_out,
        );
        respond.page(StatusCode::OK, page, "'self'")
    }
}
