//! `dcr revoke`, `block`, `unblock`, `sweep`: ending what somebody may do.

use std::str::FromStr;
use std::time::Instant;

use clap::{Args, ValueEnum};
use dcr_core::record::{Retention, RetentionError};
use dcr_core::session::RequestId;
use dcr_core::session::User;
use dcr_core::store::Target;
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{ClientId, Platform, PlatformList};

use super::terminal::{Out, Progress, count, shown};
use super::who::{Who, named};
use super::{Database, Failure};

/// So many rows are deleted in one transaction, for which everybody waits who wants to write to a SQLite file.
const BATCH: u32 = 250;

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Everything of one person: e-mail address, object id or user id
    User,
    /// One person's use of one app: con_…
    Connection,
    /// One sign-in: ses_…
    Session,
    /// Everything that presents this id, whoever it is
    ClientId,
    /// Everybody's use of one platform
    Platform,
}

/// What to end.
#[derive(Args)]
struct Named {
    /// What is named
    #[arg(value_enum)]
    kind: Kind,

    /// Its id, name or address
    value: String,
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    named: Named,

    /// Kept with each session and on the record
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Only say which sessions would end
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Block {
    #[command(flatten)]
    revoke: Revoke,
}

#[derive(Args)]
pub(super) struct Unblock {
    #[command(flatten)]
    named: Named,

    /// Kept on the record
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,
}

#[derive(Args)]
pub(super) struct Sweep {
    /// How many days events and funnel counts are kept, or `forever`: as the servers are set
    #[arg(long, env = "DCR_EVENT_RETENTION", value_name = "DAYS", default_value = "400")]
    event_retention: Retention,

    /// How many days the history of requests is kept, `forever`, or `off` to delete all of it: as the servers are set. Without
    /// it the history is left alone
    #[arg(long, env = "DCR_REQUEST_HISTORY", value_name = "DAYS")]
    request_history: Option<Kept>,

    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
}

/// How long the history of requests is kept; nothing is no time at all.
#[derive(Debug, Clone, Copy)]
struct Kept(Option<Retention>);

impl FromStr for Kept {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(|kept| Self(Some(kept))) }
    }
}

impl Named {
    /// What it names, and how it is called in a sentence.
    async fn target(&self, database: &Database) -> Result<(Target, String), Failure> {
        let value = self.value.as_str();
        let not_one = |form: &str| Failure::Usage(format!("`{}` is none: it looks like {form}", shown(value)));
        Ok(match self.kind {
            Kind::User => {
                let user = person(database, value).await?;
                (Target::User(user.id.clone()), named(&user))
            }
            Kind::Connection => {
                let id = value.parse().map_err(|_| not_one("con_ and 32 digits (dcr connections)"))?;
                (Target::Connection(id), id.to_string())
            }
            Kind::Session => {
                let id = value.parse().map_err(|_| not_one("ses_ and 32 digits (dcr sessions)"))?;
                (Target::Session(id), id.to_string())
            }
            Kind::ClientId => {
                let id = ClientId::new(value).map_err(|error| Failure::Usage(format!("no client id: {error}")))?;
                (Target::ClientId(id), format!("client id {}", shown(value)))
            }
            Kind::Platform => (Target::Platform(Platform::named(value)), format!("platform {}", shown(value))),
        })
    }
}

/// The person that is meant. One who never signed in here can be blocked by user id.
pub(super) async fn person(database: &Database, value: &str) -> Result<User, Failure> {
    let Ok(who) = value.parse::<Who>();
    let found = who.person(&*database.store).await;
    match (found, who) {
        (Err(Failure::Failed(_)), Who::User(id)) => {
            let unknown = String::new;
            let (issuer, tenant, object_id) = (unknown(), unknown(), unknown());
            let (name, groups) = (Some("not known here".to_owned()), Groups::Unsaid);
            Ok(User { id, issuer, tenant, object_id, name, email: None, groups, roles: Roles::default() })
        }
        (found, _) => found,
    }
}

/// Names of platforms are free; one that is not on the shipped list may be misspelt.
fn is_listed(target: &Target) -> bool {
    match target {
        Target::Platform(name) => {
            let classes = [Platform::loopback(), Platform::other()];
            classes.contains(name) || PlatformList::shipped().names().any(|listed| listed == name)
        }
        _ => true,
    }
}

