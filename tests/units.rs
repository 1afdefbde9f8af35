//! The units for changes that no package manager reports, under a real systemd, in a container
//! whose root is a layer over this machine's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/container.rs"]
mod container;
#[path = "support/recipes.rs"]
mod recipes;
mod support;

use std::collections::BTreeSet;
use std::fs;

use container::Container;
use support::{repository, within};

const UNITS: [&str; 5] = [
    "epcache.path",
    "epcache-settle.service",
    "epcache.service",
    "epcache.timer",
    "epcache-boot.timer",
];

/// Shared by the scripts.
const HELPERS: &str = r#"
# make NAME: a distribution, in no search directory yet
make() {
    mkdir -p "/var/staging/$1-1.0.dist-info"
    printf 'Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n' "$1" >"/var/staging/$1-1.0.dist-info/METADATA"
    printf '[test.units]\n%s = %s:main\n' "$1" "$1" >"/var/staging/$1-1.0.dist-info/entry_points.txt"
}
# put DIRECTORY NAME: a distribution, as a copy by hand leaves it
put() { make "$2"; mkdir -p "$1"; mv "/var/staging/$2-1.0.dist-info" "$1"; }
# settled: waits until nothing has been at work for five seconds
settled() {
    local calm=0 tries=0
    while ((calm < 4 && tries++ < 200)); do
        sleep 0.5
        case $(systemctl show --value -p ActiveState epcache-settle.service epcache.service | xargs) in
        'inactive inactive') calm=$((calm + 1)) ;;
        *) calm=0 ;;
        esac
    done
}
runs() { journalctl --sync; journalctl --no-pager -o cat -u epcache.service | grep -c '^Starting'; }
healthy() { systemctl is-active epcache.path epcache.timer | xargs; systemctl --failed --no-legend | grep epcache; }
known() { epcache query test.units "$@" --index /usr/lib/epcache/index --freshness trust --path "$site" | wc -l; }
"#;

#[test]
fn systemd_verifies_the_units() {
    let test = "systemd_verifies_the_units";
    let Some(container) = Container::new(test) else {
        return;
    };
    let mut verify = vec!["systemd-analyze", "verify", "--man=no"];
    verify.extend(UNITS);
    assert_eq!(container.chroot(&verify), "");
    for (unit, limit) in [("epcache.service", 2.0), ("epcache-settle.service", 1.0)] {
        let said = container.chroot(&[
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            unit,
        ]);
        let level = said.rsplit("exposure level for ").next().unwrap();
        let level: f64 = level.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(level <= limit, "{unit}: {said}");
    }
    container.chroot(&["systemctl", "enable", "epcache.path", "epcache.timer"]);
}

