use std::os::unix::fs::symlink;

use super::walk::MOST_DIRECTORIES;
use super::*;

/// A root with a file `etc/name` ("inside") and, outside of the root, a file `name` ("outside").
fn fixture() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("root/etc")).unwrap();
    std::fs::write(dir.path().join("root/etc/name"), "inside").unwrap();
    std::fs::write(dir.path().join("name"), "outside").unwrap();
    let root = Root::at(&dir.path().join("root")).unwrap();
    (dir, root)
}

fn read(root: &Root, path: &str) -> io::Result<String> {
    Ok(String::from_utf8(root.read(Path::new(path), 100)?).unwrap())
}

#[test]
fn absolute_links_resolve_within_the_root() {
    let (dir, root) = fixture();
    symlink("/etc", dir.path().join("root/alias")).unwrap();
    symlink("/alias/name", dir.path().join("root/again")).unwrap();
    assert_eq!(read(&root, "/alias/name").unwrap(), "inside");
    assert_eq!(read(&root, "/again").unwrap(), "inside");
    assert_eq!(
        root.real_path(Path::new("/again")).unwrap(),
        Path::new("/etc/name")
    );
}

#[test]
fn links_with_dots_stop_at_the_root() {
    let (dir, root) = fixture();
    symlink("../../../../etc/name", dir.path().join("root/etc/up")).unwrap();
    symlink("../../name", dir.path().join("root/etc/escape")).unwrap();
    assert_eq!(read(&root, "/etc/up").unwrap(), "inside");
    assert_eq!(
        read(&root, "/etc/escape").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(read(&root, "/../../etc/name").unwrap(), "inside");
}

#[test]
fn a_link_to_an_outside_path_is_not_followed_outside() {
    let (dir, root) = fixture();
    symlink(dir.path().join("name"), dir.path().join("root/out")).unwrap();
    assert_eq!(
        read(&root, "/out").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    let directory = root.open_dir(Path::new("/")).unwrap();
    assert!(directory.open_file(b"out", "").is_err());
    assert!(directory.stat_entry(b"out").is_err());
}

#[test]
fn entries_of_an_open_directory_are_reached_through_links_within_the_root() {
    let (dir, root) = fixture();
    symlink("/etc", dir.path().join("root/alias")).unwrap();
    let directory = root.open_dir(Path::new("/")).unwrap();
    let (file, stat) = directory.open_file(b"alias", "name").unwrap();
    assert_eq!(
        read_bounded(&file, &stat, 100, &mut Vec::new()).unwrap(),
        b"inside"
    );
    assert_eq!(
        file_type(&directory.stat_entry(b"alias").unwrap()),
        FileType::Directory
    );
}

#[test]
fn looping_links_end_with_an_error() {
    let (dir, root) = fixture();
    symlink("/loop", dir.path().join("root/loop")).unwrap();
    let error = read(&root, "/loop").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ELOOP as i32));
}

#[test]
fn only_regular_files_are_read_and_a_fifo_does_not_block() {
    let (dir, root) = fixture();
    nix::unistd::mkfifo(&dir.path().join("root/fifo"), Mode::S_IRWXU).unwrap();
    assert_eq!(
        read(&root, "/fifo").unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(
        read(&root, "/etc").unwrap_err().kind(),
        io::ErrorKind::IsADirectory
    );
    let system = Root::system();
    let fifo = dir.path().join("root/fifo");
    assert_eq!(
        system.open_file(&fifo).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let (_dir, root) = fixture();
    let error = root.read(Path::new("/etc/name"), 3).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_directory_lists_the_same_twice() {
    let (dir, root) = fixture();
    std::fs::write(dir.path().join("root/etc/other"), "").unwrap();
    let directory = root.open_dir(Path::new("/etc")).unwrap();
    for _ in 0..2 {
        let mut names = Vec::new();
        directory
            .for_each_name(|name, _| names.push(name.to_vec()))
            .unwrap();
        names.sort();
        assert_eq!(names, [b"name".to_vec(), b"other".to_vec()]);
    }
}

#[test]
fn a_path_that_is_too_deep_ends_before_the_descriptors_do() {
    let (dir, root) = fixture();
    let deep = "a/".repeat(MOST_DIRECTORIES);
    std::fs::create_dir_all(dir.path().join("root").join(&deep).join("a")).unwrap();
    assert!(root.is_dir(Path::new(&format!("/{deep}"))));
    let error = root.stat(Path::new(&format!("/{deep}a"))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ENAMETOOLONG as i32));
    // The depth counts, not the length.
    let winding = "etc/../".repeat(MOST_DIRECTORIES + 1);
    assert!(root.is_file(Path::new(&format!("/{winding}etc/name"))));
}

#[test]
fn the_target_of_a_link_is_opened_only_if_it_is_a_regular_file() {
    use std::os::unix::fs::OpenOptionsExt;
    for system in [true, false] {
        let (dir, root) = fixture();
        let tree = dir.path().join("root");
        nix::unistd::mkfifo(&tree.join("fifo"), Mode::S_IRWXU).unwrap();
        std::fs::create_dir(tree.join("entry")).unwrap();
        symlink("../fifo", tree.join("entry/link")).unwrap();
        symlink("../etc/name", tree.join("entry/good")).unwrap();
        // An open for writing waits until the FIFO is opened for reading.
        let fifo = tree.join("fifo");
        let (sender, opened) = std::sync::mpsc::channel();
        let writer = std::thread::spawn({
            let fifo = fifo.clone();
            move || {
                let _writer = File::options().write(true).open(fifo);
                sender.send(()).unwrap();
            }
        });
        let (system_root, place) = (Root::system(), tree.as_path());
        let directory = if system {
            system_root.open_dir(place).unwrap()
        } else {
            root.open_dir(Path::new("/")).unwrap()
        };
        for _ in 0..20 {
            let error = directory.open_file(b"entry", "link").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(directory.open_file(b"entry", "good").is_ok());
        assert!(opened.try_recv().is_err());
        let flags = OFlag::O_NONBLOCK.bits();
        // Keep the FIFO open until the writer has finished: on a busy machine it may not wait yet.
        let reader = File::options().read(true).custom_flags(flags).open(&fifo);
        writer.join().unwrap();
        drop(reader);
    }
}
