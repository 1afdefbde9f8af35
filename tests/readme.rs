//! The README is right: its example is what the program prints on the Debian of the tests, its
//! numbers are those of the recorded run, and its commands exist.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;
mod support;

use std::fs;
use std::path::Path;

use cli::{Tree, run};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The commands of the example, each with its output.
fn example() -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in recipes::blocks("README.md", "epcache", "console")
        .concat()
        .lines()
    {
        match line.strip_prefix("# ").or_else(|| line.strip_prefix("$ ")) {
            Some(command) => commands.push((command.to_owned(), Vec::new())),
            None => commands.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    commands
}

#[test]
fn the_example_is_what_the_program_prints() {
    let Some(debian) = support::tree("debian-bookworm") else {
        return;
    };
    let tree = Tree::new();
    let (debian, index) = (debian.to_str().unwrap().to_owned(), tree.text("index"));
    let ran = |command: &str, options: [&str; 4]| {
        let words: Vec<&str> = command.split_whitespace().skip(1).chain(options).collect();
        run(&mut tree.epcache(&words))
    };
    let commands = example();
    let [(refresh, said), (query, found)] = commands.as_slice() else {
        panic!("the example has other commands: {commands:?}")
    };
    let refreshed = ran(refresh, ["--root", &debian, "--output", &index]);
    let (counts, _) = said[0].split_once(": /").unwrap();
    assert!(refreshed.stderr.contains(counts), "{refreshed:?}");
    let queried = ran(query, ["--root", &debian, "--index", &index]);
    assert_eq!(found.last().unwrap(), "…");
    let shown = &found[..found.len() - 1];
    assert!(shown.len() > 2);
    let printed: Vec<&str> = queried.stdout.lines().take(shown.len()).collect();
    assert_eq!(printed, shown, "{queried:?}");
}

/// The text after `mark` in a line of a section of the results, up to the first space.
fn figure<'t>(results: &'t str, section: &str, mark: &str) -> &'t str {
    let (_, text) = results.split_once(section).expect(section);
    let text = text.split("\n## ").next().unwrap();
    let (_, after) = text.split_once(mark).expect(mark);
    after.split_whitespace().next().unwrap()
}

#[test]
fn the_figures_are_those_of_the_recorded_run() {
    let (readme, results) = (read("README.md"), read("benches/results.md"));
    let reader = "## Python reader: whole process, 257 of the venv's distributions, group pytest11, \
                  CPython 3.12";
    let over = |what: &str| {
        let text = figure(
            &results,
            reader,
            &format!("over the bare interpreter: {what} "),
        );
        text.trim_start_matches('+').parse::<f64>().unwrap()
    };
    let library = format!("takes {:.0} ms", over("importlib.metadata"));
    let here = format!("{:.1} ms longer with epcache", over("epcache, auto"));
    // The example's time is the median.
    let row = "| epcache refresh --full | 7 |";
    let refresh: f64 = figure(&results, "## Full refresh: Debian", row)
        .parse()
        .unwrap();
    let refresh = format!("written in {refresh:.1} ms");
    for text in [library, here, refresh] {
        assert!(readme.contains(&text), "README.md should say: {text}");
    }
}

#[test]
fn the_commands_exist() {
    let (readme, makefile) = (read("README.md"), read("Makefile"));
    let code: Vec<&str> = readme.split('`').skip(1).step_by(2).collect();
    let mut targets = 0;
    for target in code.iter().filter_map(|code| code.strip_prefix("make ")) {
        let target = target.split(' ').next().unwrap();
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
        targets += 1;
    }
    assert!(targets > 3, "{targets}");
    let tree = Tree::new();
    let of_epcache = code.iter().filter_map(|code| code.strip_prefix("epcache "));
    for command in of_epcache.filter(|command| !command.starts_with('-')) {
        let command = command.split(' ').next().unwrap();
        assert_eq!(
            run(&mut tree.epcache(&[command, "--help"])).code,
            0,
            "{command}"
        );
    }
}

#[test]
fn a_first_look_writes_beside_the_program_and_finds_entry_points() {
    let tree = Tree::new();
    tree.dir("target");
    let program = tree.path("target/epcache");
    fs::copy(env!("CARGO_BIN_EXE_epcache"), &program).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/try");
    let ran = run(tree.program(&script).arg(&program));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("\n$ epcache query console_scripts"),
        "{ran:?}"
    );
    assert_eq!(cli::names(tree.path("")), ["target"]);
}

#[test]
fn the_test_that_contributing_shows_passes() {
    let tree = Tree::new();
    tree.dist("site", "plugin", "[g]\nname = module:object\n");
    let ran = run(&mut tree.epcache(&["query", "g", "--path", &tree.text("site")]));
    assert_eq!(ran.stdout, "g\tname\tmodule:object\n");
    // It is these lines.
    let here = read("tests/readme.rs");
    for line in recipes::blocks("CONTRIBUTING.md", "Five minutes", "rust")
        .concat()
        .lines()
    {
        assert!(here.contains(line), "{line}");
    }
}
