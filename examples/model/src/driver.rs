//! Plays one move on the real thing, and judges what came of it by what the model predicted.

use dcr_core::{OperatorError, Reason};
use http::Request;
use serde_json::json;

use crate::model::{Answer, Model};
use crate::moves::{Act, App, Ask, Caller, Client, Detail, Login, Move, Redirect, Shown, Target};
use crate::world::{Approved, ISSUER, SERVER, Seen, UPSTREAM, World, encode, platform, query_of, seen, user_id};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const TOOLS: &str = "https://mcp.example/mcp";
const NOTES: &str = "https://mcp.example/notes";

impl World {
    /// Plays a move (one that is not faulty) on the system; `model` is how things are before it.
    pub(crate) async fn play(&mut self, m: &Move, model: &Model) -> Seen {
        match m {
            Move::Register(app) => {
                let name = match app {
                    App::Claude | App::ClaudeWithSecret => "Claude",
                    App::Editor => "Editor",
                    App::EditorAtWork => "Editor (work)",
                    App::Website | App::WebsiteWithSecret => "Website",
                };
                let method = if app.has_secret() { "client_secret_post" } else { "none" };
                self.register(name, app.home().uri(), method).await
            }
            Move::RegisterCrooked => self.register("Crooked", "javascript:alert(1)", "none").await,
            Move::Authorize { page, browser, client, redirect, ask } => {
                let query = self.authorize_query(*page, *client, *redirect, *ask);
                seen(&self.browse(*browser, None, &format!("/oauth/authorize?{query}"), None).await)
            }
            Move::Deny { page, browser } => {
                let form = self.forms.get(page).cloned().unwrap_or_default();
                let form = [("request", form.as_str()), ("decision", "deny")];
                seen(&self.browse(*browser, None, "/oauth/consent", Some(&form)).await)
            }
            Move::Approve { page, browser, meddles, .. } => {
                let form = self.forms.get(page).cloned().unwrap_or_default();
                let mut form = vec![("request", form.as_str()), ("decision", "approve")];
                if *meddles {
                    // CONS-06: nothing else of the form counts.
                    form.extend([
                        ("redirect_uri", Redirect::Evil.uri()),
                        ("client_id", "another"),
                        ("scope", "mcp:admin"),
                    ]);
                }
                seen(&self.browse(*browser, None, "/oauth/consent", Some(&form)).await)
            }
            Move::Callback { sign_in, browser, login, again } => {
                let approved = self.approved[sign_in].clone();
                let person;
                let login = match login {
                    Login::Of(who) => {
                        person = format!("{who:?}");
                        ("code", person.as_str())
                    }
                    Login::Denied => ("error", "access_denied"),
                    Login::Busy => ("code", "busy"),
                    Login::Invalid => ("code", "invalid"),
                };
                let path = format!("/oauth/callback?{}", encode(&[("state", &approved.state), login]));
                seen(&self.browse(*browser, again.then_some(approved.cookie), &path, None).await)
            }
            Move::Redeem { code, client, shown, detail } => {
                let page = &model.known.sign_ins[&code.sign_in].page;
                let other = *detail == Detail::OtherRedirect;
                let redirect = if other { other_redirect(page.redirect) } else { page.redirect };
                let verifier = if *detail == Detail::OtherVerifier { CHALLENGE } else { VERIFIER };
                let of_page = page.ask;
                let code = self.grants[code].clone();
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("redirect_uri", redirect.uri()),
                    ("code_verifier", verifier),
                    ("resource", resource_for(of_page, *detail)),
                ];
                self.token("/oauth/token", &fields, *client, *shown).await
            }
            Move::Refresh { token, client, shown, detail } => {
                let of_page = model.known.sign_ins[&token.sign_in].page.ask;
                let text = self.grants[token].clone();
                let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", text.as_str())];
                match detail {
                    Detail::OtherResource => fields.push(("resource", resource_for(of_page, *detail))),
                    Detail::Narrower => fields.push(("scope", if of_page == Ask::Notes { "notes" } else { "mcp" })),
                    Detail::Wider => fields.push(("scope", "mcp:admin")),
                    _ => {}
                }
                self.token("/oauth/token", &fields, *client, *shown).await
            }
            Move::Use { token, at } => {
                let text = self.text(*token);
                self.bearer(&text, *at).await
            }
            Move::Introspect { token, by } => {
                let text = self.text(*token);
                let fields = [("token", text.as_str())];
                match by {
                    Caller::Server => seen(&self.post("/oauth/introspect", &fields, Some(SERVER)).await),
                    Caller::Client(client) => self.token("/oauth/introspect", &fields, *client, Shown::Own).await,
                    Caller::Nobody => seen(&self.post("/oauth/introspect", &fields, None).await),
                }
            }
            Move::Revoke { token, client, shown } => {
                let text = self.text(*token);
                self.token("/oauth/revoke", &[("token", text.as_str())], *client, *shown).await
            }
            Move::Operate { act, target, beside } => self.operate(*act, *target, *beside).await,
            Move::Sweep => match self.engine.sweep(10_000).await {
                Ok(_) => Seen::Done,
                Err(refusal) => refused(refusal.reason()),
            },
            Move::Wait { .. } => Seen::Done,
            Move::Restart(rekey) => {
                let mut after = model.clone();
                after.apply(&Move::Restart(*rekey));
                self.restart(&after.ring).await;
                Seen::Done
            }
            Move::LoseDatabase => {
                self.lose_database(&model.ring).await;
                Seen::Done
            }
            Move::Faulty { .. } => Seen::Done,
        }
    }

    async fn register(&mut self, name: &str, redirect: &str, method: &str) -> Seen {
        let body = json!({ "client_name": name, "redirect_uris": [redirect], "token_endpoint_auth_method": method });
        let request = Request::post("/oauth/register").header("content-type", "application/json");
        seen(&self.send(request.body(body.to_string().into()).expect("a request")).await)
    }

    fn authorize_query(&self, page: u32, client: Client, redirect: Redirect, ask: Ask) -> String {
        let (id, state) = (self.id(client), state_of(page));
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", id.as_str()),
            ("redirect_uri", redirect.uri()),
            ("state", state.as_str()),
        ];
        if ask != Ask::NoChallenge {
            let method = if ask == Ask::PlainChallenge { "plain" } else { "S256" };
            fields.extend([("code_challenge", CHALLENGE), ("code_challenge_method", method)]);
        }
        match ask {
            Ask::Wide => fields.push(("scope", "mcp mcp:admin openid")),
            Ask::Notes => fields.push(("resource", NOTES)),
            Ask::UnknownResource => fields.push(("resource", "https://mcp.example/elsewhere")),
            Ask::TwoStates => fields.push(("state", "another")),
            Ask::TwoClients => fields.push(("client_id", "another-client")),
            _ => {}
        }
        encode(&fields)
    }

    async fn token(&mut self, path: &str, fields: &[(&str, &str)], client: Client, shown: Shown) -> Seen {
        let id = self.id(client);
        let secret = match shown {
            Shown::Nothing => None,
            Shown::Own => Some(self.secrets.get(&client).cloned().unwrap_or_else(|| "of-its-choice".to_owned())),
            Shown::Wrong => Some("another-secret".to_owned()),
        };
        let mut fields = fields.to_vec();
        fields.push(("client_id", id.as_str()));
        fields.extend(secret.as_deref().map(|secret| ("client_secret", secret)));
        seen(&self.post(path, &fields, None).await)
    }

    async fn operate(&self, act: Act, target: Target, beside: bool) -> Seen {
        use dcr_core::store::Target as Real;
        let real = match target {
            Target::Person(person) => Real::User(user_id(person)),
            Target::Connection(person, software) => Real::Connection(self.connections[&(person, software)]),
            Target::Client(client) => match dcr_core::ClientId::new(self.id(client)) {
                Ok(id) => Real::ClientId(id),
                Err(_) => return Seen::Done,
            },
            Target::Platform(name) => Real::Platform(platform(name)),
        };
        let command = self.command();
        let seen = match (act, beside) {
            (Act::End, false) => self.engine.revoke_sessions(&real, "operator").await.map(Seen::Ended),
            (Act::Block, false) => self.engine.block(&real, "operator").await.map(Seen::Ended),
            (Act::Unblock, false) => self.engine.unblock(&real, "operator").await.map(Seen::Unblocked),
            (Act::End, true) => ended(command.revoke(&real, "operator").await),
            (Act::Block, true) => ended(command.block(&real, "operator").await),
            (Act::Unblock, true) => {
                command.unblock(&real, "operator").await.map(Seen::Unblocked).map_err(dcr_core::Refusal::from)
            }
        };
        seen.unwrap_or_else(|refusal| refused(refusal.reason()))
    }

    /// Whether `seen` is `answer`; then what it brought is kept.
    pub(crate) fn fits(&mut self, m: &Move, model: &Model, answer: &Answer, seen: &Seen) -> bool {
        match (answer, seen) {
            (Answer::Refused(status, error), Seen::Refused(s, e)) => status == s && error == e,
            (Answer::Registered(client), Seen::Registered { id, secret }) => {
                if let Some(secret) = secret {
                    self.secrets.insert(*client, secret.clone());
                }
                let Client::Sealed(app, ..) = client else { return false };
                secret.is_some() == app.has_secret() && keep(&mut self.clients, *client, id)
            }
            (Answer::Consent, Seen::Consent(form)) => {
                let Move::Authorize { page, .. } = m else { return false };
                self.forms.insert(*page, form.clone());
                true
            }
            (Answer::Back(redirect, error), Seen::Sent(to)) => self
                .came_back(m, model, *redirect, to)
                .is_some_and(|query| query.get("error").is_some_and(|e| e == error) && !query.contains_key("code")),
            (Answer::Login { select_account }, Seen::Sent(to)) => {
                let Move::Approve { sign_in, browser, .. } = m else { return false };
                let Some(query) = query_of(to).filter(|_| to.starts_with(UPSTREAM)) else { return false };
                let asks = query.get("prompt").is_some_and(|prompt| prompt == "select_account");
                let state = query.get("state").cloned().unwrap_or_default();
                let named = |(name, _): &(&String, &String)| {
                    name.starts_with("__Host-dcr-tx-") && state.starts_with(&name[14..])
                };
                let jar = self.jars.entry(*browser).or_default();
                let Some((name, value)) = jar.iter().find(named) else { return false };
                let cookie = (name.clone(), value.clone());
                self.approved.insert(*sign_in, Approved { state, cookie });
                asks == *select_account
            }
            (Answer::Code(redirect, code), Seen::Sent(to)) => {
                let Some(query) = self.came_back(m, model, *redirect, to) else { return false };
                query.get("code").is_some_and(|text| keep(&mut self.grants, *code, text))
                    && !query.contains_key("error")
            }
            (
                Answer::Tokens { refresh, access, scope, seconds },
                Seen::Tokens { refresh: r, access: a, scope: granted, seconds: s },
            ) => {
                let same = granted == &scope.join(" ") && seconds == s;
                same && keep(&mut self.grants, *refresh, r) && keep(&mut self.access, *access, a)
            }
            (
                Answer::Active { person, client, sign_in, scope },
                Seen::Active { user, client: presented, session, scope: granted },
            ) => {
                let of_session = self.sessions.get(sign_in).is_some_and(|id| id.to_string() == *session);
                let who = user_id(*person).as_str() == user && self.id(*client) == *presented;
                of_session && who && scope.join(" ") == *granted
            }
            (Answer::Ended(n), Seen::Ended(m)) => n == m,
            (Answer::Unblocked(was), Seen::Unblocked(is)) => was == is,
            (Answer::Inactive, Seen::Inactive) | (Answer::Done, Seen::Done) => true,
            _ => false,
        }
    }

    /// The query of a redirect back to a client: to this URI, with the client's own state, from this issuer.
    fn came_back(
        &self,
        m: &Move,
        model: &Model,
        redirect: Redirect,
        to: &str,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        let query =
            query_of(to).filter(|_| to.strip_prefix(redirect.uri()).is_some_and(|rest| rest.starts_with('?')))?;
        let state = match m {
            Move::Authorize { ask: Ask::TwoStates, .. } => None,
            Move::Authorize { page, .. } | Move::Deny { page, .. } => Some(state_of(*page)),
            Move::Callback { sign_in, .. } => Some(state_of(model.known.sign_ins[sign_in].page.number)),
            _ => return None,
        };
        let good = query.get("iss").is_some_and(|iss| iss == ISSUER) && state.as_ref() == query.get("state");
        good.then_some(query)
    }
}

