//! `epcache query`: its output for programs and for users, the indexes that it uses and does not
//! trust, and stale indexes, for which it still gives the right answer.

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
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::chown;

use cli::{NOBODY, Ran, Tree, quoted, root_for, run, set_mode, tool_for};

const TRUST: [&str; 6] = ["query", "g", "--path", "site", "--freshness", "trust"];
const INDEXED: &str = "g\told\told:main\n";
const LIVE: &str = "g\tnew\tnew:main\n";

/// A search directory for which `index` says INDEXED, and which contains LIVE.
fn tree_with_a_false_index(index: &str) -> Tree {
    let tree = Tree::new();
    tree.dist("site", "x", "[g]\nold = old:main\n");
    tree.refresh(&["site"], index);
    // As a package manager does it: a file rewritten in place is not visible to readers.
    fs::remove_dir_all(tree.path("site/x-1.dist-info")).unwrap();
    tree.dist("site", "x", "[g]\nnew = new:main\n");
    tree
}

// ---- output

#[test]
fn in_a_pipe_it_prints_plain_columns() {
    let tree = Tree::new();
    tree.dist(
        "site",
        "a",
        "[z]\none = a:one\n[g]\ntwo words = a:two [x, y]\nbad = no ref\n",
    );
    tree.dist("site", "b", "[g]\nthree = b:three\n");
    let ran = run(tree
        .epcache(&["query", "g", "--path", "site"])
        .env("TERM", "xterm"));
    let mut lines: Vec<_> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "g\tbad\tno ref",
        "g\tthree\tb:three",
        "g\ttwo words\ta:two [x, y]",
    ];
    assert_eq!((ran.code, lines.as_slice()), (0, &expected[..]));
    assert_eq!(ran.stderr, "");
    let ran = run(&mut tree.epcache(&["query", "--path", "site"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "g\t3\nz\t1\n"));
    let ran = run(&mut tree.epcache(&["query", "g", "three", "--path", "site"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "g\tthree\tb:three\n"));
}

#[test]
fn the_exit_status_says_whether_one_was_found() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    for (arguments, code) in [
        ("g", 0),
        ("g a", 0),
        ("g b", 1),
        ("nothing", 1),
        ("nothing --json", 1),
        ("g --python 9.9", 2),
    ] {
        let mut command = tree.epcache(&["query"]);
        command.args(arguments.split(' '));
        if code != 2 {
            command.args(["--path", "site"]);
        }
        assert_eq!(run(&mut command).code, code, "{arguments}");
    }
    let ran = run(&mut tree.epcache(&["query", "--path", "empty", "gone"]));
    assert_eq!(ran.code, 2, "which might be a mistake: {ran:?}");
    let gone = tree.text("gone");
    let ran = run(&mut tree.epcache(&["query", "--path", &gone]));
    let warning = format!("epcache: warning: --path {gone}: no such directory\n");
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr),
        (1, "", warning)
    );
}

#[test]
fn json_is_an_array_of_objects_with_these_keys() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\nname = a:main [x]\n");
    let ran = run(&mut tree.epcache(&["query", "g", "--json", "--path", "site"]));
    let expected = serde_json::json!([{
        "group": "g", "name": "name", "value": "a:main [x]", "distribution": "a", "version": "1",
        "path": tree.text("site/a-1.dist-info"),
    }]);
    assert_eq!(ran.json(), expected);
    let ran = run(&mut tree.epcache(&["query", "h", "--json", "--path", "site"]));
    assert_eq!((ran.code, ran.json()), (1, serde_json::json!([])));
}

