//! Who is believed, and what is read by whom: indexes of doubtful owners, and metadata that not everybody may read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use epcache::freshness::Level;

use crate::machine::{chown, needs_root};
use crate::site::Told::{New, Old, Warned};
use crate::site::{ALPHA, LEVELS, NOBODY, Site};

/// An index that says something else than what is there: only who believes it without a look repeats it.
fn wrong_index() -> Site {
    let site = Site::new();
    site.upgrade_alpha();
    assert_eq!(site.answer(Level::Trust).entries, site.before());
    site
}

#[track_caller]
fn is_as_absent(site: &Site) {
    for (level, word) in LEVELS {
        assert_eq!(site.answer(level).entries, site.now(), "library at {word}");
        assert_eq!(site.query(word).entries, site.now(), "program at {word}");
    }
}

fn folder(site: &Site) -> PathBuf {
    site.index().parent().map(Path::to_owned).unwrap()
}

#[test]
fn an_index_that_others_can_write_is_as_absent() {
    for mode in [0o664, 0o646, 0o666] {
        let site = wrong_index();
        fs::set_permissions(site.index(), Permissions::from_mode(mode)).unwrap();
        is_as_absent(&site);
        let warning = site.query("auto").warning.unwrap_or_default();
        assert!(warning.contains("not trusted"), "{warning}");
    }
}

#[test]
fn an_index_in_a_folder_that_others_can_write_is_as_absent() {
    for mode in [0o775, 0o757, 0o1777] {
        let site = wrong_index();
        fs::set_permissions(folder(&site), Permissions::from_mode(mode)).unwrap();
        is_as_absent(&site);
    }
}

#[test]
fn an_index_behind_a_link_to_a_folder_that_others_can_write_is_as_absent() {
    let site = wrong_index();
    let open = site.root.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    fs::rename(site.index(), open.join("index")).unwrap();
    std::os::unix::fs::symlink(open.join("index"), site.index()).unwrap();
    is_as_absent(&site);
}

#[test]
fn an_index_of_somebody_else_is_as_absent() {
    if needs_root("an_index_of_somebody_else_is_as_absent") {
        let site = wrong_index();
        chown(&site.index(), NOBODY);
        is_as_absent(&site);
        chown(&folder(&site), NOBODY);
        is_as_absent(&site);
    }
}

#[test]
fn an_index_of_root_in_a_folder_of_somebody_else_is_as_absent() {
    if needs_root("an_index_of_root_in_a_folder_of_somebody_else_is_as_absent") {
        let site = wrong_index();
        chown(&folder(&site), NOBODY);
        is_as_absent(&site);
    }
}

#[test]
fn an_index_of_the_directorys_owner_is_believed() {
    if needs_root("an_index_of_the_directorys_owner_is_believed") {
        let site = wrong_index();
        for path in [site.index(), folder(&site), site.dir.clone()] {
            chown(&path, NOBODY);
        }
        assert_eq!(site.answer(Level::Trust).entries, site.before());
        assert_eq!(site.query("trust").entries, site.before());
    }
}

#[test]
fn what_the_writer_may_not_read_is_read_by_readers_who_may() {
    if !needs_root("what_the_writer_may_not_read_is_read_by_readers_who_may") {
        return;
    }
    let mut site = Site::new();
    fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o700)).unwrap();
    site.refresh_as(NOBODY);
    assert_eq!(site.before().len(), 2, "{:?}", site.before());
    // No difference from the index: it says that this one is to be read.
    assert_eq!(site.now().len(), 3);
    site.tells_at_most([New, New, New, Old]);
    let effort = site.effort(Level::Auto);
    assert_eq!((effort.read, effort.differences.as_slice()), (1, &[][..]));
    // Who may not read it either gets what the index says.
    let answer = site.query_as(NOBODY, "auto");
    assert_eq!((&answer.entries[..], answer.warning), (site.before(), None));
}

#[test]
fn a_change_beside_an_unread_distribution_is_told_for_itself() {
    if !needs_root("a_change_beside_an_unread_distribution_is_told_for_itself") {
        return;
    }
    let mut site = Site::new();
    fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o700)).unwrap();
    site.refresh_as(NOBODY);
    site.install("delta", Some("delta:one"));
    assert_eq!(site.now().len(), 4);
    site.tells_at_most([Warned, Warned, Warned, Old]);
    assert_eq!(site.effort(Level::Auto).differences.len(), 1);
}

#[test]
fn an_unread_file_in_a_readable_metadata_directory_is_read_by_readers_who_may() {
    if !needs_root("an_unread_file_in_a_readable_metadata_directory_is_read_by_readers_who_may") {
        return;
    }
    let mut site = Site::new();
    let file = site.path(ALPHA).join("entry_points.txt");
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    site.refresh_as(NOBODY);
    assert_eq!(site.before().len(), 2, "{:?}", site.before());
    site.tells_at_most([New, New, New, Old]);
}
