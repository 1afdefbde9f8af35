//! Consumers that run a program when entry points change: the template units under a real systemd,
//! with the example in `packaging/examples/consumer` and with a consumer that only uses the
//! template.

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

use container::Container;
use support::{repository, run, text, within};

/// The program of the consumer that only uses the template: it notes who it is and what it acted
/// on.
const PLAIN: &str = r#"#!/bin/bash
cd /var/lib/plain
echo "$(cat /usr/lib/epcache/changed/plain)" >>acted
{
    echo "root: $([ "$(id -u)" = 0 ] && echo yes || echo no)"
    echo "network: $(tail -n +3 /proc/self/net/dev | cut -d: -f1 | xargs)"
    for path in /usr/lib/epcache/index /usr/lib/epcache/changed/plain /etc/passwd /var/lib/new /run/new; do
        { : >>"$path"; } 2>/dev/null && echo "writes: $path"
    done
    { : </etc/shadow; } 2>/dev/null && echo "reads: /etc/shadow"
    ls /root /home >/dev/null 2>&1 && echo "reads: homes"
    unshare --user true 2>/dev/null && echo "makes namespaces"
    /usr/bin/python3 -c 'import ctypes, mmap; mmap.mmap(-1, 4096, prot=7)' 2>/dev/null && echo "writes code"
    echo end
} >confined
: >begun
while [ -e /run/wait ]; do sleep 0.1; done
[ ! -e /run/fail ]
"#;

const HELPERS: &str = r#"
site=$(ls -d /usr/lib/python3.*/ | sed 's/.*python3\.\([0-9]*\).*/\1/' | sort -n | tail -n 1)
site=/usr/local/lib/python3.$site/dist-packages
# put GROUP NAME: a distribution with an entry point, and the index that knows it
put() {
    mkdir -p "$site/$2-1.dist-info"
    printf 'Metadata-Version: 2.1\nName: %s\nVersion: 1\n' "$2" >"$site/$2-1.dist-info/METADATA"
    printf '[%s]\n%s = %s:main\n' "$1" "$2" "$2" >"$site/$2-1.dist-info/entry_points.txt"
    epcache refresh --system --quiet || echo "refresh: $?"
}
# settled: waits until nothing has been at work for three seconds
settled() {
    local calm=0 tries=0 units
    while ((calm < 6 && tries++ < 200)); do
        sleep 0.5
        calm=$((calm + 1))
        for name in pytest-plugins plain; do
            units="epcache.service epcache-consumer-settle@$name.service epcache-consumer@$name.service"
            case $(systemctl show --value -p ActiveState $units | xargs) in *activating*) calm=0 ;; esac
        done
    done
}
runs() { wc -l </var/lib/plain/acted; }
last() { [ "$(tail -n 1 /var/lib/plain/acted)" = "$(cat /usr/lib/epcache/changed/plain)" ] && echo current || echo old; }
stays() { [ "$(stat -c %i:%z /usr/lib/epcache/changed/*)" = "$stamps" ] && echo stays || echo changes; }
listed() { grep -c '^cons' /var/cache/pytest-plugins/list; }
wait_for() { for try in $(seq 300); do [ ! -e "$1" ] || return 0; sleep 0.1; done; echo "no $1"; }
failed() { systemctl --failed --no-legend | grep -c epcache; }
"#;

/// The blocks below this heading of docs/consumers.md, for the consumer that only uses the
/// template.
fn said(language: &str) -> Vec<String> {
    let said = recipes::blocks(
        "docs/consumers.md",
        "Running a program on changes",
        language,
    );
    said.iter()
        .map(|said| said.replace("NAME", "plain"))
        .collect()
}

/// A container with both consumers, as packages would install them.
fn furnished(test: &str) -> Option<Container> {
    let container = Container::new(test)?;
    let mut copy = within(30, "cp");
    copy.arg("--recursive").arg("--no-target-directory");
    copy.arg(repository().join("packaging/examples/consumer"));
    let done = run(copy.arg(container.root()));
    assert!(done.status.success(), "{}", text(&done.stderr));
    container.chroot(&["systemd-sysusers", "pytest-plugins.conf"]);
    container.write(
        "/usr/lib/epcache/consumers.d/plain.conf",
        "groups = pytest11 test.*\nstamp = yes\n",
    );
    container.write("/usr/libexec/plain/update", PLAIN);
    container.chroot(&["chmod", "755", "/usr/libexec/plain/update"]);
    container.write(
        "/usr/lib/systemd/system/epcache-consumer@plain.service.d/plain.conf",
        &(said("ini").concat() + "StateDirectory=plain\n"),
    );
    container.chroot(&[
        "systemctl",
        "enable",
        "epcache-consumer@pytest-plugins.path",
    ]);
    // As a package installs it.
    let wants = "usr/lib/systemd/system/multi-user.target.wants";
    let wants = container.root().join(wants);
    std::fs::create_dir_all(&wants).unwrap();
    let link = wants.join("epcache-consumer@plain.path");
    std::os::unix::fs::symlink("../epcache-consumer@.path", link).unwrap();
    Some(container)
}