#[test]
fn in_json_a_path_that_is_not_utf8_has_the_same_bytes_in_python() {
    if !tool_for("the bytes of paths", "python3") {
        return;
    }
    let tree = Tree::new();
    let site = tree
        .path("")
        .join(OsStr::from_bytes(b"s\xef\xffte \xe2\x82\xac"));
    let metadata = site.join(OsStr::from_bytes(b"n\xe9-1.dist-info"));
    fs::create_dir_all(&metadata).unwrap();
    fs::write(metadata.join("entry_points.txt"), "[g]\nx = x:main\n").unwrap();
    let mut query = tree.epcache(&["query", "g", "--json", "--path"]);
    let output = query.arg(&site).output().unwrap();
    tree.file("json", &output.stdout);
    let code = "import json, os, sys; e, = json.load(open('json')); \
                sys.stdout.buffer.write(os.fsencode(e['path']) + b'|' + os.fsencode(e['distribution']))";
    let output = tree
        .program("python3".as_ref())
        .args(["-I", "-c", code])
        .output()
        .unwrap();
    let expected = [metadata.as_os_str().as_bytes(), b"|n\xe9"].concat();
    assert_eq!(
        output.stdout,
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What a terminal shows, without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain + rest
}

#[test]
fn on_a_terminal_it_prints_aligned_and_coloured_columns() {
    if !tool_for("query on a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    let long = "l".repeat(300);
    tree.dist(
        "site",
        "a",
        &format!("[g]\nx = a:x\nlonger = a:longer\n{long} = a:long\nbad = no ref\n[zz]\nz=z:z\n"),
    );
    let query = "\"$EPCACHE\" query g --path site";
    let ran = run(&mut tree.on_terminal(query));
    assert!(ran.stdout.contains("\x1b[36mlonger\x1b[0m"), "{ran:?}");
    let shown = plain(&ran.stdout);
    let column = |line: &str| {
        shown
            .lines()
            .find(|l| l.starts_with(line))
            .unwrap()
            .find("a:")
    };
    assert_eq!(column("x "), column("longer "), "{shown}");
    assert_eq!(
        column("x "),
        Some(42),
        "one long name does not push all others away: {shown}"
    );
    assert!(shown.contains("no ref (malformed)"), "{shown}");
    assert!(shown.contains("  a 1\r\n"), "the distribution: {shown}");

    let ran = run(&mut tree.on_terminal("\"$EPCACHE\" query --path site"));
    assert!(ran.stdout.contains('\x1b'), "{ran:?}");
    assert_eq!(plain(&ran.stdout), "4  g\r\n1  zz\r\n");

    for plainly in ["NO_COLOR=1", "TERM=dumb"] {
        let ran = run(&mut tree.on_terminal(&format!("{plainly} {query}")));
        assert_eq!(ran.stdout, shown, "{plainly}");
    }
    let ran = run(&mut tree.on_terminal(&format!("{query} | cat")));
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    assert!(ran.stdout.contains("g\tx\ta:x\r\n"), "{ran:?}");
}

#[test]
fn control_characters_never_reach_a_terminal_raw() {
    if !tool_for("control characters on a terminal", "script") {
        return;
    }
    let tree = Tree::new();
    // Escape sequences in seven and eight bits, a carriage return, DEL, right-to-left marks.
    let evil = "e\x1b]0;t\x07\u{9b}2J\x7f\u{202e}";
    // Characters that an index may contain.
    let odd = "e\u{202e}";
    tree.dist(
        "site",
        "x",
        &format!("[g{odd}]\nn{odd} = v{odd}\nn = {evil}\n"),
    );
    let metadata = format!("Name: d{evil}\nVersion: 1{evil}\n");
    tree.file("site/x-1.dist-info/METADATA", metadata);
    tree.file(
        &format!("site/f{evil}-2.dist-info/entry_points.txt"),
        "[g]\nbad\n",
    );
    tree.refresh(&["site"], "index");
    tree.file(&format!("site/new{odd}-2.dist-info/METADATA"), "");
    let group = quoted(format!("g{odd}"));
    for command in [
        "query --path site --index index".to_owned(),
        format!("query {group} --path site"),
        "query --json --path site".to_owned(),
        "export --index index".to_owned(),
        "refresh -v --path site --output index2".to_owned(),
        "refresh --json --path site --output index2".to_owned(),
        "status".to_owned(),
        "status --json".to_owned(),
    ] {
        let line = format!("EPCACHE_INDEX=index NO_COLOR=1 \"$EPCACHE\" {command}");
        let ran = run(&mut tree.on_terminal(&line));
        let raw = ran
            .stdout
            .contains(['\x1b', '\x07', '\u{9b}', '\x7f', '\u{202e}']);
        assert!(!raw, "{command}: {ran:?}");
        assert!(ran.stdout.contains("u202e"), "{command}: {ran:?}");
        let named = ran.stdout.contains("x9b2J") || ran.stdout.contains("u009b2J");
        assert!(named || !command.contains("refresh"), "{command}: {ran:?}");
    }
    // JSON still has the exact text.
    let ran = run(&mut tree.epcache(&["query", "*", "--json", "--path", "site"]));
    assert_eq!(ran.json()[0]["name"], format!("n{odd}"));
    assert_eq!(ran.json()[0]["distribution"], "x");
}

// ---- stale indexes

#[test]
fn each_directory_that_differs_is_named_once_and_answered_live() {
    let tree = Tree::new();
    for site in ["same", "touched", "added", "changed", "removed"] {
        tree.dist(site, site, &format!("[g]\n{site} = old:main\n"));
        tree.dist(site, "other", "[h]\nother = other:main\n");
    }
    let sites = ["same", "touched", "added", "changed", "removed"];
    tree.refresh(&sites, "index");
    tree.dir("touched/__pycache__");
    set_mode(tree.path("touched/touched-1.dist-info"), 0o700);
    set_mode(tree.path("touched/touched-1.dist-info"), 0o755);
    tree.dist("added", "more", "[g]\nmore = new:main\n");
    // A rename, as with every package manager.
    tree.file("changed/new", "[g]\nchanged = new:main\n");
    let file = tree.path("changed/changed-1.dist-info/entry_points.txt");
    fs::rename(tree.path("changed/new"), file).unwrap();
    fs::remove_dir_all(tree.path("removed/removed-1.dist-info")).unwrap();

    let mut command = tree.epcache(&["query", "g", "--index", "index", "--path"]);
    let ran = run(command.args(sites));
    assert_eq!(ran.code, 0);
    let expected = "g\tsame\told:main\ng\ttouched\told:main\n\
                    g\tadded\told:main\ng\tmore\tnew:main\ng\tchanged\tnew:main\n";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ran.stdout), sorted(expected));
    let warnings = ran.warnings();
    assert_eq!(warnings.len(), 3, "{ran:?}");
    for (warning, (site, what)) in warnings.iter().zip([
        ("added", "(more-1.dist-info new)"),
        ("changed", "(changed-1.dist-info changed)"),
        ("removed", "(removed-1.dist-info gone)"),
    ]) {
        assert!(
            warning.starts_with(&format!("{}: 1 distribution ", tree.text(site))),
            "{ran:?}"
        );
        assert!(warning.contains(what), "{ran:?}");
    }
}

