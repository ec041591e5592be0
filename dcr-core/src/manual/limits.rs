//! Abuse limits: what each of them is for, and why it is no stricter.
//!
//! Registration and authorize answer strangers and write nothing, so a flood of them costs processor time and no storage.
//! Limits keep it from costing other people their turn. They are [`Limits`](crate::Limits); beyond them the answer is
//! `429`, `temporarily_unavailable` and `Retry-After`, a page for people, and nothing has happened: the same request works
//! later. A body is not read of a request that is not let in.
//!
//! # By address
//!
//! Three budgets, for registering, for steps of a sign-in, for tokens, so that one of them used up leaves the others. They
//! are large: a company of some thousand people is one address when it comes to work in the morning, and a hosted platform
//! asks for the tokens of all of its users from a few. What tells a flood from those is that it gets nothing: a request
//! that is refused through the fault of the client costs ten. An IPv6 subscriber is a network of 64 bits.
//!
//! The address is the peer's. Behind a proxy that is the proxy's, until it is among the
//! [trusted ones](crate::TrustedProxies): then it is the rightmost address of `X-Forwarded-For` that is no trusted proxy's,
//! since everything left of that may have been in the request already. A log line says so where an address is limited that
//! says it is a proxy and is not believed. A host that does not say who the peer is (see the adapter) has the other limits
//! only.
//!
//! # By session, and by client
//!
//! A client id is public, and identical registrations share one: a limit on what is asked under an id would let a stranger
//! use up what its owner may. So what counts is a proof: the session of a valid code or refresh token, after the client's
//! own credentials were found good; the id of a client that authenticated as itself.
//!
//! # Ceilings over all
//!
//! They are for floods from ever new addresses, and at what one process bears: beginning of a sign-in, registration,
//! tokens. A request that its address's limit refused does not count. Consent and callback have none: who was let in may
//! finish. Exchanges of codes at the provider have a lower one: anybody can approve, and come back with a code that he made
//! up; each is a request to the provider, which throttles an application that sends too many. A person who meets it reloads
//! the page.
//!
//! They are not for addresses (20,000 of them) from which somebody signed in or used a valid token within the last day: a
//! company's, a hosted platform's. Its own limit each of them has all the same; so whoever has an account gains no more by
//! it than other people have. From an address that is new, people are turned away in proportion to a flood above a
//! ceiling. That is for a network in front of this server to stop; what this server sees to is that those it knows come in,
//! and that its memory, its database and its provider are not what breaks.
//!
//! # Documents of clients
//!
//! A host is asked for at most thirty documents and key sets a minute (CI-11), and one address makes this server fetch at
//! most twenty of any host. So one stranger cannot use up a host's budget, and two need more than a minute's luck: what
//! was valid serves from memory for up to a day while its host cannot be asked, and the vendors' documents are shipped.
//!
//! # Bounded memory
//!
//! A bucket is one integer: the instant at which it will be empty. 100,000 of them are kept, by how often they are used,
//! not by how lately, so that a flood of new addresses does not push out those that are being limited. That is about
//! 60 MiB, measured, and never more. The log says how much a limit refused every ten seconds, not once for each request; and of what is
//! refused for another reason through the fault of the client, ten a second get a line of their own, the others are summed up.
//!
//! Each process counts by itself: three replicas let in three times as much.
