//! The `dcr` command. What it does is in [`dcr_sqlx::cli`].

fn main() -> std::process::ExitCode {
    dcr_sqlx::cli::main()
}