/// The command that a warning names, between back quotes.
fn mending(ran: &Ran) -> String {
    let warnings = ran.warnings();
    assert_eq!(warnings.len(), 1, "{ran:?}");
    warnings[0].split('`').nth(1).unwrap().to_owned()
}

#[test]
fn the_command_in_a_warning_updates_the_index() {
    let tree = Tree::new();
    tree.venv("it's my venv");
    tree.system("the root");
    tree.dist("my sites/a", "a", "[g]\na = a:main\n");
    tree.dist("my sites/b", "b", "[g]\nb = b:main\n");
    tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
    let user_site = Tree::user_site("home");
    let venv_site = "it's my venv/lib/python3.11/site-packages";
    let cases: [(&str, &[&str], &[&str], &str); 5] = [
        (
            "venv",
            &["--venv", "it's my venv"],
            &["--venv", "it's my venv"],
            venv_site,
        ),
        ("user", &["--user"], &["--path", &user_site], &user_site),
        (
            "root",
            &["--root", "the root"],
            &["--root", "the root"],
            "the root/usr/lib/python3.11/site-packages",
        ),
        (
            "EPCACHE_INDEX",
            &["--path", "my sites/a", "my sites/b", "--output", "my index"],
            &["--path", "my sites/b", "my sites/a"],
            "my sites/a",
        ),
        (
            "--index",
            &["--path", "my sites/a", "--output", "it's"],
            &["--path", "my sites/a", "--index", "it's"],
            "my sites/a",
        ),
    ];
    for (name, refresh, query, site) in cases {
        let prepared = |mut command: std::process::Command| {
            command
                .env("HOME", tree.path("home"))
                .env("EPCACHE_INDEX", "nothing:my index");
            command
        };
        let ran = run(&mut prepared(
            tree.epcache(&[&["refresh"], refresh].concat()),
        ));
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        tree.dist(site, "new", "[g]\nnew = new:main\n");
        let ask = || {
            run(&mut prepared(
                tree.epcache(&[&["query", "g"], query].concat()),
            ))
        };
        let before = ask();
        let command = mending(&before);
        tree.dir(".path");
        if !tree.path(".path/epcache").exists() {
            tree.link(env!("CARGO_BIN_EXE_epcache"), ".path/epcache");
        }
        let mut shell = prepared(tree.program("sh".as_ref()));
        shell.env("PATH", format!("{}:/usr/bin:/bin", tree.text(".path")));
        let ran = run(shell.args(["-c", &command]));
        assert_eq!(ran.code, 0, "{name}: {command}: {ran:?}");
        let after = ask();
        assert_eq!(after.stderr, "", "{name}: {command}");
        assert_eq!(after.stdout, before.stdout, "{name}: {command}");
        fs::remove_dir_all(tree.path(site).join("new-1.dist-info")).unwrap();
    }
}