/// Keeps what somebody was given under its name in the model: the same name is the same text, and another is another.
fn keep<K: Ord + Copy>(all: &mut std::collections::BTreeMap<K, String>, name: K, text: &str) -> bool {
    match all.get(&name) {
        Some(known) => known == text,
        None if text.is_empty() || all.values().any(|other| other == text) => false,
        None => {
            all.insert(name, text.to_owned());
            true
        }
    }
}

fn state_of(page: u32) -> String {
    format!("state {page} \u{e9}\"><")
}

fn other_redirect(redirect: Redirect) -> Redirect {
    match redirect {
        Redirect::Local => Redirect::LocalOtherPort,
        Redirect::LocalOtherPort => Redirect::Local,
        _ => Redirect::NearlyClaude,
    }
}

fn resource_for(ask: Ask, detail: Detail) -> &'static str {
    if (ask == Ask::Notes) == (detail == Detail::OtherResource) { TOOLS } else { NOTES }
}

fn refused(reason: Reason) -> Seen {
    Seen::Refused(reason.status(), reason.error().to_owned())
}

fn ended(answer: Result<Vec<dcr_core::session::SessionId>, OperatorError>) -> Result<Seen, dcr_core::Refusal> {
    answer.map(|ended| Seen::Ended(ended.len())).map_err(dcr_core::Refusal::from)
}
