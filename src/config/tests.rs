use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

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

/// The cases that the Python reader must pass too: files, the settings in them, and the remarks.
/// Each character of a file is one byte.
#[test]
fn the_table_of_cases() {
    let table = include_str!("../../python/tests/configuration.json");
    let table: Vec<Value> = serde_json::from_str(table).unwrap();
    assert!(table.len() > 40);
    for case in &table {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in case["files"].as_object().unwrap() {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = content
                .as_str()
                .unwrap()
                .chars()
                .map(|c| u8::try_from(c).unwrap());
            fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
        }
        let (config, remarks) = read(&Root::at(dir.path()).unwrap());
        let paths = |key: &str| -> Vec<PathBuf> {
            let paths = case
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            paths.map(|path| path.as_str().unwrap().into()).collect()
        };
        let flag = |key: &str, default| case.get(key).map_or(default, |it| it.as_bool().unwrap());
        let level = case
            .get("freshness")
            .map_or("auto", |it| it.as_str().unwrap());
        let expected = Config {
            directories: paths("directories"),
            indexes: paths("index-path"),
            auto_update: flag("auto-update", true),
            freshness: Level::of_word(level).unwrap(),
            policy: Policy {
                user: None,
                drop_privileges: flag("privilege-drop", true),
                require_sandbox: flag("require-sandbox", false),
            },
            settings: config.settings.clone(),
        };
        assert_eq!(config, expected, "{case}");
        let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
        assert_eq!(Value::from(remarks), case["remarks"], "{case}");
    }
}

#[test]
fn it_is_known_where_each_value_comes_from() {
    let (_dir, root) = root_with(&[
        (
            "usr/lib/epcache/epcache.conf",
            "directories = /gone\nauto-update = no\nfreshness = fast\n",
        ),
        (
            "etc/epcache.conf",
            "directories =\ndirectories = /a:b:/c\nauto-update = yes\nfreshness = no level\n",
        ),
        ("etc/epcache.conf.d/x.conf", "\ndirectories = /d\n"),
    ]);
    let (config, _) = read(&root);
    let mut lines = Vec::new();
    for (key, default, settings) in config.in_force() {
        for setting in settings {
            let (value, file) = (&setting.value, setting.file.display());
            lines.push(format!("{key} = {value} {file}:{}", setting.line));
        }
        if settings.is_empty() {
            lines.push(format!("{key} = {default}"));
        }
    }
    assert_eq!(
        lines,
        [
            "directories = /a:/c /etc/epcache.conf:2",
            "directories = /d /etc/epcache.conf.d/x.conf:2",
            "index-path = ",
            "freshness = fast /usr/lib/epcache/epcache.conf:3",
            "auto-update = yes /etc/epcache.conf:3",
            "user = ",
            "privilege-drop = yes",
            "require-sandbox = no",
        ]
    );
}

#[test]
fn a_search_directory_that_does_not_exist_is_said_with_its_line() {
    let (_dir, root) = root_with(&[
        ("etc/epcache.conf", "directories = /there:/not/there\n"),
        ("there/file", ""),
        (
            "etc/epcache.conf.d/x.conf",
            "# a file may be an archive\ndirectories = /there/file:/there/file/in\n",
        ),
    ]);
    let (config, remarks) = read(&root);
    assert_eq!(remarks, []);
    let missing: Vec<_> = missing(&root, &config)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        missing,
        [
            "/etc/epcache.conf:1: directories: /not/there does not exist",
            "/etc/epcache.conf.d/x.conf:2: directories: /there/file/in does not exist",
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
    // Without mistakes, the limit of bytes applies.
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
    // A file with a size of 0 is not opened.
    let mut left = TOTAL_LIMIT;
    let content = content(&root, Path::new("/etc/epcache.conf"), &mut left);
    assert_eq!(content.unwrap(), None::<Vec<u8>>);
    let system = Root::system();
    let status = super::content(&system, Path::new("/proc/self/status"), &mut left);
    assert_eq!(status.unwrap(), None);
}
