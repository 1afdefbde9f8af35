//! Wrong arguments: a one-line error that says what would be right, and exit status 2. Also the
//! behaviour of all commands: help, versions, `-q`, `-v`, `EPCACHE_LOG`, pipes and full disks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;

use cli::{Tree, run};

/// Arguments, what is wrong, what would be right.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "-q",
        "a command is missing",
        "the commands are refresh, query",
    ),
    (
        "bogus",
        "unrecognized subcommand 'bogus'",
        "the commands are refresh, query,",
    ),
    (
        "refesh",
        "unrecognized subcommand 'refesh'",
        "a similar subcommand exists: 'refresh'",
    ),
    (
        "--bogus",
        "unexpected argument '--bogus'",
        "the commands are refresh, query",
    ),
    (
        "refresh --bogus",
        "unexpected argument '--bogus'",
        "see epcache help refresh",
    ),
    (
        "refresh stray",
        "unexpected argument 'stray'",
        "see epcache help refresh",
    ),
    (
        "refresh --sytem",
        "unexpected argument '--sytem'",
        "a similar argument exists: '--system'",
    ),
    (
        "refresh --venv",
        "a value is required for '--venv <DIR>'",
        "see epcache help refresh",
    ),
    (
        "refresh --path",
        "a value is required for '--path <DIR>",
        "see epcache help refresh",
    ),
    (
        "refresh --output",
        "a value is required for '--output <FILE>'",
        "see epcache help refresh",
    ),
    (
        "refresh --root",
        "a value is required for '--root <DIR>'",
        "see epcache help refresh",
    ),
    (
        "refresh --path /x",
        "not provided: --output <FILE>",
        "see epcache help refresh",
    ),
    (
        "refresh --system --user",
        "'--system' cannot be used with '--user'",
        "see epcache help refresh",
    ),
    (
        "refresh --user --venv /x",
        "'--user' cannot be used with '--venv <DIR>'",
        "see epcache help refresh",
    ),
    (
        "refresh --venv /x --path /y --output z",
        "cannot be used with",
        "see epcache help refresh",
    ),
    (
        "refresh --root /no/such",
        "--root /no/such: No such file",
        "--root",
    ),
    (
        "refresh --root /dev/null",
        "--root /dev/null: Not a directory",
        "--root",
    ),
    (
        "refresh --venv /no/such",
        "/no/such: not a virtual environment",
        "no pyvenv.cfg",
    ),
    (
        "refresh -q -v",
        "'--quiet' cannot be used with '--verbose",
        "see epcache help refresh",
    ),
    (
        "query a b c",
        "unexpected argument 'c'",
        "see epcache help query",
    ),
    (
        "query --path",
        "a value is required for '--path <DIR>",
        "see epcache help query",
    ),
    (
        "query --index",
        "a value is required for '--index <FILE>",
        "see epcache help query",
    ),
    (
        "query --python",
        "a value is required for '--python <VERSION>'",
        "see epcache help query",
    ),
    (
        "query --path /x --venv /y",
        "cannot be used with",
        "see epcache help query",
    ),
    (
        "query --python 9.9",
        "--python 9.9: no such Python",
        "a version such as 3.12, or a path",
    ),
    (
        "query --python /bin/sh",
        "/bin/sh",
        "cannot tell its Python version",
    ),
    (
        "query --python /no/such/python",
        "/no/such/python",
        "No such file",
    ),
    (
        "query --venv /usr",
        "/usr: not a virtual environment",
        "no pyvenv.cfg",
    ),
    (
        "query --root /no/such",
        "--root /no/such: No such file",
        "--root",
    ),
    (
        "query --freshness foo",
        "invalid value 'foo' for '--freshness",
        "auto, fast, strict, trust",
    ),
    (
        "query --path / group",
        "--path group: there is no such path",
        "GROUP and NAME go before",
    ),
    (
        "query --path / --index /i group name",
        "--index name: ",
        "GROUP and NAME go before --index",
    ),
    (
        "status --bogus",
        "unexpected argument '--bogus'",
        "see epcache help status",
    ),
    (
        "status --root /no/such",
        "--root /no/such: No such file",
        "--root",
    ),
    ("verify /no/such", "/no/such: No such file", "/no/such"),
    ("verify /", "/: ", "directory"),
    (
        "verify a b",
        "unexpected argument 'b'",
        "usage: epcache verify",
    ),
    (
        "export --index /no/such",
        "/no/such: cannot be read: No such file",
        "/no/such",
    ),
    (
        "export --index",
        "a value is required for '--index <FILE>'",
        "usage: epcache export",
    ),
];

