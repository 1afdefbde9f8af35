//! Closed trees and the indexes of them.

use super::*;

const CLOSED: [Hide; 5] = [
    ("the search directory", |tree| {
        set_mode(tree.path(SITE), 0o700)
    }),
    ("one that is not listed", |tree| {
        set_mode(tree.path(SITE), 0o711)
    }),
    ("a group's", |tree| {
        set_mode(tree.path("home/venv/lib"), 0o750)
    }),
    ("the index's folder", |tree| {
        tree.dir("home/venv/.epcache");
        set_mode(tree.path("home/venv/.epcache"), 0o700);
    }),
    ("a list", |tree| {
        set_list(&tree.path("home/venv/lib/python3.11"), 0, 5)
    }),
];

#[test]
fn the_index_of_a_closed_tree_is_complete_and_only_its_owner_may_read_it() {
    if !root_for("closed trees") {
        return;
    }
    for (name, close) in CLOSED {
        for (by_root, umask) in [(false, "022"), (true, "077")] {
            let tree = secretive();
            set_mode(tree.path(&format!("{ENTRY}/entry_points.txt")), 0o600);
            close(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, umask, &[]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
            assert_eq!(
                (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
                (0o600, true),
                "{name}"
            );
            assert_eq!(found_by_owner(&tree), ["key", "other"], "{name}");
            // For other users it is as if it did not exist.
            let mut query = tree.program(Path::new("setpriv"));
            query.args(["--reuid=23456", "--regid=23456", "--clear-groups"]);
            query
                .arg(tree.public_program())
                .args(["query", "g", "--path"]);
            let site = tree.path("python/usr/lib/python3.11/site-packages");
            let ran = run(query.arg(site).env("EPCACHE_INDEX", tree.path(INDEX)));
            assert_eq!(ran.stderr, "", "{name}");
            // The next refresh starts from it.
            let new = tree.dist(SITE, "new", "[g]\nnew = new:main\n");
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(new));
            let summary = refresh(&tree, by_root, umask, &[]).json();
            assert_eq!(
                (&summary["reused"], &summary["scanned"]),
                (&2.into(), &1.into()),
                "{name}"
            );
            assert_eq!(mode(tree.path(INDEX)), 0o600, "{name}");
            let summary = refresh(&tree, by_root, umask, &[]).json();
            assert_eq!(summary["written"], false, "{name}");
        }
    }
}

#[test]
fn opening_or_closing_a_tree_changes_the_mode_and_content_of_its_index() {
    if !root_for("a tree that is opened") {
        return;
    }
    let tree = secretive();
    set_mode(tree.path(&format!("{ENTRY}/entry_points.txt")), 0o600);
    give(&tree);
    for (site, expected) in [
        (0o700, (0o600, true)),
        (0o755, (0o644, false)),
        (0o700, (0o600, true)),
        (0o755, (0o644, false)),
    ] {
        set_mode(tree.path(SITE), site);
        refresh(&tree, false, "022", &[]);
        assert_eq!(
            (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
            expected,
            "{site:o}"
        );
    }
    // If only the mode differs.
    let tree = home();
    give(&tree);
    let lib = tree.path("home/venv/lib");
    for (lib_mode, expected) in [(0o755, 0o644), (0o700, 0o600), (0o755, 0o644)] {
        set_mode(&lib, lib_mode);
        refresh(&tree, false, "022", &[]);
        assert_eq!(mode(tree.path(INDEX)), expected, "{lib_mode:o}");
    }
}

#[test]
fn the_index_of_a_user_is_as_open_as_the_cache_folder() {
    if !root_for("a user's own index") {
        return;
    }
    for (cache, expected) in [(0o700, 0o600), (0o755, 0o644)] {
        let tree = Tree::new();
        tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
        tree.dir("home/.cache");
        set_mode(tree.path("home/.cache"), cache);
        set_mode(tree.path("home"), 0o700);
        give(&tree);
        for by_root in [false, true] {
            let ran = refresh(&tree, by_root, "022", &["--user"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(mode(tree.path("home/.cache/epcache/index")), expected);
        }
    }
}

#[test]
fn only_root_may_read_its_index_of_a_closed_folder() {
    if !root_for("root's index of a closed folder") {
        return;
    }
    let tree = Tree::new();
    tree.dist("closed/site", "mine", &format!("[g]\nkey = {SECRET}\n"));
    set_mode(tree.path("closed"), 0o700);
    for options in [&[][..], &["--full"]] {
        let site = tree.text("closed/site");
        let mut command =
            tree.epcache(&["refresh", "-q", "--path", &site, "--output", "out/index"]);
        let ran = run(command.args(options));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(mode(tree.path("out/index")), 0o600);
    }
}

#[test]
fn all_users_may_read_the_system_index_which_has_no_closed_files() {
    if !root_for("a closed directory of the system's") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    tree.dist(
        "root/opt/closed/site",
        "hidden",
        &format!("[g]\nkey = {SECRET}\n"),
    );
    tree.dist("root/opt/open/site", "shown", "[g]\nshown = shown:main\n");
    tree.file(
        "root/etc/epcache.conf",
        "directories = /opt/closed/site:/opt/open/site\n",
    );
    let site = "root/usr/lib/python3.11/site-packages";
    tree.file(
        "root/srv/private/entry_points.txt",
        format!("[g]\nlinked = {SECRET}\n"),
    );
    tree.link("/srv/private", &format!("{site}/linked-1.dist-info"));
    for folder in ["root/srv/private", "root/opt/closed"] {
        set_mode(tree.path(folder), 0o701);
    }
    let index = "root/usr/lib/epcache/index";
    for arguments in [
        &["refresh", "--root", "root"][..],
        &["refresh", "--root", "root"],
        &["refresh", "--root", "root", "--full"],
        &["refresh", "--root", "root", "--image"],
        &["trigger", "dpkg", "--root", "root"],
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(
            (mode(tree.path(index)), holds_secret(&tree, index)),
            (0o644, false)
        );
        if arguments[0] == "refresh" {
            for name in ["hidden", "linked"] {
                let about = format!("{name}-1.dist-info: may not be read by everybody");
                assert!(ran.stderr.contains(&about), "{arguments:?}: {ran:?}");
            }
        }
        let ran = run(tree
            .epcache(&["query", "g", "--root", "root", "--json"])
            .args(["--freshness", "trust"]));
        assert!(ran.stdout.contains("sys:main"), "{ran:?}");
    }
    // A directory above the root also keeps readers of the index out.
    tree.dir("outer");
    fs::rename(tree.path("root"), tree.path("outer/root")).unwrap();
    set_mode(tree.path("outer"), 0o700);
    let index = "outer/root/usr/lib/epcache/index";
    fs::remove_file(tree.path(index)).unwrap();
    let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "outer/root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let arguments = ["query", "g", "--root", "outer/root", "--freshness", "trust"];
    let ran = run(&mut tree.epcache(&arguments));
    assert!(ran.stdout.contains("sys:main"), "{ran:?}");
    assert!(!holds_secret(&tree, index));
    // But not those who read it at another path.
    let ran = run(&mut tree.epcache(&[
        "refresh",
        "-q",
        "--root",
        "outer/root",
        "--output",
        "out/index",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(mode(tree.path("out/index")), 0o600);
}

#[test]
fn a_system_directory_that_is_closed_later_leaves_the_index() {
    if !root_for("a directory that is closed later") {
        return;
    }
    let tree = Tree::new();
    tree.system("root");
    tree.dist("root/opt/x/site", "x", &format!("[g]\nkey = {SECRET}\n"));
    tree.file("root/etc/epcache.conf", "directories = /opt/x/site\n");
    for (opt, expected) in [(0o755, true), (0o701, false), (0o755, true)] {
        set_mode(tree.path("root/opt/x"), opt);
        let ran = run(&mut tree.epcache(&["refresh", "-q", "--root", "root"]));
        assert_eq!(ran.code, 0, "{ran:?}");
        let found = holds_secret(&tree, "root/usr/lib/epcache/index");
        assert_eq!(found, expected, "{opt:o}");
    }
}
