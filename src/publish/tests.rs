use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};

use super::*;

mod way;

const SOON: Duration = Duration::from_millis(50);

fn take(path: &Path) -> Result<Place, PublishError> {
    Place::lock(&Root::system(), &Destination::of_file(path), SOON)
}

fn folder(path: &Path) -> Folder {
    Folder::of(&Root::system(), &Destination::of_file(path)).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_published_file_is_readable_by_all_in_a_directory_open_to_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/index");
    let old = umask(Mode::from_bits_truncate(0o022));
    take(&path).unwrap().publish(b"new", FOR_ALL).unwrap();
    umask(old);
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(mode(&path), 0o644);
    assert_eq!(mode(path.parent().unwrap()), 0o755);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o755);
    assert_eq!(mode(&dir.path().join("a/b/index.lock")), 0o600);
}

#[test]
fn the_same_bytes_are_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let place = take(&path).unwrap();
    assert_eq!(place.publish(b"same", FOR_ALL).unwrap(), Outcome::Written);
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(place.publish(b"same", FOR_ALL).unwrap(), Outcome::Unchanged);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(place.publish(b"some", FOR_ALL).unwrap(), Outcome::Written);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(place.publish(b"some", FOR_ALL).unwrap(), Outcome::Written);
    assert_eq!(mode(&path), 0o644);
}

#[test]
fn the_published_file_is_read_only_if_no_other_user_could_have_written_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let place = take(&path).unwrap();
    assert!(place.published().is_none());
    place.publish(b"old", FOR_ALL).unwrap();
    let old = place.published().unwrap();
    place.publish(b"new", FOR_ALL).unwrap();
    assert_eq!(io::read_to_string(old).unwrap(), "old");
    for (mode, expected) in [(0o664, false), (0o646, false), (0o444, true)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(place.published().is_some(), expected, "{mode:o}");
    }
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(place.published().is_none());
    }
    fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert!(place.published().is_none());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert!(place.published().is_none());
}

#[test]
fn a_second_writer_waits_no_longer_than_its_patience() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let first = take(&path).unwrap();
    let error = take(&path).unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(error.to_string().contains("index.lock"), "{error}");
    drop(first);
    take(&path).unwrap();
}

#[test]
fn only_the_leftovers_of_a_crashed_writer_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    for name in [
        ".index.abcdef123456.tmp",
        ".index.my.own.tmp",
        ".index.mine.tmp",
        ".index.txt",
        ".other.abcdef123456.tmp",
        "index.tmp",
    ] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    // A leftover that cannot be removed does not stop the next writer.
    fs::create_dir(dir.path().join(".index.folder.tmp")).unwrap();
    take(&path).unwrap();
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            ".index.folder.tmp",
            ".index.mine.tmp",
            ".index.my.own.tmp",
            ".index.txt",
            ".other.abcdef123456.tmp",
            "index.lock",
            "index.tmp"
        ]
    );
}

#[test]
fn a_link_in_place_of_the_file_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, victim) = (dir.path().join("index"), dir.path().join("victim"));
    fs::write(&victim, "untouched").unwrap();
    symlink(&victim, &path).unwrap();
    assert!(folder(&path).overwrite_byte(0, 1).is_err());
    take(&path).unwrap().publish(b"new", FOR_ALL).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_link_in_place_of_the_lock_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    symlink(dir.path().join("victim"), dir.path().join("index.lock")).unwrap();
    assert!(take(&path).is_err());
    assert!(!dir.path().join("victim").exists());
}

#[test]
fn a_lock_file_that_others_could_open_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("index.lock");
    fs::write(&lock, "").unwrap();
    fs::set_permissions(&lock, Permissions::from_mode(0o666)).unwrap();
    take(&dir.path().join("index")).unwrap();
    assert_eq!(mode(&lock), 0o600);
}

#[test]
fn a_directory_in_place_of_the_file_is_refused_before_anything_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().to_str().unwrap();
    fs::create_dir_all(dir.path().join("index/in the way")).unwrap();
    for path in ["index", "index/", "new/", "index/..", "."] {
        let path = PathBuf::from(format!("{text}/{path}"));
        let error = take(&path).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert!(dir.path().join("index/in the way").is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("index")).unwrap().count(), 1);
}

#[test]
fn a_failed_publish_leaves_no_temporary_file_and_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let place = take(&path).unwrap();
    fs::create_dir_all(path.join("in the way")).unwrap();
    let error = place.publish(b"new", FOR_ALL).unwrap_err();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    assert!(path.join("in the way").is_dir());
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 2, "no temporary file is left behind");
}

