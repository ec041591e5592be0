//! Rows, and the count of what they are. What a row is gets decided first, and written and counted accordingly: nothing
//! here reads a row to find out.

use crate::expected::{Expected, ExpectedPerson, Unreadable};
use crate::random::Random;
use crate::script::{Date, Spelling, Table, Value};
use crate::software::{REFUSED, Software, json_array, json_text};
use crate::tables::{client_tables, token_tables, user_table};
use crate::{OldDatabase, Plan, Registration};

const APPLICATION: &str = "e4a1f7c0-5d82-4b96-a3f8-71c6d09e2b5a";
const YEAR: i64 = 365 * 86_400;
/// 9999-12-31 23:59:59.
const END_OF_TIME: i64 = 253_402_300_799;
/// The longest client id that can be kept, in bytes.
const LONGEST: usize = 1_024;

const NO_GUIDS: &[&str] = &[
    "ada@contoso.example",
    "undefined",
    "[object Object]",
    "0",
    "6f0b1c52-8a3e-4d7f",
    "6f0b1c52-8a3e-4d7f-b1c9-20e5d4a7f36g",
];
const GRANTS: &[&str] = &["[\"authorization_code\",\"refresh_token\"]", "[\"authorization_code\", \"refresh_token\"]"];
const BAD_GRANTS: &[Option<&str>] =
    &[None, Some(""), Some("authorization_code"), Some("[\"authorization_code\","), Some("[1]"), Some("{\"a\\b\":0}")];
const SCOPES: &[Option<&str>] = &[
    Some("openid profile email offline_access"),
    Some("User.Read Mail.ReadWrite"),
    Some("User.Read Calendars.ReadWrite offline_access"),
    None,
];
const BAD_SCOPES: &[&str] = &["", "  ", "[\"User.Read\"", "범위 \"all\" \\ '*'"];
const SPELLINGS: &[Spelling] =
    &[Spelling::Plain, Spelling::Micros, Spelling::Zulu, Spelling::Offset, Spelling::Seconds, Spelling::Millis];
const GARBAGE: &[&str] = &["", "yesterday", "2024-13-45T99:00:00", "NaN", "Invalid Date", "어제"];

/// What a client row is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Kept, under a new id.
    Fresh,
    /// Kept, under an id that its person has already.
    Again,
    /// Kept, under an id that another person has already.
    Shared,
    Orphan,
    Unreadable(Unreadable),
}

struct Generator<'a> {
    plan: &'a Plan,
    random: Random,
    /// What each person uses, the most used first.
    habits: Vec<Vec<Software>>,
    /// `dcr_clients`, then those of the modules.
    clients: Vec<Table>,
    /// `dcr_tokens`, then that of the module.
    tokens: Vec<Table>,
    expected: Expected,
    registrations: Vec<Registration>,
}

pub(crate) fn generate(plan: &Plan) -> OldDatabase {
    let mut random = Random::new(plan.seed);
    let habits = (0..plan.people.len()).map(|person| habit(person, &mut random)).collect();
    let expected = Expected { people: vec![ExpectedPerson::default(); plan.people.len()], ..Expected::default() };
    let (clients, tokens, registrations) = (client_tables(plan.layout), token_tables(), Vec::new());
    let mut generator = Generator { plan, random, habits, clients, tokens, expected, registrations };
    let users = generator.users();
    for _ in 0..plan.rows {
        generator.client_row();
    }
    let Generator { mut clients, tokens, mut expected, registrations, .. } = generator;
    clients.push(users);
    clients.extend(tokens);
    expected.rows = plan.rows;
    expected.rows_by_table = clients.iter().map(|table| (table.name, table.rows.len())).collect();
    OldDatabase { tables: clients, expected, registrations }
}

/// A handful of software in random order, for the first person all there is.
fn habit(person: usize, random: &mut Random) -> Vec<Software> {
    let mut all = Software::ALL.to_vec();
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
    if person > 0 {
        all.truncate(3 + random.below(4));
    }
    all
}

