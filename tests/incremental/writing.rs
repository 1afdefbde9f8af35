//! What a refresh writes, visits and lists.

use super::*;

#[test]
fn the_summary_says_how_many_were_read_and_how_many_were_not() {
    let (tree, ..) = three();
    let counts = |arguments: &[&str]| {
        let summary = summary(&tree, arguments);
        (
            summary["reused"].as_u64().unwrap(),
            summary["scanned"].as_u64().unwrap(),
            summary["written"] == true,
        )
    };
    assert_eq!(counts(&[]), (0, 3, true));
    assert_eq!(counts(&[]), (3, 0, false));
    assert_eq!(counts(&["--full"]), (0, 3, false));
    tree.dist("site", "d", "[g]\nd = d:main\n");
    assert_eq!(counts(&[]), (3, 1, true));
    fs::remove_dir_all(tree.path("site/a-1.dist-info")).unwrap();
    assert_eq!(counts(&[]), (3, 0, true));
    assert_eq!(counts(&["--image"]), (0, 3, true));
    assert_eq!(counts(&[]), (0, 3, true), "times of images tell nothing");
}

/// A program under strace: its calls, one on each line.
fn traced(tree: &Tree, calls: &str, command: &[&str], stdin: Option<&Path>) -> (Ran, Vec<String>) {
    let mut traced = tree.program("strace".as_ref());
    // With the targets of descriptors: the worker's messages go into a pipe.
    traced.args([
        "-f",
        "-qq",
        "-y",
        "-e",
        &format!("trace={calls}"),
        "-o",
        "trace",
    ]);
    traced.arg(env!("CARGO_BIN_EXE_epcache")).args(command);
    if let Some(stdin) = stdin {
        traced.stdin(File::open(stdin).unwrap());
    }
    let ran = run(&mut traced);
    let trace = fs::read_to_string(tree.path("trace")).unwrap();
    (ran, trace.lines().map(str::to_owned).collect())
}

const WRITING: &str = "openat,fsync,fdatasync,rename,renameat,renameat2,pwrite64,write,unlink,link,linkat,mkdir,fchmod,chmod,ftruncate";

#[test]
fn if_nothing_has_changed_nothing_is_written() {
    let name = "where nothing has changed nothing is written";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, ..) = three();
    assert_eq!(run(&mut tree.epcache(&REFRESH)).code, 0);
    let before = fs::metadata(tree.path("index")).unwrap();
    sleep(Duration::from_millis(20));
    let (ran, calls) = traced(&tree, WRITING, &[&REFRESH[..], &["-q"]].concat(), None);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let writes: Vec<_> = calls
        .iter()
        .filter(|call| {
            !call.contains("openat(") || call.contains("O_CREAT") || call.contains("O_TRUNC")
        })
        .filter(|call| !call.contains(" EEXIST ") && !call.contains("index.lock"))
        .filter(|call| !call.contains("<pipe:") && !call.contains("<socket:"))
        .filter(|call| !call.contains(" --- ") && !call.contains(" +++ "))
        .collect();
    assert_eq!(writes, Vec::<&String>::new());
    let after = fs::metadata(tree.path("index")).unwrap();
    let identity = |file: &fs::Metadata| (file.ino(), file.mtime_nsec(), file.ctime_nsec());
    assert_eq!(identity(&before), identity(&after));
    let of_site = |call: &&String| call.contains("entry_points.txt") || call.contains("METADATA");
    assert_eq!(
        calls.iter().filter(of_site).count(),
        0,
        "nor is anything read"
    );
}

/// A system with three distributions, and its index.
fn system() -> (Tree, String) {
    let tree = Tree::new();
    tree.system("root");
    let site = "root/usr/lib/python3.11/site-packages".to_owned();
    for name in ["a", "b"] {
        tree.dist(&site, name, &format!("[g]\n{name} = {name}:main\n"));
    }
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    (tree, site)
}

const INDEX: &str = "root/usr/lib/epcache/index";
const RPM: [&str; 5] = ["trigger", "rpm", "--root", "root", "--strict"];

fn suspect(tree: &Tree) -> u8 {
    fs::read(tree.path(INDEX)).unwrap()[usize::try_from(SUSPECT_AT).unwrap()]
}

