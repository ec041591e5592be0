//! `dcr erase`: a person who is to be forgotten.

use clap::Args;

use super::end::person;
use super::terminal::{Out, say};
use super::who::named;
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Erase {
    #[arg(help = "An e-mail address, an object id, a user id (usr_…) or a client id")]
    who: String,

    /// Kept on the record
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,
}

impl Erase {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let user = person(database, &self.who).await?;
        let name = named(&user);
        let connections = database.store.connections_of(&user.id).await?;
        let what = format!("erase {name}: {} apps, every sign-in, and whose their events were", connections.len());
        if self.dry_run {
            out.line(format_args!("would {what}"))?;
            return Ok(());
        }
        out.confirm(&what, self.yes)?;
        match database.operator.erase(&user.id, &self.reason).await? {
            Some(receipt) => {
                say(format_args!("Erased. The receipt, which is not kept here:"));
                out.line(format_args!("{}", receipt.to_json()))?;
            }
            None => out.line(format_args!("{name}: nothing is known here"))?,
        }
        Ok(())
    }
}