impl Generator<'_> {
    fn fate(&mut self) -> Fate {
        match self.random.below(1_000) {
            0..300 => Fate::Orphan,
            300..320 => Fate::Unreadable(self.random.pick(&Unreadable::ALL)),
            320..360 => Fate::Again,
            360..365 => Fate::Shared,
            _ => Fate::Fresh,
        }
    }

    fn client_row(&mut self) {
        let mut fate = self.fate();
        // Orphans and unreadable rows may bear the id of a row that is kept, too; that one is kept all the same.
        let known = match fate {
            Fate::Fresh => false,
            Fate::Again | Fate::Shared => true,
            Fate::Orphan | Fate::Unreadable(_) => self.random.chance(100),
        } && !self.registrations.is_empty();
        let mut registration = if known {
            self.registrations[self.random.below(self.registrations.len())].clone()
        } else {
            self.register()
        };
        if known && fate == Fate::Shared {
            registration.person = (registration.person + 1) % self.plan.people.len();
        }
        // The primary key of dcr_clients leaves no room for odd ids.
        let odd = known || fate == Fate::Unreadable(Unreadable::ClientId);
        let table = if odd { 1 + self.random.below(2) } else { self.random.pick(&[0, 0, 0, 1, 1, 2]) };
        if !self.clients[table].has("azure_object_id") {
            fate = Fate::Orphan;
        }
        if fate == Fate::Fresh && table > 0 && self.random.chance(5) {
            let digits = LONGEST - registration.client_id.len();
            registration.client_id.push_str(&self.random.hex(digits));
        }
        let created = self.plan.now - self.random.seconds(2 * YEAR);
        let updated = created + self.random.seconds(self.plan.now - created);
        let email = self.email(fate, registration.person).filter(|_| self.clients[table].has("user_email"));

        self.write(table, fate, &registration, email.as_deref(), (created, updated));
        match fate {
            Fate::Fresh | Fate::Again | Fate::Shared => {
                if self.random.chance(400) {
                    self.token_row(usize::from(table == 1), &registration, (created, updated));
                }
                self.keep(registration);
            }
            Fate::Orphan => {
                self.expected.orphans += 1;
                if let Some(email) = email {
                    *self.expected.orphans_by_email.entry(email).or_default() += 1;
                }
            }
            Fate::Unreadable(fault) => {
                *self.expected.unreadable.entry(fault).or_default() += 1;
                if fault != Unreadable::ObjectId {
                    let person = &mut self.expected.people[registration.person];
                    *person.unreadable.entry(fault).or_default() += 1;
                }
            }
        }
    }

    fn keep(&mut self, registration: Registration) {
        let person = &mut self.expected.people[registration.person];
        person.rows += 1;
        let ids = person.connections.entry(registration.software).or_default();
        if ids.insert(registration.client_id.clone()) {
            self.registrations.push(registration);
        }
    }

    /// A new registration of somebody, mostly of what they use most.
    fn register(&mut self) -> Registration {
        let person = self.random.below(self.plan.people.len());
        let habit = &self.habits[person];
        let at = self.random.below(habit.len()).min(self.random.below(habit.len()));
        let software = habit[at];
        let redirect_uris = software.redirects(&mut self.random);
        let mut all: Vec<&str> = redirect_uris.iter().map(String::as_str).collect();
        if self.random.chance(20) {
            let at = self.random.below(all.len() + 1);
            all.insert(at, self.random.pick(REFUSED));
        }
        let recorded = json_array(&all, &mut self.random);
        let client_id = format!("dcr_{}", self.random.hex(32));
        Registration { person, software, client_id, name: software.name(&mut self.random), redirect_uris, recorded }
    }

    fn write(&mut self, table: usize, fate: Fate, of: &Registration, email: Option<&str>, at: (i64, i64)) {
        let orphan = fate == Fate::Orphan;
        // An orphan stays one, however broken it is.
        let broken = orphan && self.random.chance(50);
        let object_id = self.object_id(fate, of.person);
        let client_id = match fate {
            Fate::Unreadable(Unreadable::ClientId) => self.bad_client_id(of),
            Fate::Orphan if broken && table > 0 => self.bad_client_id(of),
            _ => Some(of.client_id.clone()),
        };
        let redirects = match fate {
            Fate::Unreadable(Unreadable::Redirects) => self.broken_redirects(of),
            Fate::Unreadable(Unreadable::NoRedirect) => Some(self.unacceptable_redirects()),
            Fate::Orphan if broken => self.broken_redirects(of),
            _ => Some(of.recorded.clone()),
        };
        let random = &mut self.random;
        self.clients[table].push(|column| match column {
            "dcr_client_id" => Value::Text(client_id.clone()),
            "dcr_client_secret" => text(random.encrypted(92)),
            "dcr_client_name" => Value::Text(of.name.clone()),
            "dcr_redirect_uris" => Value::Text(redirects.clone()),
            "dcr_grant_types" if random.chance(30) => text_or_null(random.pick(BAD_GRANTS)),
            "dcr_grant_types" => text(random.pick(GRANTS)),
            "dcr_requested_scope" if random.chance(30) => text(random.pick(BAD_SCOPES)),
            "dcr_requested_scope" => text_or_null(random.pick(SCOPES)),
            "azure_application_id" if orphan => Value::Text(None),
            "azure_application_id" => text(APPLICATION),
            "azure_object_id" => Value::Text(object_id.clone()),
            "user_email" => text_or_null(email),
            "mcp_session_id" if random.chance(300) => Value::Text(None),
            "mcp_session_id" => text(random.guid()),
            "updated_at" => date(at.1, random),
            _ => date(at.0, random),
        });
    }

    fn email(&mut self, fate: Fate, person: usize) -> Option<String> {
        let often = if fate == Fate::Orphan { 500 } else { 900 };
        self.random.chance(often).then(|| self.plan.people[person].email.clone())
    }

    fn object_id(&mut self, fate: Fate, person: usize) -> Option<String> {
        let id = &self.plan.people[person].object_id;
        match (fate, self.random.below(100)) {
            (Fate::Orphan, 0..90) => None,
            (Fate::Orphan, _) => Some((self.random.pick(&["", "  ", "\t", " \n"])).to_owned()),
            (Fate::Unreadable(Unreadable::ObjectId), _) => Some((self.random.pick(NO_GUIDS)).to_owned()),
            (_, 0..94) => Some(id.clone()),
            (_, 94..96) => Some(id.to_ascii_uppercase()),
            (_, 96..98) => Some(format!(" {id}")),
            (_, _) => Some(format!("{}\t \n", id.to_ascii_uppercase())),
        }
    }

    fn bad_client_id(&mut self, of: &Registration) -> Option<String> {
        let id = &of.client_id;
        match self.random.below(6) {
            0 => None,
            1 => Some(String::new()),
            2 => Some(format!("{} {}", &id[..12], &id[12..])),
            3 => Some(format!("{id} ")),
            4 => Some(format!("{id}{}", self.random.hex(LONGEST + 1 - id.len()))),
            _ => Some(format!("{id}{}", self.random.hex(3_000))),
        }
    }

    /// No JSON array of texts.
    fn broken_redirects(&mut self, of: &Registration) -> Option<String> {
        let (recorded, uri) = (&of.recorded, json_text(&of.redirect_uris[0]));
        let broken = match self.random.below(12) {
            0 => return None,
            1 => String::new(),
            2 => recorded[..recorded.len() - 1].to_owned(),
            3 => recorded[..recorded.len() / 2].to_owned(),
            4 => format!("{{\"redirect_uris\": {recorded}}}"),
            5 => "42".to_owned(),
            6 => "null".to_owned(),
            7 => format!("[{uri}, 7]"),
            8 => format!("[[{uri}]]"),
            9 => of.redirect_uris.join(" "),
            10 => json_text(recorded),
            _ => recorded.replace('"', "'"),
        };
        Some(broken)
    }

    /// A JSON array of texts, none of them acceptable.
    fn unacceptable_redirects(&mut self) -> String {
        let many = self.random.below(3);
        let uris: Vec<&str> = (0..many).map(|_| self.random.pick(REFUSED)).collect();
        json_array(&uris, &mut self.random)
    }

    fn users(&mut self) -> Table {
        let mut table = user_table(self.plan.layout);
        let random = &mut self.random;
        for (n, person) in self.plan.people.iter().enumerate() {
            let created = self.plan.now - YEAR - random.seconds(YEAR);
            table.push(|column| match column {
                // Somebody typed one of them in by hand.
                "object_id" if n == 1 => text(person.object_id.to_ascii_uppercase()),
                "object_id" => text(&person.object_id),
                "application_id" => text(APPLICATION),
                "access_token" => text(random.encrypted(1_200)),
                "refresh_token" => text(random.encrypted(900)),
                "scope" => text("openid profile email offline_access User.Read"),
                "user_email" => text(&person.email),
                "user_name" => text(&person.name),
                "created_at" => date(created, random),
                _ => date(self.plan.now - random.seconds(YEAR), random),
            });
        }
        table
    }

    fn token_row(&mut self, table: usize, of: &Registration, at: (i64, i64)) {
        let random = &mut self.random;
        let person = &self.plan.people[of.person];
        self.tokens[table].push(|column| match column {
            "dcr_token_value" => text(random.encrypted(160)),
            "dcr_client_id" => text(&of.client_id),
            "dcr_token_type" => text(random.pick(&["Bearer", "refresh", "authorization_code"])),
            "azure_object_id" => text(&person.object_id),
            "dcr_status" => text(random.pick(&["active", "revoked", "expired"])),
            "metadata" if random.chance(100) => text_or_null(random.pick(&[None, Some(""), Some("{\"agent\": ")])),
            "metadata" => text(format!("{{\"agent\": \"it's \\\"{:?}\\\"\", \"home\": \"C:\\\\mcp\"}}", of.software)),
            "expires_at" => date(at.1 + 3_600, random),
            "updated_at" => date(at.1, random),
            _ => date(at.0, random),
        });
    }
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(Some(text.into()))
}

fn text_or_null(text: Option<&str>) -> Value {
    Value::Text(text.map(str::to_owned))
}

/// A date column of a row of this time: mostly true, in one spelling or another, and sometimes anything.
fn date(at: i64, random: &mut Random) -> Value {
    let spelling = random.pick(SPELLINGS);
    Value::Date(match random.below(120) {
        0 => Date::Missing,
        1 => Date::Zero,
        2 => Date::Garbage(random.pick(GARBAGE)),
        3 => Date::At(END_OF_TIME, spelling),
        4 => Date::At(0, spelling),
        5 => Date::At(-1, spelling),
        _ => Date::At(at, spelling),
    })
}