#[test]
fn the_command_for_the_systems_own_index_refreshes_the_system() {
    let tree = Tree::new();
    let root = tree.system("root");
    tree.file("root/etc/epcache.conf", "");
    run(&mut tree.epcache(&["refresh", "--root", "root", "-q"]));
    tree.dist(
        "root/usr/lib/python3.11/site-packages",
        "new",
        "[g]\nnew = new:main\n",
    );
    let ran = run(&mut tree.epcache(&["query", "g", "--root", "root"]));
    let expected = format!("epcache refresh --system --root {}", root.display());
    assert_eq!(mending(&ran), expected);
}

// ---- the order of indexes

#[test]
fn indexes_are_searched_in_the_order_of_their_places() {
    let tree = Tree::new();
    let venv = tree.venv("venv");
    let site = "venv/lib/python3.11/site-packages";
    // Each index has the content of the directory at the time when it was written.
    let places = [
        "one",
        "two",
        "venv/.epcache/index",
        "home/.cache/epcache/index",
    ];
    for (number, place) in places.iter().enumerate() {
        tree.dist(site, "x", &format!("[g]\nx = index{number}:main\n"));
        tree.refresh(&[site], place);
    }
    fs::remove_dir_all(tree.path(site).join("env-1.dist-info")).unwrap();
    tree.dist(site, "x", "[g]\nx = live:main\n");
    let mut asked = vec![];
    for _ in 0..=places.len() {
        let mut command = tree.epcache(&["query", "g", "x", "--freshness", "trust"]);
        command
            .env("HOME", tree.path("home"))
            .env("VIRTUAL_ENV", &venv);
        let ran = run(command.env("EPCACHE_INDEX", "none::one:two"));
        assert_eq!(ran.stderr, "", "what is not there is not worth a word");
        let source = ran
            .stdout
            .trim_start_matches("g\tx\t")
            .split(':')
            .next()
            .unwrap()
            .to_owned();
        if let Some(number) = source.strip_prefix("index") {
            fs::remove_file(tree.path(places[number.parse::<usize>().unwrap()])).unwrap();
        }
        asked.push(source);
    }
    assert_eq!(asked, ["index0", "index1", "index2", "index3", "live"]);

    // XDG_CACHE_HOME replaces ~/.cache.
    tree.refresh(&[site], "cache/epcache/index");
    tree.dist(site, "x", "[g]\nx = later:main\n");
    let mut command = tree.epcache(&["query", "g", "x", "--freshness", "trust"]);
    command
        .env("VIRTUAL_ENV", &venv)
        .env("XDG_CACHE_HOME", tree.path("cache"));
    assert_eq!(run(&mut command).stdout, "g\tx\tlive:main\n");
}

