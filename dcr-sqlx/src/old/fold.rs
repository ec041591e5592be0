//! Rows folded into people: a person has ids, an id has redirect URIs, and software is what ids with the same ones are.

use std::collections::{BTreeMap, BTreeSet};

use dcr_core::session::{User, UserId};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{ClientId, ImportFault, ImportedClient, ImportedUse, PlatformList, RedirectFault, Timestamp};

use super::report::{PersonReport, Report, TableRead, Unreadable};
use super::source::{Field, Table};
use super::time;

/// Names and addresses are for people to read; more of one is no name.
const MAX_TEXT: usize = 320;
/// So many client ids that could not be read are named for each reason.
const EXAMPLES: usize = 5;

/// The immutable id of a person in the tenant: a GUID, written as Entra ID writes it.
type ObjectId = String;

/// Why a row of a person cannot be read. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    ObjectId,
    ClientId,
    RedirectUris,
    NoRedirect,
    ReservedId,
}

impl Fault {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ObjectId => "object_id",
            Self::ClientId => "client_id",
            Self::RedirectUris => "redirect_uris",
            Self::NoRedirect => "no_redirect",
            Self::ReservedId => "reserved_id",
        }
    }

    pub(super) const fn explanation(self) -> &'static str {
        match self {
            Self::ObjectId => "its azure_object_id is no GUID",
            Self::ClientId => "its client id is missing, too long, or has characters that no client could send",
            Self::RedirectUris => "its redirect URIs are no JSON array of texts",
            Self::NoRedirect => "none of its redirect URIs is acceptable",
            Self::ReservedId => "its client id has a form that is resolved in another way here",
        }
    }
}

/// From when to when something was seen; nothing if no time could be read.
#[derive(Debug, Clone, Copy, Default)]
struct Span(Option<(Timestamp, Timestamp)>);

impl Span {
    fn include(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (one, other) => one.or(other),
        };
    }

    fn last(self) -> Option<Timestamp> {
        self.0.map(|(_, last)| last)
    }
}

/// The newest of several texts; of those without a time, or of the same, the greatest, so that the order of rows does
/// not matter.
#[derive(Debug, Clone, Default)]
struct Newest(Option<(Option<Timestamp>, String)>);

impl Newest {
    fn offer(&mut self, at: Option<Timestamp>, text: Option<&str>) {
        let Some(text) = text else { return };
        let offered = (at, text.chars().take(MAX_TEXT).collect::<String>());
        if self.0.as_ref().is_none_or(|held| *held < offered) {
            self.0 = Some(offered);
        }
    }

    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(|(_, text)| text.as_str())
    }
}

/// What all rows together say of one client id.
#[derive(Debug, Default)]
struct Recorded {
    name: Newest,
    redirects: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Someone {
    rows: u64,
    name: Newest,
    email: Newest,
    /// Every address that was seen with this person, for orphans that have nothing else.
    emails: BTreeSet<String>,
    ids: BTreeMap<ClientId, Span>,
    faults: BTreeMap<Fault, u64>,
}

/// The rows so far.
#[derive(Debug)]
pub(crate) struct Fold {
    now: Timestamp,
    tables: Vec<TableRead>,
    people: BTreeMap<ObjectId, Someone>,
    clients: BTreeMap<ClientId, Recorded>,
    /// When tokens of a client were issued, and to whom, as far as they say.
    tokens: BTreeMap<String, BTreeMap<Option<ObjectId>, Span>>,
    rows: u64,
    orphans: u64,
    orphan_emails: BTreeMap<String, u64>,
    unreadable: BTreeMap<Fault, (u64, BTreeSet<String>)>,
    refused_redirects: BTreeMap<(ClientId, String), RedirectFault>,
    odd_dates: u64,
}

/// A person, and what is brought in for them.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) report: PersonReport,
    pub(crate) uses: Vec<ImportedUse>,
}

