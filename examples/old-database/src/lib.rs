//! Databases as a first-generation system left them in production: the same rows every time, and what a correct import
//! makes of them.
//!
//! ```
//! use old_database::{Flavour, OldDatabase, Plan, Software};
//!
//! let old = OldDatabase::generate(&Plan { rows: 1_000, ..Plan::default() });
//! let statements = old.script(Flavour::Sqlite); // execute them one by one, in one session
//! assert!(statements[0].starts_with("CREATE TABLE dcr_clients ("));
//!
//! let ada = &old.expected().people[0];
//! println!("{} rows, {} connections, {} ids", ada.rows, ada.connections.len(), ada.ids().len());
//! let one = old.registrations(0, Software::ClaudeWeb).next().expect("Ada uses everything");
//! println!("sign in as {} at {}", one.client_id, one.redirect_uris[0]);
//! ```
//!
//! What the old system got right is the lesser part. It made a new client id for each session and device, wrote the row
//! before anybody signed in and filled in the user later or never, and was changed often: several columns hold what
//! several versions, libraries and hands put there. A row is one of these:
//!
//! * **kept**: it has a user and can be read. Dates, names, grant types and scopes may still be anything, the object id
//!   may be in upper case or have blanks around it, and one of its redirect URIs may be unacceptable beside good ones. A
//!   client id may be there again, in the same or another table, for its person or for another one;
//! * an **orphan**: it has no user, and perhaps an e-mail address. Its client id may be that of a row that is kept;
//! * **unreadable**: it has a user and one fault of [`Unreadable`].
//!
//! Only the module tables have client ids that are odd or there twice: in `dcr_clients` they are the primary key.
//!
//! The library has no input and no output: the program of this package writes files and prints scripts.

mod expected;
mod generate;
mod people;
mod random;
mod script;
mod software;
mod tables;

pub use crate::expected::{Expected, ExpectedPerson, Unreadable};
pub use crate::people::Person;
pub use crate::software::Software;

use crate::script::Table;

/// Whose SQL a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// SQLite, where date columns hold anything.
    Sqlite,
    /// PostgreSQL. `dcr_clients` has dates, the module tables have them as text.
    Postgres,
    /// MySQL and MariaDB. `dcr_clients` has dates, the zero date among them; the module tables have them as text.
    MySql,
}

/// Which version of the old system made the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The last one.
    Latest,
    /// An older one: `dcr_azure_tokens` for `dcr_azure_users`, `issued_at` for `created_at` in the client tables, and no
    /// `user_email` and `mcp_session_id` there. `dcr_clients` has no `azure_object_id` either, so that every row of it is
    /// an orphan; only the module tables say whose their rows are.
    Older,
}

/// What to generate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom the rows are of. The first one uses every software.
    pub people: Vec<Person>,
    /// Rows in all client tables together.
    pub rows: usize,
    /// The same plan with the same seed gives the same database.
    pub seed: u64,
    /// Unix seconds after which nothing true is dated.
    pub now: i64,
    /// Which tables and columns there are.
    pub layout: Layout,
}

impl Default for Plan {
    /// Ten people and 10,000 rows, the last of them of the 1st of July 2025.
    fn default() -> Self {
        Self { people: Person::crowd(10), rows: 10_000, seed: 1, now: 1_751_328_000, layout: Layout::Latest }
    }
}

/// A client that has to be known after an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose, by place in the plan.
    pub person: usize,
    /// What registered.
    pub software: Software,
    /// Its id.
    pub client_id: String,
    /// The name in its row.
    pub name: Option<String>,
    /// The acceptable ones among its redirect URIs, as recorded: with the ports of loopback ones.
    pub redirect_uris: Vec<String>,
    /// The column, with the others.
    recorded: String,
}

/// A generated database.
pub struct OldDatabase {
    tables: Vec<Table>,
    expected: Expected,
    registrations: Vec<Registration>,
}

impl OldDatabase {
    /// Generates what is planned.
    ///
    /// # Panics
    ///
    /// When the plan has no people.
    #[must_use]
    pub fn generate(plan: &Plan) -> Self {
        assert!(!plan.people.is_empty(), "a plan has at least one person");
        generate::generate(plan)
    }

    /// The statements that make it in an empty database, without semicolons at their ends.
    ///
    /// They belong in one session, in this order, and as plain text: nothing in them is a parameter.
    #[must_use]
    pub fn script(&self, flavour: Flavour) -> Vec<String> {
        let mut script = Vec::new();
        if flavour == Flavour::MySql {
            // Backslashes as they are, the zero date allowed, and nothing cut to fit.
            script.push("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'".to_owned());
            script.push("SET NAMES utf8mb4".to_owned());
        }
        for table in &self.tables {
            table.write(flavour, &mut script);
        }
        script
    }

    /// What a correct import makes of it.
    #[must_use]
    pub const fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The clients of one person and software that must be kept, each id once: with them somebody can sign in afterwards.
    pub fn registrations(&self, person: usize, software: Software) -> impl Iterator<Item = &Registration> {
        self.registrations.iter().filter(move |one| one.person == person && one.software == software)
    }
}
