//! Tables as SQL, in three dialects.

use time::OffsetDateTime;

use crate::Flavour;

/// Rows of one INSERT.
const BATCH: usize = 500;

pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    /// Up to 255 characters.
    Short,
    Text,
    /// A column for dates and nothing else, in databases that have such.
    Date,
    /// A column that an earlier version of the system declared as text, so that it holds anything.
    LooseDate,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Date(Date),
}

/// A date as it came to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Date {
    /// A true one, in unix seconds, and in which of the spellings.
    At(i64, Spelling),
    Missing,
    Zero,
    Garbage(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Spelling {
    /// `2025-01-31 12:00:00`
    Plain,
    /// `2025-01-31 12:00:00.250000`
    Micros,
    /// `2025-01-31T12:00:00.250Z`
    Zulu,
    /// `2025-01-31T12:00:00+00:00`
    Offset,
    Seconds,
    Millis,
}

impl Table {
    pub(crate) fn new(name: &'static str, columns: &[Column]) -> Self {
        Self { name, columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column)
    }

    /// Adds a row. `cell` gives the value of a column, so that it does not matter which of them the table has.
    pub(crate) fn push(&mut self, cell: impl FnMut(&'static str) -> Value) {
        self.rows.push(self.columns.iter().map(|column| column.name).map(cell).collect());
    }

    pub(crate) fn write(&self, flavour: Flavour, script: &mut Vec<String>) {
        let columns: Vec<String> =
            self.columns.iter().map(|c| format!("{} {}", c.name, c.kind.declared(flavour))).collect();
        let options = if flavour == Flavour::MySql { " DEFAULT CHARACTER SET utf8mb4" } else { "" };
        script.push(format!("CREATE TABLE {} ({}){options}", self.name, columns.join(", ")));
        let names: Vec<&str> = self.columns.iter().map(|c| c.name).collect();
        for batch in self.rows.chunks(BATCH) {
            let rows: Vec<String> = batch.iter().map(|row| self.row(row, flavour)).collect();
            let rows = rows.join(",\n");
            script.push(format!("INSERT INTO {} ({}) VALUES\n{rows}", self.name, names.join(", ")));
        }
    }

    fn row(&self, row: &[Value], flavour: Flavour) -> String {
        let cells = row.iter().zip(&self.columns).map(|(value, column)| match value {
            Value::Text(None) => "NULL".to_owned(),
            Value::Text(Some(text)) => quoted(text),
            Value::Date(date) => date.literal(flavour, column.kind),
        });
        format!("({})", cells.collect::<Vec<_>>().join(", "))
    }
}

impl Kind {
    const fn declared(self, flavour: Flavour) -> &'static str {
        match (self, flavour) {
            (Self::Key, _) => "VARCHAR(255) NOT NULL PRIMARY KEY",
            (Self::Short, _) => "VARCHAR(255)",
            (Self::Text, _) | (Self::LooseDate, Flavour::Postgres) => "TEXT",
            (Self::Date, Flavour::Postgres) => "TIMESTAMPTZ",
            // In SQLite the declared type keeps nothing out.
            (Self::Date, _) | (Self::LooseDate, Flavour::Sqlite) => "DATETIME",
            (Self::LooseDate, Flavour::MySql) => "VARCHAR(64)",
        }
    }
}

impl Date {
    fn literal(self, flavour: Flavour, kind: Kind) -> String {
        let strict = kind == Kind::Date && flavour != Flavour::Sqlite;
        let zero = "'0000-00-00 00:00:00'";
        match self {
            Self::Missing => "NULL".to_owned(),
            // What the two databases made of dates that they could not read.
            Self::Zero | Self::Garbage(_) if strict && flavour == Flavour::Postgres => "NULL".to_owned(),
            Self::Garbage(_) if strict => zero.to_owned(),
            Self::Zero => zero.to_owned(),
            Self::Garbage(text) => quoted(text),
            Self::At(at, _) if strict && flavour == Flavour::Postgres => format!("'{}+00'", plain(at, ' ')),
            Self::At(at, _) if strict => format!("'{}'", plain(at, ' ')),
            Self::At(at, Spelling::Plain) => format!("'{}'", plain(at, ' ')),
            Self::At(at, Spelling::Micros) => format!("'{}.250000'", plain(at, ' ')),
            Self::At(at, Spelling::Zulu) => format!("'{}.250Z'", plain(at, 'T')),
            Self::At(at, Spelling::Offset) => format!("'{}+00:00'", plain(at, 'T')),
            Self::At(at, Spelling::Seconds) => number(at, flavour),
            Self::At(at, Spelling::Millis) => number(at * 1_000, flavour),
        }
    }
}

/// A number where the column takes one, and its digits where it is text.
fn number(value: i64, flavour: Flavour) -> String {
    if flavour == Flavour::Sqlite { value.to_string() } else { format!("'{value}'") }
}

fn plain(at: i64, between: char) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
