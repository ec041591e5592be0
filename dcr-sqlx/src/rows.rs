//! Values on their way into statements, and rows on their way out: integers, words, texts, bytes and null.

use std::net::IpAddr;

use dcr_core::record::{Actor, Event, EventKind, FunnelCount, Reference, RequestRecord, Step};
use dcr_core::session::{
    CodeChallenge, Connection, ConnectionId, EventId, Generation, RequestId, Session, SessionEnd, SessionId, User,
    UserId,
};
use dcr_core::store::{BlockKind, Revocation, StoreError, StoredUpstreamToken, Target};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{
    AuthMethod, ClientId, ImportedClient, Platform, Provenance, ScopeSet, Secret, SoftwareKey, StoredClient, Timestamp,
};

use crate::dialect::Dialect;
use crate::failure::{Failure, failure};

/// Later than every time that is kept.
pub(crate) const END_OF_TIME: Timestamp = Timestamp::from_unix_micros(i64::MAX);

/// A value of a statement. Without `Debug`: it may be the server's secret, or somebody's address.
#[doc(hidden)]
#[derive(Clone)]
pub enum Value {
    /// An integer, or null.
    Integer(Option<i64>),
    /// A word or a few of our own choosing, in ASCII, or null. Compared as bytes.
    Word(Option<String>),
    /// A text of somebody else's choosing, in which anything may be, or null. Never compared.
    Text(Option<String>),
    /// Bytes, or null.
    Bytes(Option<Vec<u8>>),
}

/// A number that the database gave to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(i64);

/// A name of ours.
pub(crate) struct Word<'a>(pub(crate) &'a str);

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::rows::Value::from($value)),*] };
}
pub(crate) use values;

/// What is written as an integer, a text or bytes, and so is its `Option`.
macro_rules! written {
    ($($variant:ident: $($type:ty => |$value:ident| $write:expr),+;)+) => {$($(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$variant(Some($write))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $write))
            }
        }
    )+)+};
}

written! {
    Integer:
        Timestamp => |time| time.unix_micros(),
        Generation => |generation| i64::from(generation.get()),
        Number => |number| number.0,
        bool => |flag| i64::from(flag),
        u16 => |number| i64::from(number),
        u32 => |number| i64::from(number);
    Word:
        Word<'_> => |word| word.0.to_owned(),
        &UserId => |id| id.as_str().to_owned(),
        &Actor => |actor| actor.to_string(),
        &Reference => |reference| reference.to_string(),
        IpAddr => |address| address.to_string(),
        &ScopeSet => |scope| scope.to_string();
    Text:
        &str => |text| text.to_owned(),
        &String => |text| text.clone();
    Bytes:
        &SessionId => |id| id.as_bytes().to_vec(),
        &ConnectionId => |id| id.as_bytes().to_vec(),
        &EventId => |id| id.as_bytes().to_vec(),
        &RequestId => |id| id.as_bytes().to_vec(),
        &ClientId => |id| id.as_str().as_bytes().to_vec(),
        &Platform => |name| name.as_str().as_bytes().to_vec(),
        &SoftwareKey => |key| key.as_str().as_bytes().to_vec(),
        &[u8] => |bytes| bytes.to_vec(),
        &[u8; 16] => |bytes| bytes.to_vec(),
        &[u8; 32] => |bytes| bytes.to_vec();
}

/// The columns of a row, read one after the other in the order of the query.
pub(crate) struct Columns<DB: Dialect> {
    row: DB::Row,
    at: usize,
}

impl<DB: Dialect> Columns<DB> {
    pub(crate) const fn of(row: DB::Row) -> Self {
        Self { row, at: 0 }
    }

    fn column<T>(
        &mut self,
        read: impl Fn(&DB::Row, usize) -> Result<Option<T>, sqlx::Error>,
    ) -> Result<Option<T>, Failure> {
        let value = read(&self.row, self.at).map_err(failure::<DB>);
        self.at += 1;
        value
    }

