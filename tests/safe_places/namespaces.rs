//! Users without a number in a user namespace.

use super::*;

/// A command as [`NOBODY`] in a new user namespace.
fn in_namespace(tree: &Tree, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = tree.program("setpriv".as_ref());
    let user = NOBODY.to_string();
    command.args([
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "unshare",
        "--user",
    ]);
    command
        .args(options)
        .arg(tree.public_program())
        .args(arguments);
    command
}

/// Whether user namespaces can be created. Prints why not.
fn namespaces_for(name: &str) -> bool {
    if !root_for(name) || !tool_for(name, "setpriv") || !tool_for(name, "unshare") {
        return false;
    }
    let there = run(&mut in_namespace(&Tree::new(), &[], &["--version"])).code == 0;
    if !there {
        left_out(name, "user namespaces are not to be had here");
    }
    there
}

#[test]
fn a_user_without_a_number_in_a_namespace_counts_as_root() {
    if !namespaces_for("writing in a user namespace") {
        return;
    }
    let tree = tree();
    tree.give("way/folder");
    let ran = run(&mut in_namespace(&tree, &["--map-root-user"], &REFRESH));
    written(&tree, &ran);
}

#[test]
fn an_index_of_a_user_without_a_number_is_ignored() {
    if !namespaces_for("reading in a user namespace") {
        return;
    }
    let tree = Tree::new();
    tree.dist("venv/site", "a", "[g]\na = a:main\n");
    tree.refresh(&["venv/site"], "venv/index");
    tree.dist("venv/site", "b", "[g]\nb = b:main\n");
    for owner in [STRANGER, 0] {
        for name in ["venv", "venv/index", "venv/site"] {
            chown(tree.path(name), Some(owner), None).unwrap();
        }
        // All users are the same there: the reader, the index's owner, and the directory's owner.
        for options in [&[][..], &["--map-root-user"]] {
            let query = [
                "query",
                "-v",
                "g",
                "--path",
                "venv/site",
                "--freshness",
                "trust",
            ];
            let mut command = in_namespace(&tree, options, &query);
            let ran = run(command.env("EPCACHE_INDEX", "venv/index"));
            assert_eq!(ran.stdout.lines().count(), 2, "read from the disk: {ran:?}");
            assert!(!ran.stderr.contains("venv/index"), "in silence: {ran:?}");
        }
    }
}

#[test]
fn the_index_is_read_from_the_folder_that_was_checked() {
    let tree = Tree::new();
    tree.dist("site", "a", "[g]\na = a:main\n");
    tree.refresh(&["site"], "good/index");
    tree.dist("site", "b", "[g]\nb = b:main\n");
    let query = |index: &str| {
        let mut query = vec!["query", "g", "--path", "site", "--freshness", "trust"];
        query.extend(["--index", index]);
        run(&mut tree.epcache(&query)).stdout.lines().count()
    };
    symlink(tree.path("good"), tree.path("link")).unwrap();
    tree.dir("bad");
    set_mode(tree.path("bad"), 0o777);
    tree.link(Path::new("../good/index"), "bad/index");
    fs::hard_link(tree.path("good/index"), tree.path("bad/hard")).unwrap();
    // A link leads to the index. What counts is the folder of the index itself.
    for (index, believed) in [
        ("good/index", true),
        ("link/index", true),
        ("bad/index", true),
        ("bad/hard", false),
    ] {
        assert_eq!(query(index) == 1, believed, "{index}");
    }
    set_mode(tree.path("good"), 0o775);
    assert_eq!(query("bad/index"), 2);
}
