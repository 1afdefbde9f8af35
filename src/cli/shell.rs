//! The arguments of what shells call.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// `epcache completions`.
#[derive(Debug, Args)]
#[command(override_usage = "epcache completions bash|fish|zsh")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// fish
    Fish,
    /// zsh
    Zsh,
}

/// `epcache complete`, which the shells' completions call.
#[derive(Debug, Args)]
#[command(override_usage = "epcache complete -- [WORDS...]")]
pub struct CompleteArgs {
    /// The words behind the program's name, the last one unfinished
    #[arg(last = true)]
    pub words: Vec<OsString>,
}

/// `epcache after`, which the functions of `epcache hook` call.
#[derive(Debug, Args)]
#[command(override_usage = "epcache after STATUS TOOL [ARGS...]")]
pub struct AfterArgs {
    /// The exit status of the tool
    pub status: i32,
    /// The tool and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub command: Vec<OsString>,
}