fn has(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            output.lines().any(|found| found == *line),
            "{line}\n{output}"
        );
    }
}

#[test]
fn systemd_verifies_the_templates_and_rates_them_as_well_confined() {
    let test = "systemd_verifies_the_templates_and_rates_them_as_well_confined";
    let Some(container) = furnished(test) else {
        return;
    };
    for name in ["pytest-plugins", "plain"] {
        let units = ["@N.path", "-settle@N.service", "@N.service"]
            .map(|unit| format!("epcache-consumer{}", unit.replace('N', name)));
        let mut verify = vec!["systemd-analyze", "verify", "--man=no"];
        verify.extend(units.iter().map(String::as_str));
        assert_eq!(container.chroot(&verify), "");
        for unit in units.iter().filter(|unit| unit.ends_with(".service")) {
            let mut security = vec!["systemd-analyze", "security", "--offline=true"];
            security.extend(["--no-pager", unit]);
            let said = container.chroot(&security);
            let level = said.rsplit("exposure level for ").next().unwrap();
            support::say(&format!("exposure: {}", level.trim()));
            let level: f64 = level.split_whitespace().nth(1).unwrap().parse().unwrap();
            assert!(level <= 1.0, "{unit}: {said}");
        }
    }
}

#[test]
fn only_a_change_of_the_stamp_runs_the_confined_consumer() {
    let test = "only_a_change_of_the_stamp_runs_the_confined_consumer";
    let Some(container) = furnished(test) else {
        return;
    };
    let [again, start, stop] = said("sh").try_into().unwrap();
    let script = format!(
        "{HELPERS}\nagain() {{ {again}}}\nstart() {{ {start}}}\nstop() {{ {stop}}}\n{}",
        r#"
settled
echo "before any index: $(systemctl is-active epcache-consumer@{pytest-plugins,plain}.path | xargs), $(failed) failed"

put pytest11 cons1
settled
echo "first: $(runs) run, $(last), $(listed) listed"
sed 's/^/confined: /' /var/lib/plain/confined
echo "by anybody: $(setpriv --reuid=65534 --regid=65534 --clear-groups grep -c cons1 /var/cache/pytest-plugins/list)"
echo "in private: $(setpriv --reuid=65534 --regid=65534 --clear-groups ls /var/lib/plain/ 2>/dev/null | wc -l)"
source /usr/share/bash-completion/completions/pytest
_pytest_plugins pytest cons -p; echo "completed: ${COMPREPLY[*]}"

stamps=$(stat -c %i:%z /usr/lib/epcache/changed/*)
put other.group unrelated
settled
echo "unrelated: $(stays), $(runs) run"
put pytest11 cons2
settled
echo "related: $(stays), $(runs) runs, $(last), $(listed) listed"

# What changes while it is at work, twice.
: >/run/wait; rm /var/lib/plain/begun
put test.while first
wait_for /var/lib/plain/begun
put test.while second
sleep 2
put test.while third
echo "at work: $(systemctl show --value -p ActiveState epcache-consumer@plain.service), $(last)"
rm /run/wait
settled
echo "behind its back: $(runs) runs, $(last)"

# It fails: this has not been acted on.
: >/run/fail
put test.fail failing
settled
rm /run/fail
echo "failing: $(runs) runs, $(failed) failed"
# As at boot.
systemctl restart epcache-consumer@plain.path
settled
echo "once more: $(runs) runs, $(last), $(failed) failed"
systemctl restart epcache-consumer@plain.path
settled
echo "not once more: $(runs) runs"
again
settled
echo "from nothing: $(runs) run"
stop
echo "stopped: $(systemctl is-active epcache-consumer@plain.path) $(ls -d /var/lib/{,private/}epcache-consumer/plain 2>/dev/null)"
start
settled
echo "started: $(systemctl is-active epcache-consumer@plain.path), $(runs) run"

# Where /usr is read-only, it is beside the index too.
mount --bind /usr/lib/epcache /usr/lib/epcache; mount -o remount,bind,ro /usr/lib/epcache
put pytest11 cons3
settled
echo "read-only: $(ls /var/cache/epcache/changed | xargs), $(listed) listed"
umount /usr/lib/epcache
put pytest11 cons4
settled
echo "writable: $(ls /var/cache/epcache/), $(listed) listed"

# The registrations go. Nobody is told of it, and nothing fails.
before=$(runs)
rm /usr/lib/epcache/consumers.d/*.conf
epcache refresh --system --quiet
settled
echo "gone: $(ls -d /usr/lib/epcache/{views,changed} 2>/dev/null), $(($(runs) - before)) runs, $(failed) failed"
systemctl is-active epcache-consumer@{pytest-plugins,plain}.path | xargs
journalctl --no-pager -o short-precise -u 'epcache-consumer*' | tail -n 60
"#
    );
    let output = container.boot(&script);
    has(
        &output,
        &[
            "before any index: active active, 0 failed",
            "first: 1 run, current, 1 listed",
            "confined: root: no",
            "confined: network: lo",
            "confined: end",
            "by anybody: 1",
            "in private: 0",
            "completed: cons1",
            "unrelated: stays, 1 run",
            "related: changes, 2 runs, current, 2 listed",
            "at work: activating, old",
            "behind its back: 4 runs, current",
            "failing: 5 runs, 1 failed",
            "once more: 6 runs, current, 0 failed",
            "not once more: 6 runs",
            "from nothing: 1 run",
            "stopped: inactive ",
            "started: active, 1 run",
            "read-only: plain pytest-plugins, 3 listed",
            "gone: , 0 runs, 0 failed",
        ],
    );
    assert!(output.contains("4 listed"), "{output}");
    let confined = output.lines().filter(|line| line.starts_with("confined: "));
    assert_eq!(confined.count(), 3, "more than it should: {output}");
}

/// An image contains an index and a stamp that no program on this machine has acted on.
#[test]
fn at_boot_the_consumer_acts_only_on_a_new_stamp() {
    let test = "at_boot_the_consumer_acts_only_on_a_new_stamp";
    let Some(container) = furnished(test) else {
        return;
    };
    let build = |name: &str| {
        let script = format!("{HELPERS}\nput pytest11 {name}");
        container.chroot(&["bash", "-uc", &script]);
    };
    let boot = || {
        let script = format!(
            "{HELPERS}\nsettled\n\
             echo \"$(runs) runs, $(last), $(listed) listed, $(failed) failed\"\n"
        );
        container.boot(&script)
    };
    build("cons1");
    has(&boot(), &["1 runs, current, 1 listed, 0 failed"]);
    has(&boot(), &["1 runs, current, 1 listed, 0 failed"]);
    build("cons2");
    has(&boot(), &["2 runs, current, 2 listed, 0 failed"]);
}

/// If `/usr` is read-only, the results of this machine's refresh are in `/var`, and outlive the
/// image that they belong to.
#[test]
fn at_boot_files_of_the_previous_image_are_replaced() {
    let test = "at_boot_files_of_the_previous_image_are_replaced";
    let Some(container) = furnished(test) else {
        return;
    };
    container.chroot(&["systemctl", "enable", "epcache.path"]);
    // An image is built elsewhere, without knowledge of this machine's /var.
    let build = |name: &str| {
        let script = format!(
            "{HELPERS}\nmount -t tmpfs tmpfs /var/cache; put pytest11 {name}\n\
             rm /usr/lib/epcache/state; epcache refresh --system --image --quiet"
        );
        container.chroot(&["unshare", "--mount", "bash", "-uc", &script]);
    };
    let boot = |then: &str| {
        let script = format!(
            "{HELPERS}\nsettled\n\
             echo \"$(ls /usr/lib/epcache | xargs); $(ls /var/cache/epcache 2>/dev/null | xargs)\"\n\
             journalctl --sync; echo \"$(journalctl -b -o cat -u epcache.service | grep -c ^Starting) refreshes\"\n\
             echo \"$(listed) listed, $(failed) failed\"\n{then}\n"
        );
        container.boot_image(&script)
    };
    let image = "changed consumers.d epcache.conf index index.lock views";
    build("cons1");
    // An empty /var: the image's own index is the only one, and there is nothing to do.
    let first = boot("systemctl start epcache.service; echo \"started: $?\"");
    has(
        &first,
        &[
            &format!("{image}; "),
            "0 refreshes",
            "1 listed, 0 failed",
            "started: 0",
        ],
    );
    build("cons2");
    let var = format!("{image}; changed index index.lock state views");
    has(&boot(""), &[&var, "1 refreshes", "2 listed, 0 failed"]);
}
