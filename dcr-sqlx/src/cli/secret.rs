//! `dcr secret`: making one, and taking one out of the database.

use clap::Subcommand;
use dcr_core::{Secret, SystemRandom};

use super::terminal::{Out, say};
use super::{Database, Failure};

#[derive(Subcommand)]
pub(super) enum Secrets {
    /// Prints a new secret for DCR_SECRET
    New,
    /// Prints the secret that the database keeps, to move it out: whoever has it can make tokens for everybody
    Kept {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl Secrets {
    pub(super) async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let secret = match self {
            Self::New => {
                say(format_args!(
                    "Keep it outside of the database. To rotate: add it last to DCR_SECRET on every replica, then move it \
                     first on every replica, then, after the longest life of a token, move the old one to \
                     DCR_SECRET_RETIRED."
                ));
                Secret::generate(&SystemRandom).map_err(|error| Failure::Failed(error.to_string()))?
            }
            Self::Kept { yes } => {
                let kept = Database::open(url).await?.store.kept_secret().await?;
                let kept = kept.ok_or_else(|| Failure::Failed("the database keeps no secret".to_owned()))?;
                out.confirm("print the secret that the database keeps", *yes)?;
                kept
            }
        };
        out.line(format_args!("{}", secret.to_base64()))?;
        Ok(())
    }
}
