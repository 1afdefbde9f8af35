//! Trust and access: indexes of untrusted owners, and metadata that not every user may read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use epcache::freshness::Level;

use crate::machine::{chown, needs_root};
use crate::site::Told::{New, Old, Warned};
use crate::site::{ALPHA, LEVELS, NOBODY, Site};

/// An index with wrong content: only a reader that trusts it without a look returns it.
fn wrong_index() -> Site {
    let site = Site::new();
    site.upgrade_alpha();
    assert_eq!(site.answer(Level::Trust).entries, site.before());
    site
}

#[track_caller]
fn assert_is_ignored(site: &Site) {
    for (level, word) in LEVELS {
        assert_eq!(site.answer(level).entries, site.now(), "library at {word}");
        assert_eq!(site.query(word).entries, site.now(), "program at {word}");
    }
}

fn folder(site: &Site) -> PathBuf {
    site.index().parent().map(Path::to_owned).unwrap()
}

#[test]
fn an_index_that_others_can_write_is_ignored() {
    for mode in [0o664, 0o646, 0o666] {
        let site = wrong_index();
        fs::set_permissions(site.index(), Permissions::from_mode(mode)).unwrap();
        assert_is_ignored(&site);
        let warning = site.query("auto").warning.unwrap_or_default();
        assert!(warning.contains("not trusted"), "{warning}");
    }
}

#[test]
fn an_index_in_a_folder_that_others_can_write_is_ignored() {
    for mode in [0o775, 0o757, 0o1777] {
        let site = wrong_index();
        fs::set_permissions(folder(&site), Permissions::from_mode(mode)).unwrap();
        assert_is_ignored(&site);
    }
}

#[test]
fn an_index_behind_a_link_to_a_folder_that_others_can_write_is_ignored() {
    let site = wrong_index();
    let open = site.root.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    fs::rename(site.index(), open.join("index")).unwrap();
    std::os::unix::fs::symlink(open.join("index"), site.index()).unwrap();
    assert_is_ignored(&site);
}

#[test]
fn an_index_of_another_user_is_ignored() {
    if needs_root("an_index_of_another_user_is_ignored") {
        let site = wrong_index();
        chown(&site.index(), NOBODY);
        assert_is_ignored(&site);
        chown(&folder(&site), NOBODY);
        assert_is_ignored(&site);
    }
}

#[test]
fn an_index_of_root_in_a_folder_of_another_user_is_ignored() {
    if needs_root("an_index_of_root_in_a_folder_of_another_user_is_ignored") {
        let site = wrong_index();
        chown(&folder(&site), NOBODY);
        assert_is_ignored(&site);
    }
}

#[test]
fn an_index_of_the_directorys_owner_is_trusted() {
    if needs_root("an_index_of_the_directorys_owner_is_trusted") {
        let site = wrong_index();
        for path in [site.index(), folder(&site), site.dir.clone()] {
            chown(&path, NOBODY);
        }
        assert_eq!(site.answer(Level::Trust).entries, site.before());
        assert_eq!(site.query("trust").entries, site.before());
    }
}

#[test]
fn distributions_unread_by_the_writer_are_read_by_readers_who_may() {
    if !needs_root("distributions_unread_by_the_writer_are_read_by_readers_who_may") {
        return;
    }
    let mut site = Site::new();
    fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o700)).unwrap();
    site.refresh_as(NOBODY);
    assert_eq!(site.before().len(), 2, "{:?}", site.before());
    // This is not a difference from the index, which says that this one must be read.
    assert_eq!(site.now().len(), 3);
    site.tells_at_most([New, New, New, Old]);
    let effort = site.effort(Level::Auto);
    assert_eq!((effort.read, effort.differences.as_slice()), (1, &[][..]));
    // A reader without access gets the content of the index.
    let answer = site.query_as(NOBODY, "auto");
    assert_eq!((&answer.entries[..], answer.warning), (site.before(), None));
}

#[test]
fn a_change_beside_an_unread_distribution_is_reported_alone() {
    if !needs_root("a_change_beside_an_unread_distribution_is_reported_alone") {
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
