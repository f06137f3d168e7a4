//! Parses arguments and calls `cli`; nothing else.

fn main() -> std::process::ExitCode {
    chengguan::cli::run()
}
