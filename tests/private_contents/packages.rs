//! Packages that are less open than their search directory.

use super::*;

fn replace_by_link(tree: &Tree, target: &str, name: &str) {
    let path = tree.path(name);
    if path.is_dir() {
        fs::remove_dir_all(&path).unwrap();
    } else {
        fs::remove_file(&path).unwrap();
    }
    tree.link(target, name);
}

const LINKS: [Hide; 6] = [
    ("a relative link", |tree| {
        let target = "../../../../../.secret/file";
        replace_by_link(tree, target, &format!("{ENTRY}/entry_points.txt"));
    }),
    ("an absolute link", |tree| {
        let target = tree.text("home/.secret/file");
        replace_by_link(tree, &target, &format!("{ENTRY}/entry_points.txt"));
    }),
    ("a link of METADATA", |tree| {
        let target = tree.text("home/.secret/METADATA");
        replace_by_link(tree, &target, &format!("{ENTRY}/METADATA"));
    }),
    ("a link of the metadata directory", |tree| {
        replace_by_link(tree, "../../../../.secret", ENTRY);
    }),
    ("links over links", |tree| {
        tree.link(tree.path("home/.secret"), "home/two");
        tree.link("../two", "home/venv/one");
        replace_by_link(tree, "../../../one", ENTRY);
    }),
    ("a link to what is open in what is not", |tree| {
        tree.file(
            "home/.secret/open/entry_points.txt",
            format!("[g]\nkey = {SECRET}\n"),
        );
        replace_by_link(tree, "../../../../.secret/open", ENTRY);
    }),
];

fn with_mode(tree: &Tree, name: &str, mode: u32) {
    tree.file(
        &format!("{ENTRY}/entry_points.txt"),
        format!("[g]\nkey = {SECRET}\n"),
    );
    set_mode(tree.path(&format!("{ENTRY}{name}")), mode);
}

const MODES: [Hide; 6] = [
    ("0600", |tree| with_mode(tree, "/entry_points.txt", 0o600)),
    ("0640", |tree| with_mode(tree, "/entry_points.txt", 0o640)),
    ("0604", |tree| with_mode(tree, "/entry_points.txt", 0o604)),
    ("a directory 0700", |tree| with_mode(tree, "", 0o700)),
    ("a directory 0750", |tree| with_mode(tree, "", 0o750)),
    ("a directory 0705", |tree| with_mode(tree, "", 0o705)),
];

const LISTS: [Hide; 2] = [
    ("a user who may not read the file", |tree| {
        with_mode(tree, "/entry_points.txt", 0o644);
        set_list(&tree.path(&format!("{ENTRY}/entry_points.txt")), 0, 4);
    }),
    ("a user who may not enter the directory", |tree| {
        with_mode(tree, "", 0o755);
        set_list(&tree.path(ENTRY), 4, 5);
    }),
];

#[test]
fn a_package_that_is_less_open_than_its_directory_is_left_to_readers_that_may_read_it() {
    if !root_for("private packages") {
        return;
    }
    for (name, hide) in LINKS.into_iter().chain(MODES).chain(LISTS) {
        for (by_root, umask) in [(false, "077"), (true, "027"), (false, "022")] {
            let tree = home();
            hide(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, umask, &[]);
            assert_eq!(mode(tree.path(INDEX)), 0o644, "{name}");
            assert!(!holds_secret(&tree, INDEX), "{name}: {ran:?}");
            let warnings = ran.warnings();
            assert!(
                warnings
                    .iter()
                    .any(|it| it.contains("env-1.dist-info: may not be read")),
                "{name}: {ran:?}"
            );
            if !name.contains("METADATA") {
                assert!(found_by_owner(&tree).contains(&"key".to_owned()), "{name}");
            }
            // Once from the older index, and once without it.
            for options in [
                &["--venv", "home/venv"][..],
                &["--venv", "home/venv", "--full"],
            ] {
                refresh(&tree, by_root, umask, options);
                assert!(!holds_secret(&tree, INDEX), "{name} {options:?}");
                assert_eq!(mode(tree.path(INDEX)), 0o644, "{name}");
            }
        }
    }
}

#[test]
fn a_package_that_is_as_open_as_its_directory_is_indexed() {
    if !root_for("open packages") {
        return;
    }
    let open: [Hide; 5] = [
        ("nothing hidden", |_| ()),
        ("a home that is closed", |tree| {
            set_mode(tree.path("home"), 0o700)
        }),
        ("a list that gives", |tree| {
            set_list(&tree.path(&format!("{ENTRY}/entry_points.txt")), 7, 4);
            set_list(&tree.path(ENTRY), 7, 5);
        }),
        ("links in the open", |tree| {
            fs::create_dir(tree.path("home/store")).unwrap();
            fs::rename(tree.path(ENTRY), tree.path("home/store/env")).unwrap();
            tree.link("../../../../store/env", ENTRY);
            fs::rename(
                tree.path("home/store/env/entry_points.txt"),
                tree.path("home/file"),
            )
            .unwrap();
            tree.link("../../file", "home/store/env/entry_points.txt");
        }),
        ("a directory that may be passed", |tree| {
            set_mode(tree.path(ENTRY), 0o711)
        }),
    ];
    for (name, change) in open {
        for by_root in [false, true] {
            let tree = secretive();
            change(&tree);
            give(&tree);
            let ran = refresh(&tree, by_root, "077", &[]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
            assert_eq!(
                (mode(tree.path(INDEX)), holds_secret(&tree, INDEX)),
                (0o644, true),
                "{name}"
            );
            assert_eq!(found_by_owner(&tree), ["key", "other"], "{name}");
        }
    }
}