#[test]
fn changes_without_a_package_manager_get_into_the_index() {
    let test = "changes_without_a_package_manager_get_into_the_index";
    let Some(container) = Container::new(test) else {
        return;
    };
    let enable = recipes::blocks("docs/administration.md", "systemd", "sh").concat();
    container.chroot(&["sh", "-c", &enable.replace("--now ", "")]);
    let script = format!(
        "{HELPERS}\necho \"after boot: $(healthy)\"\n{enable}\n{}",
        r#"
newest=$(ls -d /usr/lib/python3.*/ | sed 's/.*python3\.\([0-9]*\).*/\1/' | sort -n | tail -n 1)
site=/usr/local/lib/python3.$newest/dist-packages
echo "healthy: $(healthy)"
systemctl start epcache.service
echo "first: $(systemctl show --value -p Result epcache.service), $(known) known"
settled

# The unit leaves the program all that its own sandbox needs.
mkdir -p /run/systemd/system/epcache.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/epcache refresh --system --full --json\nStandardOutput=file:/run/in-unit\nStandardError=journal\n' \
    >/run/systemd/system/epcache.service.d/json.conf
systemctl daemon-reload; systemctl start epcache.service
epcache refresh --system --full --json >/run/on-its-own
sandbox() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sandbox"])' "$1"; }
[ "$(sandbox /run/in-unit)" = "$(sandbox /run/on-its-own)" ] && echo "sandbox: the same"
sandbox /run/in-unit; sandbox /run/on-its-own

# A file system of the machine does not look like one that anybody has made.
printf '[Service]\nExecStart=\nExecStart=/usr/bin/cat /proc/self/mountinfo\nExecPaths=/usr/bin\nStandardOutput=file:/run/mounts\n' \
    >/run/systemd/system/epcache.service.d/json.conf
systemctl daemon-reload; systemctl start epcache.service
echo "mounts: $(awk '$5 == "/" || $5 ~ /^\/(usr|var)/ {all++; if ($6 ~ /nosuid/) nosuid++}
    END {print (all > 3), nosuid + 0}' /run/mounts)"
rm -r /run/systemd/system/epcache.service.d
systemctl daemon-reload

before=$(runs)
for n in $(seq 200); do make "burst$n"; done
mv /var/staging/* "$site"
settled
echo "burst: $(known) known after $(($(runs) - before)) refreshes, $(healthy)"

# From here on bursts end at once, to save time and to exceed systemd's limit of starts.
mkdir -p /run/systemd/system/epcache.service.d /run/systemd/system/epcache-settle.service.d
printf '[Service]\nExecStart=\nExecStart=/usr/bin/sleep 0.2\n' >/run/systemd/system/epcache-settle.service.d/quick.conf
systemctl daemon-reload
before=$(runs) end=$((SECONDS + 12))
while ((SECONDS < end)); do : >"$site/passing"; rm "$site/passing"; done
settled
echo "flood: $(healthy), $((($(runs) - before) > 5)) more than five"

# What changes while a refresh is at work, behind its back.
printf '[Service]\nExecStartPost=/usr/bin/sleep 5\nExecPaths=/usr/bin\n' >/run/systemd/system/epcache.service.d/slow.conf
systemctl daemon-reload
put "$site" before
while [ "$(known before)" = 0 ]; do sleep 0.2; done
echo "meanwhile: $(systemctl show --value -p ActiveState epcache.service)"
put "$site" behind
settled; settled
echo "behind: $(known behind) known, $(healthy)"
rm -r /run/systemd/system/epcache.service.d
systemctl daemon-reload

# Who registers, by hand or in a package, in directories that are new; and who does so no more.
for directory in /etc/epcache/consumers.d /usr/lib/epcache/consumers.d; do
    name=$(cut -d / -f 2 <<<"$directory")
    mkdir -p "$directory"
    printf 'groups = test.units\nview = tsv\n' >"$directory/$name.conf"
    settled
    echo "registered: $(ls /usr/lib/epcache/views | xargs)"
done
rm /usr/lib/epcache/consumers.d/usr.conf; sed -i s/tsv/json/ /etc/epcache/consumers.d/etc.conf
settled
echo "edited and gone: $(ls /usr/lib/epcache/views | xargs)"

# Another search directory, by configuration.
put /opt/more configured; printf '[epcache]\ndirectories = /opt/more\n' >/etc/epcache.conf
settled
echo "configured: $(epcache export --index /usr/lib/epcache/index | grep -c '"configured:main"')"

# Rewritten in place: nothing that is watched moves.
echo 'more = more:main' >>"$site/before-1.0.dist-info/entry_points.txt"
settled
echo "in place: $(known more) known"
systemctl start epcache.service
echo "daily: $(known more) known"

# A Python that is newer than the boot.
site=/usr/local/lib/python3.$((newest + 1))/site-packages
put "$site" later
settled
before=$(runs)
put "$site" latest
settled
echo "new Python: $(known) known, $(($(runs) - before)) refresh"
rm -r "$site/later-1.0.dist-info"
settled
echo "removed: $(known) known, $(healthy)"
ls -ln /usr/lib/epcache /var/cache/epcache
journalctl --no-pager -o cat -u epcache.service -u epcache.path -u epcache-settle.service | tail -n 20
"#
    );
    let output = container.boot(&script);
    for line in [
        "after boot: active active",
        "healthy: active active",
        "first: success, 0 known",
        "sandbox: the same",
        "mounts: 1 0",
        "flood: active active, 1 more than five",
        "meanwhile: activating",
        "behind: 1 known, active active",
        "registered: etc.tsv",
        "registered: etc.tsv usr.tsv",
        "edited and gone: etc.json",
        "configured: 1",
        "in place: 0 known",
        "daily: 1 known",
        "new Python: 2 known, 1 refresh",
        "removed: 1 known, active active",
    ] {
        assert!(
            output.lines().any(|found| found == line),
            "{line}\n{output}"
        );
    }
    let burst = ["1 refreshes", "2 refreshes"]
        .map(|count| format!("burst: 200 known after {count}, active active"));
    assert!(
        output.lines().any(|line| burst.iter().any(|b| b == line)),
        "{output}"
    );
}

/// docs/administration.md, "Without systemd": no part of systemd runs here.
#[test]
fn without_systemd_a_loop_and_cron_do_the_same() {
    let test = "without_systemd_a_loop_and_cron_do_the_same";
    let Some(container) = Container::new(test) else {
        return;
    };
    // Only the tested programs may run in it.
    let _ = fs::remove_dir_all(container.root().join("run/systemd/system"));
    let watch = recipes::blocks("docs/administration.md", "Without systemd", "sh").concat();
    container.write("/watch", &watch);
    let crontab = recipes::blocks("docs/administration.md", "Without systemd", "crontab").concat();
    let line: Vec<_> = crontab.split_whitespace().skip(5).collect();
    container.write("/line", &line.join(" "));
    let script = format!(
        "set -u; {HELPERS}\n{}",
        r#"
newest=$(ls -d /usr/lib/python3.*/ | sed 's/.*python3\.\([0-9]*\).*/\1/' | sort -n | tail -n 1)
site=/usr/local/lib/python3.$newest/dist-packages
mkdir -p "$site" /proc; mount -t proc proc /proc
put "$site" first
/usr/share/doc/epcache/examples/cron.daily; echo "cron: $? $(known)"
mkdir -p /run/systemd/system; put "$site" second
/usr/share/doc/epcache/examples/cron.daily; echo "cron beside systemd: $? $(known)"
put "$site" line; sh /line; echo "crontab: $? $(known line)"
timeout 30 bash /watch & watch=$!
for try in $(seq 50); do
    [ "$(known third)" = 0 ] || break
    mkdir "$site/try$try"; [ "$try" != 1 ] || put "$site" third
    sleep 0.5
done
echo "watched: $(known)"
kill $watch; wait
umount /proc
"#
    );
    let output = container.chroot(&["unshare", "--mount", "bash", "-c", &script]);
    for line in [
        "cron: 0 1",
        "cron beside systemd: 0 1",
        "crontab: 0 1",
        "watched: 4",
    ] {
        assert!(
            output.lines().any(|found| found == line),
            "{line}\n{output}"
        );
    }
}

