//! The attacks that were considered, by where they begin, and the default that stands against each. The ids in brackets
//! are those of the tests: the case catalogue of the repository has a black-box case or the name of a test for every one.
//! [`manual::decisions`](crate::manual::decisions) tells why the design is as it is, [`manual::limits`](crate::manual::limits)
//! what a flood meets.
//!
//! # A client id that nobody registered
//!
//! *Take over an account by an id that is adopted* (AD-1 to AD-3). An adopted id exists for one person's session and for
//! nobody else, so being first gains nothing. It is adopted only if its redirect is one of a listed platform or on the
//! person's own computer; any other gets a page and no redirect (AD-2, ADOPT-03). Ids of ours carry a MAC: one with a wrong
//! MAC is refused and never adopted (ADOPT-05). *Default:* `platforms+loopback`, because a platform that skips registration
//! or has outlived a reset cannot come in otherwise. `off` is for servers whose clients are all pinned.
//!
//! *Make a confidential client public after a reset* (AD-4). A sealed id restores how its client authenticates. A secret
//! that comes with an adopted id proves nothing, and is required from then on (ADOPT-20).
//!
//! *Fill the database* (AD-9, ADOPT-14, CVE-2026-110843). Nothing is written before a person has approved and logged in.
//!
//! *Learn which ids exist* (AD-14). One answer for all refusals of id or redirect, in the same words.
//!
//! # The redirect URI
//!
//! *Have the code sent elsewhere* by a prefix, another host, a parser that reads differently, or a look-alike of loopback
//! (REDIR-01 to REDIR-20, LO-1 to LO-5, CVE-2024-8883, CVE-2020-15233, CVE-2026-18211). What is compared is bytes, after a gate
//! that lets in only what is canonical already; what is emitted is what was compared. Only the port of a loopback address
//! is free. *Default:* any https redirect may be registered (`open`), because protections follow the redirect: for one that
//! is neither a platform's nor loopback, errors go to the client only after approval, and the login asks for the account.
//!
//! *Run a script* by `javascript:` and the like (REDIR-16). Custom schemes are allowed one by one, as exact strings.
//!
//! # The person in the middle
//!
//! *Let the company login wave it through* (UP-1, the confused deputy). Our own consent comes before the login, every time,
//! for all but pinned clients whose approval was remembered. *Have somebody else's browser finish* (CVE-2026-27124, CB-01 to
//! CB-04): the transaction is in a cookie that is set by the approval, and without it there is no code. *Approve for
//! somebody* by a forged form, a frame or a double click (CO-1, CO-2): the form is sealed to this browser's cookie, may not
//! be framed, and takes no click at first. *Look like somebody else* (AD-6, CO-4, CI-10): the page asks about whom the
//! redirect proves, a name that the client gives itself stands below with who vouches for it.
//!
//! *Send a person the link of an own connection* (AD-11). Not visible from here: the page says to go on only if one began it
//! oneself, and who signs in is asked by the login. The platform must check its own `state`.
//!
//! # The login
//!
//! *Bring another's code, token or tenant* (UP-3, UP-6, UPS-03, nOAuth). State, nonce and PKCE of our own; issuer, audience,
//! times, tenant and signature checked; keys from the provider's document only; algorithm never from the token. A user is
//! issuer, tenant and object id, never an e-mail address. *Default:* the tenant that the operator named, personal accounts
//! by name only.
//!
//! *Make the upstream token useful* (UP-5, I-9). It is not handed out, and is no access token here. It is kept only where the
//! operator gave a resource upstream scopes, sealed with the user, the application and the scope set as associated data, so
//! that a row that is copied to another user does not open. The server's own tools get it, for the person who calls and the
//! scopes of the resource that was called, while that session lives. *Default:* nothing is asked for, and nothing kept.
//!
//! *Go on after being dismissed* (UP-7). Sessions end at their absolute life, or by an operator; with a recheck at the
//! refresh after the provider disabled the account. *Default:* no recheck.
//!
//! # Codes and tokens
//!
//! *Use a code or refresh token twice, at once, late, or as another client* (RACE-01, RACE-02, RT-1 to RT-8, TOK-09, TOK-11, ME-1,
//! CVE-2026-55672, CVE-2026-53517, CVE-2026-50631, CVE-2026-1035). One row, one counter, one conditional write; everything is
//! compared before it. *Default:* a grace of 30 s for the predecessor, with the same successor: clients run several processes
//! over one store, hosted ones refresh from two addresses. A longer one gives a thief longer; none logs people out.
//!
//! *Present one kind of value as another* (TOK-13, CVE-2026-4282). Each type has its own key and label.
//!
//! *Guess or forge* (TOK-12). 80 random bits and a MAC; a forged one costs no read.
//!
//! *Confuse the verifier* by `alg`, `kid`, `jwk`, wrong types (RS-03, RS-04, CVE-2026-25537). The header must be the one that
//! this server writes, byte for byte; claims are parsed into a strict struct. *Use a token elsewhere* (RS-01): the audience
//! is one resource. *Default:* 15 minutes, and a revocation is seen by every replica within 5 s.
//!
//! # What this server fetches
//!
//! *Reach inside* by a document's URL (CI-1 to CI-5, CIMD-05, CIMD-07): https on public addresses, the address that was checked
//! is the one that is connected to, no redirects, 5 KiB, 5 s. *Hit a third party* (CI-11): limits by host and by address.
//! *Default:* documents are accepted while the internet can be reached (`auto`).
//!
//! # Several sessions of one person
//!
//! *Inherit from a sibling* (ME-1 to ME-14, MERGE-01 to MERGE-11). A connection is a label: no redirect, scope, consent or token
//! moves between its ids. *Evade a block* (ME-12): blocks are of people, connections, platforms or ids, looked at when a
//! session opens and by everything that uses one.
//!
//! # Pages that people sign in to
//!
//! *Have somebody sign in as oneself* (CB-1, login CSRF), so that they disconnect, or administer, in a stranger's name. A sign-in
//! begins with a form that our own page posts, and ends in the browser that began it: state, nonce and PKCE verifier are in a
//! sealed cookie of that browser, for ten minutes and once. The login shows its account chooser every time, and the page says
//! as whom one is signed in.
//!
//! *Have somebody do something* (CO-2, CSRF). Who is signed in is a Strict cookie: no request that another site causes has it.
//! A form must come from the same origin besides (`Origin`, `Sec-Fetch-Site`; another host of the same site is not that) and has
//! a token of its own session. Nothing is changed by GET. *Frame it* (CO-1): not possible; and a window that opened the page
//! keeps no hand on it.
//!
//! *Send somebody on* after the sign-in: to a path of the same area and nowhere else. *Put words into our mouth* by a link: what
//! a page says that ended is read from the store, never from the address.
//!
//! *Use one kind of session as another* (CB-10). Console, connections and the MCP flow have keys of their own for everything that
//! a browser carries; access tokens, refresh tokens and the admin token open no page. The admin API takes the console's cookie
//! from pages of the same origin only, and changes only with a JSON body, which no form sends.
//!
//! *Get into the console by a role of one's own tenant*: where the operator names tenants, they count there as well. An id of
//! ours in the list is never somebody's object id that looks like it, an address counts if the provider vouches for it, and
//! empty lists let in nobody. *Stay in it*: blocks are looked at with each request, another list ends every session, and so
//! does an hour. *Default:* there is no console.
//!
//! *Look at, or end, what is another's* (OP-1): another person's connection is as good as unknown.
//!
//! What is left: a cookie that was stolen from the browser's disk serves for its hour, unless its person is blocked; on loopback
//! http, any program of the same computer may set cookies, and so sign the person in as somebody.
//!
//! # Registration
//!
//! *Say too much* (DCR-02, DC-1 to DC-12): 16 KiB of JSON, known members only, text shown inert. Nothing is fetched. *Give oneself
//! rights* (DC-6): there is nothing in a registration that gives any.
//!
//! # The network around it
//!
//! *Change the issuer by a header* (META-02, MD-1): it is configuration, never the request. *Appear to come from elsewhere*:
//! `X-Forwarded-For` is believed from named proxies only. *Default:* none.
//!
//! # Whoever reads logs or the database
//!
//! *Find something to use* (LEAK-01, OP-5, OP-6): secrets are sealed or hashed, redacted in `Debug`, in no log line of ours.
//! *Default:* a server with a public URL does not start with a secret that is in its database, unless told to in so many
//! words.