impl Fold {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            now,
            tables: Vec::new(),
            people: BTreeMap::new(),
            clients: BTreeMap::new(),
            tokens: BTreeMap::new(),
            rows: 0,
            orphans: 0,
            orphan_emails: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            refused_redirects: BTreeMap::new(),
            odd_dates: 0,
        }
    }

    pub(super) fn table(&mut self, name: &str, rows: u64) {
        self.tables.push(TableRead { name: name.to_owned(), rows });
    }

    /// A row of `dcr_azure_users`.
    pub(super) fn user(&mut self, fields: &[Field]) {
        let [object_id, email, name, updated, created, issued] = fields else { return };
        let span = self.span([updated, created, issued]);
        let Some(Ok(who)) = object_id_of(object_id) else { return };
        let someone = self.people.entry(who).or_default();
        someone.name.offer(span.last(), name.text());
        someone.offer_email(span.last(), email.text());
    }

    /// A row of `dcr_tokens`: when a client was used, and by whom.
    pub(super) fn token(&mut self, fields: &[Field]) {
        let [client_id, object_id, updated, created, issued] = fields else { return };
        let span = self.span([updated, created, issued]);
        let Field::Text(client_id) = client_id else { return };
        let Ok(who) = object_id_of(object_id).transpose() else { return };
        self.tokens.entry(client_id.clone()).or_default().entry(who).or_default().include(span);
    }

    /// A row of `dcr_clients`.
    pub(super) fn client(&mut self, table: &Table, fields: &[Field]) {
        let [client_id, object_id, redirects, name, email, updated, created, issued] = fields else { return };
        self.rows += 1;
        let span = self.span([updated, created, issued]);
        let whose =
            if table.has("azure_object_id") { object_id_of(object_id) } else { self.whose_by_tokens(client_id) };
        let who = match whose {
            None => {
                self.orphans += 1;
                if let Some(email) = email.text() {
                    *self.orphan_emails.entry(email.to_ascii_lowercase()).or_default() += 1;
                }
                return;
            }
            Some(Err(fault)) => return self.unreadable(fault, None, client_id),
            Some(Ok(who)) => who,
        };
        let someone = self.people.entry(who.clone()).or_default();
        someone.rows += 1;
        someone.offer_email(span.last(), email.text());
        match read_client(client_id, redirects) {
            Err(fault) => self.unreadable(fault, Some(&who), client_id),
            Ok((client, recorded, refused)) => {
                someone.ids.entry(client.id().clone()).or_default().include(span);
                for (uri, fault) in refused {
                    self.refused_redirects.insert((client.id().clone(), uri), fault);
                }
                let of_id = self.clients.entry(client.id().clone()).or_default();
                of_id.name.offer(span.last(), name.text());
                of_id.redirects.extend(recorded);
            }
        }
    }

    /// Older files do not say whose a client is; who was given tokens for it, if that is one person, tells.
    fn whose_by_tokens(&self, client_id: &Field) -> Option<Result<ObjectId, Fault>> {
        let Field::Text(id) = client_id else { return None };
        let mut people = self.tokens.get(id)?.keys().flatten();
        people.next().filter(|_| people.next().is_none()).map(|who| Ok(who.clone()))
    }

    fn unreadable(&mut self, fault: Fault, who: Option<&ObjectId>, client_id: &Field) {
        if let Some(someone) = who.and_then(|who| self.people.get_mut(who)) {
            *someone.faults.entry(fault).or_default() += 1;
        }
        let (rows, examples) = self.unreadable.entry(fault).or_default();
        *rows += 1;
        if examples.len() < EXAMPLES
            && let Some(id) = client_id.text()
        {
            examples.insert(id.chars().take(64).collect());
        }
    }

    /// The times of a row; one that says something and is no time is counted.
    fn span(&mut self, fields: [&Field; 3]) -> Span {
        let mut span = Span::default();
        for field in fields {
            let time = field.text().and_then(|text| time::parse(text, self.now));
            self.odd_dates += u64::from(time.is_none() && *field != Field::Null);
            span.include(Span(time.map(|time| (time, time))));
        }
        span
    }

    /// Who is to be brought in, in the order of their ids, and the report on everything. People are users of `tenant`,
    /// whose tokens say `issuer`.
    pub(crate) fn end(mut self, issuer: &str, tenant: &str) -> (Vec<Person>, Report) {
        let platforms = PlatformList::shipped();
        let of_email = self.orphans_by_person();
        let mut people = Vec::new();
        let mut without_clients = 0;
        for (object_id, someone) in std::mem::take(&mut self.people) {
            if someone.rows == 0 {
                without_clients += 1;
                continue;
            }
            let user = User {
                id: UserId::derive(issuer, tenant, &object_id),
                issuer: issuer.to_owned(),
                tenant: tenant.to_owned(),
                object_id: object_id.clone(),
                name: someone.name.text().map(str::to_owned),
                email: someone.email.text().map(str::to_owned),
                groups: Groups::Unsaid,
                roles: Roles::default(),
            };
            let uses = self.uses(&platforms, &user, &object_id, &someone.ids);
            let report = PersonReport {
                user_id: user.id.to_string(),
                orphans: of_email.get(&object_id).copied().unwrap_or(0),
                object_id,
                name: user.name,
                email: user.email,
                rows: someone.rows,
                connections: uses.len(),
                ids: someone.ids.len(),
                unreadable: someone.faults.iter().map(|(fault, rows)| (fault.as_str(), *rows)).collect(),
            };
            people.push(Person { report, uses });
        }
        let unreadable = std::mem::take(&mut self.unreadable).into_iter().map(|(fault, (rows, examples))| Unreadable {
            reason: fault.as_str(),
            explanation: fault.explanation(),
            rows,
            examples: examples.into_iter().collect(),
        });
        let report = Report {
            rows: self.rows,
            orphans: self.orphans,
            unreadable: unreadable.collect(),
            refused_redirects: self.refused_redirects.into_iter().map(super::report::refused).collect(),
            odd_dates: self.odd_dates,
            people_without_clients: without_clients,
            tables: self.tables,
            people: people.iter().map(|person: &Person| person.report.clone()).collect(),
            written: None,
        };
        (people, report)
    }

    /// One person's ids by software: each becomes one connection.
    fn uses(
        &self,
        platforms: &PlatformList,
        user: &User,
        object_id: &ObjectId,
        ids: &BTreeMap<ClientId, Span>,
    ) -> Vec<ImportedUse> {
        let mut uses: BTreeMap<String, (ImportedUse, Span)> = BTreeMap::new();
        for (id, seen) in ids {
            let Some(recorded) = self.clients.get(id) else { continue };
            let redirects = recorded.redirects.iter().map(String::as_str);
            // Each of its rows made a client already: all of them together do as well.
            let Ok((client, _)) = ImportedClient::new(id.clone(), recorded.name.text(), redirects) else { continue };
            let mut span = *seen;
            for (whose, used) in self.tokens.get(id.as_str()).into_iter().flatten() {
                if whose.as_ref().is_none_or(|whose| whose == object_id) {
                    span.include(*used);
                }
            }
            let software = client.software(platforms);
            let (of_software, so_far) = uses.entry(software.as_str().to_owned()).or_insert_with(|| {
                let platform = client.platform(platforms);
                let (first_used_at, last_used_at) = (self.now, self.now);
                let user = user.clone();
                let clients = Vec::new();
                (ImportedUse { user, software, platform, clients, first_used_at, last_used_at }, Span::default())
            });
            of_software.clients.push(client);
            so_far.include(span);
        }
        let dated = uses.into_values().map(|(of_software, span)| match span.0 {
            Some((first_used_at, last_used_at)) => ImportedUse { first_used_at, last_used_at, ..of_software },
            None => of_software,
        });
        dated.collect()
    }

    /// Rows without a user whose address is that of exactly one person. For the report only: an address proves nothing
    /// (ME-8).
    fn orphans_by_person(&self) -> BTreeMap<ObjectId, u64> {
        let mut by_person = BTreeMap::new();
        for (email, rows) in &self.orphan_emails {
            let mut people = self.people.iter().filter(|(_, someone)| someone.emails.contains(email));
            if let (Some((object_id, _)), None) = (people.next(), people.next()) {
                *by_person.entry(object_id.clone()).or_default() += rows;
            }
        }
        by_person
    }
}