#[test]
fn one_byte_is_overwritten_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    fs::write(&path, "abc").unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    folder(&path).overwrite_byte(1, b'x').unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"axc");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn an_index_whose_suspect_byte_was_set_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let place = take(&path).unwrap();
    place.publish(b"same", FOR_ALL).unwrap();
    folder(&path).overwrite_byte(2, 1).unwrap();
    assert_eq!(place.publish(b"same", FOR_ALL).unwrap(), Outcome::Written);
    assert_eq!(fs::read(&path).unwrap(), b"same");
}

#[test]
fn a_file_beside_is_replaced_at_once_and_its_leftovers_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (index, state) = (dir.path().join("index"), dir.path().join("state"));
    folder(&index).write_beside("state", b"old").unwrap();
    let inode = fs::metadata(&state).unwrap().ino();
    let old = File::open(&state).unwrap();
    folder(&index).write_beside("state", b"new").unwrap();
    assert_ne!(
        old.metadata().unwrap().ino(),
        fs::metadata(&state).unwrap().ino()
    );
    assert_eq!(old.metadata().unwrap().ino(), inode);
    assert_eq!(
        (fs::read(&state).unwrap(), mode(&state)),
        (b"new".into(), 0o644)
    );
    let killed = folder(&index);
    std::mem::forget(killed.temporary(b"x", FOR_ALL).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    drop(take(&index).unwrap());
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["index.lock", "state"]);
    assert!(state.exists());
}

#[test]
fn the_first_place_that_is_not_read_only_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a", "b", "c"].map(|name| dir.path().join(name));
    let places = paths.each_ref().map(|path| Destination::of_file(path));
    let first = |refused: &'static [(&str, Errno)]| {
        lock_first(&places, |place| {
            let path = place.path();
            match refused.iter().find(|(name, _)| path.ends_with(name)) {
                Some((_, errno)) => Err(PublishError::at("lock", &path)((*errno).into())),
                None => take(&path),
            }
        })
    };
    let taken = |refused| {
        first(refused)
            .map(|place| place.path().to_owned())
            .map_err(|error| error.path)
    };
    assert_eq!(taken(&[]), Ok(paths[0].clone()));
    assert_eq!(
        taken(const { &[("a", Errno::EROFS)] }),
        Ok(paths[1].clone())
    );
    assert_eq!(
        taken(const { &[("a", Errno::EROFS), ("b", Errno::ENOSPC)] }),
        Err(paths[1].clone()),
        "what is in the way elsewhere is to be mended, not gone around"
    );
    let all = const {
        &[
            ("a", Errno::EROFS),
            ("b", Errno::EROFS),
            ("c", Errno::EROFS),
        ]
    };
    assert_eq!(taken(all), Err(paths[0].clone()));
}

/// The files in a folder: name and content.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap_or_default())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_folder_beside_contains_exactly_the_given_files() {
    let dir = tempfile::tempdir().unwrap();
    let place = take(&dir.path().join("index")).unwrap();
    let views = dir.path().join("views");
    let keep = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes()))
            .collect();
        place.folder().keep_beside("views", &files)
    };
    let inode = |name: &str| fs::metadata(views.join(name)).unwrap().ino();
    keep(&[]).unwrap();
    assert!(!views.exists(), "no folder without files");
    keep(&[("a", "1"), ("b", "2")]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&views), mode(&views.join("a"))), (0o755, 0o644));
    let (a, b) = (inode("a"), inode("b"));
    fs::write(views.join(".a.x1y2z3.tmp"), "left by a crash").unwrap();
    symlink("/etc/passwd", views.join("link")).unwrap();
    keep(&[("a", "1"), ("b", "3"), ("c", "")]).unwrap();
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(
        contents(&views),
        [text("a", "1"), text("b", "3"), text("c", "")]
    );
    assert_eq!(inode("a"), a, "a file with the same content is left alone");
    assert_ne!(
        inode("b"),
        b,
        "a changed file is replaced, not written in place"
    );
    keep(&[]).unwrap();
    assert!(!views.exists());
}

#[test]
fn a_link_in_place_of_a_folder_beside_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("kept"), "").unwrap();
    let place = take(&dir.path().join("own/index")).unwrap();
    symlink(&elsewhere, dir.path().join("own/views")).unwrap();
    let files = [("a".to_owned(), b"1".as_slice())];
    assert!(place.folder().keep_beside("views", &files).is_err());
    assert!(place.folder().keep_beside("views", &[]).is_err());
    assert_eq!(contents(&elsewhere).len(), 1);
}
