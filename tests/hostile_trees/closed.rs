//! Trees that only root may enter, and trees of other users.

use super::*;

#[test]
fn a_tree_below_a_directory_that_only_root_may_enter_is_refreshed() {
    if !root_for("directories that only root may enter") {
        return;
    }
    let tree = Tree::new();
    tree.system("closed/root");
    tree.dist("closed/site", "a", "[g]\na = a:main\n");
    tree.dir("closed/out");
    tree.dist("closed/lib", "b", "");
    set_mode(tree.path("closed"), 0o700);
    for (arguments, index) in [
        (
            &["refresh", "--json", "--root", "closed/root"][..],
            "closed/root/usr/lib/epcache/index",
        ),
        (
            &[
                "refresh",
                "--json",
                "--path",
                "closed/site",
                "closed/lib",
                "--output",
                "closed/out/index",
            ],
            "closed/out/index",
        ),
    ] {
        let ran = run(&mut tree.epcache(arguments));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert_eq!(ran.json()["entry_points"], 1);
        assert_eq!(ran.json()["sandbox"]["privileges"], "dropped");
        assert!(contains(&sound(&tree.path(index)), ":main"));
    }
}

/// Refreshes `site` and `good`. Expects that `site` is named as unreadable and has no record.
fn refused(tree: &Tree, site: &str) {
    tree.dist("good", "good", "[g]\ngood = good:main\n");
    tree.dir("out");
    let arguments = [
        "refresh",
        "--json",
        "--path",
        site,
        "good",
        "--output",
        "out/index",
    ];
    let ran = run(&mut tree.epcache(&arguments));
    assert_eq!(ran.code, 1, "{site}: {ran:?}");
    let said = format!(
        "error: {}: cannot be read, not in the index: Permission denied",
        tree.text(site)
    );
    assert!(ran.complaint().contains(&said), "{ran:?}");
    assert_eq!(ran.json()["entry_points"], 1, "{ran:?}");
    let bytes = sound(&tree.path("out/index"));
    let index = Index::open(bytes.clone()).unwrap();
    assert!(index.find(tree.text(site).as_bytes()).unwrap().is_none());
    assert!(!contains(&bytes, "stolen"));
}

#[test]
fn a_search_directory_that_the_worker_cannot_enter_is_an_error_without_a_record() {
    if !root_for("closed search directories") {
        return;
    }
    for mode in [0o700, 0o711, 0o744, 0o000] {
        let tree = Tree::new();
        tree.dist("site", "a", "[g]\na = stolen:main\n");
        set_mode(tree.path("site"), mode);
        refused(&tree, "site");
    }
    // The same in a system, where no user has named it.
    let tree = Tree::new();
    tree.system("root");
    set_mode(tree.path(SITE), 0o700);
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "-q"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.complaint()
            .contains("python3.11/site-packages: cannot be read"),
        "{ran:?}"
    );
}

#[test]
fn root_opens_no_directory_on_a_path_that_others_can_change() {
    if !root_for("others on the way") {
        return;
    }
    let tree = Tree::new();
    tree.dist("closed/site", "a", "[g]\na = stolen:main\n");
    set_mode(tree.path("closed"), 0o700);
    // Changes that a user might make to their directory while root looks.
    tree.dir("theirs");
    tree.link(tree.path("closed/site"), "theirs/link");
    tree.link(tree.path("closed"), "theirs/closed");
    for name in ["theirs", "theirs/link", "theirs/closed"] {
        lchown(tree.path(name), Some(STRANGER), None).unwrap();
    }
    refused(&tree, "theirs/link");
    refused(&tree, "theirs/closed/site");
    // A directory of that user is as closed as its mode says, even for root.
    tree.dist("theirs/own/site", "a", "[g]\na = stolen:main\n");
    set_mode(tree.path("theirs/own"), 0o700);
    lchown(tree.path("theirs/own"), Some(STRANGER), None).unwrap();
    refused(&tree, "theirs/own/site");
    // A directory that other users may write to counts as theirs.
    tree.dir("shared");
    tree.link(tree.path("closed/site"), "shared/link");
    set_mode(tree.path("shared"), 0o777);
    refused(&tree, "shared/link");
}

#[test]
fn the_tree_of_another_user_is_refreshed_as_that_user() {
    let test = "somebody else's environment";
    if !can_trace(test) {
        return;
    }
    for (scope, folder) in [
        ("--venv", "venv/.epcache"),
        ("--user", "home/.cache/epcache"),
    ] {
        let tree = Tree::new();
        tree.venv("venv");
        tree.dist(&Tree::user_site("home"), "mine", "[g]\nmine = mine:main\n");
        let own = Command::new("chown")
            .args(["-Rh", &format!("{STRANGER}:{STRANGER}")])
            .args([tree.path("venv"), tree.path("home")])
            .status();
        assert!(own.unwrap().success());
        // Files that the user cannot read are not read, although root asks.
        let secret = tree.file("secret", "[g]\nsecret = stolen:main\n");
        set_mode(&secret, 0o600);
        for site in [
            "venv/lib/python3.11/site-packages",
            &Tree::user_site("home"),
        ] {
            let metadata = tree.dist(site, "leads-out", "");
            fs::remove_file(metadata.join("entry_points.txt")).unwrap();
            symlink(&secret, metadata.join("entry_points.txt")).unwrap();
        }
        // The user may enter directories that only they may enter.
        set_mode(tree.path("home"), 0o700);
        let venv = tree.text("venv");
        let arguments = match scope {
            "--venv" => vec!["refresh", "--json", "--venv", &venv],
            _ => vec!["refresh", "--json", "--user"],
        };
        let mut command = traced(&tree, &["-e", "trace=%process,%file,setresuid"], &arguments);
        let ran = run(command.env("HOME", tree.path("home")));
        let Some(processes) = calls(test, &tree, &ran) else {
            return;
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.json()["sandbox"]["privileges"], "unprivileged");
        assert!(ran.warnings()[0].contains("may not be read"), "{ran:?}");
        for call in processes.iter().flatten().filter(|call| call.user == 0) {
            let makes = [
                "mkdir",
                "mkdirat",
                "rename",
                "renameat",
                "renameat2",
                "unlink",
                "unlinkat",
            ];
            assert!(
                !call.opens_for_writing() && !makes.contains(&&*call.name),
                "{call:?}"
            );
            let site = |path: PathBuf| {
                path.starts_with(tree.path("venv/lib"))
                    || path.starts_with(tree.path("home/.local"))
            };
            assert!(!call.opened().is_some_and(site), "{call:?}");
        }
        for name in ["", "index", "index.lock"] {
            let made = tree.path(folder).join(name).symlink_metadata().unwrap();
            assert_eq!(
                (made.uid(), made.gid()),
                (STRANGER, STRANGER),
                "{scope}: {name}"
            );
        }
        assert!(!contains(
            &sound(&tree.path(folder).join("index")),
            "stolen"
        ));
    }
}

// ---- trees that change meanwhile
