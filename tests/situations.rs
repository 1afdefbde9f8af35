//! The output that users see: situations of a few commands with their exact output and exit status.
//!
//! The tables are `tests/situations/*.txt`. Each situation starts in an empty folder with a Python
//! 3.11 (`python/usr`, first on PATH) and a home directory (`home`):
//!
//! ```text
//! == what the situation is
//! ! a line of shell that prepares it
//! $ a line of shell, under its output
//! what it writes to standard output
//! 2> what it writes to standard error
//! -> its exit status, where that is not 0
//! ```
//!
//! `dist FOLDER NAME ENTRY-POINTS [VERSION]` makes a distribution, `venv FOLDER` a virtual
//! environment. `as_user COMMAND` runs a command as a user who owns nothing, `on_terminal LINE` on
//! a terminal of 80 columns. In outputs /T is the folder, and N stands for numbers that differ
//! between runs. With `EPCACHE_WRITE=1` the outputs are written again: read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli::{Tree, root_for, run, tool_for};

/// The start of every situation.
const PRELUDE: &str = r#"
dist() {
    set -- "$1" "$2" "$3" "${4:-1}"
    mkdir -p "$1/$2-$4.dist-info"
    printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "$2" "$4" >"$1/$2-$4.dist-info/METADATA"
    printf "$3" >"$1/$2-$4.dist-info/entry_points.txt"
}
venv() {
    mkdir -p "$1/bin" "$1/lib/python3.11/site-packages"
    printf 'home = %s\nversion = 3.11.2\ninclude-system-site-packages = false\n' "$T/python/usr/bin" >"$1/pyvenv.cfg"
    ln -s "$T/python/usr/bin/python3.11" "$1/bin/python3.11"
    ln -s python3.11 "$1/bin/python"
    ln -s python3.11 "$1/bin/python3"
}
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
on_terminal() { NO_COLOR=1 SHELL=/bin/sh script -qefc "stty cols 80 rows 24; $*" /dev/null </dev/null | tr -d '\r'; }
site=python/usr/lib/python3.11/site-packages
mine=home/.local/lib/python3.11/site-packages
"#;

/// Files of the machine that would change answers.
const OF_THE_MACHINE: [&str; 4] = [
    "/usr/lib/epcache/index",
    "/var/cache/epcache/index",
    "/etc/epcache.conf",
    "/etc/epcache.conf.d",
];

struct Situations {
    tree: Tree,
    number: usize,
    folder: PathBuf,
}

impl Situations {
    fn next(&mut self) {
        self.number += 1;
        let name = self.number.to_string();
        self.tree.system(&format!("{name}/python"));
        self.tree
            .link("python3.11", &format!("{name}/python/usr/bin/python3"));
        self.tree.dir(&format!("{name}/home"));
        self.folder = self.tree.path(&name);
    }

    fn shell(&self, line: &str) -> Command {
        let program = self.tree.public_program();
        let folder = self.folder.to_str().unwrap();
        let path = format!(
            "{}:{folder}/python/usr/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            program.parent().unwrap().display()
        );
        let mut command = self.tree.program("sh".as_ref());
        command.args(["-c", &format!("{PRELUDE}\n{line}")]);
        command
            .env("PATH", path)
            .env("HOME", self.folder.join("home"));
        command.env("T", folder).env("TERM", "xterm");
        command.current_dir(&self.folder);
        command
    }

    /// The line, its output and its exit status.
    fn shown(&self, line: &str) -> String {
        let ran = run(&mut self.shell(line));
        let mut text = format!("$ {line}\n");
        for line in ran.stdout.lines() {
            text += &format!("{line}\n");
        }
        for line in ran.stderr.lines() {
            text += &format!("2> {line}\n");
        }
        if ran.code != 0 {
            text += &format!("-> {}\n", ran.code);
        }
        steady(&text.replace(self.folder.to_str().unwrap(), "/T"))
    }
}

/// The text with N for numbers that differ between runs: times and sizes.
fn steady(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive([' ', '\n']) {
        let unit = word.trim_end_matches([' ', '\n', ',', ':']);
        let is_unit = ["ms", "KiB", "second", "seconds"].contains(&unit);
        if let Some(last) = words.last_mut().filter(|_| is_unit) {
            if last.trim().parse::<f64>().is_ok() {
                *last = "N ".into();
            }
            words.push(word.replacen("seconds", "second", 1));
        } else {
            words.push(word.into());
        }
    }
    words.concat()
}

/// Runs the situations of a table. Returns their number.
fn play(table: &str) -> usize {
    let name = format!("the situations of {table}");
    if !root_for(&name)
        || !["script", "setpriv"]
            .iter()
            .all(|tool| tool_for(&name, tool))
    {
        return 0;
    }
    if let Some(there) = OF_THE_MACHINE.iter().find(|path| Path::new(path).exists()) {
        cli::left_out(&name, &format!("{there} exists on this machine"));
        return 0;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/situations")
        .join(table);
    let expected = fs::read_to_string(&path).unwrap();
    let mut situations = Situations {
        tree: Tree::new(),
        number: 0,
        folder: PathBuf::new(),
    };
    let mut found = String::new();
    for line in expected.lines() {
        if line.starts_with("== ") {
            situations.next();
            found += &format!("\n{line}\n");
        } else if let Some(setup) = line.strip_prefix("! ") {
            let ran = run(&mut situations.shell(&format!("set -e; {setup}")));
            assert_eq!(ran.code, 0, "{table}: {line}: {ran:?}");
            found += &format!("{line}\n");
        } else if let Some(command) = line.strip_prefix("$ ") {
            found += &situations.shown(command);
        } else if line.starts_with("# ") && situations.number == 0 {
            found += &format!("{line}\n");
        }
    }
    let found = found.trim_start().to_owned();
    if std::env::var_os("EPCACHE_WRITE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    for (found, expected) in found.split("\n== ").zip(expected.split("\n== ")) {
        assert_eq!(found.trim_end(), expected.trim_end(), "{table}");
    }
    assert_eq!(found.trim_end(), expected.trim_end(), "{table}");
    situations.number
}

#[test]
fn query() {
    play("query.txt");
}

#[test]
fn status() {
    play("status.txt");
}

#[test]
fn trouble() {
    play("trouble.txt");
}

#[test]
fn help() {
    play("help.txt");
}

#[test]
fn list() {
    play("list.txt");
}
