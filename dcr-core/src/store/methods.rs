//! The methods of the store trait, once, for what stands in front of a store: whoever adds a method to [`Store`](super::Store)
//! adds it here, and every such store passes it on.

/// Calls `$callback!` with the signature of every method of [`Store`](super::Store).
macro_rules! each_store_method {
    ($callback:ident) => {
        $callback! {
            sign_in(sign_in: SignIn) -> SignedIn;
            session(id: SessionId) -> Option<SessionView>;
            advance(id: SessionId, advance: Advance) -> Advanced;
            catch_up(id: SessionId, catch_up: CatchUp) -> Advanced;
            revoke(ending: Ending) -> Vec<SessionId>;
            block(ending: Ending) -> Vec<SessionId>;
            unblock(target: &Target, event: Event) -> bool;
            blocked(targets: &[Target]) -> Option<BlockKind>;
            blocks(query: &BlockQuery) -> Vec<Target>;
            revocations_since(since: Timestamp) -> Vec<Revocation>;
            import(import: Import) -> Imported;
            imported_client(id: &ClientId) -> Option<ImportedClient>;
            has_imported_clients() -> bool;
            client(id: &ClientId) -> Option<StoredClient>;
            has_clients() -> bool;
            clients(after: Option<&ClientId>, limit: u32) -> Vec<StoredClient>;
            put_client(change: PutClient) -> bool;
            unpin_client(id: &ClientId, event: Event) -> bool;
            use_up(id: &[u8; 32], until: Timestamp) -> bool;
            open_recovery(until: Timestamp, event: Event) -> ();
            recovery_until() -> Option<Timestamp>;
            users(query: &UserQuery) -> Vec<User>;
            connections_of(user: &UserId) -> Vec<Connection>;
            connection(id: ConnectionId) -> Option<Connection>;
            sessions_of(connection: ConnectionId) -> Vec<Session>;
            counts() -> Counts;
            census(now: Timestamp) -> Census;
            client_uses(query: &ClientUseQuery) -> Vec<ClientUse>;
            platform_uses(now: Timestamp) -> Vec<PlatformUse>;
            record(event: Event) -> ();
            events(query: &EventQuery) -> Vec<Event>;
            erase(erasure: Erasure) -> Erased;
            add_counts(counts: &[FunnelCount]) -> ();
            funnel(query: &FunnelQuery) -> Vec<FunnelCount>;
            funnel_sums(query: &FunnelSumQuery) -> Vec<FunnelCount>;
            sweep_record(before: Timestamp, limit: u32) -> u32;
            add_requests(requests: &[RequestRecord]) -> ();
            requests(query: &RequestQuery) -> Vec<RequestRecord>;
            sweep_requests(before: RequestId, limit: u32) -> u32;
            upstream_token(user: &UserId, key: &UpstreamTokenKey) -> Option<StoredUpstreamToken>;
            lease_upstream_token(user: &UserId, key: &UpstreamTokenKey, lease: UpstreamLease) -> bool;
            replace_upstream_token(user: &UserId, instead_of: &UpstreamTokenVersion, token: PutUpstreamToken) -> bool;
            drop_upstream_token(user: &UserId, key: &UpstreamTokenKey, version: &UpstreamTokenVersion) -> bool;
            sweep(before: Timestamp, limit: u32) -> u32;
            kept_secret() -> Option<Secret>;
            keep_secret(candidate: Secret) -> Secret;
        }
    };
}

pub(crate) use each_store_method;
