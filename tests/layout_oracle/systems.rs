//! Whole systems below a root.

use super::*;

/// Checks that every entry of every list is in the records, or is left out for a reason.
#[track_caller]
fn assert_covered(root: &Root, found: &Found, list: &[PathBuf]) {
    for path in list {
        let recorded = found.directories.iter().any(|directory| {
            directory.path.as_os_str() == path.as_os_str() || directory.aliases.contains(path)
        });
        let left_out = found.left_out.iter().any(|(other, _)| other == path);
        assert!(
            recorded || left_out,
            "{} below {}",
            path.display(),
            root.path().display()
        );
    }
}

/// Whole systems to compare below a root of their own: those of `tests/setup`, and those in
/// `$EPCACHE_TEST_ROOTS`. They are entered with chroot(1), so root is needed.
fn trees() -> Vec<PathBuf> {
    let named = std::env::var_os("EPCACHE_TEST_ROOTS").unwrap_or_default();
    let mut trees: Vec<PathBuf> = std::env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("EPCACHE_TEST_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| dir.join("epcache-tests")))
        .or_else(|| variable("HOME").map(|dir| dir.join(".cache/epcache-tests")));
    let listed = cache.and_then(|cache| fs::read_to_string(cache.join("trees")).ok());
    for line in listed.unwrap_or_default().lines() {
        if let Some((name, path)) = line.split_once('\t') {
            trees.extend(name.starts_with("debian-").then(|| PathBuf::from(path)));
        }
    }
    trees
}

#[test]
fn whole_systems_below_a_root_have_the_same_paths_as_from_inside() {
    let system_root = Root::system();
    let found = system(&system_root, &[]);
    for executable in machine().iter().filter(|path| path.starts_with("/usr")) {
        let output = run(executable, &["-I"], Path::new("/nonexistent"));
        assert_covered(&system_root, &found, &list(&output));
    }
    let trees = trees();
    let is_root = fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    if trees.is_empty() || !is_root {
        println!("left out: whole systems below a root: no tree, or not root");
        return;
    }
    for tree in &trees {
        let root = Root::at(tree).unwrap();
        let found = system(&root, &[]);
        let mut names: Vec<_> = fs::read_dir(tree.join("usr/bin"))
            .unwrap()
            .map(|entry| PathBuf::from(entry.unwrap().file_name()))
            .filter(|name| is_versioned(name) || name == Path::new("python3"))
            .collect();
        names.sort();
        for executable in names
            .iter()
            .flat_map(|name| ["/usr/bin", "/bin"].map(|d| Path::new(d).join(name)))
        {
            let output = Command::new("chroot")
                .args([tree, &executable])
                .args(["-I", "-c", PRINT])
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            let theirs = list(&output);
            let interpreter = Interpreter::of_executable(&root, &executable).unwrap();
            let what = format!("{} below {}", executable.display(), tree.display());
            assert_same(&strings(sys_path(&root, &interpreter)), &theirs, &what);
            assert_covered(&root, &found, &theirs);
        }
        println!("{}: {names:?}", tree.display());
    }
}
