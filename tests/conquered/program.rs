//! Runs this test program once more as if it were epcache, with a hostile job in place of the
//! worker's.
//!
//! The input is a [`Run`], the output is what the program did. What a hostile job may do is not
//! known here. A guard can be taken away from the program by a system-call filter that it starts
//! under: the filter refuses a call as an older kernel would, or lets it do nothing and report
//! success.
//! kernel for is refused as an older kernel would, or is granted and does nothing.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use epcache::{cli, commands, terminal};
use nix::errno::Errno;
use nix::libc::{self, sock_filter};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, setgroups, setresgid, setresuid};

use crate::jobs;

/// Printed by the program if a process outlives it.
pub(crate) const LEFT_BEHIND: u8 = 99;
/// An index that is open for writing in the program, as in a careless package manager.
pub(crate) const INHERITED: i32 = 77;

/// How the program is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// The name of the job that runs in place of the worker's.
    pub(crate) job: String,
    /// Guards to take away: `seccomp`, `landlock`, `limits`.
    pub(crate) without: &'static [&'static str],
    /// Another user to be from the start.
    pub(crate) user: Option<u32>,
    /// A limit on processor time that exists from the start, in seconds.
    pub(crate) processor: Option<u64>,
    /// Anything that the job needs to know.
    pub(crate) facts: BTreeMap<&'static str, String>,
}

/// What the job can ask for.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) job: String,
    pub(crate) parent: i32,
    facts: BTreeMap<String, String>,
}

impl Setting {
    pub(crate) fn fact(&self, name: &str) -> &str {
        &self.facts[name]
    }
}

/// Known before the fork, because the job has no environment.
pub(crate) static SETTING: OnceLock<Setting> = OnceLock::new();

const PREFIX: &str = "EPCACHE_TEST_CONQUERED_";

impl Run {
    pub(crate) fn of(job: &str) -> Self {
        Self {
            job: job.into(),
            ..Self::default()
        }
    }

    pub(crate) fn fact(mut self, name: &'static str, value: impl ToString) -> Self {
        self.facts.insert(name, value.to_string());
        self
    }

    /// Makes this command, which starts this test program, run it.
    pub(crate) fn command<'c>(
        &self,
        command: &'c mut Command,
        arguments: &[&str],
    ) -> &'c mut Command {
        command.args(["--exact", "as_program", "--nocapture", "--test-threads=1"]);
        self.environment(command, arguments)
    }

    /// The same, for a command that starts it in another way.
    pub(crate) fn environment<'c>(
        &self,
        command: &'c mut Command,
        arguments: &[&str],
    ) -> &'c mut Command {
        let mut set = |name: &str, value: &str| {
            command.env(format!("{PREFIX}{name}"), value);
        };
        set("JOB", &self.job);
        set("ARGUMENTS", &arguments.join("\n"));
        set("WITHOUT", &self.without.join("\n"));
        set(
            "USER",
            &self.user.map_or(String::new(), |user| user.to_string()),
        );
        let processor = self
            .processor
            .map_or(String::new(), |limit| limit.to_string());
        set("PROCESSOR", &processor);
        for (name, value) in &self.facts {
            set(&format!("FACT_{name}"), value);
        }
        command
    }
}

/// Becomes the program if this process was started for that.
pub(crate) fn live() {
    let Ok(job) = env::var(format!("{PREFIX}JOB")) else {
        return;
    };
    prctl::set_child_subreaper(true).expect("to see who is left");
    // SAFETY: the harness waits in this thread, and has no other.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => be_epcache(job),
        ForkResult::Parent { child } => supervise(child),
    }
}

