//! A program under ptrace(2), where one of its system calls fails, or is the last one of its
//! process.
//!
//! The input is a command and at most one [`Fault`]. The output is the calls that were made, by
//! which process, and how the program ended. strace cannot do this: it counts the calls of each
//! process separately, so it injects a fault into both or none. And it makes a call fail by giving
//! it an invalid number, for which the worker's filter ends the worker.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, c_long, c_void};

/// The process that makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The program that was started.
    Writer,
    /// Its child.
    Worker,
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is not made, and fails with this errno.
    Fails(Errno),
    /// The process that makes it is killed.
    Dies,
}

/// A call, by its number and how often this process has made it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) role: Role,
    pub(crate) number: c_long,
    pub(crate) before: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) effect: Effect,
}

/// The result of a program.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) calls: Vec<Call>,
    /// Whether the call with the fault was reached.
    pub(crate) reached: bool,
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// How long any process that the program has started may exist.
const PATIENCE: Duration = Duration::from_secs(60);

fn ptrace(request: libc::c_uint, process: i32, address: usize, data: usize) -> c_long {
    // SAFETY: callers pass pointers that are valid for the request.
    unsafe {
        libc::ptrace(
            request,
            process,
            address as *mut c_void,
            data as *mut c_void,
        )
    }
}

/// Runs a command until all processes that it has started have ended.
pub(crate) fn run(command: &mut Command, fault: Option<Fault>) -> Traced {
    let trace_me = || match ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    };
    // SAFETY: only a system call between fork and exec.
    unsafe { command.pre_exec(trace_me) };
    let stderr = tempfile::NamedTempFile::new().expect("a file");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(stderr.reopen().expect("the same"));
    let mut child = command.spawn().expect("start");
    let mut tracer = Tracer {
        root: child.id() as i32,
        fault,
        roles: HashMap::new(),
        known: HashSet::new(),
        made: HashMap::new(),
        failing: HashMap::new(),
        calls: Vec::new(),
        reached: false,
    };
    let status = tracer.follow();
    // It has been waited for here.
    drop(child.try_wait());
    let mut text = String::new();
    fs::File::open(stderr.path())
        .expect("open")
        .read_to_string(&mut text)
        .expect("UTF-8");
    Traced {
        calls: tracer.calls,
        reached: tracer.reached,
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        stderr: text,
    }
}

struct Tracer {
    root: i32,
    fault: Option<Fault>,
    /// The processes whose calls count. Their helper threads do not.
    roles: HashMap<i32, Option<Role>>,
    known: HashSet<i32>,
    made: HashMap<(Role, c_long), usize>,
    failing: HashMap<i32, Errno>,
    calls: Vec<Call>,
    reached: bool,
}

impl Tracer {
    /// Runs until no process is left. Returns how the first one ended.
    fn follow(&mut self) -> i32 {
        let (mut ended, started) = (0, Instant::now());
        loop {
            let mut status = 0;
            // Only the children of this thread: other threads trace too.
            let flags = libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG;
            // SAFETY: a pointer to a number that outlives the call.
            let task = unsafe { libc::waitpid(-1, &raw mut status, flags) };
            match task {
                -1 if Errno::last() == Errno::ECHILD => return ended,
                -1 => panic!("waitpid: {}", Errno::last()),
                0 => {
                    assert!(
                        started.elapsed() < PATIENCE,
                        "somebody stays: {:?}",
                        self.fault
                    );
                    std::thread::yield_now();
                }
                task if libc::WIFSTOPPED(status) => self.stopped(task, status),
                task if task == self.root => ended = status,
                _ => {}
            }
        }
    }

    fn stopped(&mut self, task: i32, status: i32) {
        let signal = libc::WSTOPSIG(status);
        let is_new = self.known.insert(task);
        if is_new && task == self.root {
            let options = libc::PTRACE_O_TRACESYSGOOD
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEEXEC
                | libc::PTRACE_O_EXITKILL;
            assert_ne!(
                ptrace(libc::PTRACE_SETOPTIONS, task, 0, options as usize),
                -1
            );
        }
        let mut deliver = 0;
        if signal == libc::SIGTRAP | 0x80 {
            self.at_call(task);
        } else if status >> 16 == 0
            && signal != libc::SIGTRAP
            && !(is_new && signal == libc::SIGSTOP)
        {
            deliver = signal as usize;
        }
        ptrace(libc::PTRACE_SYSCALL, task, 0, deliver);
    }

    fn at_call(&mut self, task: i32) {
        let Some(role) = self.role(task) else { return };
        // SAFETY: a structure of numbers that the kernel fills in as far as it can.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of_val(&info);
        if ptrace(
            libc::PTRACE_GET_SYSCALL_INFO,
            task,
            size,
            &raw mut info as usize,
        ) <= 0
        {
            return;
        }
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            if let Some(errno) = self.failing.remove(&task) {
                registers::set_result(task, -i64::from(errno as i32));
            }
            return;
        }
        // SAFETY: at an entry, the kernel has filled in this field.
        let number = unsafe { info.u.entry.nr } as c_long;
        let made = self.made.entry((role, number)).or_default();
        let call = Call {
            role,
            number,
            before: *made,
        };
        *made += 1;
        self.calls.push(call);
        let Some(fault) = self
            .fault
            .filter(|fault| fault.call == call && !self.reached)
        else {
            return;
        };
        self.reached = true;
        match fault.effect {
            Effect::Fails(errno) => {
                registers::set_call(task, libc::SYS_getpid);
                self.failing.insert(task, errno);
            }
            Effect::Dies => {
                // SAFETY: only passes numbers. It is one of the traced processes.
                unsafe { libc::kill(task, libc::SIGKILL) };
            }
        }
    }

    fn role(&mut self, task: i32) -> Option<Role> {
        let root = self.root;
        *self.roles.entry(task).or_insert_with(|| {
            let status = fs::read_to_string(format!("/proc/{task}/status")).unwrap_or_default();
            let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
            let is_thread = process.and_then(|id| id.trim().parse().ok()) != Some(task);
            match task {
                _ if task == root => Some(Role::Writer),
                _ if is_thread => None,
                _ => Some(Role::Worker),
            }
        })
    }
}

/// The registers with the number of the call and its result.
mod registers {
    use super::c_long;
    #[cfg(target_arch = "x86_64")]
    use super::{libc, ptrace};

    /// Whether they are known for this architecture.
    pub(crate) const KNOWN: bool = cfg!(target_arch = "x86_64");

    #[cfg(target_arch = "x86_64")]
    fn change(task: i32, change: impl FnOnce(&mut libc::user_regs_struct)) {
        // SAFETY: a structure of numbers that the kernel fills in.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let at = &raw mut registers as usize;
        if ptrace(libc::PTRACE_GETREGS, task, 0, at) != -1 {
            change(&mut registers);
            ptrace(libc::PTRACE_SETREGS, task, 0, &raw const registers as usize);
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn set_call(task: i32, number: c_long) {
        change(task, |registers| registers.orig_rax = number as u64);
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn set_result(task: i32, result: i64) {
        change(task, |registers| registers.rax = result as u64);
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn set_call(_: i32, _: c_long) {}

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn set_result(_: i32, _: i64) {}
}

pub(crate) use registers::KNOWN;
