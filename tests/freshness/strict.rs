//! The level strict looks at each file that an answer came from, and at what would have come first.

use std::fs;
use std::os::unix::fs::symlink;

use epcache::freshness::Level;
use epcache::scan::Difference;

use crate::machine::modified;
use crate::site::{ALPHA, Site};

/// Files of alpha, and what they say after a change in place, of the same size.
const FILES: [(&str, &str, &str); 6] = [
    (
        "METADATA",
        "Name: alpha\nVersion: 1.0\n",
        "Name: alpha\nVersion: 1.1\n",
    ),
    (
        "entry_points.txt",
        "[plugins]\nalpha = alpha:one\n",
        "[plugins]\nalpha = alpha:two\n",
    ),
    ("requires.txt", "one\n", "two\n"),
    ("top_level.txt", "", ""),
    ("RECORD", "alpha/a.py,,\n", "omega/a.py,,\n"),
    ("SOURCES.txt", "x\n", "y\n"),
];

/// Alpha with all of these, and the index of it.
fn site() -> Site {
    let mut site = Site::empty();
    site.install_all();
    for (file, content, _) in FILES {
        fs::write(site.path(ALPHA).join(file), content).unwrap();
    }
    site.refresh();
    site
}

#[test]
fn each_file_that_an_answer_came_from_is_looked_at() {
    for (file, before, after) in FILES {
        let site = site();
        assert!(site.effort(Level::Strict).at_once);
        let path = site.path(ALPHA).join(file);
        let mtime = modified(&path);
        fs::write(&path, after).unwrap();
        crate::machine::set_modified(&path, mtime);
        let effort = site.effort(Level::Strict);
        // One that no answer came from is not looked at.
        assert_eq!(effort.at_once, file == "SOURCES.txt", "{file}");
        let changed = before != after && file != "SOURCES.txt";
        let expected = changed.then(|| Difference::Changed(ALPHA.into()));
        assert_eq!(effort.differences, Vec::from_iter(expected), "{file}");
        assert!(site.effort(Level::Auto).at_once && site.effort(Level::Fast).at_once);
    }
}

#[test]
fn a_file_that_would_have_come_first_is_seen_where_a_link_leads_to_it() {
    for (file, content) in [
        ("entry_points.txt", "[plugins]\nalpha = alpha:new\n"),
        ("METADATA", "Name: alpha\nVersion: 2\n"),
        ("top_level.txt", "name\n"),
        ("requires.txt", "new\n"),
    ] {
        let mut site = site();
        let metadata = site.path(ALPHA);
        fs::rename(metadata.join("METADATA"), metadata.join("PKG-INFO")).unwrap();
        let path = metadata.join(file);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        let store = site.root.join("store");
        symlink(&store, &path).unwrap();
        site.refresh();
        assert!(
            site.effort(Level::Strict).at_once,
            "{file}: it leads nowhere"
        );
        fs::write(&store, content).unwrap();
        let effort = site.effort(Level::Strict);
        assert_eq!(
            effort.differences,
            [Difference::Changed(ALPHA.into())],
            "{file}"
        );
        assert!(site.effort(Level::Auto).at_once);
    }
}

#[test]
fn a_copy_is_compared_file_by_file() {
    let site = site();
    site.renew_ctimes();
    assert_eq!(site.effort(Level::Strict).read, 0);
    // Of another size: as in a copy of another build.
    let path = site.path(ALPHA).join("RECORD");
    let mtime = modified(&path);
    fs::write(&path, "alpha/a.py,,\nbeta/b.py,,\n").unwrap();
    crate::machine::set_modified(&path, mtime);
    assert_eq!(site.effort(Level::Auto).read, 0);
    let effort = site.effort(Level::Strict);
    assert_eq!(effort.differences, [Difference::Changed(ALPHA.into())]);
}
