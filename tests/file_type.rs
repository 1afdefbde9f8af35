//! The magic(5) entry and the MIME type are understood by file(1) and by the database of MIME
//! types.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use std::fs;

use support::{repository, run, skip, text, within};

fn has(program: &str) -> bool {
    let mut command = within(20, "sh");
    command.args(["-c", &format!("command -v {program}")]);
    run(&mut command).status.success()
}

#[test]
fn file_knows_an_index() {
    if !has("file") {
        return skip("the magic(5) entry", "there is no file(1)");
    }
    let vectors = repository().join("tests/vectors");
    for (name, words) in [
        (
            "shadowing",
            "epcache index of Python distributions, version 1.0, 3 search directories, ",
        ),
        (
            "suspect",
            "epcache index of Python distributions, version 1.0, suspect, 1 search directory, ",
        ),
        ("bad/major_version", "version 2.0, 2 search directories, "),
        ("bad/magic", "data"),
    ] {
        let path = vectors.join(format!("{name}.index"));
        let size = fs::metadata(&path).unwrap().len();
        let ask = |options: &[&str]| {
            let mut file = within(20, "file");
            file.args(options).arg("-b").arg("-m");
            let output = run(file
                .arg(repository().join("packaging/mime/magic"))
                .arg(&path));
            assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let said = ask(&[]);
        let whole = if words == "data" {
            "data\n".to_owned()
        } else {
            format!("{words}{size} bytes\n")
        };
        assert!(said.ends_with(&whole), "{name}: {said}");
        let is_index = ask(&["--mime-type"]) == "application/x-epcache-index\n";
        assert_eq!(is_index, words != "data", "{name}");
    }
}

#[test]
fn the_mime_type_is_understood() {
    if !has("update-mime-database") {
        return skip("the MIME type", "there is no update-mime-database");
    }
    let folder = tempfile::tempdir().unwrap();
    // It says where it is looked for, if that is elsewhere.
    let database = folder.path().join("mime");
    let packages = database.join("packages");
    fs::create_dir_all(&packages).unwrap();
    fs::copy(
        repository().join("packaging/mime/epcache.xml"),
        packages.join("epcache.xml"),
    )
    .unwrap();
    let output = run(within(60, "update-mime-database")
        .env("XDG_DATA_HOME", folder.path())
        .arg(&database));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let magic = fs::read(database.join("magic")).unwrap();
    let wanted = b"[60:application/x-epcache-index]\n>0=\x00\x08\x89epcache\n";
    assert!(
        magic.windows(wanted.len()).any(|part| part == wanted),
        "{}",
        text(&magic)
    );
    assert!(database.join("application/x-epcache-index.xml").exists());
}
