//! Why things are as they are.
//!
//! # Registration writes nothing
//!
//! An anonymous endpoint that stores a row can be made to store a million, and a row that waits for a user may wait for
//! ever. So `POST /oauth/register` computes: the metadata, packed and with a MAC, *is* the client id. It survives restarts,
//! resets and replicas for as long as its key does; the same public metadata gives the same id; a confidential client's
//! secret is derived from its id.
//!
//! # The presented client id
//!
//! Platforms go straight to authorize with an id of their own: one from before a reset, or the upstream application's id
//! that a person pasted into a form. They finish with the id that they sent, so it is never replaced: what was presented
//! at authorize is bound into the session, byte for byte, and compared at the token endpoint. An unknown id is *adopted*,
//! for one user's session, if its redirect URI belongs to a listed platform or to this person's own computer. That is safe
//! because a client id is never a source of authority: the redirect URI decides who may receive the code, and a person in
//! one browser decides who approved. The token endpoint never adopts: `401 invalid_client` there is the one signal that
//! makes clients register again.
//!
//! # Protections follow the redirect
//!
//! An attacker picks how his id came about; one registration is free. So consent, account chooser, warnings and automatic
//! error redirects depend on where the code goes: a listed platform, a loopback address, or elsewhere.
//!
//! # The software key
//!
//! If every redirect of a client belongs to one platform, that platform; else a digest of its name (without the alias in
//! brackets at the end) and its redirects (without ports, loopback names alike); a confidential client of the latter kind
//! is alone. It groups, caps and lets an operator revoke. No check reads it: sessions, consent, scopes and redirects stay
//! on the presented id.
//!
//! # One row, one counter
//!
//! A code is generation 0 of a session, a refresh token a later one; both are short sealed values. Redeeming is a
//! compare-and-swap. Of N parallel redemptions of a code one wins; of N parallel refreshes inside the grace all get the
//! same one successor; a replay later ends the session. The grace exists because several processes of one client share a
//! refresh token without a lock; it mints no second lineage.
//!
//! # Clients of an older system
//!
//! Their ids were not sealed by us, so they are rows, written by an import and by nothing else. Such an id resolves under
//! the redirect URIs that were recorded for it, before adoption is thought of and never by it; a secret that it had is not
//! known here, so it counts for as much as an adopted client's: it is remembered for the session and then required. The
//! import gives each person one connection for each software, with every old id as an alias; rows that belong to nobody
//! are not brought in.
//!
//! # A client id that is a URL
//!
//! Since the 2026-07-28 revision a client identifies itself by the URL of a document first and registers only as a
//! fallback. The document says what a registration says, so it is trusted like one: it names redirect URIs, and protections
//! follow the redirect. Claude Code's document lists loopback addresses, so any program on a computer can present its URL;
//! the page says so.
//!
//! The fetch is the one request of this server that a stranger causes, so all of them go through one guarded fetcher
//! ([`guarded`](crate::guarded)), one at a time for each URL and thirty a minute for each host. What is valid is kept in
//! memory for as long as HTTP says, between a minute and a day; a failure for five seconds. The vendors' hosts refuse some
//! addresses of data centres, so that copies of their documents are shipped, and serve when a host answers 403, 429 or 5xx
//! or not at all; never over a 404, a 410 or an invalid document. A redirect URI that a fresh document lacks fetches it
//! anew, at most once a minute.
//!
//! A client that was told of documents goes this way and no other, so clients are told only while the internet can be
//! reached: with `auto` a well-known host is asked at the start and by the request for the metadata that finds the last
//! answer too old (15 minutes, after a failure 5).
//!
//! # Clients that sign
//!
//! A document that everybody reads can hold no secret, but it can lead to public keys, by `jwks_uri` or `jwks`. A client
//! that offers `private_key_jwt` and has keys must sign, also where it would do without (SEP-3149). Its assertion is for our
//! issuer and nothing else: one for several servers could be brought here by another of them. It counts once, on all
//! replicas, by a row of the store, which is written at the last step before something is given for the assertion: who
//! has no code and no refresh token of ours causes no row. How a client authenticates is bound to its session at sign-in.
//!
//! A copy that serves while a host withholds the document would leave its client without keys, since they are withheld
//! with it. So in a copy `none` wins over signing where the client offers both. If such a client signs all the same, its
//! assertion is verified as soon as its keys can be had, and means nothing until then. Keys that cannot be had for a session
//! that requires them are a 503: not the client's fault, and no reason to register again.
//!
//! Registrations cannot sign: the id is the registration, and keys do not fit into it.
//!
//! # Pinned clients
//!
//! An id that the operator registers wins over every other way in which it could resolve: by the builder, in a file, or as
//! a row written with `dcr pin`, which running servers see within five seconds. Its approvals may be remembered, where
//! nobody but the client can be listening: in a sealed cookie of the browser, bound to the client as it was pinned, to
//! redirect URI, resource, scopes, and to the person. Who signs in is only known after the login, so the approver goes with
//! the transaction, and another person than that gets a page and is asked the next time. A navigation that no person began
//! (Fetch Metadata) is asked as if nothing were remembered.
//!
//! # Machine clients
//!
//! A pinned confidential client may have access tokens of its own (`client_credentials`). There is no person, so there is
//! no session and no row: their `sub` is in a namespace of its own (`svc_`), and nothing that looks up users finds it. They
//! lapse within minutes; a block of the id, or an end of the pin, is seen by every replica within the bound of a
//! revocation, because the guard asks the store every four seconds while such a token is in use.
//!
//! # Registrations that manage themselves
//!
//! RFC 7592 is opt-in, and for confidential registrations only: public ones that are alike share their id, and one of them
//! may not change the others. The access token of a registration is derived from its id and the number of its changes, so
//! that nothing is stored until something is changed (which nobody has to log in for: hence opt-in, and at most 60 changes a
//! minute), and each change makes the token before it useless. The address is a
//! query (`/oauth/register?client_id=…`) and not a path, so that every path of the engine is literal. A deleted
//! registration is blocked, which ends its sessions and stops a callback that is on its way, and its row stays, which no
//! unblocking and no lost secret undoes.
//!
//! # A database that went back in time
//!
//! After a backup was restored, or a failover lost the last writes, clients hold refresh tokens of generations that the
//! row has not reached. They were issued by us, so they are no forgery; but the same is true of a token that was stolen
//! and rotated in the lost part, and of one whose session was ended in it. So they are refused, with an alarm on the
//! record, until an operator has replayed the ends and blocks of the exported record and opens a window for a stated
//! time. In it a token ahead of its row moves the row past itself, by one compare-and-swap as always: of a thief and the
//! rightful client the one behind is then a replay, and the session ends. The row's idle expiry does not count in the
//! window, since the row is older than the token; its absolute end does. Sessions that were opened after the copy was
//! taken are gone with their rows: those people sign in again.
//!
//! Replay and open the window *before any server starts*. Until the replay a session that was ended in the lost part
//! lives. Until the window is open, rows that a recovery needs may be swept where the copy is more than a day old, since
//! they look older than they are; in the window nothing is swept. For whoever comes late: the sweeping that sign-ins do
//! begins only when a server has run for ten minutes.
//!
//! # Rotating the secret
//!
//! Everything that is sealed names the secret that sealed it, and every active secret opens. So a new secret is first added
//! last everywhere (it opens, and its public key is in the key set, before anything is sealed with it), then moved first
//! everywhere, then the old one is retired, after the longest session: from there on it verifies client ids, the client
//! secrets derived from them, and those that came along with an adopted or imported id and are remembered in its session;
//! nothing else. At no moment does a replica meet what it cannot open, whichever of two neighbouring steps the others are
//! at.
//!
//! # The consent page answers 303, and `form-action` lists the way
//!
//! Chromium checks `form-action` against every redirect that follows a form. Logins are federated to hosts that nobody
//! can list, so any `https:` is allowed there, and beside it exactly the loopback origin or scheme that the answer goes to.
//! Everything else of the policy is `'none'`; the style sheet is named by its hash.
//!
//! The buttons of the page take no click in its first 0.7 s, which stops a double click that began on another page (CO-1).
//! It does not stop a page that lies under another window for longer: without a script nothing tells when it came to the
//! front, and the rules that could (`:hover`) take the button away from touch screens.
//!
//! # Pages of an operator's own keep our headers
//!
//! What a page says may be replaced ([`Pages`](crate::pages::Pages)), what it may do not: the policy, the ban on frames and
//! the ban on caching are the engine's, and the one style sheet is named by the hash of what the replacement said it would
//! be. A page is tried in every language when the engine is built, with a name in it that must be escaped, and looked at
//! again each time it is served: without the sealed request and both decisions a person could not go on or back, and a
//! script means that somebody forgot to escape what a stranger named. Neither is served.
//!
//! The question on the consent page names whom the redirect proves, never whom the client claims to be (AD-6); the claim
//! stands below, with who vouches for it. The approval is emphasised only where there is nothing to warn of. A logo is our
//! own origin's or none: a picture from elsewhere would tell its host who signs in where. An SVG is shown as a picture, and
//! opened by itself it is sandboxed.
//!
//! # Access tokens
//!
//! `at+jwt` (RFC 9068) by EdDSA. Issuer and verifier are one program, so the header is not interpreted: it must be one
//! that this server would have written, byte for byte. Revocation reaches other replicas by a feed that checks read when it
//! is due, so there is no background task to forget.
//!
//! # Scopes
//!
//! What a resource's metadata and a 401 name is what almost every client asks for, and all that many ever ask for. So these
//! are the defaults and no more; everything else is an optional scope, granted when a client asks for it by name. A guard
//! that lacks one answers 403 with everything that the operation needs, the route's scopes and the tools' together, so that
//! one more sign-in is enough. It does not add what was granted already: clients unite the two (SEP-2350), and a broad scope
//! satisfies a narrow demand wherever scopes are compared: at guards, at refresh, under the ceiling of adopted ids.
//!
//! That sign-in opens a session of its own. The first one keeps its tokens and its narrower scope; nothing is widened in
//! place, so a refresh token is never worth more than on the day it was issued. `offline_access` is echoed and means
//! nothing: refresh tokens go by the grant types that a client registered. It is listed by the authorization server, where
//! it is the signal to ask for it, and never by a resource.
//!
//! # Which tool a request calls
//!
//! It is read from the body and from nothing else. The `Mcp-Method` and `Mcp-Name` headers of the 2026-07-28 revision repeat
//! it, but whoever wants to call another tool would write them as he likes. Guard and server must see the same name in the
//! same bytes, whatever parser the server has: a key that comes twice or in another case, parameters in an array, bytes after
//! the end, an encoding are refused. So is a body over the bound (4 MiB, as much as rmcp takes). What does not begin like a
//! JSON message is streamed. Whoever has what all tools need is not looked at: there is nothing to find out.
//!
//! # A guard elsewhere
//!
//! The token is verified by the same code as at the issuer; only the keys come from somewhere else. They must be of the
//! issuer's own origin, and its metadata must call it by the very name that the operator wrote. Last good keys serve while
//! the issuer is down: its tokens lapse within the hour anyway. A key that is not known then is 503 and not 401, which would
//! send a client with a good new token away to sign in again. Introspection is the choice between a revocation that is seen
//! within seconds and a server that works without its issuer: it fails with 503.
//!
//! The keys that bind MCP sessions are this process's own, since the issuer's secret has no business elsewhere.
//!
//! # What is kept of the provider's tokens
//!
//! Nothing, unless an operator gave a resource upstream scopes or asked for a recheck: then a login asks for these scopes and
//! `offline_access`, and nothing else of it changes. They belong to the person, so there is one row for each user, application
//! and scope set, however many clients and devices; it goes in the transaction that ends the last session, or with the sweep
//! (a day later) if that lapsed by itself. Nobody can use it in between, since only a living session gets anything.
//!
//! One of all who need a token refreshes it: within a process by turns, between processes by a lease, which is a
//! compare-and-swap on the row that lapses after 30 s. Whoever waits reads the row again, every 20 ms at first. There is no
//! copy in memory: a read for each call of a tool costs little beside the call to the provider that follows, and a person who
//! was signed out elsewhere gets nothing at once. A provider that is down is asked once for all who wait, not once for each.
//!
//! Each refresh brings a new refresh token, and a database that fails just then loses it. The old one does as well at Entra
//! ID, which does not revoke it. A provider that rotates strictly refuses it, and maybe all that it gave: then the person
//! signs in again. Writing first and asking later is not possible, so it is this or a second store.
//!
//! What an older secret of the ring sealed opens until that is retired; a refresh seals it anew. Then, or with the secret
//! lost, the person signs in again and nothing else is lost; the row is left alone, for a replica that has the secret.
//!
//! What a provider's refusal means is typed: the grant is dead, or wants the person (the row goes, sign in again); the person
//! is disabled or gone (their sessions end, with the reason on record); consent is missing; our own credentials are wrong (an
//! alarm for the operator); everything else is trouble that passes. Trouble is never the user's fault and never ends anything.
//!
//! # Rechecks are off, and happen at refresh
//!
//! A recheck makes the login's provider a part of each refresh, needs `offline_access`, which some organisations have to
//! consent to, and is judged by Conditional Access against this server's own address. That is for an operator to want. It
//! happens at refresh and not at each request because that is where a session is prolonged; the bound is the life of an
//! access token (15 minutes) and the interval. A provider that does not answer lets sessions go on for one more hour, and
//! then answers 503: an hour is longer than most outages, and shorter than a dismissed person should have.
//!
//! # People who look at pages are no rows
//!
//! Somebody who signs in to the console or to their own connections gets a sealed cookie for an hour and nothing else: no user,
//! no session, no upstream token. A row would need its own revocation on every replica for something that lapses before lunch.
//! The price is that signing out is the browser's affair; what an operator needs in earnest is a block, which counts at once.
//! What is used up is the sign-in itself, so that a copied answer of the login counts once (I-12).
//!
//! Both come back to `/oauth/callback`, because operators have registered that and nothing else. A console at an origin of its
//! own cannot, since cookies do not go from one host to the other.
//!
//! Strict, and not Lax: these pages change things. So the callback is a page that goes on by itself (`Refresh`), and a link in a
//! mail first shows the sign-in page, whose button finds the session.
//!
//! Anybody whom the provider identifies may look at their own connections, also who is not admitted any more: ending access must
//! not need a right to have it.
//!
//! # MCP session ids carry a MAC
//!
//! The guard rewrites `Mcp-Session-Id`: what leaves is the server's own id and a MAC over it, user, client and resource.
//! It survives refreshes and works on any replica, and another person's id is an unknown session.
