//! Virtual environments with odd `.pth` files.

use super::*;

/// The targets of the odd `.pth` files.
pub(super) fn make_targets(site: &Path, outside: &Path) {
    for name in [
        "one", "two", "three", "four", "ü", "a b", "import x", "tail", "x.egg", "deep/er",
    ] {
        fs::create_dir_all(site.join(name)).unwrap();
        fs::create_dir_all(outside.join(name)).unwrap();
    }
    fs::write(site.join("zipped.egg"), "").unwrap();
    symlink("one", site.join("link")).unwrap();
    symlink("nowhere", site.join("dangling")).unwrap();
}

pub(super) fn write_zoo(site: &Path, outside: &Path) {
    let outside = outside.to_str().unwrap();
    let zoo: &[(&str, String)] = &[
        (
            "b.pth",
            "# comment\n\n   \none\nimport sys  # harmless\ntwo".into(),
        ),
        (
            "a.pth",
            format!("{outside}/one\n{outside}/missing\nmissing\none\none\n"),
        ),
        (
            "B.pth",
            "three  \t\n\tfour\n four\n./four/../four/\n".into(),
        ),
        ("bom.pth", "\u{feff}tail\nü\na b\n".into()),
        ("bomcomment.pth", "\u{feff}# comment\n".into()),
        (
            "feeds.pth",
            format!("x.egg\x0cdeep/er\x0b{outside}/two\u{85}{outside}/three\n"),
        ),
        (
            "returns.pth",
            format!("deep\r{outside}/four\r\n{outside}/ü\u{2028}deep/er\x1cone\n"),
        ),
        (".hidden.pth", format!("{outside}/tail\n")),
        (
            "importish.pth",
            format!("import x\nimportant\nimport\tsys\n{outside}/import x\n"),
        ),
        (
            "zip.pth",
            "zipped.egg\nlink\ndangling\n../site-packages\n..\n/\n//tmp\n".into(),
        ),
        (
            "space.pth",
            "\u{a0}one\n\u{3000}\none\u{a0}\x1f\n #x\n".into(),
        ),
        ("notpth.txt", "deep\n".into()),
        ("empty.pth", String::new()),
    ];
    for (name, content) in zoo {
        fs::write(site.join(name), content).unwrap();
    }
    // Import lines that do nothing and raise nothing.
    fs::write(site.join("importish.pth"), "import sys\nimport\tos\n").unwrap();
    // From 3.15 on these replace import lines, and are code too.
    fs::write(site.join("importish.start"), "os:getcwd\n").unwrap();
    fs::write(site.join(".hidden.start"), "nonsense\n").unwrap();
    fs::create_dir(site.join("directory.pth")).unwrap();
    symlink("a.pth", site.join("linked.pth")).unwrap();
    symlink("nowhere", site.join("broken.pth")).unwrap();
    // A name that is not UTF-8 is sorted among the others by its surrogates.
    let name = OsStr::from_bytes(b"\xff.pth");
    fs::write(site.join(name), format!("{outside}/x.egg\n")).unwrap();
    fs::write(site.join("\u{e000}.pth"), format!("{outside}/deep\n")).unwrap();
}

#[test]
fn virtual_environments_with_a_zoo_of_pth_files() {
    for_each(|executable, dir| {
        let outside = dir.join("outside");
        for (at, flags) in [
            ("links", &["--symlinks"][..]),
            ("copies", &["--copies"]),
            ("links-system", &["--symlinks", "--system-site-packages"]),
            ("copies-system", &["--copies", "--system-site-packages"]),
        ] {
            let venv = dir.join(at);
            let site = make_venv(executable, &venv, flags);
            compare(&venv.join("bin/python"));
            make_targets(&site, &outside);
            write_zoo(&site, &outside);
            for name in ["python", "python3"] {
                let interpreter = compare(&venv.join("bin").join(name));
                assert_eq!(interpreter.venv.unwrap().prefix, venv);
            }
            let by_venv = find_interpreter(&Root::system(), &Wanted::Venv(venv.clone()), None);
            assert_eq!(by_venv.unwrap().executable, Some(venv.join("bin/python")));
            // A link to the environment's program from outside is the base's interpreter.
            symlink(venv.join("bin/python"), dir.join(format!("{at}-link"))).unwrap();
            compare(&dir.join(format!("{at}-link")));
        }
    });
}

/// xorshift64*: the same lines on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % limit
    }
}

#[test]
fn pth_lines_from_a_seed() {
    #[rustfmt::skip]
    let pieces: &[&str] = &[
        "one", "two", "three", "ü", "a b", "x.egg", "deep/er", "deep", "link", "zipped.egg", "nope",
        "/", "/", "/..", "/.", "..", "#", " ", "\t", "\n", "\n", "\n", "\n", "\n", "\r", "\r\n",
        "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\u{85}", "\u{a0}", "\u{2028}", "\u{2029}",
        "\u{3000}", "\u{feff}", "\u{200b}", "OUTSIDE/one", "OUTSIDE/two", "OUTSIDE/a b", "OUTSIDE/",
        "import sys\n", "\nimport\tos\n", "\n#",
    ];
    for_each(|executable, dir| {
        let (venv, outside) = (dir.join("venv"), dir.join("outside"));
        let site = make_venv(executable, &venv, &[]);
        make_targets(&site, &outside);
        let mut random = Random(0x5eed);
        for round in 0..6 {
            for file in 0..FILES_OF_A_SEED {
                let mut content = String::new();
                for _ in 0..random.below(12) {
                    content += pieces[random.below(pieces.len())];
                }
                let content = content.replace("OUTSIDE", outside.to_str().unwrap());
                // A code line must not have anything after it by accident.
                let code = |line: &str| line.starts_with("import") && line.len() > 10;
                if content.split(['\n', '\r']).any(code) {
                    continue;
                }
                let name = format!(
                    "{}.pth",
                    ["ä", "Z", "a", "_", "-"][file % 5].repeat(file / 5 + 1)
                );
                fs::write(site.join(name), content).unwrap();
            }
            compare(&venv.join("bin/python"));
            println!("{}: round {round}", executable.display());
        }
    });
}
