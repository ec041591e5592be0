//! What is printed, and what is asked.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::time::{Duration, Instant};

use dcr_core::Timestamp;
use serde::Serialize;

use super::Failure;

/// How often long work says how far it is.
const EVERY: Duration = Duration::from_secs(1);

/// Standard output.
pub(super) struct Out(BufWriter<Stdout>);

impl Out {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout()))
    }

    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        writeln!(self.0, "{line}")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    /// One JSON document on one line.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, value)?;
        writeln!(self.0)
    }

    /// A question that only a person answers. `yes` is the answer that was given beforehand.
    pub(super) fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!(
                "this would {question}; repeat it with --yes, or with --dry-run to look first"
            )));
        }
        self.flush()?;
        say_part(format_args!("About to {question}. Go on? [y/N] "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::Usage("not confirmed; nothing was changed".to_owned())),
        }
    }
}

/// A line on standard error. Nothing is left to do if that is closed.
pub(super) fn say(line: fmt::Arguments<'_>) {
    let _: io::Result<()> = writeln!(io::stderr(), "{line}");
}

fn say_part(text: fmt::Arguments<'_>) {
    let mut err = io::stderr();
    let _: io::Result<()> = write!(err, "{text}").and_then(|()| err.flush());
}

/// Says on standard error how far long work is; short work passes in silence.
pub(super) struct Progress {
    said: Instant,
    on_terminal: bool,
    anything: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { said: Instant::now(), on_terminal: io::stderr().is_terminal(), anything: false }
    }

    pub(super) fn at(&mut self, how_far: fmt::Arguments<'_>) {
        if self.said.elapsed() < EVERY {
            return;
        }
        self.said = Instant::now();
        self.anything = true;
        if self.on_terminal {
            // Over the line before it.
            say_part(format_args!("\r\x1b[K{how_far}"));
        } else {
            say(how_far);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.on_terminal && self.anything {
            say_part(format_args!("\r\x1b[K"));
        }
    }
}

/// Rows under headings. Columns are as wide as what is in them; the last one is free.
pub(super) struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
    printed: bool,
}

/// So many rows share their widths, and are kept until they are printed.
const TOGETHER: usize = 500;

impl<const N: usize> Table<N> {
    pub(super) const fn new(headings: [&'static str; N]) -> Self {
        Self { headings, rows: Vec::new(), printed: false }
    }

    pub(super) fn row(&mut self, out: &mut Out, row: [String; N]) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() >= TOGETHER { self.print(out) } else { Ok(()) }
    }

    /// Prints what is left. Answers whether there was anything at all.
    pub(super) fn end(mut self, out: &mut Out) -> io::Result<bool> {
        self.print(out)?;
        Ok(self.printed)
    }

    fn print(&mut self, out: &mut Out) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let headings = self.headings.map(str::to_owned);
        let mut widths = headings.each_ref().map(|heading| heading.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let heading = (!self.printed).then_some(headings);
        for row in heading.iter().chain(&self.rows) {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            out.line(format_args!("{}", cells.collect::<Vec<_>>().join("  ").trim_end()))?;
        }
        self.printed = true;
        self.rows.clear();
        Ok(())
    }
}

/// A JSON array, an element on each line, printed as it comes.
#[derive(Default)]
pub(super) struct JsonList {
    begun: bool,
}

impl JsonList {
    pub(super) fn item(&mut self, out: &mut Out, item: &impl Serialize) -> io::Result<()> {
        write!(out.0, "{}", if self.begun { ",\n" } else { "[\n" })?;
        self.begun = true;
        Ok(serde_json::to_writer(&mut out.0, item)?)
    }

    pub(super) fn end(self, out: &mut Out) -> io::Result<()> {
        out.line(format_args!("{}", if self.begun { "\n]" } else { "[]" }))
    }
}

/// What others named, on one line of a terminal: no control characters, nothing that turns the line around (I-10).
pub(super) fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// To the second.
pub(super) fn short(time: Timestamp) -> String {
    Timestamp::from_unix_seconds(time.unix_seconds()).to_string()
}

/// `1 session`, `2 sessions`.
pub(super) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_10_a_name_cannot_steer_the_terminal() {
        assert_eq!(shown("Ada \u{1b}[31m\u{202e}x\n김"), "Ada \u{fffd}[31m\u{fffd}x\u{fffd}김");
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(short(Timestamp::from_unix_micros(1_700_000_000_123_456)), "2023-11-14T22:13:20Z");
    }
}
