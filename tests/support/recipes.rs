//! The recipes in the documentation, run exactly as they are written.
//!
//! The input is a page and one of its headings. The output is the `sh` blocks below that heading,
//! in order, as one script.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The blocks of a language below a heading (without its `#`s), up to the next heading of any
/// level. A block in a list loses its indentation.
pub(crate) fn blocks(page: &str, heading: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (mut here, mut block, mut found) = (false, None::<String>, Vec::new());
    let (mut foreign, mut indent) = (false, 0);
    for line in text.lines() {
        if let Some(text) = &mut block {
            if line.trim_start() == "```" {
                found.extend(block.take());
            } else {
                *text = format!("{text}{}\n", line.get(indent..).unwrap_or_default());
            }
        } else if foreign {
            foreign = line.trim_start() != "```";
        } else if line.starts_with('#') {
            here = line.trim_start_matches('#').trim() == heading;
        } else if let Some(of) = line.trim_start().strip_prefix("```") {
            indent = line.len() - line.trim_start().len();
            if here && of == language {
                block = Some(String::new());
            } else {
                foreign = true;
            }
        }
    }
    assert!(!found.is_empty(), "{page}: no {language} below {heading}");
    found
}

/// A shell that runs the blocks below a heading in order, and stops at the first failure. The
/// program under test is on its PATH.
pub(crate) fn recipe(page: &str, heading: &str, directory: &Path) -> Command {
    let script = blocks(page, heading, "sh").concat();
    shell(&script, directory)
}

/// A shell with the program under test on its PATH, and without the caller's environment.
pub(crate) fn shell(script: &str, directory: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_epcache"));
    let folder = binary.parent().expect("a folder").display();
    let mut command = Command::new("timeout");
    command.args([
        "--kill-after=5",
        "120",
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script,
    ]);
    command.env_clear().env("LC_ALL", "C.UTF-8");
    command.env("HOME", directory);
    command.env(
        "PATH",
        format!("{folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    );
    command.current_dir(directory).stdin(Stdio::null());
    command
}