#[test]
fn the_systems_first_index_comes_before_its_second() {
    let tree = Tree::new();
    tree.system("root");
    let site = "root/usr/lib/python3.11/site-packages";
    let places = ["root/usr/lib/epcache/index", "root/var/cache/epcache/index"];
    for (place, says) in places.iter().zip(["usr", "var"]) {
        tree.dist(site, "sys", &format!("[g]\nsys = {says}:main\n"));
        let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root", "--output", place]));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    tree.dist(site, "sys", "[g]\nsys = live:main\n");
    for (says, gone) in [
        ("usr", Some(places[0])),
        ("var", Some(places[1])),
        ("live", None),
    ] {
        let ran = run(&mut tree.epcache(&["query", "g", "--root", "root", "--freshness", "trust"]));
        assert_eq!(ran.stdout, format!("g\tsys\t{says}:main\n"));
        if let Some(gone) = gone {
            fs::remove_file(tree.path(gone)).unwrap();
        }
    }
}

#[test]
fn the_first_fresh_index_answers_after_a_stale_one() {
    let tree = tree_with_a_false_index("stale");
    tree.refresh(&["site"], "fresh");
    let mut command = tree.epcache(&["query", "g", "--path", "site"]);
    let ran = run(command.env("EPCACHE_INDEX", "stale:fresh"));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (LIVE, ""));
}

#[test]
fn a_named_index_that_is_missing_causes_a_warning() {
    let tree = tree_with_a_false_index("index");
    for (index, why) in [
        ("./gone", "missing"),
        ("site", "directory"),
        ("site/x-1.dist-info/METADATA", "index not used"),
    ] {
        let mut command = tree.epcache(&["query", "g", "--path", "site", "--index", index]);
        let ran = run(&mut command);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, LIVE));
        assert_eq!(ran.warnings().len(), 1, "{ran:?}");
        assert!(
            ran.stderr.contains(index) && ran.stderr.contains(why),
            "{ran:?}"
        );
    }
}

#[test]
fn a_damaged_index_causes_a_warning_and_the_answer_is_right() {
    let tree = tree_with_a_false_index("index");
    let sound = fs::read(tree.path("index")).unwrap();
    for at in [0, sound.len() / 2, sound.len() - 5] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        tree.file("index", damaged);
        let ran = run(tree
            .epcache(&["query", "g", "--path", "site"])
            .env("EPCACHE_INDEX", "index"));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, LIVE), "{at}: {ran:?}");
        assert!(
            ran.warnings()
                .iter()
                .all(|warning| warning.contains("index")),
            "{ran:?}"
        );
        assert!(!ran.warnings().is_empty(), "{at}");
    }
}

// ---- trusted indexes

#[test]
fn an_index_that_others_can_write_is_ignored() {
    let tree = tree_with_a_false_index("in/index");
    let ask = || {
        let mut command = tree.epcache(&TRUST);
        run(command.env("EPCACHE_INDEX", "in/index"))
    };
    assert_eq!(ask().stdout, INDEXED);
    for (path, modes) in [("in/index", [0o664, 0o646]), ("in", [0o775, 0o757])] {
        let before = cli::mode(tree.path(path));
        for mode in modes {
            set_mode(tree.path(path), mode);
            let ran = ask();
            assert_eq!(
                (ran.stdout.as_str(), ran.stderr.as_str()),
                (LIVE, ""),
                "{path} {mode:o}"
            );
            let ran = run(tree.epcache(&TRUST).args(["--index", "in/index"]));
            assert_eq!(ran.stdout, LIVE);
            assert!(
                ran.stderr.contains("not trusted: others can write"),
                "{ran:?}"
            );
            assert!(ran.stderr.contains(&tree.text(path)), "{ran:?}");
        }
        set_mode(tree.path(path), before);
    }
    assert_eq!(ask().stdout, INDEXED);
}

