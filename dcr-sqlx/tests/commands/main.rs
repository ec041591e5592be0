//! The `dcr` command as a process, on SQLite. `networked` runs the same scenarios on the other databases.

mod dcr;
mod import;
mod scenarios;

use dcr_core::session::UserId;
use old_database::{Layout, OldDatabase, Plan};
use sqlx::Connection as _;

use self::dcr::{Dcr, ISSUER, Scratch, TENANT};

fn url(scratch: &Scratch) -> String {
    format!("sqlite://{}", scratch.file("dcr.db").display())
}

/// What is in the directory.
fn names(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(scratch.file("")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// The command on an empty database that is up to date.
fn dcr(scratch: &Scratch) -> Dcr {
    let dcr = Dcr::on(&url(scratch));
    dcr.prints(&["migrate"]);
    dcr
}

macro_rules! on_sqlite {
    ($($scenario:ident)*) => {$(
        #[tokio::test]
        async fn $scenario() {
            let scratch = Scratch::new();
            scenarios::$scenario(dcr(&scratch)).await;
        }
    )*};
}

on_sqlite! {
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

#[test]
fn only_migrate_makes_a_database() {
    let scratch = Scratch::new();
    let dcr = Dcr::on(&url(&scratch));
    for command in [&["users"][..], &["sweep"], &["events"], &["revoke", "platform", "cursor", "--yes"]] {
        dcr.refuses(command, 1, "dcr migrate");
    }
    let ended = dcr.run(&["doctor"]);
    assert!(ended.code == 1 && ended.out.contains("dcr migrate"), "{ended:?}");
    assert!(dcr.prints(&["migrate", "--dry-run"]).starts_with("Would make"));
    assert!(!scratch.file("dcr.db").exists());
    assert!(dcr.prints(&["migrate"]).starts_with("Done"));
    assert_eq!(dcr.prints(&["migrate"]), "The tables are up to date.\n");
    assert_eq!(dcr.prints(&["users", "--json"]), "[]\n");
}

#[tokio::test]
async fn somebody_elses_file_is_left_as_it_is() {
    let scratch = Scratch::new();
    let mut theirs = sqlx::SqliteConnection::connect(&format!("{}?mode=rwc", url(&scratch))).await.unwrap();
    sqlx::raw_sql("CREATE TABLE invoices (id INTEGER)").execute(&mut theirs).await.unwrap();
    theirs.close().await.unwrap();
    let before = std::fs::read(scratch.file("dcr.db")).unwrap();
    let dcr = Dcr::on(&url(&scratch));
    dcr.refuses(&["users"], 1, "none of our tables");
    dcr.refuses(&["import", scratch.file("dcr.db").to_str().unwrap(), "--tenant", TENANT, "--dry-run"], 1, "invoices");
    assert_eq!(std::fs::read(scratch.file("dcr.db")).unwrap(), before);
    assert!(names(&scratch).iter().all(|name| name == "dcr.db"), "{:?}", names(&scratch));
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_and_says_what_to_do() {
    let scratch = Scratch::new();
    let dcr = dcr(&scratch);
    let mut database = sqlx::SqliteConnection::connect(&url(&scratch)).await.unwrap();
    sqlx::raw_sql("DELETE FROM _dcr_migrations WHERE version = 3").execute(&mut database).await.unwrap();
    dcr.refuses(&["users"], 1, "run `dcr migrate` first");
    assert_eq!(dcr.prints(&["migrate", "--dry-run"]), "Would bring the tables up to date (1 step).\n");
    sqlx::raw_sql("UPDATE _dcr_migrations SET version = 7000 WHERE version = 2").execute(&mut database).await.unwrap();
    dcr.refuses(&["migrate"], 1, "newer version");
}

#[test]
fn op_05_no_password_of_a_url_is_ever_printed() {
    let scratch = Scratch::new();
    let good = dcr(&scratch);
    for bad in [
        "postgres://dcr:geheim@db:99999/dcr",
        "mysql://dcr:geheim@db/dcr?sslmod=geheim",
        "geheim://geheim@db",
        "sqlite:",
    ] {
        let dcr = Dcr::on(bad);
        for command in [&["doctor"][..], &["users"], &["--help"], &["migrate"]] {
            let ended = dcr.run(command);
            assert!(!ended.out.contains("geheim") && !ended.err.contains("geheim"), "{bad} {command:?}: {ended:?}");
        }
        let ended = good.run(&["import", bad, "--tenant", TENANT, "--dry-run"]);
        assert!(ended.code == 1 && !ended.err.contains("geheim"), "{ended:?}");
    }
    // Nobody is there; it waits a little for a server that may be starting.
    let ended = Dcr::on("postgres://dcr:geheim@127.0.0.1:1/dcr").run(&["users"]);
    assert!(ended.code == 1 && !ended.err.contains("geheim"), "{ended:?}");
}

#[test]
fn secrets_are_new_each_time_and_usable() {
    let scratch = Scratch::new();
    let dcr = dcr(&scratch);
    let new = || dcr.prints(&["secret", "new"]).trim().parse::<dcr_core::Secret>().unwrap();
    assert_ne!(new(), new());
    dcr.refuses(&["secret", "kept", "--yes"], 1, "keeps no secret");
}

#[tokio::test]
async fn an_old_file_becomes_people_and_their_apps() {
    for layout in [Layout::Latest, Layout::Older] {
        let scratch = Scratch::new();
        let old = scratch.file("old.db");
        std::fs::File::create(&old).unwrap();
        let source = format!("sqlite://{}", old.display());
        import::an_old_system_becomes_people_and_their_apps(&dcr(&scratch), &source, layout).await;
    }
}

/// Byte for byte, and nothing appears beside it: with a rollback journal, and with write-ahead logging that was left well.
#[tokio::test]
async fn an_import_changes_nothing_in_the_old_system() {
    for write_ahead in [false, true] {
        let scratch = Scratch::new();
        let dcr = dcr(&scratch);
        let old = scratch.file("old.db");
        std::fs::File::create(&old).unwrap();
        let source = format!("sqlite://{}", old.display());
        import::make(&OldDatabase::generate(&Plan { rows: 200, ..Plan::default() }), &source).await;
        if write_ahead {
            let mut database = sqlx::SqliteConnection::connect(&source).await.unwrap();
            sqlx::raw_sql("PRAGMA journal_mode = WAL; UPDATE dcr_clients SET user_email = user_email")
                .execute(&mut database)
                .await
                .unwrap();
            database.close().await.unwrap();
        }
        let before = (std::fs::read(&old).unwrap(), names(&scratch));
        dcr.prints(&["import", old.to_str().unwrap(), "--tenant", TENANT]);
        dcr.prints(&["import", &source, "--tenant", TENANT]);
        let after = (std::fs::read(&old).unwrap(), names(&scratch));
        assert!(before.0 == after.0, "bytes of the file");
        let beside =
            |names: &[String]| names.iter().filter(|name| name.starts_with("old")).cloned().collect::<Vec<_>>();
        assert_eq!(beside(&before.1), beside(&after.1));
    }
}

/// What the old server wrote and did not carry over yet is read, too.
#[tokio::test]
async fn an_old_file_that_is_in_use_is_read_with_what_waits_in_its_log() {
    let scratch = Scratch::new();
    let dcr = dcr(&scratch);
    let old = scratch.file("old.db");
    std::fs::File::create(&old).unwrap();
    let source = format!("sqlite://{}", old.display());
    import::make(&OldDatabase::generate(&Plan { rows: 200, ..Plan::default() }), &source).await;
    let mut server = sqlx::SqliteConnection::connect(&source).await.unwrap();
    let write = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
         INSERT INTO dcr_clients (dcr_client_id, azure_object_id, dcr_redirect_uris) VALUES \
         ('dcr_in_the_log', '0c4f7a52-91d3-4b6e-a8f0-2d5e7c9b1a34', '[\"https://claude.ai/api/mcp/auth_callback\"]')";
    sqlx::raw_sql(write).execute(&mut server).await.unwrap();
    dcr.prints(&["import", &source, "--tenant", TENANT]);
    let id = dcr_core::ClientId::new("dcr_in_the_log").unwrap();
    assert!(dcr.store().await.imported_client(&id).await.unwrap().is_some());
    server.close().await.unwrap();
}

/// An empty variable is one that is not set, as for the servers: otherwise nobody would find what was imported.
#[tokio::test]
async fn people_of_an_import_are_who_they_are_to_the_servers() {
    let scratch = Scratch::new();
    let dcr = dcr(&scratch);
    let old = scratch.file("old.db");
    std::fs::File::create(&old).unwrap();
    let plan = Plan { rows: 200, ..Plan::default() };
    import::make(&OldDatabase::generate(&plan), &format!("sqlite://{}", old.display())).await;
    let run = ["import", old.to_str().unwrap(), "--tenant", TENANT, "--json", "--dry-run"];
    let ids = |dcr: &Dcr| -> Vec<(String, String)> {
        let report = dcr.json(&run);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let people = report["people"].as_array().unwrap();
        people.iter().map(|person| (text(&person["object_id"]), text(&person["user_id"]))).collect()
    };
    let plain = ids(&dcr);
    for (object_id, user_id) in &plain {
        assert_eq!(*user_id, UserId::derive(ISSUER, TENANT, object_id).to_string());
    }
    assert_eq!(ids(&dcr.with("DCR_AZURE_AUTHORITY", "")), plain);
    assert_eq!(ids(&dcr.with("DCR_AZURE_AUTHORITY", "https://login.microsoftonline.com/")), plain);
    assert_ne!(ids(&dcr.with("DCR_AZURE_AUTHORITY", "https://login.microsoftonline.us")), plain);
}

#[test]
fn an_import_that_is_asked_for_wrongly_says_how() {
    let scratch = Scratch::new();
    let dcr = dcr(&scratch);
    let missing = scratch.file("missing.db");
    let missing = missing.to_str().unwrap();
    dcr.refuses(&["import", missing, "--tenant", TENANT], 1, "there is no file");
    dcr.refuses(&["import", missing], 2, "--tenant");
    dcr.refuses(&["import", missing, "--tenant", "contoso.example"], 2, "GUID");
    let elsewhere = dcr.with("DCR_AZURE_AUTHORITY", "login.microsoftonline.us");
    elsewhere.refuses(&["import", missing, "--tenant", TENANT], 2, "https://");
    dcr.refuses(&["import", "mongodb://x/y", "--tenant", TENANT], 1, "begins with");
    assert!(!names(&scratch).contains(&"missing.db".to_owned()));
}
