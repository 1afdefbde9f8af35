//! What is said of mistakes on the command line: one line, what is wrong, and what would be right.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::{FAILURE, definition};
use crate::terminal::say;

/// A usage that is longer, in characters, is left to `epcache help`.
const LONGEST: usize = 60;

/// Help goes to standard output as it is; a mistake is one line that says what would be right.
pub(super) fn report_usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILURE),
            _ => ExitCode::SUCCESS,
        };
    }
    let mut definition = definition();
    definition.build();
    let named = arguments
        .iter()
        .skip(1)
        .find_map(|argument| definition.find_subcommand(argument));
    let right = match named {
        Some(command) => {
            let usage = command.clone().render_usage().to_string();
            match usage.len() <= LONGEST {
                true => usage.replacen("Usage: ", "usage: ", 1),
                false => format!("see epcache help {}", command.get_name()),
            }
        }
        None => {
            let shown = definition.get_subcommands().filter(|it| !it.is_hide_set());
            let names: Vec<_> = shown.map(clap::Command::get_name).collect();
            format!("the commands are {}; see epcache help", names.join(", "))
        }
    };
    let message = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        _ => first_lines(&error.render().to_string()),
    };
    say(&format!("error: {message} ({right})"));
    // A mistake in a package's script is no reason for the package manager to stop.
    let is_trigger = named.is_some_and(|command| command.get_name() == "trigger");
    let mut options = arguments.iter().take_while(|argument| *argument != "--");
    if is_trigger && !options.any(|argument| argument == "--strict") {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(FAILURE)
}

/// What a message of clap's says before it comes to the usage, as one line.
fn first_lines(text: &str) -> String {
    let mut message = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage: ") || line.starts_with("For more information") {
            break;
        }
        let (separator, words) = match line.strip_prefix("tip: ") {
            // No value of ours begins with `-`.
            Some(tip) if tip.starts_with("to pass ") => continue,
            Some(tip) => ("; ", tip),
            None => (" ", line.trim_start_matches("error: ")),
        };
        if !message.is_empty() && !words.is_empty() {
            message.push_str(separator);
        }
        message.push_str(words);
    }
    message
}

/// What the program is for, and its commands.
pub(super) fn print_help() -> ExitCode {
    match definition().print_help() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILURE),
        _ => ExitCode::SUCCESS,
    }
}
