//! `epcache completions SHELL`: prints a shell's completion, which asks `epcache complete`.

use std::io::Write;

use super::{Done, SUCCESS};
use crate::cli::{CompletionsArgs, Shell};
use crate::terminal::Output;

pub(crate) fn run(arguments: &CompletionsArgs) -> Done {
    let script = match arguments.shell {
        Shell::Bash => include_str!("../../packaging/completions/epcache.bash"),
        Shell::Fish => include_str!("../../packaging/completions/epcache.fish"),
        Shell::Zsh => include_str!("../../packaging/completions/_epcache"),
    };
    let mut output = Output::stdout();
    output.write_all(script.as_bytes())?;
    output.flush()?;
    Ok(SUCCESS)
}
