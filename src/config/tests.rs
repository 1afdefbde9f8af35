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
