//! The `dcr` command, as an operator has it beside the servers under test.

fn main() -> std::process::ExitCode {
    dcr_e2e::log_loudly_if_asked();
    dcr_sqlx::cli::main()
}