#[test]
fn a_mistake_is_one_line_that_says_what_would_be_right() {
    let tree = Tree::new();
    let mut failures = vec![];
    for (arguments, wrong, right) in MISTAKES {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        let ran = run(&mut tree.epcache(&arguments));
        let says = |text: &str| ran.stderr.contains(text);
        let one_line =
            ran.stderr.lines().count() == 1 && ran.stderr.starts_with("epcache: error: ");
        if ran.code != 2 || !ran.stdout.is_empty() || !one_line || !says(wrong) || !says(right) {
            failures.push(format!(
                "{arguments:?}: expected '{wrong}' and '{right}': {ran:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_wrong_argument_changes_nothing() {
    let tree = Tree::new();
    let missing = tree.text("missing");
    let ran = run(&mut tree.epcache(&["refresh", "--venv", &missing]));
    assert_eq!(ran.code, 2);
    let ran = run(tree.epcache(&["refresh", "--user"]).env("HOME", &missing));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("which is no directory"), "{ran:?}");
    assert!(!tree.path("missing").exists());
}

#[test]
fn an_argument_reaches_the_terminal_without_control_characters() {
    let tree = Tree::new();
    for argument in [
        b"\x1b[2J\n".as_slice(),
        b"--\x1b[2J",
        b"--venv=/\x1b[2J",
        b"\xff\x9b2J",
    ] {
        for command in ["query", "refresh", "verify", "-q"] {
            let ran = run(tree.epcache(&[command]).arg(OsStr::from_bytes(argument)));
            let complaint = ran.stderr.trim_end();
            assert!(
                !complaint.contains(char::is_control),
                "{argument:?}: {complaint:?}"
            );
        }
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let tree = Tree::new();
    for arguments in [
        &["--help"][..],
        &["-V"],
        &["refresh", "--help"],
        &["query", "-h"],
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert!(ran.stdout.contains("epcache"), "{ran:?}");
        assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    }
}

#[test]
fn a_missing_environment_is_named_with_its_variable() {
    let tree = Tree::new();
    let ran = run(tree.epcache(&["query", "g"]).env("VIRTUAL_ENV", "/gone"));
    assert_eq!(ran.code, 2);
    assert!(
        ran.complaint()
            .contains("VIRTUAL_ENV: /gone: not a virtual environment"),
        "{ran:?}"
    );
}

#[test]
fn a_missing_home_is_reported() {
    let tree = Tree::new();
    let ran = run(&mut tree.epcache(&["refresh", "--user"]));
    assert_eq!(ran.code, 2);
    assert_eq!(ran.complaint(), "epcache: error: --user: HOME is not set");
}

/// A search directory with a good and a bad distribution.
fn tree_with_a_warning() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "good", "[g]\ngood = good:main\n");
    tree.dist("site", "bad", "[g]\nno equals sign\n");
    tree
}

const REFRESH: [&str; 5] = ["refresh", "--path", "site", "--output", "index"];

#[test]
fn quiet_silences_warnings_and_summary_but_not_errors() {
    let tree = tree_with_a_warning();
    let ran = run(&mut tree.epcache(&REFRESH));
    assert_eq!(ran.warnings().len(), 1, "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");

    let ran = run(tree.epcache(&REFRESH).arg("-q"));
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
    let ran = run(&mut tree.epcache(&["-q", "query", "--path", "site"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "g\t1\n", "")
    );
    let ran = run(&mut tree.epcache(&["-q", "verify", "index"]));
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
    let ran = run(&mut tree.epcache(&["-q", "verify", "/no/such"]));
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().starts_with("epcache: error: "), "{ran:?}");
}

#[test]
fn verbose_and_epcache_log_report_what_was_not_followed() {
    let tree = Tree::new();
    let venv = tree.venv("venv");
    tree.file("venv/lib/python3.11/site-packages/x.pth", "import os\n");
    let refresh = ["refresh", "--venv", venv.to_str().unwrap(), "--dry-run"];
    let seen = |ran: &cli::Ran| ran.stderr.contains("x.pth:1: code");
    assert!(!seen(&run(&mut tree.epcache(&refresh))));
    assert!(seen(&run(tree.epcache(&refresh).arg("-v"))));
    assert!(seen(&run(tree
        .epcache(&refresh)
        .env("EPCACHE_LOG", "info"))));
    let ran = run(tree.epcache(&refresh).env("EPCACHE_LOG", "error"));
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let tree = Tree::new();
    let entry_points: String = (0..20_000)
        .map(|n| format!("name{n} = module:attr\n"))
        .collect();
    tree.dist("site", "big", &format!("[g]\n{entry_points}"));
    tree.refresh(&["site"], "index");
    for command in [
        "query g --path site",
        "query --json --path site",
        "export --index index",
    ] {
        let line = format!("{{ $EPCACHE {command}; echo status $? >&2; }} | head -1");
        let mut shell = tree.program("sh".as_ref());
        let ran = run(shell
            .args(["-c", &line])
            .env("EPCACHE", env!("CARGO_BIN_EXE_epcache")));
        assert_eq!(ran.stdout.lines().count(), 1, "{command}: {ran:?}");
        assert_eq!(ran.stderr, "status 0\n", "{command}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let tree = tree_with_a_warning();
    let venv = tree.venv("venv");
    tree.refresh(&["site"], "index");
    for command in [
        "-q query g --path site",
        "-q query --path site",
        "-q query --json --path site",
        "export --index index",
        "-q refresh --path site --output index --json",
        "status",
        "status --json",
    ] {
        let arguments: Vec<_> = command.split_whitespace().collect();
        let mut program = tree.epcache(&arguments);
        program.env("VIRTUAL_ENV", &venv);
        let output = program
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(
            said.contains("error: standard output: No space left"),
            "{command}: {said}"
        );
    }
}

#[test]
fn a_warning_that_cannot_be_written_stops_nothing() {
    let tree = tree_with_a_warning();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let output = tree.epcache(&REFRESH).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(tree.path("index").exists());
    let output = tree
        .epcache(&["verify", "index"])
        .stderr(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = tree.epcache(&["bogus"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
