//! The shells' completions, in the real shells: commands, options, values, and groups and names out
//! of the index; file names only where files belong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Tree, run, tool_for};

/// What is typed (the last word unfinished), and what it may become.
const TYPED: &[(&str, &[&str])] = &[
    ("epcache que", &["query"]),
    ("epcache query ", &["console_scripts", "pytest11"]),
    ("epcache query py", &["pytest11"]),
    ("epcache query pytest11 ", &["cov", "xdist"]),
    ("epcache query pytest11 c", &["cov"]),
    ("epcache query pytest11 cov ", &[]),
    ("epcache query --expl", &["--explain"]),
    ("epcache query --freshness s", &["strict"]),
    ("epcache query --path fold", &["folder"]),
    ("epcache query --index fi", &["file"]),
    ("epcache query fi", &[]),
    ("epcache list cov", &["cov"]),
    ("epcache hook u", &["uv"]),
    ("epcache completions ", &["bash", "fish", "zsh"]),
    ("epcache help verif", &["verify"]),
    ("epcache trigger d", &["dpkg"]),
    ("epcache verify fi", &["file"]),
    ("epcache afte", &[]),
    ("refresh-entrypoints-cache --dry", &["--dry-run"]),
];

fn tree() -> Tree {
    let tree = Tree::new();
    tree.system("python");
    tree.link("python3.11", "python/usr/bin/python3");
    let site = "python/usr/lib/python3.11/site-packages";
    std::fs::remove_dir_all(tree.path(&format!("{site}/sys-1.dist-info"))).unwrap();
    tree.dist(
        site,
        "cov",
        "[pytest11]\ncov = c:c\n[console_scripts]\ncov = c:c\n",
    );
    tree.dist(site, "xdist", "[pytest11]\nxdist = x:x\n");
    tree.file("folder/in", "");
    tree.file("file", "");
    tree.link(env!("CARGO_BIN_EXE_epcache"), "bin/epcache");
    tree.link("epcache", "bin/refresh-entrypoints-cache");
    tree
}

/// `script` completes `$typed` and prints what it may become.
fn completes(shell: &str, script: &str) {
    if !tool_for("completion", shell) {
        return;
    }
    let tree = tree();
    for (typed, expected) in TYPED {
        let mut command = tree.program(shell.as_ref());
        command.args(["-c", script]).env("typed", typed);
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            tree.text("bin"),
            tree.text("python/usr/bin")
        );
        command.env("PATH", path).env("HOME", tree.path(""));
        let ran = run(&mut command);
        let mut found: Vec<_> = ran
            .stdout
            .lines()
            .map(|line| line.trim_end_matches('/'))
            .collect();
        found.sort_unstable();
        assert_eq!(&found, expected, "{shell}: {typed}: {ran:?}");
    }
}

#[test]
fn in_bash() {
    completes(
        "bash",
        r#"eval "$(epcache completions bash)"
        read -ra COMP_WORDS <<<"$typed"; case $typed in *' ') COMP_WORDS+=('') ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _epcache; for word in "${COMPREPLY[@]}"; do echo "$word"; done"#,
    );
}

#[test]
fn in_fish() {
    completes(
        "fish",
        r#"epcache completions fish | source; complete -C "$typed" | string split -f 1 \t; true"#,
    );
}

/// Without a terminal, zsh's own functions are stood in for.
#[test]
fn in_zsh() {
    completes(
        "zsh",
        r#"compdef() { }
        _describe() { for one in "${(@)found}"; do print -r -- "${one%%:*}"; done }
        _files() { if [[ $1 == -/ ]]; then print -l -- ${words[CURRENT]}*(N/); else print -l -- ${words[CURRENT]}*(N); fi }
        eval "$(epcache completions zsh)"
        words=(${=typed}); [[ $typed == *' ' ]] && words+=('')
        CURRENT=$#words; _epcache; true"#,
    );
}
