//! `dcr recover`: a database that went back in time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dcr_core::record::Event;
use dcr_core::{Operator, Replayed, Timestamp};

use super::terminal::{Out, Progress, count};
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Recover {
    /// Until when tokens that are ahead of the database are accepted: a time such as 2026-11-24T09:30:00Z, or how long, such
    /// as 2h or 3d (at most 31 days). As short as clients need to come by: a stolen token may work once more meanwhile
    #[arg(long, value_name = "TIME", required_unless_present_any = ["close", "replay_only"])]
    until: Option<String>,

    /// The record from before the loss, as `dcr events` prints it; several files may be named
    #[arg(long, value_name = "FILE", required_unless_present_any = ["close", "without_events"])]
    events: Vec<PathBuf>,

    /// There is no record: what was ended in the lost time comes back to life
    #[arg(long, conflicts_with = "events")]
    without_events: bool,

    /// Only end and block again, and open no window
    #[arg(long, conflicts_with_all = ["until", "without_events"])]
    replay_only: bool,

    /// Closes the window at once
    #[arg(long, conflicts_with_all = ["until", "events", "without_events", "replay_only"])]
    close: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Only check files and time, and say what is in them
    #[arg(long)]
    dry_run: bool,
}

/// What a replay did.
#[derive(Default)]
struct Tally {
    sessions: usize,
    blocks: usize,
    unblocked: usize,
}

impl Recover {
    pub(super) async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let database = Database::open(url).await?;
        let operator = &database.operator;
        if self.close {
            if !operator.recovery_is_open().await? {
                out.line(format_args!("the recovery window is not open"))?;
                return Ok(());
            }
            if !self.dry_run {
                operator.close_recovery().await?;
            }
            out.line(format_args!("the recovery window is {}", if self.dry_run { "open" } else { "closed" }))?;
            return Ok(());
        }
        let until = self.until.as_deref().map(|text| moment(text, operator.now())).transpose()?;
        if until.is_some_and(|until| until <= operator.now() || until > operator.now() + Operator::MAX_RECOVERY) {
            return Err(Failure::Usage(dcr_core::OperatorError::Window.to_string()));
        }
        let events = self.read()?;
        let replay = count(events.len(), "event");
        let window = until.map_or_else(String::new, |until| format!(", then accept newer tokens until {until}"));
        if self.dry_run {
            out.line(format_args!("would replay {replay}{window}"))?;
            return Ok(());
        }
        out.confirm(&format!("replay {replay}{window}"), self.yes)?;

        let (mut tally, mut progress) = (Tally::default(), Progress::new());
        let total = events.len();
        for (n, event) in events.into_values().enumerate() {
            tally.add(&operator.replay(&event).await?);
            progress.at(format_args!("{n} of {total} events replayed"));
        }
        drop(progress);
        let Tally { sessions, blocks, unblocked } = tally;
        out.line(format_args!(
            "replayed {replay}: {} ended, {} set, {unblocked} lifted",
            count(sessions, "session"),
            count(blocks, "block")
        ))?;
        if let Some(until) = until {
            operator.open_recovery(until).await?;
            out.line(format_args!("tokens that are ahead of the database are accepted until {until}"))?;
        }
        Ok(())
    }

    /// Every event of the files once, in the order of their times. A line that is none stops everything: it may have been
    /// the one that ended a session.
    fn read(&self) -> Result<BTreeMap<(Timestamp, String), Event>, Failure> {
        let mut events = BTreeMap::new();
        for path in &self.events {
            let file = File::open(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            for (n, line) in BufReader::new(file).lines().enumerate() {
                let line = line?;
                if line.trim().is_empty() {
                    continue;
                }
                let event = Event::from_json(&line).map_err(|error| {
                    Failure::Usage(format!("{}, line {}: {error}; nothing was changed", path.display(), n + 1))
                })?;
                events.insert((event.at, event.id.to_string()), event);
            }
        }
        Ok(events)
    }
}

impl Tally {
    fn add(&mut self, replayed: &Replayed) {
        match replayed {
            Replayed::Ended(sessions) => self.sessions += sessions.len(),
            Replayed::Blocked(sessions) => {
                self.sessions += sessions.len();
                self.blocks += 1;
            }
            Replayed::Unblocked(was) => self.unblocked += usize::from(*was),
            _ => {}
        }
    }
}

/// A time, or one so long from now: `90s`, `30m`, `2h`, `3d`.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let unit = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    let span = text.char_indices().next_back().and_then(|(at, last)| {
        let number: u64 = text[..at].parse().ok()?;
        number.checked_mul(unit(last)?).map(Duration::from_secs)
    });
    match span {
        Some(span) => Ok(now + span),
        None => text.parse().map_err(|_| {
            Failure::Usage(format!("`{text}` is no time: write it as 2026-11-24T09:30:00Z, or how long, as 2h or 3d"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_window_is_a_time_or_a_span() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("3d", 259_200)] {
            assert_eq!(moment(text, now).unwrap(), now + Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(moment("1970-01-12T13:46:41Z", now).unwrap(), now + Duration::from_secs(1));
        for text in ["", "h", "-2h", "2w", "2é", "tomorrow", "99999999999999999999d", "2026-11-24"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