impl Revoke {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let (target, name) = self.named.target(database).await?;
        let alive = database.store.would_end(&target).await?.len();
        if alive == 0 {
            out.line(format_args!("{name}: nothing to end{}", hint(&target)))?;
            return Ok(());
        }
        let sessions = count(alive, "session");
        if self.dry_run {
            out.line(format_args!("{name}: would end {sessions}"))?;
            return Ok(());
        }
        out.confirm(&format!("end {sessions} of {name}"), self.yes)?;
        let ended = database.operator.revoke(&target, &self.reason).await?;
        out.line(format_args!("{name}: ended {}", count(ended.len(), "session")))?;
        Ok(())
    }
}

impl Block {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let Revoke { named, reason, yes, dry_run } = &self.revoke;
        let (target, name) = named.target(database).await?;
        if let Target::Session(_) = target {
            // It never comes again: ending it is all there is.
            return self.revoke.run(database, out).await;
        }
        let blocked = database.store.blocked(std::slice::from_ref(&target)).await?.is_some();
        let alive = database.store.would_end(&target).await?.len();
        let what = match blocked {
            true if alive == 0 => {
                out.line(format_args!("{name}: blocked already"))?;
                return Ok(());
            }
            true => format!("end {} of {name}, which is blocked already", count(alive, "session")),
            false => format!("block {name} and end {}{}", count(alive, "session"), hint(&target)),
        };
        if *dry_run {
            out.line(format_args!("would {what}"))?;
            return Ok(());
        }
        out.confirm(&what, *yes)?;
        let ended = database.operator.block(&target, reason).await?;
        out.line(format_args!("{name}: blocked, {} ended", count(ended.len(), "session")))?;
        Ok(())
    }
}

fn hint(target: &Target) -> String {
    if is_listed(target) {
        return String::new();
    }
    let list = PlatformList::shipped();
    let names: Vec<&str> = list.names().map(Platform::as_str).collect();
    format!(" (no platform of this name is shipped; there are {}, loopback, other)", names.join(", "))
}

impl Unblock {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let (target, name) = self.named.target(database).await?;
        if database.operator.unblock(&target, &self.reason).await? {
            out.line(format_args!("{name}: no longer blocked; sessions that were ended stay ended"))?;
        } else {
            out.line(format_args!("{name}: was not blocked"))?;
        }
        Ok(())
    }
}

impl Sweep {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        if database.operator.recovery_is_open().await? {
            out.line(format_args!(
                "The recovery window is open: rows look older than they are, so that nothing is deleted. Close it with \
                 `dcr recover --close`, or wait."
            ))?;
            return Ok(());
        }
        let before = database.operator.sweepable_before();
        let expected = usize::try_from(database.store.sweepable(before).await?).unwrap_or(usize::MAX);
        if self.dry_run {
            out.line(format_args!("would delete {}", count(expected, "session")))?;
            return Ok(());
        }
        let mut progress = Progress::new();
        let swept = in_batches(
            async || Ok(database.operator.sweep(BATCH).await?),
            |swept| progress.at(format_args!("{swept} of {expected} sessions deleted")),
        );
        let swept = swept.await?;
        drop(progress);
        out.line(format_args!("deleted {}", count(swept, "session")))?;
        let operator = database.operator.clone().keep_events(self.event_retention);
        let swept = in_batches(async || Ok(operator.sweep_record(BATCH).await?), |_| {}).await?;
        if swept > 0 {
            out.line(format_args!("deleted {}", count(swept, "event")))?;
        }
        let Some(Kept(kept)) = self.request_history else { return Ok(()) };
        let batch = async || {
            Ok(match kept {
                Some(_) => operator.sweep_requests(kept, BATCH).await?,
                None => operator.store().sweep_requests(RequestId::from_bytes([0xff; 16]), BATCH).await?,
            })
        };
        let swept = in_batches(batch, |_| {}).await?;
        if swept > 0 {
            out.line(format_args!("deleted {} from the history", count(swept, "request")))?;
        }
        Ok(())
    }
}

/// Deletes until a batch is not full, and tells after each how many there were. After each it rests as long as it took, so
/// that the servers have half of the database's time at least.
async fn in_batches(
    batch: impl AsyncFn() -> Result<u32, Failure>,
    mut told: impl FnMut(usize),
) -> Result<usize, Failure> {
    let mut swept = 0_usize;
    loop {
        let began = Instant::now();
        let gone = batch().await?;
        swept += gone as usize;
        if gone < BATCH {
            return Ok(swept);
        }
        told(swept);
        tokio::time::sleep(began.elapsed()).await;
    }
}
