//! The contract of a [`Store`], as tests that every backend runs on fresh, empty stores. Not covered by semantic
//! versioning.
//!
//! [`store_conformance!`](crate::store_conformance) makes each case a test of its own. It takes a future that makes a
//! fresh store and a guard that is dropped after the case:
//!
//! ```
//! # #[cfg(test)]
//! mod memory {
//!     use dcr_core::store::{MemoryStore, Store};
//!     use std::sync::Arc;
//!
//!     dcr_core::store_conformance!(async { (Arc::new(MemoryStore::new()) as Arc<dyn Store>, ()) });
//! }
//! ```
//!
//! The cases read no clock and do not sleep; the races are run for real, so the tests need tokio's multi-thread runtime.
//!
//! [`Store`]: crate::store::Store

mod advance;
mod block;
mod clients;
mod erase;
mod fixtures;
mod listing;
mod operate;
mod races;
mod reads;
mod record;
mod revoke;
mod routed;
mod sign_in;
mod upstream_tokens;

pub use self::advance::*;
pub use self::block::*;
pub use self::clients::*;
pub use self::erase::*;
pub use self::listing::*;
pub use self::operate::*;
pub use self::races::*;
pub use self::reads::*;
pub use self::record::*;
pub use self::revoke::*;
pub use self::routed::{InTurn, Route, Routed};
pub use self::sign_in::*;
pub use self::upstream_tokens::*;

