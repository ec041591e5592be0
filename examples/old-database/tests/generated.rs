//! What is generated, and that it is counted right.

use std::collections::BTreeSet;

use old_database::{ExpectedPerson, Flavour, Layout, OldDatabase, Plan, Software, Unreadable};

const FLAVOURS: [Flavour; 3] = [Flavour::Sqlite, Flavour::Postgres, Flavour::MySql];

fn plans() -> Vec<Plan> {
    let older = Plan { layout: Layout::Older, ..Plan::default() };
    let alone = Plan { people: Plan::default().people[..1].to_vec(), rows: 500, ..Plan::default() };
    vec![Plan::default(), Plan { seed: 7, ..Plan::default() }, older, alone, Plan { rows: 0, ..Plan::default() }]
}

#[test]
fn a_seed_says_it_all() {
    let (plan, other) = (Plan { rows: 2_000, ..Plan::default() }, Plan { rows: 2_000, seed: 2, ..Plan::default() });
    let [one, again, other] = [&plan, &plan, &other].map(OldDatabase::generate);
    assert_eq!(one.expected(), again.expected());
    for flavour in FLAVOURS {
        assert_eq!(one.script(flavour), again.script(flavour));
        assert_ne!(one.script(flavour), other.script(flavour));
    }
}

#[test]
fn every_row_is_counted_once() {
    for plan in plans() {
        let old = OldDatabase::generate(&plan);
        let expected = old.expected();
        assert_eq!(expected.rows, plan.rows);
        let clients = expected.rows_by_table.iter().filter(|(table, _)| table.starts_with("dcr_clients"));
        assert_eq!(clients.map(|(_, rows)| rows).sum::<usize>(), plan.rows);
        let kept: usize = expected.people.iter().map(|person| person.rows).sum();
        assert_eq!(kept + expected.orphans + expected.unreadable(), plan.rows);
        let theirs: usize = expected.people.iter().flat_map(|person| person.unreadable.values()).sum();
        let of_nobody = expected.unreadable.get(&Unreadable::ObjectId).copied().unwrap_or_default();
        assert_eq!(theirs + of_nobody, expected.unreadable());
        assert!(expected.orphans_by_email.values().sum::<usize>() <= expected.orphans);
        for person in &expected.people {
            let in_all: usize = person.connections.values().map(BTreeSet::len).sum();
            assert_eq!(person.ids().len(), in_all, "an id belongs to one connection of its person");
            assert!(person.ids().len() <= person.rows);
        }
    }
}

#[test]
fn what_is_to_be_kept_can_be_had() {
    let old = OldDatabase::generate(&Plan::default());
    for (at, person) in old.expected().people.iter().enumerate() {
        for software in Software::ALL {
            let ids: Vec<_> = old.registrations(at, software).map(|one| one.client_id.clone()).collect();
            let expected = person.connections.get(&software).cloned().unwrap_or_default();
            assert_eq!(ids.len(), expected.len());
            assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}

#[test]
fn the_usual_plan_has_all_that_went_wrong() {
    let old = OldDatabase::generate(&Plan::default());
    let expected = old.expected();
    let share = |part: usize, of: usize| part * 100 / of;
    assert!((28..=32).contains(&share(expected.orphans, expected.rows)));
    let with_email: usize = expected.orphans_by_email.values().sum();
    assert!((46..=54).contains(&share(with_email, expected.orphans)));
    assert!(Unreadable::ALL.iter().all(|fault| expected.unreadable[fault] > 20), "{:?}", expected.unreadable);
    assert_eq!(expected.people[0].connections.len(), Software::ALL.len());
    assert!(expected.people.iter().all(|person| (3..=8).contains(&person.connections.len())));

    let most = expected.people.iter().flat_map(|person| person.connections.values()).map(BTreeSet::len).max();
    assert!(most.is_some_and(|most| most > 200), "{most:?}");
    let rows_of_all: usize = expected.people.iter().map(|person| person.rows).sum();
    let ids_of_all: usize = expected.people.iter().map(|person| person.ids().len()).sum();
    assert!(ids_of_all < rows_of_all, "some ids are there twice");
    assert!(expected.ids().len() < ids_of_all, "some ids are those of two people");
    let longest = expected.ids().iter().map(|id| id.len()).max();
    assert_eq!(longest, Some(1_024));
}

#[test]
fn an_older_system_did_not_say_whose_most_rows_are() {
    let old = OldDatabase::generate(&Plan { layout: Layout::Older, ..Plan::default() });
    let expected = old.expected();
    assert!(expected.orphans > expected.rows_by_table["dcr_clients"]);
    assert!(expected.orphans_by_email.is_empty());
    assert!(expected.people.iter().map(ExpectedPerson::ids).all(|ids| ids.len() > 100));
}

#[test]
fn statements_are_of_bounded_size_and_fit_their_database() {
    let old = OldDatabase::generate(&Plan::default());
    let [sqlite, postgres, mysql] = FLAVOURS.map(|flavour| old.script(flavour));
    for script in [&sqlite, &postgres, &mysql] {
        assert!(script.iter().all(|statement| statement.matches("),\n(").count() < 500 && !statement.ends_with(';')));
    }
    let of = |script: &[String], start: &str| {
        script.iter().filter(|statement| statement.starts_with(start)).cloned().collect::<String>()
    };
    assert!(of(&postgres, "CREATE TABLE dcr_clients (").contains("created_at TIMESTAMPTZ"));
    assert!(of(&postgres, "CREATE TABLE dcr_clients_mail (").contains("created_at TEXT"));
    assert!(!of(&postgres, "INSERT INTO dcr_clients (").contains("'0000-00-00 00:00:00'"));
    assert!(of(&mysql, "INSERT INTO dcr_clients (").contains("'0000-00-00 00:00:00'"));
    assert!(of(&sqlite, "CREATE TABLE dcr_clients_mail (").contains("created_at DATETIME"));
    assert!(of(&sqlite, "INSERT INTO dcr_clients_mail (").contains("'yesterday'"));
}
