use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn root_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = Root::at(dir.path()).unwrap();
    (dir, root)
}

fn directories(root: &Root) -> Vec<String> {
    let (config, remarks) = read(root);
    assert_eq!(remarks, []);
    config
        .directories
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn directories_add_up_over_files_in_order_and_an_empty_value_starts_afresh() {
    let (dir, root) = root_with(&[
        (
            "usr/lib/epcache/epcache.conf",
            "[epcache]\ndirectories = /forgotten\n",
        ),
        (
            "etc/epcache.conf",
            "[epcache]\ndirectories =\ndirectories = /a:/b\ndirectories = /c\n",
        ),
        ("etc/epcache.conf.d/20-x.conf", "directories = /e"),
        (
            "usr/lib/epcache/conf.d/10-y.conf",
            "[epcache]\ndirectories = /d",
        ),
    ]);
    assert_eq!(directories(&root), ["/a", "/b", "/c", "/d", "/e"]);
    drop(dir);
}

#[test]
fn a_drop_in_in_etc_masks_the_one_of_the_same_name() {
    let (dir, root) = root_with(&[
        ("usr/lib/epcache/conf.d/a.conf", "directories = /vendor/a"),
        ("usr/lib/epcache/conf.d/b.conf", "directories = /vendor/b"),
        (
            "usr/lib/epcache/conf.d/notes.txt",
            "directories = /not/a/conf",
        ),
        ("etc/epcache.conf.d/a.conf", ""),
    ]);
    symlink("/dev/null", dir.path().join("etc/epcache.conf.d/b.conf")).unwrap();
    assert_eq!(directories(&root), [""; 0]);
}

#[test]
fn what_is_not_understood_is_named_by_file_and_line_and_ignored() {
    let (_dir, root) = root_with(&[(
        "etc/epcache.conf",
        "# comment\n[epcache]\ndirectories = /a\nauto-upgrade = yes\n[other]\nx = 1\n",
    )]);
    let (config, remarks) = read(&root);
    assert_eq!(config.directories, [PathBuf::from("/a")]);
    let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        [
            "/etc/epcache.conf:4: unknown key 'auto-upgrade', ignored",
            "/etc/epcache.conf:5: unknown section [other], ignored",
        ]
    );
}

#[test]
fn a_file_that_does_not_parse_costs_itself_alone() {
    let (dir, root) = root_with(&[
        ("etc/epcache.conf", "[epcache\ndirectories = /a\n"),
        ("etc/epcache.conf.d/z.conf", "directories = /z\n"),
    ]);
    fs::write(
        dir.path().join("etc/epcache.conf.d/y.conf"),
        b"directories = \xff",
    )
    .unwrap();
    let (config, remarks) = read(&root);
    assert_eq!(config.directories, [PathBuf::from("/z")]);
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(
        remarks[0].to_string().starts_with("/etc/epcache.conf:"),
        "{}",
        remarks[0]
    );
}

#[test]
fn the_triggers_are_on_unless_switched_off_and_the_last_word_counts() {
    let set = |files: &[(&str, &str)]| {
        let (_dir, root) = root_with(files);
        let (config, remarks) = read(&root);
        assert_eq!(remarks, []);
        config.auto_update
    };
    assert!(set(&[]));
    for no in ["no", "No", "false", "off", "0"] {
        assert!(!set(&[(
            "etc/epcache.conf",
            &format!("auto-update = {no}\n")
        )]));
    }
    let vendor = (
        "usr/lib/epcache/epcache.conf",
        "[epcache]\nauto-update = no\n",
    );
    assert!(!set(&[vendor]));
    for yes in ["yes", "TRUE", "on", "1"] {
        assert!(set(&[
            vendor,
            ("etc/epcache.conf", &format!("[epcache]\nauto-update={yes}"))
        ]));
    }
    let masked = ("etc/epcache.conf.d/x.conf", "");
    let drop_in = ("usr/lib/epcache/conf.d/x.conf", "auto-update = off");
    assert!(!set(&[drop_in]));
    assert!(set(&[drop_in, masked]));
}

#[test]
fn a_switch_that_is_not_understood_is_on_and_named_by_file_and_line() {
    let (_dir, root) = root_with(&[(
        "etc/epcache.conf",
        "[epcache]\nauto-update = no\n# or\nauto-update = maybe\n",
    )]);
    let (config, remarks) = read(&root);
    assert!(config.auto_update);
    let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
    let expected = "/etc/epcache.conf:4: auto-update: 'maybe' is neither yes nor no, taken for yes";
    assert_eq!(remarks, [expected]);
}

#[test]
fn indexes_beside_shared_trees_and_how_far_they_are_believed() {
    let (_dir, root) = root_with(&[
        (
            "usr/lib/epcache/epcache.conf",
            "index-path = /gone\nfreshness = strict\n",
        ),
        (
            "etc/epcache.conf",
            "[epcache]\nindex-path =\nindex-path = /sw/a:/sw/b\nindex-path = /sw/c\nfreshness = fast\n",
        ),
        ("etc/epcache.conf.d/odd.conf", "\nfreshness = Fast\n"),
    ]);
    let (config, remarks) = read(&root);
    assert_eq!(
        config.indexes,
        ["/sw/a", "/sw/b", "/sw/c"].map(PathBuf::from)
    );
    assert_eq!(config.freshness, Level::Auto);
    let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        [
            "/etc/epcache.conf.d/odd.conf:2: freshness: 'Fast' is none of auto, fast, strict and trust, \
             taken for auto"
        ]
    );
}

#[test]
fn a_tree_with_many_mistakes_in_many_files_costs_little() {
    let (dir, root) = root_with(&[("etc/epcache.conf", "directories = /a\n")]);
    let folder = dir.path().join("etc/epcache.conf.d");
    fs::create_dir(&folder).unwrap();
    fs::write(dir.path().join("mistakes"), "x = 1\n".repeat(10_000)).unwrap();
    for number in 0..2 * MOST_DROP_INS {
        fs::hard_link(
            dir.path().join("mistakes"),
            folder.join(format!("{number:04}.conf")),
        )
        .unwrap();
    }
    let (config, remarks) = read(&root);
    assert_eq!(config.directories, [PathBuf::from("/a")]);
    assert_eq!(remarks.len(), MOST_REMARKS);
    // Without mistakes, it is the bytes that have an end.
    fs::write(
        dir.path().join("mistakes"),
        "directories = /b\n".repeat(3000),
    )
    .unwrap();
    let (config, _) = read(&root);
    assert!(config.directories.len() < TOTAL_LIMIT / 8);
}

#[test]
fn a_file_of_the_kernel_s_is_no_configuration() {
    let (dir, root) = root_with(&[("etc/other", "directories = /a\n")]);
    fs::write(dir.path().join("empty"), "").unwrap();
    symlink("../empty", dir.path().join("etc/epcache.conf")).unwrap();
    // What shows a size of 0 is not opened, whatever it would say.
    let mut left = TOTAL_LIMIT;
    let content = content(&root, Path::new("/etc/epcache.conf"), &mut left);
    assert_eq!(content.unwrap(), None);
    let system = Root::system();
    let status = super::content(&system, Path::new("/proc/self/status"), &mut left);
    assert_eq!(status.unwrap(), None);
}
