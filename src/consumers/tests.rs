use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn registered(files: &[(&str, &str)]) -> (Vec<Consumer>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if text.starts_with('/') {
            symlink(text, path).unwrap();
        } else {
            fs::write(path, text).unwrap();
        }
    }
    let (consumers, remarks) = read(&Root::at(dir.path()).unwrap());
    (consumers, remarks.iter().map(ToString::to_string).collect())
}

#[test]
fn a_registration_names_groups_and_the_wanted_files() {
    let (consumers, remarks) = registered(&[
        (
            "usr/lib/epcache/consumers.d/flake8.conf",
            "[consumer]\ngroups = flake8.* pytest11\nstamp = yes\nview = tsv json\n",
        ),
        ("etc/epcache/consumers.d/a.conf", "groups = x\nview = tsv\n"),
        ("etc/epcache/consumers.d/README", "not one\n"),
    ]);
    assert_eq!(remarks, [""; 0]);
    let [a, flake8] = consumers.as_slice() else {
        panic!("{consumers:?}")
    };
    assert_eq!(
        (a.name.as_str(), a.forms.as_slice()),
        ("a", &[Form::Tsv][..])
    );
    assert_eq!(flake8.name, "flake8");
    assert_eq!(flake8.forms, [Form::Json, Form::Tsv, Form::Stamp]);
    let fits = |group| flake8.groups.iter().any(|pattern| pattern.matches(group));
    assert!(fits("flake8.extension") && fits("pytest11"));
    assert!(!fits("flake8") && !fits("console_scripts"));
}

#[test]
fn the_administrators_file_replaces_that_of_the_package() {
    let theirs = (
        "usr/lib/epcache/consumers.d/x.conf",
        "groups = a\nstamp = yes\n",
    );
    let ours = (
        "etc/epcache/consumers.d/x.conf",
        "groups = b\nstamp = yes\n",
    );
    let (consumers, _) = registered(&[theirs, ours]);
    assert_eq!(consumers[0].groups, [Pattern::new("b").unwrap()]);
    for nothing in ["", "\n", "/dev/null"] {
        let masked = ("etc/epcache/consumers.d/x.conf", nothing);
        assert_eq!(registered(&[theirs, masked]), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_mistake_is_named_and_loses_only_its_own_line_or_file() {
    let good = (
        "etc/epcache/consumers.d/good.conf",
        "groups = a\nstamp = on\n",
    );
    for (file, text, said) in [
        ("b.conf", "groups = a\n", "it needs groups"),
        ("b.conf", "stamp = yes\n", "it needs groups"),
        ("b.conf", "groups = [\nstamp = yes\n", "groups: '['"),
        ("b.conf", "groups = a\nview = xml\n", "neither json nor tsv"),
        (
            "b.conf",
            "groups = a\nstamp = maybe\n",
            "neither yes nor no",
        ),
        (
            "b.conf",
            "groups = a\nstamp = yes\nexec = /bin/sh\n",
            "unknown key 'exec'",
        ),
        ("b.conf", "[other]\ngroups = a\n", "unknown section [other]"),
        ("b.conf", "[consumer\n", "ignored"),
        (".b.conf", "groups = a\nstamp = yes\n", "its name"),
        ("b c.conf", "groups = a\nstamp = yes\n", "its name"),
        ("\u{e9}.conf", "groups = a\nstamp = yes\n", "its name"),
    ] {
        let path = format!("etc/epcache/consumers.d/{file}");
        let (consumers, remarks) = registered(&[good, (&path, text)]);
        assert!(
            consumers.iter().any(|consumer| consumer.name == "good"),
            "{text}"
        );
        assert!(
            remarks.iter().any(|remark| remark.contains(said)),
            "{text}: {remarks:?}"
        );
        assert!(
            remarks.iter().all(|remark| remark.contains(file)),
            "{text}: {remarks:?}"
        );
    }
}
