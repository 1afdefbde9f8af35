//! Where root writes.

use super::*;

#[test]
fn root_writes_only_to_a_folder_that_only_root_can_change() {
    if !root_for("the folder that root writes to") {
        return;
    }
    let writable =
        Some("users other than root can write to way/folder: run `chmod go-w way/folder`");
    let cases: [Case<'_>; 8] = [
        (
            &|tree| own(tree, "way/folder", NOBODY),
            Some("way/folder belongs to user 65534, not to root"),
        ),
        (&|tree| set_mode(tree.path("way/folder"), 0o775), writable),
        (&|tree| set_mode(tree.path("way/folder"), 0o757), writable),
        (&|tree| set_mode(tree.path("way/folder"), 0o1777), writable),
        // The same rule applies to a folder that root's link leads to.
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                own(tree, "elsewhere", STRANGER);
            },
            Some("way/folder belongs to user 1, not to root"),
        ),
        (&|_| (), None),
        // Directories on the way lead nowhere else, so any user may own them.
        (&|tree| own(tree, "way", STRANGER), None),
        (&|tree| set_mode(tree.path("way"), 0o777), None),
    ];
    check(
        &cases,
        |tree| tree.epcache(&REFRESH),
        |_| "way/folder/index".into(),
    );
}

#[test]
fn root_follows_a_link_only_if_no_other_user_could_have_made_it() {
    if !root_for("links on the way to where root writes") {
        return;
    }
    let changeable = Some("is a link, and other users can change its directory: give the");
    let above = Some("is a link, and other users can change a directory above it: give the");
    /// The folder with the link in it is one directory further down, below `way/top`.
    fn deep(tree: &Tree) {
        link_to_elsewhere(tree, 0);
        tree.dir("top");
        fs::rename(tree.path("way"), tree.path("top/way")).unwrap();
        // This link is root's too, and no other user can change it.
        tree.link("top/way", "way");
    }
    let cases: [Case<'_>; 10] = [
        (
            &|tree| link_to_elsewhere(tree, STRANGER),
            Some("is a link, and it belongs to user 1: give the path of the directory"),
        ),
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                set_mode(tree.path("way"), 0o775);
            },
            changeable,
        ),
        // Other users could have made a hard link to one of root's links there.
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                set_mode(tree.path("way"), 0o1777);
            },
            changeable,
        ),
        (
            &|tree| {
                link_to_elsewhere(tree, 0);
                own(tree, "way", STRANGER);
            },
            changeable,
        ),
        (
            &|tree| {
                deep(tree);
                own(tree, "top", STRANGER);
            },
            above,
        ),
        (
            &|tree| {
                deep(tree);
                set_mode(tree.path("top"), 0o775);
            },
            above,
        ),
        // In a sticky directory, root's directory cannot be moved.
        (
            &|tree| {
                deep(tree);
                set_mode(tree.path("top"), 0o1777);
            },
            None,
        ),
        (&|tree| deep(tree), None),
        (&|tree| link_to_elsewhere(tree, 0), None),
        // Relative, and several.
        (
            &|tree| {
                fs::remove_dir(tree.path("way/folder")).unwrap();
                tree.dir("elsewhere");
                tree.link("../elsewhere", "way/one");
                tree.link("./one", "way/folder");
            },
            None,
        ),
    ];
    let command = |tree: &Tree| tree.epcache(&REFRESH);
    check(&cases, command, |_| "way/folder".into());
}

#[test]
fn root_creates_no_folder_behind_a_link_that_leads_nowhere() {
    if !root_for("a link that leads nowhere") {
        return;
    }
    let tree = tree();
    fs::remove_dir(tree.path("way/folder")).unwrap();
    tree.link(tree.path("nowhere"), "way/folder");
    let ran = run(&mut tree.epcache(&REFRESH));
    let reason = format!("{} is a link that leads nowhere", tree.text("way/folder"));
    refused(&tree, &ran, "way/folder", &reason);
    assert!(!tree.path("nowhere").exists());
    // A missing directory that no link names is created.
    fs::remove_file(tree.path("way/folder")).unwrap();
    written(&tree, &run(&mut tree.epcache(&REFRESH)));
}

#[test]
fn the_current_directory_of_root_counts_as_named() {
    if !root_for("the current directory of root") {
        return;
    }
    let tree = tree();
    own(&tree, "way", STRANGER);
    for (output, folder) in [("index", "."), ("folder/../index", "folder/..")] {
        let mut command = tree.epcache(&["refresh", "-q", "--path", "../site", "--output", output]);
        let ran = run(command.current_dir(tree.path("way")));
        assert_eq!(ran.code, 2, "{ran:?}");
        let said = format!("cannot write {output}: {folder} belongs to user 1, not to root");
        assert!(ran.complaint().contains(&said), "{said}: {ran:?}");
    }
    // A folder of root's own within it.
    let refresh = |output| {
        let mut command = tree.epcache(&["refresh", "-q", "--path", "../../site"]);
        command.args(["--output", output]);
        run(command.current_dir(tree.path("way/folder")))
    };
    written(&tree, &refresh("index"));
    let ran = refresh("../index");
    assert!(
        ran.complaint().contains(": .. belongs to user 1"),
        "{ran:?}"
    );
}
