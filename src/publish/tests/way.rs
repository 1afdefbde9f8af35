//! The way to a folder. `tests/safe_places.rs` tests who may own what on it.

use super::*;

/// All paths below a directory. Links are not followed.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn files_are_written_to_the_opened_folder_even_if_its_path_leads_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, moved) = (dir.path().join("folder"), dir.path().join("moved"));
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("index"), "theirs").unwrap();
    fs::write(outside.join(".index.abcdef123456.tmp"), "theirs").unwrap();
    let path = folder.join("index");
    let place = take(&path).unwrap();
    place.publish(b"old", FOR_ALL).unwrap();
    fs::rename(&folder, &moved).unwrap();
    symlink(&outside, &folder).unwrap();
    assert_eq!(place.publish(b"new", FOR_ALL).unwrap(), Outcome::Written);
    place.folder().overwrite_byte(0, b'N').unwrap();
    place.folder().write_beside("state", b"state").unwrap();
    place.folder().clear_leftovers();
    assert_eq!(place.folder().read_beside("state", 9).unwrap(), b"state");
    assert_eq!(
        io::read_to_string(place.published().unwrap()).unwrap(),
        "New"
    );
    assert_eq!(fs::read(moved.join("index")).unwrap(), b"New");
    assert_eq!(fs::read(moved.join("state")).unwrap(), b"state");
    assert_eq!(fs::read(outside.join("index")).unwrap(), b"theirs");
    assert_eq!(below(&outside).len(), 2);
    assert_eq!(below(&moved).len(), 3);
}

#[test]
fn links_and_dots_on_the_way_resolve_as_in_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    symlink("a/../a/b", dir.path().join("relative")).unwrap();
    symlink(dir.path().join("a"), dir.path().join("absolute")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    for path in [
        "relative/index",
        "absolute/b/index",
        "relative/../b/./index",
        "absolute/../relative/new/../index",
    ] {
        take(&dir.path().join(path))
            .unwrap()
            .publish(b"x", FOR_ALL)
            .unwrap();
        fs::remove_file(dir.path().join("a/b/index")).expect(path);
    }
    let error = take(&dir.path().join("loop/index")).unwrap_err();
    assert!(error.to_string().contains("loop: Too many"), "{error}");
    fs::write(dir.path().join("file"), "").unwrap();
    let error = take(&dir.path().join("file/index")).unwrap_err();
    assert!(error.to_string().contains("file: Not a dir"), "{error}");
}

#[test]
fn nothing_is_created_behind_a_link_that_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    symlink("gone/sub", dir.path().join("link")).unwrap();
    let (first, second) = (dir.path().join("link/index"), dir.path().join("index"));
    let error = take(&first).unwrap_err();
    assert!(error.leads_nowhere(), "{error}");
    assert!(error.to_string().contains("link is a link"), "{error}");
    let places = [&first, &second].map(|path| Destination::of_file(path));
    let place = lock_first(&places, |place| take(&place.path())).unwrap();
    assert_eq!(place.path(), second);
    assert!(!dir.path().join("gone").exists());
}

#[test]
fn files_stay_below_the_root_while_the_folder_is_replaced_by_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let outside = at("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::create_dir_all(at("root/lib/sub")).unwrap();
    // Two ways out of a root. Within the root, the first leads nowhere and the second to its top.
    symlink(&outside, at("root/absolute")).unwrap();
    symlink("../outside", at("root/relative")).unwrap();
    let root = Root::at(&at("root")).unwrap();
    let path = &Destination::of_file(Path::new("/lib/sub/index"));
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    let (mut written, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let swap = |from: &str, to: &str| fs::rename(at(from), at(to));
            while !done.load(order) {
                for link in ["root/absolute", "root/relative"] {
                    let _ = swap("root/lib", "root/aside");
                    let _ = swap(link, "root/lib");
                    std::thread::yield_now();
                    let _ = swap("root/lib", link);
                    // Meanwhile it may have been created again.
                    while swap("root/aside", "root/lib").is_err() {
                        let _ = fs::remove_dir_all(at("root/lib"));
                    }
                }
            }
        });
        for turn in 0..100_000 {
            if turn >= 500 && written > 0 && refused > 0 {
                break;
            }
            let locked = Place::lock(&root, path, SOON);
            let done =
                locked.and_then(|place| place.publish(format!("{turn}").as_bytes(), FOR_ALL));
            let found = || Folder::of(&root, path);
            let _ = found().and_then(|folder| folder.write_beside("state", b"state"));
            let _ = found().and_then(|folder| folder.overwrite_byte(0, b'x'));
            match done {
                Ok(_) => written += 1,
                Err(_) => refused += 1,
            }
        }
        done.store(true, order);
    });
    assert!(written > 0 && refused > 0, "{written} {refused}");
    assert_eq!(below(&outside), [outside.join("sub")]);
}

#[test]
fn the_root_is_the_directory_that_was_opened_even_if_its_path_leads_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (given, moved) = (dir.path().join("root"), dir.path().join("moved"));
    let outside = dir.path().join("outside");
    fs::create_dir(&given).unwrap();
    fs::create_dir(&outside).unwrap();
    let root = Root::at(&given).unwrap();
    fs::rename(&given, &moved).unwrap();
    symlink(&outside, &given).unwrap();
    let place = Place::lock(
        &root,
        &Destination::of_file(Path::new("/usr/lib/index")),
        SOON,
    )
    .unwrap();
    place.publish(b"new", FOR_ALL).unwrap();
    assert!(moved.join("usr/lib/index").is_file());
    assert!(below(&outside).is_empty());
    assert_eq!(place.path(), root.path().join("usr/lib/index"));
}