/// Makes a `#[tokio::test]` of each case of the [conformance suite](crate::store::conformance). The caller needs `tokio`
/// with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    // For a runner of one's own: hands the names of all cases to a macro.
    (each $given:ident) => {
        $crate::store_conformance! { @all [$given] [] }
    };
    (@all [$($given:tt)*] [$($first:tt)*]) => {
        $($given)*! { $($first)*
            a_first_sign_in_writes_every_row
            a_session_reads_back_as_it_was_written
            a_second_sign_in_finds_the_connection
            a_session_belongs_to_what_was_found
            the_latest_name_email_groups_and_roles_win
            a_session_id_is_used_once
            users_share_nothing
            software_keys_are_bytes
            aliases_are_bytes
            an_alias_is_kept_once
            the_alias_unused_longest_goes
            the_session_idle_longest_is_evicted
            an_eviction_is_on_the_record_and_in_the_feed
            only_live_sessions_count_towards_the_cap
            no_more_sessions_go_than_there_are_events
            redeeming_a_code_advances_the_session
            refreshing_advances_the_session
            a_session_never_outlives_its_absolute_end
            another_generation_loses_and_changes_nothing
            what_is_gone_does_not_advance
            advancing_one_session_leaves_the_others
            revoking_a_session_ends_it_once
            revoking_a_connection_ends_its_sessions
            revoking_a_user_ends_every_connection
            revoking_a_client_id_goes_by_bytes
            revoking_a_platform_goes_by_bytes
            a_revocation_of_nothing_writes_nothing
            the_first_end_of_a_session_stays
            the_feed_begins_at_the_given_time
            the_feed_has_every_kind_of_end
            a_block_ends_sessions_and_refuses_sign_ins
            every_kind_of_block_says_which_it_is
            blocks_are_bytes
            a_block_is_written_once
            a_block_needs_no_sessions
            a_session_is_ended_and_not_blocked
            unblocking_lets_sign_ins_through
            blocked_answers_the_first_that_is
            connections_come_oldest_first
            sessions_come_oldest_first
            unknown_ids_find_nothing
            events_read_back_as_they_were_written
            events_come_newest_first
            events_are_found_by_user_session_and_time
            the_number_of_events_is_clamped
            a_sweep_takes_what_lapsed_or_ended_before
            a_sweep_leaves_users_connections_and_events
            a_sweep_is_bounded
            the_first_secret_is_kept
            an_import_writes_every_row
            imported_clients_are_found_by_bytes
            an_import_that_comes_again_changes_nothing
            an_import_and_a_sign_in_share_the_connection
            imported_aliases_do_not_count_towards_the_cap
            catching_up_moves_a_session_past_the_token
            catching_up_stops_at_what_is_level_or_over
            the_recovery_window_is_kept
            an_end_may_be_limited_to_what_was_open_then
            users_are_found
            users_come_in_pages
            events_come_in_pages
            a_census_counts_sessions_by_state
            race_one_of_many_advances_wins
            race_a_chain_of_advances_never_skips
            race_first_sign_ins_make_one_connection
            race_one_of_many_sign_ins_uses_a_session_id
            race_sign_ins_keep_the_cap
            race_nothing_advances_after_a_revocation
            race_a_blocked_user_keeps_no_session
            race_a_platform_is_revoked_under_a_flood_of_sign_ins
            race_the_feed_has_every_end_that_was_answered
            race_one_of_many_revocations_ends_a_session
            race_first_secrets_agree
            race_imports_and_sign_ins_make_one_connection
            race_tokens_ahead_of_their_row_make_one_lineage
            race_a_sweep_takes_nothing_that_a_sign_in_needs
            client_rows_are_read_back_by_bytes
            a_client_row_is_replaced_only_where_its_version_is_known
            only_pins_are_taken_away
            client_rows_come_in_pages
            what_counts_once_is_used_once
            a_sweep_forgets_what_need_not_be_remembered
            race_one_of_many_changes_of_a_client_counts
            race_one_of_many_uses_counts
            events_are_found_by_everything_that_they_say
            events_without_an_actor_say_so
            the_history_of_requests_is_read_as_it_was_written
            old_requests_are_swept_in_batches
            a_connection_is_read_with_its_aliases
            users_are_found_by_a_part_of_their_name
            funnel_counts_add_up
            funnel_counts_come_in_pages
            a_sweep_of_the_record_takes_what_is_old
            a_sweep_of_the_record_leaves_recoveries_of_sessions_that_are_there
            an_erasure_leaves_no_row_of_the_person
            who_is_erased_has_no_history_of_requests
            an_erasure_leaves_events_of_nobody
            erased_sessions_are_in_the_feed_until_they_are_swept
            an_erasure_of_nobody_writes_nothing
            race_funnel_counts_of_many_add_up
            race_an_erasure_leaves_nothing_of_those_who_sign_in_meanwhile
            a_sign_in_brings_an_upstream_token
            an_upstream_token_is_of_one_user_and_one_key
            an_upstream_token_is_leased_to_one_until_it_lapses
            an_upstream_token_is_replaced_only_in_the_state_that_was_read
            the_last_session_takes_the_upstream_tokens_along
            a_sweep_takes_the_upstream_tokens_of_who_lapsed
            race_one_of_many_leases_is_given
            race_one_of_many_replacements_counts
            race_a_sign_in_keeps_its_upstream_token_while_others_end
            funnel_counts_are_summed_by_pieces_of_time
            events_are_found_by_who_did_it
            events_are_found_by_their_whole_reason
            client_ids_say_how_many_people_and_live_sessions_they_have
            client_ids_that_people_use_come_in_pages
            platforms_say_how_many_people_connections_and_live_sessions_they_have
            blocks_are_listed
        }
    };
    (@cases $fresh:expr; $($case:ident)*) => {
        /// Every case, by name.
        #[allow(dead_code, clippy::allow_attributes, reason = "for a test that none is missing")]
        const CASES: &[&str] = &[$(stringify!($case)),*];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let (store, _guard) = $fresh.await;
                $crate::store::conformance::$case(store).await;
            }
        )*
    };
    ($fresh:expr) => {
        $crate::store_conformance! { @all [$crate::store_conformance] [@cases $fresh;] }
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::store::{MemoryStore, Store};

    crate::store_conformance!(async { (Arc::new(MemoryStore::new()) as Arc<dyn Store>, ()) });

    #[test]
    fn every_case_is_on_the_list() {
        let files = [
            include_str!("advance.rs"),
            include_str!("block.rs"),
            include_str!("clients.rs"),
            include_str!("erase.rs"),
            include_str!("listing.rs"),
            include_str!("operate.rs"),
            include_str!("races.rs"),
            include_str!("reads.rs"),
            include_str!("record.rs"),
            include_str!("revoke.rs"),
            include_str!("sign_in.rs"),
            include_str!("upstream_tokens.rs"),
        ];
        let written: Vec<_> = files.iter().flat_map(|file| file.split("pub async fn ").skip(1)).collect();
        for case in &written {
            let name = case.split('(').next().unwrap_or_default();
            assert!(CASES.contains(&name), "{name} is not on the list");
        }
        assert_eq!(written.len(), CASES.len());
    }
}