    pub(crate) fn integer(&mut self) -> Result<i64, Failure> {
        let value = self.column(DB::integer)?;
        self.present(value)
    }

    fn word(&mut self) -> Result<String, Failure> {
        let value = self.column(DB::word)?;
        self.present(value)
    }

    fn text(&mut self) -> Result<String, Failure> {
        let value = self.column(DB::text)?;
        self.present(value)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        let value = self.column(DB::bytes)?;
        self.present(value)
    }

    /// Text that is kept as bytes.
    fn ascii(&mut self) -> Result<String, Failure> {
        let value = self.bytes()?;
        self.fits(String::from_utf8(value).ok())
    }

    fn id<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let value = self.bytes()?;
        self.fits(value.try_into().ok())
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Failure> {
        self.integer().map(Timestamp::from_unix_micros)
    }

    fn time_or_null(&mut self) -> Result<Option<Timestamp>, Failure> {
        Ok(self.column(DB::integer)?.map(Timestamp::from_unix_micros))
    }

    pub(crate) fn session_id(&mut self) -> Result<SessionId, Failure> {
        self.id().map(SessionId::from_bytes)
    }

    /// The session id that is the next column, which is read again after this.
    pub(crate) fn peek_session_id(&mut self) -> Result<SessionId, Failure> {
        let id = self.session_id();
        self.at -= 1;
        id
    }

    pub(crate) fn number(&mut self) -> Result<Number, Failure> {
        self.integer().map(Number)
    }

    pub(crate) fn number_or_null(&mut self) -> Result<Option<Number>, Failure> {
        Ok(self.column(DB::integer)?.map(Number))
    }

    pub(crate) fn connection_id(&mut self) -> Result<ConnectionId, Failure> {
        self.id().map(ConnectionId::from_bytes)
    }

    pub(crate) fn connection_id_or_null(&mut self) -> Result<Option<ConnectionId>, Failure> {
        Ok(self.id_or_null()?.map(ConnectionId::from_bytes))
    }

    pub(crate) fn user_id(&mut self) -> Result<UserId, Failure> {
        let value = self.word()?;
        self.fits(value.parse().ok())
    }

    pub(crate) fn client_id(&mut self) -> Result<ClientId, Failure> {
        let value = self.ascii()?;
        self.fits(ClientId::new(value).ok())
    }

    pub(crate) fn platform(&mut self) -> Result<Platform, Failure> {
        self.ascii().map(|name| Platform::named(&name))
    }

    /// What was read, if it is there.
    fn present<T>(&self, value: Option<T>) -> Result<T, Failure> {
        value.ok_or_else(|| self.misfit("is null"))
    }

    /// What was read, if it is what it should be.
    fn fits<T>(&self, value: Option<T>) -> Result<T, Failure> {
        value.ok_or_else(|| self.misfit("does not decode"))
    }

    /// Says which column, never what is in it.
    fn misfit(&self, what: &str) -> Failure {
        use sqlx::{Column as _, Row as _};
        let at = self.at.saturating_sub(1);
        let name = self.row.columns().get(at).map_or("?", |column| column.name());
        Failure::Store(StoreError::Inconsistent(format!("column {at} ({name}) {what}")))
    }

    pub(crate) fn session(&mut self) -> Result<Session, Failure> {
        Ok(Session {
            id: self.session_id()?,
            connection: self.connection_id()?,
            user: self.user_id()?,
            client_id: self.client_id()?,
            provenance: {
                let name = self.word()?;
                self.fits(Provenance::from_name(&name))?
            },
            platform: self.platform()?,
            auth_method: {
                let name = self.word()?;
                self.fits(AuthMethod::from_name(&name))?
            },
            adopted_secret: match self.column(DB::bytes)? {
                Some(bytes) => Some(self.fits(bytes.try_into().ok())?),
                None => None,
            },
            redirect_uri: self.ascii()?,
            code_challenge: CodeChallenge::from_bytes(self.id()?),
            resource: self.ascii()?,
            scope: ScopeSet::parse_lossy(&self.word()?),
            refreshable: self.integer()? != 0,
            generation: {
                let number = self.integer()?;
                self.fits(u32::try_from(number).ok().map(Generation::new))?
            },
            created_at: self.time()?,
            redeemed_at: self.time_or_null()?,
            advanced_at: self.time()?,
            expires_at: self.time()?,
            absolute_expires_at: self.time()?,
            ended: {
                let at = self.time_or_null()?;
                let reason = self.column(DB::text)?;
                at.zip(reason).map(|(at, reason)| SessionEnd { at, reason })
            },
        })
    }

