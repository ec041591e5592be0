//! The tables of the old system.

use crate::Layout;
use crate::script::{Column, Kind, Table};

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const CLIENT_COLUMNS: &[Column] = &[
    column("dcr_client_id", Kind::Key),
    column("dcr_client_secret", Kind::Text),
    column("dcr_client_name", Kind::Short),
    column("dcr_redirect_uris", Kind::Text),
    column("dcr_grant_types", Kind::Text),
    column("dcr_requested_scope", Kind::Text),
    column("azure_application_id", Kind::Short),
    column("azure_object_id", Kind::Short),
    column("user_email", Kind::Short),
    column("mcp_session_id", Kind::Short),
    column("created_at", Kind::Date),
    column("updated_at", Kind::Date),
];

const USER_COLUMNS: &[Column] = &[
    column("object_id", Kind::Key),
    column("application_id", Kind::Short),
    column("access_token", Kind::Text),
    column("refresh_token", Kind::Text),
    column("expires_at", Kind::Date),
    column("scope", Kind::Text),
    column("user_email", Kind::Short),
    column("user_name", Kind::Short),
    column("created_at", Kind::Date),
    column("updated_at", Kind::Date),
];

const TOKEN_COLUMNS: &[Column] = &[
    column("dcr_token_value", Kind::Text),
    column("dcr_client_id", Kind::Text),
    column("dcr_token_type", Kind::Short),
    column("azure_object_id", Kind::Short),
    column("dcr_status", Kind::Short),
    column("expires_at", Kind::Date),
    column("metadata", Kind::Text),
    column("created_at", Kind::Date),
    column("updated_at", Kind::Date),
];

/// The columns of a module's table: without a key, and with dates declared as text.
fn of_module(columns: &[Column]) -> Vec<Column> {
    let loose = |kind| match kind {
        Kind::Key => Kind::Text,
        Kind::Date => Kind::LooseDate,
        other => other,
    };
    columns.iter().map(|c| column(c.name, loose(c.kind))).collect()
}

/// `dcr_clients`, then those of the modules.
pub(crate) fn client_tables(layout: Layout) -> Vec<Table> {
    let module = of_module(CLIENT_COLUMNS);
    let mut tables = vec![
        Table::new("dcr_clients", CLIENT_COLUMNS),
        Table::new("dcr_clients_mail", &module),
        Table::new("dcr_clients_calendar", &module),
    ];
    if layout == Layout::Older {
        for table in &mut tables {
            let lacks_users = table.name == "dcr_clients";
            table.columns.retain(|c| !matches!(c.name, "user_email" | "mcp_session_id"));
            table.columns.retain(|c| !(lacks_users && c.name == "azure_object_id"));
            for column in table.columns.iter_mut().filter(|c| c.name == "created_at") {
                column.name = "issued_at";
            }
        }
    }
    tables
}

pub(crate) fn user_table(layout: Layout) -> Table {
    let name = if layout == Layout::Older { "dcr_azure_tokens" } else { "dcr_azure_users" };
    Table::new(name, USER_COLUMNS)
}

/// `dcr_tokens`, then that of the module.
pub(crate) fn token_tables() -> Vec<Table> {
    vec![Table::new("dcr_tokens", TOKEN_COLUMNS), Table::new("dcr_tokens_mail", &of_module(TOKEN_COLUMNS))]
}
