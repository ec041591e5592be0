//! The `dcr` command on PostgreSQL and MySQL: the scenarios of `commands`, and an import from tables beside ours.

#[path = "../commands/dcr.rs"]
mod dcr;
#[path = "../commands/import.rs"]
mod import;
#[path = "../commands/scenarios.rs"]
mod scenarios;

use old_database::Layout;

use self::dcr::Dcr;
use crate::Database;

pub(crate) fn tests() -> Vec<crate::Test> {
    crate::tests! {
        people_apps_and_sessions_are_found_by_whatever_is_known_of_them
        requests_are_listed_by_person_and_by_session_newest_first
        nothing_ends_without_a_yes_and_everything_that_is_named_ends_with_it
        an_address_of_two_people_ends_neither
        a_sweep_takes_what_is_long_over_and_waits_for_a_recovery
        the_record_is_asked_by_what_it_says_and_swept_when_it_is_old
        a_person_is_forgotten_and_a_receipt_is_printed
        the_doctor_says_what_is_wrong_and_what_to_do
        a_recovery_ends_again_what_was_ended_and_opens_the_window
        clients_are_pinned_changed_and_taken_away
        what_cannot_be_pinned_is_refused_with_what_to_write
        what_people_use_and_what_is_blocked_is_listed
        old_tables_beside_ours_become_people_and_their_apps
        only_migrate_makes_tables
    }
}

/// The command on tables that are up to date.
fn dcr(database: &Database) -> Dcr {
    let dcr = Dcr::on(&database.url());
    dcr.prints(&["migrate"]);
    dcr
}

macro_rules! scenarios {
    ($($scenario:ident)*) => {$(
        async fn $scenario(database: Database) {
            scenarios::$scenario(dcr(&database)).await;
        }
    )*};
}

scenarios! {
    people_apps_and_sessions_are_found_by_whatever_is_known_of_them
    requests_are_listed_by_person_and_by_session_newest_first
    nothing_ends_without_a_yes_and_everything_that_is_named_ends_with_it
    an_address_of_two_people_ends_neither
    a_sweep_takes_what_is_long_over_and_waits_for_a_recovery
    the_record_is_asked_by_what_it_says_and_swept_when_it_is_old
    a_person_is_forgotten_and_a_receipt_is_printed
    the_doctor_says_what_is_wrong_and_what_to_do
    a_recovery_ends_again_what_was_ended_and_opens_the_window
    clients_are_pinned_changed_and_taken_away
    what_cannot_be_pinned_is_refused_with_what_to_write
    what_people_use_and_what_is_blocked_is_listed
}

/// The old system and ours in one database, as where an application keeps all of its tables.
async fn old_tables_beside_ours_become_people_and_their_apps(database: Database) {
    let dcr = dcr(&database);
    import::an_old_system_becomes_people_and_their_apps(&dcr, &database.url(), Layout::Latest).await;
}

async fn only_migrate_makes_tables(database: Database) {
    let dcr = Dcr::on(&database.url());
    dcr.refuses(&["users"], 1, "none of our tables");
    assert!(dcr.prints(&["migrate", "--dry-run"]).starts_with("Would make the tables"));
    dcr.refuses(&["users"], 1, "none of our tables");
    assert!(dcr.prints(&["migrate"]).starts_with("Done"));
    assert_eq!(dcr.prints(&["users"]), "nobody found\n");
}