    pub(crate) fn user(&mut self) -> Result<User, Failure> {
        Ok(User {
            id: self.user_id()?,
            issuer: self.text()?,
            tenant: self.text()?,
            object_id: self.text()?,
            name: self.column(DB::text)?,
            email: self.column(DB::text)?,
            groups: {
                let text = self.column(DB::text)?;
                self.fits(Groups::from_stored(text.as_deref()))?
            },
            roles: {
                let text = self.column(DB::text)?;
                self.fits(Roles::from_stored(text.as_deref()))?
            },
        })
    }

    /// The connection without its aliases, and one of them.
    pub(crate) fn connection_and_alias(&mut self) -> Result<(Connection, Option<ClientId>), Failure> {
        let connection = Connection {
            id: self.connection_id()?,
            user: self.user_id()?,
            software: SoftwareKey::from_stored(self.ascii()?),
            platform: self.platform()?,
            aliases: Vec::new(),
            created_at: self.time()?,
            last_sign_in_at: self.time()?,
        };
        Ok((connection, self.client_id_or_null()?))
    }

    pub(crate) fn event(&mut self) -> Result<Event, Failure> {
        let id = EventId::from_bytes(self.id()?);
        let at = self.time()?;
        let kind = {
            let name = self.word()?;
            self.fits(EventKind::from_name(&name))?
        };
        Ok(Event {
            reason: self.text()?,
            user: match self.column(DB::word)? {
                Some(id) => Some(self.fits(id.parse().ok())?),
                None => None,
            },
            connection: self.connection_id_or_null()?,
            session: self.id_or_null()?.map(SessionId::from_bytes),
            client_id: self.client_id_or_null()?,
            platform: match self.column(DB::bytes)? {
                Some(name) => Some(Platform::named(&self.fits(String::from_utf8(name).ok())?)),
                None => None,
            },
            actor: match self.column(DB::word)? {
                Some(actor) => self.fits(actor.parse().ok())?,
                None => Actor::Unknown,
            },
            reference: match self.column(DB::word)? {
                Some(reference) => Some(self.fits(reference.parse().ok())?),
                None => None,
            },
            ..Event::new(id, at, kind)
        })
    }

    fn id_or_null<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Failure> {
        match self.column(DB::bytes)? {
            Some(bytes) => self.fits(bytes.try_into().ok()).map(Some),
            None => Ok(None),
        }
    }

