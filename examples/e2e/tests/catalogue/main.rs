//! The catalogue: every attack that this kind of server is known to have suffered, or could, as a request over real HTTP
//! against the example servers, with a development provider behind them. `CASES.md` lists all of them by id, and says of
//! those that are no request here where they are shown instead, or why not at all.
//!
//! Every case runs on axum with SQLite; on warp, in memory, on PostgreSQL and on MariaDB a seventh of them each day:
//!
//! ```sh
//! cargo test -p dcr-e2e --test catalogue                           # what CI runs
//! DCR_CATALOGUE_SHARE=3 cargo test -p dcr-e2e --test catalogue     # the same as on another day
//! DCR_CATALOGUE=all .ci/databases run -- cargo test -p dcr-e2e --test catalogue
//! cargo test -p dcr-e2e --test catalogue -- TOK_09                 # one case
//! ```
//!
//! Each case that always asks the same is also run on both frameworks side by side, and all that they answered compared
//! (HTTP-01). At the end there is a table of cases by surface and place.

mod case;
#[path = "../cluster/databases.rs"]
#[expect(dead_code, reason = "the tests of clusters also save and restore databases")]
mod databases;
mod ground;
mod pair;
mod share;
mod support;
mod surfaces;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use case::Case;
use ground::{Ground, Place};
use libtest_mimic::{Arguments, Failed, Trial};
use share::Share;
use table::{Listed, Results};

/// Cases that wait for the server's clock let others run meanwhile.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let share = Share::from_env();
    let surfaces = surfaces::all();
    let listed = Listed::read();
    let results = Arc::new(Results::default());
    let mut trials = vec![Trial::test("every_id_has_its_case", {
        let wrong = listed.what_is_wrong(&surfaces);
        move || if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n"))) }
    })];
    for surface in &surfaces {
        for case in &surface.cases {
            for place in Place::all() {
                if share.has(place, case.ids[0]) {
                    trials.push(trial(surface.name, *case, place, &results));
                }
            }
            if case.comparable {
                trials.push(compared(surface.name, *case, &results));
            }
        }
    }
    if !arguments.list {
        missing(share);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    results.print(&surfaces, &listed);
    conclusion.exit_code()
}

fn trial(surface: &'static str, case: Case, place: Place, results: &Arc<Results>) -> Trial {
    let results = Arc::clone(results);
    let name = format!("{place}::{surface}::{}", case.name());
    let run = move || {
        let passed = results.begin(surface, case.ids[0], place.to_string());
        let runtime = runtime()?;
        runtime.block_on(async { (case.run)(&Ground::new(place)).await });
        passed.done();
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(place.is_missing())
}

fn compared(surface: &'static str, case: Case, results: &Arc<Results>) -> Trial {
    let results = Arc::clone(results);
    Trial::test(format!("axum=warp::{surface}::{}", case.name()), move || {
        let passed = results.begin(surface, case.ids[0], "axum=warp".to_owned());
        let compared = runtime()?.block_on(pair::compare(case))?;
        results.add_exchanges(compared);
        passed.done();
        Ok(())
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Says what runs, and what cannot.
fn missing(share: Share) {
    match share {
        Share::All => eprintln!("every case everywhere"),
        Share::Of(number) => eprintln!(
            "every case on {}, a seventh elsewhere: DCR_CATALOGUE_SHARE={number} (DCR_CATALOGUE=all: everything)",
            Place::HOME
        ),
    }
    for kind in databases::Kind::ALL.into_iter().filter(|kind| kind.is_missing()) {
        let (name, variable) = (kind.name(), kind.variable().unwrap_or_default());
        eprintln!("NOT TESTED: {name}, for {variable} is not set; its cases are ignored");
    }
}
