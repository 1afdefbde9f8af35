//! Stale indexes: the warning, the command in it, and the right answer.

use super::*;

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