    fn client_id_or_null(&mut self) -> Result<Option<ClientId>, Failure> {
        match self.column(DB::bytes)? {
            Some(bytes) => self.fits(String::from_utf8(bytes).ok().and_then(|text| ClientId::new(text).ok())).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn revocation(&mut self) -> Result<Revocation, Failure> {
        Ok(Revocation { session: self.session_id()?, at: self.time()? })
    }

    pub(crate) fn imported_client(&mut self) -> Result<ImportedClient, Failure> {
        let id = self.client_id()?;
        let name = self.column(DB::text)?;
        let redirects = self.ascii()?;
        self.fits(ImportedClient::new(id, name.as_deref(), redirects.lines()).ok().map(|(client, _)| client))
    }

    pub(crate) fn client(&mut self) -> Result<StoredClient, Failure> {
        let id = self.client_id()?;
        let version = self.integer()?;
        let version = self.fits(u32::try_from(version).ok())?;
        let kind = self.word()?;
        let body = self.text()?;
        self.fits(StoredClient::from_row(id, version, &kind, &body))
    }

    pub(crate) fn funnel_count(&mut self) -> Result<FunnelCount, Failure> {
        Ok(FunnelCount {
            hour: self.time()?,
            platform: self.platform()?,
            step: {
                let name = self.word()?;
                self.fits(Step::from_name(&name))?
            },
            outcome: self.word()?,
            count: self.count()?,
        })
    }

    pub(crate) fn request(&mut self) -> Result<RequestRecord, Failure> {
        Ok(RequestRecord {
            id: self.id().map(RequestId::from_bytes)?,
            user: self.user_id()?,
            session: self.session_id()?,
            at: self.time()?,
            method: self.word()?,
            tool: self.column(DB::text)?,
            status: {
                let status = self.integer()?;
                self.fits(u16::try_from(status).ok())?
            },
            address: match self.column(DB::word)? {
                Some(address) => Some(self.fits(address.parse().ok())?),
                None => None,
            },
        })
    }

    pub(crate) fn upstream_token(&mut self) -> Result<StoredUpstreamToken, Failure> {
        Ok(StoredUpstreamToken {
            sealed: self.bytes()?,
            version: self.id()?,
            leased_until: self.time()?,
            refreshed_at: self.time()?,
        })
    }

    pub(crate) fn user_and_count(&mut self) -> Result<(UserId, u64), Failure> {
        Ok((self.user_id()?, self.count()?))
    }

    pub(crate) fn block(&mut self) -> Result<Target, Failure> {
        let kind = self.word()?;
        let kind = self.fits(BlockKind::from_name(&kind))?;
        let target = self.bytes()?;
        self.fits(Target::of_block(kind, &target))
    }

    pub(crate) fn secret(&mut self) -> Result<Secret, Failure> {
        self.id().map(Secret::from_bytes)
    }

    pub(crate) fn count(&mut self) -> Result<u64, Failure> {
        let number = self.integer()?;
        self.fits(u64::try_from(number).ok())
    }
}

/// The values of `put_user` and `import_user`, in the order of their columns.
pub(crate) fn of_user(user: &User) -> Vec<Value> {
    values![
        &user.id,
        &user.issuer,
        &user.tenant,
        &user.object_id,
        user.name.as_deref(),
        user.email.as_deref(),
        user.groups.to_stored().as_deref(),
        user.roles.to_stored().as_deref(),
    ]
}

/// The values of `add_session`, in the order of its columns.
pub(crate) fn of_session(session: &Session, connection: ConnectionId, terms: Number) -> Vec<Value> {
    values![
        &session.id,
        &connection,
        terms,
        session.adopted_secret.as_ref(),
        session.redirect_uri.as_bytes(),
        session.code_challenge.as_bytes(),
        session.refreshable,
        session.generation,
        session.created_at,
        session.redeemed_at,
        session.advanced_at,
        session.expires_at,
        session.absolute_expires_at,
        session.ended.as_ref().map(|end| end.at),
        session.ended.as_ref().map(|end| end.reason.as_str()),
    ]
}

/// The values of `import_client`, in the order of its columns.
pub(crate) fn of_imported_client(client: &ImportedClient) -> Vec<Value> {
    // Redirect URIs are visible ASCII: a line's end is never part of one.
    let redirects = client.redirects().collect::<Vec<_>>().join("\n");
    values![client.id(), client.name(), redirects.as_bytes()]
}

/// The values of `add_event`, in the order of its columns.
pub(crate) fn of_event(event: &Event) -> Vec<Value> {
    values![
        &event.id,
        event.at,
        Word(event.kind.as_str()),
        &event.reason,
        event.user.as_ref(),
        event.connection.as_ref(),
        event.session.as_ref(),
        event.client_id.as_ref(),
        event.platform.as_ref(),
        (event.actor != Actor::Unknown).then_some(&event.actor),
        event.reference.as_ref(),
    ]
}
