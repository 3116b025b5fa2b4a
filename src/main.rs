//! `hallmark`: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    hallmark::cli::main()
}
