//! `epcache hook`: a snippet for a tool that installs packages, so that the index is refreshed with
//! it.
//!
//! The output is text for the user to paste. Nothing is installed or changed.

use std::io::Write;

use clap::ValueEnum;

use super::{Done, SUCCESS};
use crate::cli::{HookArgs, Tool};
use crate::terminal::{DIM, NAME, Output};

pub(crate) fn run(arguments: &HookArgs) -> Done {
    let mut output = Output::stdout();
    match arguments.tool {
        Some(tool) => write!(output, "{}", snippet(tool, arguments.fish))?,
        None => {
            for tool in Tool::value_variants() {
                let Some(value) = tool.to_possible_value() else {
                    continue;
                };
                let help = value.get_help().map(ToString::to_string);
                let (name, help) = (value.get_name(), help.unwrap_or_default());
                writeln!(output, "{NAME}{name:<14}{NAME:#}  {DIM}{help}{DIM:#}")?;
            }
        }
    }
    output.flush()?;
    Ok(SUCCESS)
}

fn snippet(tool: Tool, fish: bool) -> &'static str {
    match tool {
        Tool::Pip if fish => include_str!("hook/pip.fish"),
        Tool::Uv if fish => include_str!("hook/uv.fish"),
        Tool::Pip => include_str!("hook/pip.sh"),
        Tool::Uv => include_str!("hook/uv.sh"),
        Tool::Make => include_str!("hook/Makefile"),
        Tool::Containerfile => include_str!("hook/Containerfile"),
        Tool::Direnv => include_str!("hook/envrc"),
        Tool::Tox => include_str!("hook/tox.ini"),
        Tool::Conda => include_str!("hook/conda.sh"),
    }
}
