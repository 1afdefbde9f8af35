//! Nothing is read as root, and files that only root may read are in no index.

use super::*;

/// A search directory `site` with files that only root may read, for each reason that there is.
fn partly_private() -> Tree {
    let tree = Tree::new();
    tree.dist("site", "open", "[g]\nopen = open:main\n");
    let private = |name: &str| {
        let metadata = tree.dist("site", name, "");
        fs::remove_file(metadata.join("entry_points.txt")).unwrap();
        let secret = tree.file(
            &format!("secret-{name}"),
            format!("[g]\n{name} = stolen:{name}\n"),
        );
        set_mode(&secret, 0o600);
        (metadata.join("entry_points.txt"), secret)
    };
    // Files that root installs with `umask 077`.
    tree.dist("site", "umask", "[g]\numask = stolen:umask\n");
    for file in ["METADATA", "entry_points.txt"] {
        set_mode(tree.path(&format!("site/umask-1.dist-info/{file}")), 0o600);
    }
    set_mode(tree.path("site/umask-1.dist-info"), 0o700);
    let (entry_points, secret) = private("hard");
    fs::hard_link(secret, entry_points).unwrap();
    let (entry_points, secret) = private("soft");
    std::os::unix::fs::symlink(secret, entry_points).unwrap();
    let (entry_points, _) = private("shadow");
    std::os::unix::fs::symlink("/etc/shadow", entry_points).unwrap();
    tree.dist("closed", "linked", "[g]\nlinked = stolen:linked\n");
    set_mode(tree.path("closed"), 0o700);
    tree.link(
        tree.path("closed/linked-1.dist-info"),
        "site/linked-1.dist-info",
    );
    // Files that the unread ones shadow.
    for name in ["umask", "hard", "soft", "linked"] {
        tree.dist("later", name, &format!("[g]\n{name} = later:{name}\n"));
    }
    tree
}

const UNREAD: [&str; 5] = ["hard", "linked", "shadow", "soft", "umask"];

#[test]
fn files_that_only_root_may_read_are_in_no_index_but_still_shadow() {
    if !root_for("files of root's own") {
        return;
    }
    let tree = partly_private();
    tree.dir("out");
    let ran = run(&mut tree.epcache(&[
        "refresh",
        "--path",
        "site",
        "later",
        "--output",
        "out/index",
        "--json",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
    for name in UNREAD {
        let text = format!(
            "site/{name}-1.dist-info: may not be read by everybody, left to readers that may"
        );
        assert!(
            ran.warnings()
                .iter()
                .any(|warning| warning.ends_with(&text)),
            "{name}: {ran:?}"
        );
    }
    let index = fs::read(tree.path("out/index")).unwrap();
    assert!(!contains(&index, "stolen") && contains(&index, "later"));
    assert_eq!(
        unread(&index),
        UNREAD.map(|name| format!("{name}-1.dist-info"))
    );

    let query = [
        "query",
        "g",
        "--path",
        "site",
        "--path",
        "later",
        "--index",
        "out/index",
    ];
    let others = run(&mut tree.as_user(&query));
    for name in ["hard", "soft"] {
        assert!(!others.stdout.contains(name), "shadowed: {others:?}");
    }
    let live = run(&mut tree.as_user(&query[..6]));
    assert_eq!(others.stdout, live.stdout);
    let roots = run(&mut tree.epcache(&query));
    let mut found: Vec<_> = roots.stdout.lines().collect();
    found.sort_unstable();
    let expected = [
        "g\thard\tstolen:hard",
        "g\tlinked\tstolen:linked",
        "g\topen\topen:main",
        "g\tsoft\tstolen:soft",
        "g\tumask\tstolen:umask",
    ];
    assert_eq!(found, expected, "{roots:?}");
}

#[test]
fn root_opens_no_file_in_a_search_directory() {
    if !can_trace("opens") {
        return;
    }
    let tree = partly_private();
    tree.system("root");
    tree.dir("out");
    // Also in a tree that only root may enter: the directory itself is held with O_PATH.
    tree.dist("private/site", "inner", "[g]\ninner = inner:main\n");
    set_mode(tree.path("private"), 0o700);
    for (site, arguments) in [
        (
            "site",
            &["refresh", "-q", "--path", "site", "--output", "out/index"][..],
        ),
        (
            "private/site",
            &[
                "refresh",
                "-q",
                "--path",
                "private/site",
                "--output",
                "out/index",
            ],
        ),
        (SITE, &["refresh", "-q", "--root", "root"]),
        (
            SITE,
            &[
                "trigger",
                "dpkg",
                "--root",
                "root",
                "--",
                "triggered",
                "/usr/lib/python3",
            ],
        ),
    ] {
        let ran = run(&mut traced(
            &tree,
            &["-e", "trace=%process,%file,setresuid"],
            arguments,
        ));
        let Some(processes) = calls("opens", &tree, &ran) else {
            return;
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        let site = tree.path(site);
        let opens = |call: &&Call| call.opened().is_some_and(|path| path.starts_with(&site));
        let calls: Vec<_> = processes.iter().flatten().filter(opens).collect();
        let (by_root, by_others): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| call.user == 0);
        assert!(by_others.len() > 2, "{arguments:?}: {by_others:?}");
        for call in by_root {
            let holds =
                call.opened().as_deref() == Some(&*site) && call.arguments.contains("O_PATH");
            assert!(holds, "{arguments:?}: {call:?}");
        }
    }
}