/// The places where pip installs for the whole system, for each Python in the package's trigger
/// list.
#[test]
fn the_path_unit_watches_where_pip_installs_for_each_python_of_the_trigger_list() {
    let triggers = fs::read_to_string(repository().join("debian/epcache.triggers")).unwrap();
    let interests = |prefix: &str| -> BTreeSet<String> {
        let words = triggers.lines().filter_map(|line| line.split(' ').nth(1));
        let names = words.filter_map(|path| path.strip_prefix(prefix));
        names.map(str::to_owned).collect()
    };
    let mut pythons = interests("/usr/lib/python");
    assert!(pythons.remove("3/dist-packages"), "{pythons:?}");
    let mut expected = BTreeSet::new();
    for python in &pythons {
        for lib in ["lib", "lib64"] {
            expected.insert(format!("/usr/local/{lib}/python{python}/site-packages"));
        }
    }
    // Debian's directories of other packages: both lists have the same.
    let debian: BTreeSet<_> = pythons.iter().filter(|name| !name.ends_with('t')).collect();
    let debian = debian.iter().map(|name| format!("{name}/dist-packages"));
    let debian: BTreeSet<_> = debian.collect();
    assert_eq!(interests("/usr/local/lib/python"), debian);
    expected.extend(debian.iter().map(|it| format!("/usr/local/lib/python{it}")));
    assert!(pythons.len() > 8, "{pythons:?}");
    let fixed = [
        "/etc/epcache.conf",
        "/etc/epcache.conf.d",
        "/etc/epcache/consumers.d",
        "/usr/lib/epcache/consumers.d",
    ];
    expected.extend(fixed.map(str::to_owned));
    let unit = fs::read_to_string(repository().join("packaging/systemd/epcache.path")).unwrap();
    let lines = unit
        .lines()
        .filter_map(|it| it.strip_prefix("PathChanged="));
    let watched: Vec<_> = lines.map(str::to_owned).collect();
    // Each is an inotify instance of process 1, which has 128 for all units of the machine.
    assert!(watched.len() <= 40, "{}", watched.len());
    assert_eq!(watched.len(), expected.len(), "a path is there twice");
    assert_eq!(watched.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// The output of `systemd-analyze verify` for a boot where one directory is a network mount.
fn boot_with_network_mount(directory: &str, change: impl Fn(&str) -> String) -> String {
    let tree = support::public_directory();
    let root = tree.path();
    let system = root.join("usr/lib/systemd/system");
    let site = root.join("etc/systemd/system");
    fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
    fs::create_dir_all(&site).unwrap();
    let mut copy = within(30, "cp");
    copy.args(["-a", "/usr/lib/systemd/system"]).arg(&system);
    assert!(support::run(&mut copy).status.success());
    for unit in fs::read_dir(repository().join("packaging/systemd")).unwrap() {
        let unit = unit.unwrap();
        let text = fs::read_to_string(unit.path()).unwrap();
        fs::write(system.join(unit.file_name()), change(&text)).unwrap();
    }
    // As fstab's generator writes it for `server:/tool DIRECTORY nfs _netdev`, and a service for
    // the network.
    let name = directory.trim_start_matches('/').replace('/', "-");
    let network = "After=network-online.target\nWants=network-online.target\n";
    fs::write(
        site.join(format!("{name}.mount")),
        format!(
            "[Unit]\nBefore=remote-fs.target\n{network}\
             [Mount]\nWhat=server:/tool\nWhere={directory}\nType=nfs\nOptions=_netdev\n"
        ),
    )
    .unwrap();
    fs::write(
        site.join("net.service"),
        "[Unit]\nBefore=network.target network-online.target\n[Service]\nExecStart=/bin/true\n\
         [Install]\nWantedBy=multi-user.target network-online.target\n",
    )
    .unwrap();
    // Each consumer has its own drop-in: without one its service cannot be started.
    let drop_in = site.join("epcache-consumer@some.service.d");
    fs::create_dir(&drop_in).unwrap();
    fs::write(drop_in.join("x.conf"), "[Service]\nExecStart=/bin/true\n").unwrap();
    for program in [
        "bin/true",
        "usr/bin/sleep",
        "usr/bin/epcache",
        "bin/sh",
        "bin/mv",
    ] {
        let path = root.join(program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy("/bin/true", path).unwrap();
    }
    let mut enable = within(30, "systemctl");
    enable.arg(format!("--root={}", root.display()));
    enable.args(["enable", "net.service", "epcache.path", "epcache.timer"]);
    let done = support::run(enable.arg("epcache-consumer@some.path"));
    assert!(done.status.success(), "{}", support::text(&done.stderr));
    let mut verify = within(60, "systemd-analyze");
    verify.arg(format!("--root={}", root.display()));
    verify.args(["--man=no", "verify", "multi-user.target"]);
    let done = support::run(&mut verify);
    support::text(&done.stdout) + &support::text(&done.stderr)
}

#[test]
fn a_network_mount_makes_no_ordering_cycle_at_boot() {
    let test = "a_network_mount_makes_no_ordering_cycle_at_boot";
    if fs::metadata("/usr/lib/systemd/system/basic.target").is_err() {
        return support::skip(test, "there is no systemd in /usr/lib");
    }
    for directory in ["/usr", "/usr/local", "/opt", "/var/cache"] {
        let said = boot_with_network_mount(directory, str::to_owned);
        assert_eq!(said, "", "{directory}");
    }
    // The check detects what it is for: path units with default dependencies.
    let usual = |text: &str| {
        text.replace("DefaultDependencies=no\n", "")
            .replace("WantedBy=multi-user.target", "WantedBy=paths.target")
    };
    for directory in ["/usr", "/usr/local", "/var/cache"] {
        let said = boot_with_network_mount(directory, usual);
        assert!(said.contains("ordering cycle"), "{directory}: {said}");
    }
}