impl Someone {
    fn offer_email(&mut self, at: Option<Timestamp>, email: Option<&str>) {
        self.email.offer(at, email);
        self.emails.extend(email.map(str::to_ascii_lowercase));
    }
}

/// Whose a row is: nobody's, or somebody's, if it can be read.
fn object_id_of(field: &Field) -> Option<Result<ObjectId, Fault>> {
    if *field == Field::NotText {
        return Some(Err(Fault::ObjectId));
    }
    let text = field.text()?;
    // Upper case, braces and missing hyphens are ways to write the same GUID.
    Some(uuid::Uuid::try_parse(text).map(|id| id.hyphenated().to_string()).map_err(|_| Fault::ObjectId))
}

type ReadClient = (ImportedClient, Vec<String>, Vec<(String, RedirectFault)>);

/// The client that a row describes, the redirect URIs that are recorded for it, and those of them that are left out.
fn read_client(client_id: &Field, redirects: &Field) -> Result<ReadClient, Fault> {
    let Field::Text(client_id) = client_id else { return Err(Fault::ClientId) };
    // Byte for byte: an id with a space in it was never one.
    let id = ClientId::new(client_id.as_str()).map_err(|_| Fault::ClientId)?;
    let text = redirects.text().ok_or(Fault::RedirectUris)?;
    let recorded: Vec<String> = serde_json::from_str(text).map_err(|_| Fault::RedirectUris)?;
    let made = ImportedClient::new(id, None, recorded.iter().map(String::as_str));
    let (client, refused) = made.map_err(|fault| match fault {
        ImportFault::Reserved => Fault::ReservedId,
        _ => Fault::NoRedirect,
    })?;
    Ok((client, recorded, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "0c4f7a52-91d3-4b6e-a8f0-2d5e7c9b1a34";
    const BOB: &str = "5e1b8d06-3a7c-4f92-b4d1-86f0a2c3e975";
    const CLAUDE: &str = r#"["https://claude.ai/api/mcp/auth_callback"]"#;

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_760_000_000)
    }

    fn fields(texts: &[Option<&str>]) -> Vec<Field> {
        texts.iter().map(|text| text.map_or(Field::Null, |text| Field::Text(text.to_owned()))).collect()
    }

    fn table(columns: &[&str]) -> Table {
        Table { name: "dcr_clients".to_owned(), columns: columns.iter().map(|&name| name.to_owned()).collect() }
    }

    /// Id, object id, redirect URIs, name, e-mail, updated.
    fn client(fold: &mut Fold, row: [Option<&str>; 6]) {
        let mut row = row.to_vec();
        row.extend([None, None]);
        fold.client(&table(&["azure_object_id"]), &fields(&row));
    }

    fn end(fold: Fold) -> (Vec<Person>, Report) {
        fold.end("https://login.example/t/v2.0", "t")
    }

    #[test]
    fn mg_06_the_redirect_uris_of_two_ids_are_never_put_together() {
        let mut fold = Fold::new(now());
        client(
            &mut fold,
            [
                Some("dcr_1"),
                Some(ADA),
                Some(r#"["http://localhost:4000/callback"]"#),
                Some("Claude Code (a)"),
                None,
                None,
            ],
        );
        client(
            &mut fold,
            [
                Some("dcr_2"),
                Some(ADA),
                Some(r#"["http://127.0.0.1:5000/callback"]"#),
                Some("Claude Code (b)"),
                None,
                None,
            ],
        );
        let (people, report) = end(fold);
        assert_eq!((report.people[0].connections, report.people[0].ids), (1, 2), "one software");
        let clients = &people[0].uses[0].clients;
        let redirects: Vec<Vec<&str>> = clients.iter().map(|client| client.redirects().collect()).collect();
        assert_eq!(redirects, [["http://localhost/callback"], ["http://127.0.0.1/callback"]]);
    }

    #[test]
    fn me_08_an_address_gives_nobody_a_row() {
        let mut fold = Fold::new(now());
        client(&mut fold, [Some("dcr_1"), Some(ADA), Some(CLAUDE), None, Some("Ada@dev.example"), None]);
        client(&mut fold, [Some("dcr_2"), None, Some(CLAUDE), None, Some("ada@DEV.example"), None]);
        client(&mut fold, [Some("dcr_3"), Some("  "), Some(CLAUDE), None, None, None]);
        let (people, report) = end(fold);
        assert_eq!((report.rows, report.orphans, people.len()), (3, 2, 1));
        assert_eq!((report.people[0].ids, report.people[0].orphans), (1, 1), "told of, and dropped");
    }

    #[test]
    fn an_address_of_two_people_is_nobodys() {
        let mut fold = Fold::new(now());
        for (id, who) in [("dcr_1", ADA), ("dcr_2", BOB)] {
            client(&mut fold, [Some(id), Some(who), Some(CLAUDE), None, Some("office@dev.example"), None]);
        }
        client(&mut fold, [Some("dcr_3"), None, Some(CLAUDE), None, Some("office@dev.example"), None]);
        let (_, report) = end(fold);
        assert!(report.people.iter().all(|person| person.orphans == 0));
        assert_eq!(report.orphans, 1);
    }

    #[test]
    fn what_cannot_be_read_is_counted_with_its_reason_and_person() {
        let mut fold = Fold::new(now());
        for (id, who, redirects) in [
            (Some("dcr_1"), "not-a-guid", CLAUDE),
            (None, ADA, CLAUDE),
            (Some("dcr 3"), ADA, CLAUDE),
            (Some("dcr_4"), ADA, r#"["https://claude.ai/"#),
            (Some("dcr_5"), ADA, r#"[1]"#),
            (Some("dcr_6"), ADA, "[]"),
            (Some("dcr_7"), ADA, r#"["javascript:alert(1)"]"#),
            (Some("https://a.example/client"), ADA, CLAUDE),
        ] {
            client(&mut fold, [id, Some(who), Some(redirects), None, None, None]);
        }
        let (_, report) = end(fold);
        let reasons: Vec<(&str, u64)> = report.unreadable.iter().map(|u| (u.reason, u.rows)).collect();
        let expected =
            [("object_id", 1), ("client_id", 2), ("redirect_uris", 2), ("no_redirect", 2), ("reserved_id", 1)];
        assert_eq!(reasons, expected);
        let ada = &report.people[0];
        assert_eq!((ada.rows, ada.ids, ada.connections), (7, 0, 0));
        assert_eq!(ada.unreadable.values().sum::<u64>(), 7);
        assert_eq!(report.unreadable[2].examples, ["dcr_4", "dcr_5"]);
    }

    #[test]
    fn one_id_in_several_rows_is_one_client_with_all_that_was_recorded_for_it() {
        let mut fold = Fold::new(now());
        let upper = format!("{{{}}}", ADA.to_ascii_uppercase());
        client(
            &mut fold,
            [Some("dcr_1"), Some(ADA), Some(r#"["https://a.example/1"]"#), Some("Old"), None, Some("2025-01-01")],
        );
        client(
            &mut fold,
            [
                Some("dcr_1"),
                Some(&upper),
                Some(r#"["https://a.example/2","http://evil.example/"]"#),
                Some("New"),
                None,
                Some("2025-02-01"),
            ],
        );
        client(&mut fold, [Some("dcr_1"), Some(ADA), Some("{"), None, None, None]);
        let (people, report) = end(fold);
        assert_eq!((people.len(), report.people[0].ids, report.people[0].rows), (1, 1, 3));
        let client = &people[0].uses[0].clients[0];
        assert_eq!(client.name(), Some("New"));
        assert_eq!(client.redirects().collect::<Vec<_>>(), ["https://a.example/1", "https://a.example/2"]);
        assert_eq!(report.refused_redirects.len(), 1);
    }

    #[test]
    fn tokens_say_when_and_only_where_a_file_is_silent_also_who() {
        let token = |fold: &mut Fold, id: &str, who: Option<&str>, at: &str| {
            fold.token(&fields(&[Some(id), who, None, Some(at), None]));
        };
        let mut fold = Fold::new(now());
        token(&mut fold, "dcr_1", Some(ADA), "2025-03-01");
        token(&mut fold, "dcr_1", Some(BOB), "2025-09-01");
        token(&mut fold, "dcr_2", Some(BOB), "2025-05-01");
        client(&mut fold, [Some("dcr_1"), Some(ADA), Some(CLAUDE), None, None, Some("2025-02-01")]);
        client(&mut fold, [Some("dcr_2"), None, Some(CLAUDE), None, None, None]);
        let older = table(&["dcr_client_id"]);
        let row = |id| fields(&[Some(id), None, Some(CLAUDE), None, None, None, None, Some("2025-01-01")]);
        for id in ["dcr_1", "dcr_2", "dcr_9"] {
            fold.client(&older, &row(id));
        }
        let (people, report) = end(fold);
        // dcr_1 had tokens of two people, dcr_9 of none: nobody's. dcr_2 with the column and nobody in it stays nobody's.
        assert_eq!(report.orphans, 3);
        let ids: Vec<&str> = people.iter().map(|person| person.uses[0].clients[0].id().as_str()).collect();
        assert_eq!(ids, ["dcr_1", "dcr_2"]);
        let day = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(people[0].uses[0].first_used_at, day("2025-02-01T00:00:00Z"));
        assert_eq!(people[0].uses[0].last_used_at, day("2025-03-01T00:00:00Z"));
        assert_eq!(people[1].uses[0].last_used_at, day("2025-05-01T00:00:00Z"));
    }

    #[test]
    fn a_date_that_cannot_be_read_costs_nothing_but_the_date() {
        let mut fold = Fold::new(now());
        client(&mut fold, [Some("dcr_1"), Some(ADA), Some(CLAUDE), None, None, Some("0000-00-00 00:00:00")]);
        let (people, report) = end(fold);
        assert_eq!((report.odd_dates, report.people[0].ids), (1, 1));
        assert_eq!(people[0].uses[0].first_used_at, now());
    }
}