/// Waits for the program, then for any other process: if one exists then, it was left behind.
fn supervise(child: Pid) -> ! {
    let status = match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, status)) => status,
        Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
        other => panic!("{other:?}"),
    };
    let started = Instant::now();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => std::process::exit(status),
            Ok(WaitStatus::StillAlive) if started.elapsed() > Duration::from_secs(5) => {
                let own = format!("/proc/self/task/{}/children", std::process::id());
                for process in std::fs::read_to_string(own)
                    .expect("/proc")
                    .split_whitespace()
                {
                    let _ = kill(
                        Pid::from_raw(process.parse().expect("a number")),
                        Signal::SIGKILL,
                    );
                }
                std::process::exit(LEFT_BEHIND.into());
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn be_epcache(job: String) -> ! {
    let facts = env::vars().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?.strip_prefix("FACT_")?;
        Some((name.to_owned(), value))
    });
    let setting = Setting {
        job,
        parent: std::process::id() as i32,
        facts: facts.collect(),
    };
    let of = |name: &str| env::var(format!("{PREFIX}{name}")).expect("set");
    if let Some(index) = setting.facts.get("inherited") {
        let index = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(index)
            .expect("open");
        // SAFETY: no other code owns the number.
        assert_eq!(
            unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&index), INHERITED) },
            INHERITED
        );
    }
    SETTING.set(setting).expect("once");
    if let Ok(seconds) = of("PROCESSOR").parse() {
        setrlimit(Resource::RLIMIT_CPU, seconds, seconds).expect("setrlimit");
    }
    take_away(of("WITHOUT").lines());
    if let Ok(user) = of("USER").parse() {
        setgroups(&[]).expect("setgroups");
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
        setresgid(group, group, group).expect("setresgid");
        setresuid(user, user, user).expect("setresuid");
        // As in a program that this user has started.
        prctl::set_dumpable(true).expect("dumpable");
    }
    let setting = SETTING.get().expect("set");
    if setting.facts.contains_key("killed") {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(1));
            kill(nix::unistd::getpid(), Signal::SIGKILL)
        });
    }
    // Opened now, because later this process can open nothing for writing.
    let peak = setting.facts.get("peak").map(File::create);
    if let Some(status) = jobs::within_bounds(setting) {
        std::process::exit(status);
    }
    let arguments = of("ARGUMENTS");
    let arguments = std::iter::once("epcache").chain(arguments.lines());
    let cli = cli::parse(arguments.map(Into::into).collect()).unwrap_or_else(|_| panic!("usage"));
    terminal::start_log(cli.verbose, cli.quiet, "");
    let status = commands::run(&cli, jobs::HOSTILE).unwrap_or_else(|error| {
        log::error!("{error}");
        2
    });
    if let Some(file) = peak {
        let said = std::fs::read_to_string("/proc/self/status").expect("/proc");
        let peak = said.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.expect("a peak").trim().trim_end_matches(" kB");
        let mut file = file.expect("a file");
        file.write_all(peak.as_bytes()).expect("written");
    }
    // Not by returning to the harness, which would print its own result.
    std::process::exit(status.into())
}

fn take_away<'g>(guards: impl Iterator<Item = &'g str>) {
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    let end = |errno: i32| {
        let verdict = libc::SECCOMP_RET_ERRNO | errno as u32;
        statement(libc::BPF_RET | libc::BPF_K, verdict)
    };
    for guard in guards {
        match guard {
            "seccomp" => program.extend([is(libc::SYS_seccomp as u32, 0, 1), end(libc::ENOSYS)]),
            "landlock" => {
                let call = libc::SYS_landlock_create_ruleset as u32;
                program.extend([is(call, 0, 1), end(libc::ENOSYS)]);
            }
            // Queries are allowed. A call that sets a limit succeeds, but does nothing.
            "limits" => program.extend([
                is(libc::SYS_prlimit64 as u32, 0, 4),
                statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 16 + 2 * 8),
                is(0, 1, 0),
                end(0),
                statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
            ]),
            other => panic!("{other} is no guard"),
        }
    }
    if program.len() == 1 {
        return;
    }
    program.push(statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ALLOW,
    ));
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    prctl::set_no_new_privs().expect("no_new_privs");
    let (mode, none) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    // SAFETY: the kernel copies the program, which outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, none, &raw const program) };
    assert_eq!(result, 0, "{}", Errno::last());
}

fn is(k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        jt,
        jf,
        ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k)
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// The path of this program.
pub(crate) fn own_path() -> PathBuf {
    env::current_exe().expect("a program")
}