#[test]
fn a_trigger_that_changes_nothing_only_resets_the_suspect_byte() {
    let name = "a trigger that changes nothing";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, _) = system();
    let inode = || fs::metadata(tree.path(INDEX)).unwrap().ino();
    let before = (fs::read(tree.path(INDEX)).unwrap(), inode());
    let list = tree.file("list", "/usr/lib/python3.11/site-packages/a-1.dist-info\n");
    let (ran, calls) = traced(&tree, WRITING, &RPM, Some(&list));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!((fs::read(tree.path(INDEX)).unwrap(), inode()), before);
    assert!(
        !calls.iter().any(|call| call.contains("sync(")),
        "{calls:?}"
    );
    let bytes = calls.iter().filter(|call| call.contains("pwrite64("));
    let bytes: Vec<_> = bytes
        .map(|call| call.contains(", \"\\1\", 1, 12)"))
        .collect();
    assert_eq!(bytes, [true, false], "suspected, and no more: {calls:?}");
}

#[test]
fn only_the_distributions_named_in_a_list_are_visited() {
    let name = "from a list only what it names is visited";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, site) = system();
    let inside = tree.path(&format!("{site}/a-1.dist-info"));
    fs::write(inside.join("new"), "[g]\nnew = new:main\n").unwrap();
    fs::rename(inside.join("new"), inside.join("entry_points.txt")).unwrap();
    let list = tree.file(
        "list",
        "/usr/lib/python3.11/site-packages/a-1.dist-info/entry_points.txt\n",
    );
    let (ran, calls) = traced(&tree, "%file", &RPM, Some(&list));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let visits = |what: &str| calls.iter().filter(|call| call.contains(what)).count();
    assert!(visits("a-1.dist-info") > 0);
    assert_eq!(visits("b-1.dist-info"), 0, "{calls:?}");
    assert_eq!(suspect(&tree), 0);
    let incremental = fs::read(tree.path(INDEX)).unwrap();
    let ran = run(&mut tree.epcache(&["refresh", "--root", "root", "--full", "--json"]));
    assert_eq!(ran.json()["written"], false, "{ran:?}");
    assert_eq!(incremental, fs::read(tree.path(INDEX)).unwrap());
}

#[test]
fn a_directory_that_does_not_change_is_listed_once() {
    let name = "a directory that holds still is listed once";
    if !tool_for(name, "strace") {
        return;
    }
    let (tree, site) = system();
    sleep(Duration::from_millis(30));
    let list = tree.file("list", "/usr/lib/python3.11/site-packages/a-1.dist-info\n");
    for command in [&["refresh", "--root", "root", "-q", "--full"][..], &RPM] {
        let (ran, calls) = traced(&tree, "openat", command, Some(&list));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let listing = format!("{site}>, \".\", ");
        let listings: Vec<_> = calls.iter().filter(|it| it.contains(&listing)).collect();
        assert_eq!(listings.len(), 1, "{command:?}: {listings:?}");
    }
}

#[test]
fn a_suspect_index_is_not_reused() {
    let (tree, site) = system();
    // No time shows it: only a full refresh can repair it.
    let file = tree.path(&format!("{site}/a-1.dist-info/entry_points.txt"));
    fs::write(file, "[g]\nnew = new:main\n").unwrap();
    let mut index = fs::read(tree.path(INDEX)).unwrap();
    index[usize::try_from(SUSPECT_AT).unwrap()] = 1;
    for command in [&["refresh", "--root", "root", "-q"][..], &RPM] {
        fs::write(tree.path(INDEX), &index).unwrap();
        let list = tree.file("list", "/usr/lib/python3.11/site-packages/b-1.dist-info\n");
        let mut program = tree.epcache(command);
        let ran = run(program.stdin(File::open(list).unwrap()));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let exported = run(&mut tree.epcache(&["export", "--index", INDEX])).stdout;
        assert!(exported.contains("new:main"), "{command:?}: {exported}");
        assert_eq!(suspect(&tree), 0);
    }
}

#[test]
fn an_index_that_others_may_write_is_not_reused() {
    let (tree, ..) = three();
    assert_eq!(summary(&tree, &[])["scanned"], 3);
    cli::set_mode(tree.path("index"), 0o666);
    assert_eq!(summary(&tree, &[])["scanned"], 3);
    assert_eq!(cli::mode(tree.path("index")), 0o644);
    assert_eq!(summary(&tree, &[])["scanned"], 0);
    cli::set_mode(tree.path("index"), 0o600);
    assert_eq!(summary(&tree, &[])["written"], true, "readable again");
    assert_eq!(cli::mode(tree.path("index")), 0o644);
}