#[test]
fn an_index_of_a_foreign_owner_is_ignored() {
    if !root_for("foreign owners") {
        return;
    }
    const SOMEBODY: u32 = 54321;
    let tree = tree_with_a_false_index("in/index");
    let own = |path: &str, owner: u32| chown(tree.path(path), Some(owner), Some(owner)).unwrap();
    let ask = |user: bool| {
        let mut command = if user {
            tree.as_user(&TRUST)
        } else {
            tree.epcache(&TRUST)
        };
        run(command.env("EPCACHE_INDEX", tree.path("in/index"))).stdout
    };
    // Every user trusts root's index.
    assert_eq!(
        (ask(true).as_str(), ask(false).as_str()),
        (INDEXED, INDEXED)
    );
    // No user trusts another user's index, least of all root.
    own("in/index", SOMEBODY);
    own("in", SOMEBODY);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (LIVE, LIVE));
    // But it counts for directories that this user owns.
    own("site", SOMEBODY);
    assert_eq!(
        (ask(true).as_str(), ask(false).as_str()),
        (INDEXED, INDEXED)
    );
    own("site", 0);
    // A user trusts their own index.
    own("in/index", NOBODY);
    own("in", NOBODY);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (INDEXED, LIVE));
    // The folder determines who may replace the file.
    own("in/index", 0);
    assert_eq!((ask(true).as_str(), ask(false).as_str()), (LIVE, LIVE));
}

#[test]
fn a_privileged_process_ignores_the_environment() {
    let name = "the environment of a privileged process";
    if !root_for(name) {
        return;
    }
    let tree = tree_with_a_false_index("index");
    let program = tree.public_program();
    let venv = tree.venv("venv");
    tree.refresh(&["venv/lib/python3.11/site-packages"], "venv-index");
    let ask = |arguments: &[&str]| {
        let mut command = tree.as_user(arguments);
        command
            .env("EPCACHE_INDEX", tree.path("index"))
            .env("VIRTUAL_ENV", &venv);
        command.env("EPCACHE_LOG", "off");
        run(&mut command)
    };
    assert_eq!(ask(&TRUST).stdout, INDEXED);
    assert_eq!(ask(&["query", "g"]).stdout, "g\tenv\tenv:main\n");
    assert_eq!(ask(&["bogus", "--json"]).code, 2);
    set_mode(&program, 0o4755);
    // Whether the file system supports setuid.
    let mut command = tree.program("sh".as_ref());
    command.args([
        "-c",
        "stat -f -c %T .; findmnt -no OPTIONS --target . 2>/dev/null",
    ]);
    if run(&mut command).stdout.contains("nosuid") {
        return cli::left_out(name, "the temporary directory is mounted nosuid");
    }
    let ran = ask(&TRUST);
    assert_eq!(ran.stdout, LIVE, "{ran:?}");
    let ran = ask(&["query", "g"]);
    assert!(!ran.stdout.contains("env:main"), "{ran:?}");
    let ran = ask(&["verify", "/no/such"]);
    assert!(
        ran.complaint().starts_with("epcache: error: "),
        "EPCACHE_LOG is one as well: {ran:?}"
    );
    // Group and file capabilities only set the kernel's flag.
    chown(&program, Some(0), Some(0)).unwrap();
    set_mode(&program, 0o2755);
    assert_eq!(ask(&TRUST).stdout, LIVE);
    set_mode(&program, 0o755);
    assert_eq!(ask(&TRUST).stdout, INDEXED);
    if tool_for("a process with file capabilities", "setcap") {
        let ran = run(tree
            .program("setcap".as_ref())
            .args(["cap_chown+ep"])
            .arg(&program));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ask(&TRUST).stdout, LIVE);
    }
}
