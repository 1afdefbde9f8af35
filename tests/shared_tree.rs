//! One software tree for many machines: an index beside it, found through the configuration, read
//! by every user without a lock, with only a few questions to the file server.
//!
//! The kernel of a test machine may have no NFS client. So the questions are counted at a file
//! system in user space. The kernel sends it every question that it cannot answer itself: the same
//! ones that NFS sends over the network, except those of its own protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/recipes.rs"]
mod recipes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cli::{NOBODY, Tree, left_out, root_for, run, set_mode, tool_for};

const SITE: &str = "sw/lib/python3.11/site-packages";

/// A tree below a root, with an index beside it, and the configuration of that root.
fn shared(settings: &str) -> Tree {
    let tree = Tree::new();
    tree.dist(&format!("root/{SITE}"), "tool", "[g]\ntool = tool:main\n");
    tree.file("root/etc/epcache.conf", format!("[epcache]\n{settings}"));
    let path = format!("/{SITE}");
    let mut refresh = tree.epcache(&["refresh", "--root", "root", "--path", &path]);
    let ran = run(refresh.args(["--output", "root/sw/.epcache/index"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    tree
}

fn query(tree: &Tree, arguments: &[&str]) -> cli::Ran {
    let path = format!("/{SITE}");
    let mut query = tree.epcache(&["query", "g", "--root", "root", "--path", &path]);
    run(query.args(arguments))
}

const BEFORE: &str = "g\ttool\ttool:main\n";
const AFTER: &str = "g\ttool\ttool:changed\n";

#[test]
fn a_configured_index_is_checked_as_the_configuration_says() {
    let named = "index-path = /sw/.epcache/index\n";
    for (settings, arguments, told) in [
        (format!("{named}freshness = trust\n"), &[][..], BEFORE),
        (format!("{named}freshness = fast\n"), &[], BEFORE),
        (format!("{named}freshness = auto\n"), &[], AFTER),
        (named.to_owned(), &[], AFTER),
        // The command line has priority.
        (
            format!("{named}freshness = trust\n"),
            &["--freshness", "auto"],
            AFTER,
        ),
        // Without the setting the index is not found.
        ("freshness = trust\n".to_owned(), &[], AFTER),
    ] {
        let tree = shared(&settings);
        let file = format!("root/{SITE}/tool-1.dist-info/entry_points.txt");
        // An upgrade in place: another file, which only changes the times of the metadata
        // directory.
        fs::remove_file(tree.path(&file)).unwrap();
        tree.file(&file, "[g]\ntool = tool:changed\n");
        assert_eq!(query(&tree, arguments).stdout, told, "{settings}");
    }
}

#[test]
fn only_a_configured_index_is_checked_less() {
    let tree = shared("index-path = /elsewhere/index\nfreshness = trust\n");
    tree.file(
        &format!("root/{SITE}/tool-1.dist-info/new"),
        "moves the times",
    );
    fs::create_dir_all(tree.path("root/usr/lib/epcache")).unwrap();
    fs::rename(
        tree.path("root/sw/.epcache/index"),
        tree.path("root/usr/lib/epcache/index"),
    )
    .unwrap();
    let metadata = tree.path(&format!("root/{SITE}/tool-1.dist-info"));
    fs::remove_dir_all(metadata).unwrap();
    let ran = query(&tree, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
}

#[test]
fn status_of_a_configured_index_names_the_command_that_refreshes_it() {
    let tree = shared("index-path = /sw/.epcache/index\n");
    tree.dist(&format!("root/{SITE}"), "new", "[g]\nnew = new:main\n");
    let ran = run(&mut tree.epcache(&["status", "--root", "root", "--json"]));
    let report = ran.json();
    let index = &report["indexes"][0];
    assert_eq!(index["kind"], "configured", "{report}");
    assert_eq!(index["state"], "stale", "{report}");
    let mending = report["mending"][0].as_str().unwrap();
    assert!(
        mending.starts_with(&format!("epcache refresh --path /{SITE} --output ")),
        "{mending}"
    );
}

/// The account that installs the tree makes the index. Readers only need to read.
#[test]
fn only_an_index_of_the_account_that_installs_the_tree_is_trusted() {
    if !root_for("an index of another user") {
        return;
    }
    let tree = Tree::new();
    tree.dist("sw/site", "tool", "[g]\ntool = tool:main\n");
    for path in ["sw", "sw/site", "sw/site/tool-1.dist-info"] {
        tree.give(path);
    }
    let (site, index) = (tree.text("sw/site"), tree.text("sw/.epcache/index"));
    let ran = run(&mut tree.as_user(&["refresh", "--path", &site, "--output", &index]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let metadata = tree.path("sw/site/tool-1.dist-info");
    let told = |owner: u32| {
        std::os::unix::fs::chown(tree.path("sw/.epcache"), Some(owner), None).unwrap();
        std::os::unix::fs::chown(&index, Some(owner), None).unwrap();
        let mut query = tree.epcache(&["query", "g", "--path", &site, "--freshness", "trust"]);
        run(query.env("EPCACHE_INDEX", &index)).code
    };
    // Nothing is left in the tree, so any answer comes from the index.
    fs::remove_dir_all(metadata).unwrap();
    assert_eq!(told(NOBODY), 0);
    assert_eq!(told(1234), 1);
}

/// A client's view of a directory on a file server.
struct Client {
    mount: PathBuf,
    counts: PathBuf,
    server: Child,
}

impl Client {
    fn new(test: &str, tree: &Tree, name: &str, seconds: &str) -> Option<Self> {
        if !root_for(test) {
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shared_tree/counting_fs.py");
        let (mount, counts) = (tree.dir(name), tree.path(&format!("{name}.counts")));
        // Debian's own Python has the module of Debian's package.
        let server = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(tree.path("server"))
            .args([&mount, &counts])
            .args(seconds.split(' '))
            .stdin(Stdio::null())
            .spawn();
        let mut client = Self {
            mount,
            counts,
            server: server.unwrap(),
        };
        for _ in 0..300 {
            if client.is_mounted() {
                return Some(client);
            }
            if client.server.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        left_out(test, "a FUSE file system could not be mounted");
        None
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let at = format!(" {} ", self.mount.display());
        mounts.lines().any(|line| line.contains(&at))
    }

    /// How many questions were waiting for their answers at the same time.
    fn questions_at_once(&self) -> usize {
        self.questions();
        let most = fs::read_to_string(self.counts.with_extension("counts.at-once"));
        most.unwrap().trim().parse().unwrap()
    }

    /// The number of questions.
    fn questions(&self) -> usize {
        let _ = fs::metadata(self.mount.join(".counts-now"));
        let counts = fs::read_to_string(&self.counts).unwrap();
        let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
        counts.lines().map(count).sum()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.mount)
            .status();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The venv of real distributions on a file server, for a client that has asked nothing yet.
fn real_tree(test: &str, tree: &Tree) -> Option<()> {
    let cache = std::env::var_os("EPCACHE_TEST_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/epcache-tests")))?;
    let trees = fs::read_to_string(cache.join("trees")).unwrap_or_default();
    let Some(venv) = trees.lines().find_map(|line| line.strip_prefix("venv\t")) else {
        left_out(test, "tests/setup has not made the venv");
        return None;
    };
    let lib = fs::read_dir(Path::new(venv).join("lib")).unwrap();
    let python = lib.map(|entry| entry.unwrap().path()).next().unwrap();
    tree.dir("server");
    // Only the metadata: imported modules cost questions of their own.
    let site = tree.dir("server/site");
    for entry in fs::read_dir(python.join("site-packages")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".dist-info") {
            let ran = run(Command::new("cp").arg("-a").arg(entry.path()).arg(&site));
            assert_eq!(ran.code, 0, "{ran:?}");
        }
    }
    Some(())
}

#[test]
fn a_lookup_asks_a_file_server_far_fewer_questions_than_importlib_metadata() {
    let test = "the questions to a file server";
    let tree = Tree::new();
    let Some(()) = real_tree(test, &tree) else {
        return;
    };
    let site = tree.text("client/site");
    let index = tree.text("client/.epcache/index");
    {
        // By the path that the clients have.
        let Some(_client) = Client::new(test, &tree, "client", "3600") else {
            return;
        };
        tree.refresh(&[&site], &tree.text("server/.epcache/index"));
    }
    let distributions = fs::read_dir(tree.path("server/site")).unwrap().count();
    let mut asked = Vec::new();
    let mut answers = Vec::new();
    for level in ["trust", "fast", "auto"] {
        let client = Client::new(test, &tree, "client", "3600").unwrap();
        let mut query = tree.epcache(&["query", "flake8.extension", "--path", &site]);
        let ran = run(query
            .args(["--freshness", level])
            .env("EPCACHE_INDEX", &index));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        asked.push(client.questions());
        answers.push(ran.stdout.lines().count());
    }
    let client = Client::new(test, &tree, "client", "3600").unwrap();
    let script = "import sys, importlib.metadata as m; sys.path = [sys.argv[1]]\n\
                  for e in m.entry_points(group='flake8.extension'): print(e)";
    let mut python = tree.program("/usr/bin/python3".as_ref());
    let ran = run(python.args(["-I", "-B", "-c", script, &site]));
    assert_eq!(ran.code, 0, "{ran:?}");
    asked.push(client.questions());
    answers.push(ran.stdout.lines().count());
    assert!(
        answers[0] > 3 && answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    let [trust, fast, auto, python] = asked[..] else {
        panic!("{asked:?}");
    };
    let said = format!(
        "of {distributions} distributions: trust {trust}, fast {fast}, auto {auto}, importlib.metadata {python}"
    );
    assert!(trust <= 16 && fast <= 16, "{said}");
    assert!(
        (distributions..distributions + 16).contains(&auto),
        "{said}"
    );
    assert!(python > 2 * distributions, "{said}");
    // docs/scale.md calculates with these numbers.
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.md")).unwrap();
    assert!(
        page.contains(&format!("{distributions} distributions")),
        "{said}"
    );
}

#[test]
fn slow_file_systems_are_asked_several_questions_at_a_time() {
    let tree = Tree::new();
    for number in 0..64 {
        tree.dist("server/site", &format!("d{number}"), "[g]\nd = a:b\n");
    }
    let Some(client) = Client::new("questions at a time", &tree, "client", "0 0.02") else {
        return;
    };
    // From a directory that the worker is given, and from one that it enters itself.
    for mode in [0o700, 0o755] {
        set_mode(tree.path(""), mode);
        tree.refresh(&[&tree.text("client/site")], &tree.text("index"));
        let most = client.questions_at_once();
        assert!(most >= 6, "{most} at a time");
    }
}

#[test]
fn two_readers_of_a_file_server_see_the_old_index_or_the_new_one() {
    let test = "two readers and a writer";
    let tree = Tree::new();
    for number in 0..40 {
        let name = format!("d{number}");
        tree.dist("server/site", &name, &format!("[g]\n{name} = a:old\n"));
    }
    // Both indexes have the same path, as for any client.
    let Some(one) = Client::new(test, &tree, "one", "0") else {
        return;
    };
    let two = Client::new(test, &tree, "two", "0").unwrap();
    let index_of = |value: &str, output: &str| {
        for number in 0..40 {
            let name = format!("d{number}");
            // Another file, as in an upgrade. Only --full notices one that is rewritten in place.
            let file = format!("server/site/{name}-1.dist-info/entry_points.txt");
            fs::remove_file(tree.path(&file)).unwrap();
            tree.dist("server/site", &name, &format!("[g]\n{name} = a:{value}\n"));
        }
        let path = tree.text("server/site");
        tree.refresh(&[&path], output);
    };
    let shared = tree.text("server/.epcache/index");
    let mut allowed = Vec::new();
    for value in ["old", "new"] {
        index_of(value, &shared);
        let mut query = tree.epcache(&["query", "g", "--path", &tree.text("server/site")]);
        allowed.push(
            run(query
                .args(["--freshness", "trust"])
                .env("EPCACHE_INDEX", &shared))
            .stdout,
        );
    }
    assert_ne!(allowed[0], allowed[1]);
    let read = |client: &Client| {
        let mut seen = [false, false];
        for _ in 0..60 {
            let mut query = tree.epcache(&["query", "g", "--path", &tree.text("server/site")]);
            let index = client.mount.join(".epcache/index");
            let ran = run(query
                .args(["--freshness", "trust"])
                .env("EPCACHE_INDEX", index));
            let answer = allowed.iter().position(|allowed| *allowed == ran.stdout);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
            seen[answer.expect("the old index or the new one")] = true;
        }
        seen
    };
    std::thread::scope(|scope| {
        let readers = [&one, &two].map(|client| scope.spawn(|| read(client)));
        while !readers.iter().all(|reader| reader.is_finished()) {
            for value in ["old", "new"] {
                index_of(value, &shared);
            }
        }
        for reader in readers {
            assert_eq!(reader.join().unwrap(), [true, true]);
        }
    });
}

#[test]
fn a_reader_neither_locks_nor_writes() {
    if !tool_for("what a reader asks of the kernel", "strace") {
        return;
    }
    let tree = shared("index-path = /sw/.epcache/index\n");
    let mut strace = tree.program("strace".as_ref());
    strace.args(["-f", "-o", "calls", env!("CARGO_BIN_EXE_epcache")]);
    strace.args([
        "query",
        "g",
        "--root",
        "root",
        "--path",
        &format!("/{SITE}"),
    ]);
    assert_eq!(run(&mut strace).stdout, BEFORE);
    let calls = fs::read_to_string(tree.path("calls")).unwrap();
    assert!(calls.contains(".epcache"), "{calls}");
    for call in [
        "flock(",
        "F_SETLK",
        "F_OFD_SETLK",
        "O_WRONLY",
        "O_RDWR",
        "O_CREAT",
        "rename",
        "unlink",
        "mkdir",
        "utimens",
    ] {
        let found = calls
            .lines()
            .find(|line| line.contains(call) && !line.contains("/dev/"));
        assert_eq!(found, None, "{call}");
    }
}

#[test]
fn the_recipe_for_a_shared_tree_works_as_documented() {
    let tree = Tree::new();
    tree.dist(SITE, "tool", "[console_scripts]\ntool = tool:main\n");
    let mut recipe = recipes::recipe("docs/scale.md", "By hand", &tree.path(""));
    let ran = run(recipe.env("TREE", tree.path("sw")));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "console_scripts\ttool\ttool:main\n");
    let settings = recipes::blocks("docs/scale.md", "For every node", "ini").concat();
    let settings = settings.replace("/sw/tools", "/sw");
    let tree = shared(&settings);
    tree.dist(&format!("root/{SITE}"), "new", "[g]\nnew = new:main\n");
    let ran = query(&tree, &[]);
    assert!(ran.stderr.contains("differs from the index"), "{ran:?}");
    assert!(ran.stderr.contains("/sw/.epcache/index"), "{ran:?}");
}
