"""Run programs in turn and keep what each run cost.

In:  programs (a command, or a Python callable for work done in this process) and a number of rounds.
Out: samples of wall time, CPU time and peak memory, and statistics over them. It knows nothing of
what the programs do.

In every round every program runs once, in an order that is shuffled anew (by a fixed seed), so
that a slow minute of the machine, or a neighbour that leaves work behind, hits all of them alike.
Ratios and differences are taken inside a round, and only then summarised.
"""

import os
import random
import statistics
import time
from dataclasses import dataclass, field

# Nothing from the caller's environment reaches the programs: PYTHONDONTWRITEBYTECODE, PYTHONPATH,
# EPCACHE_INDEX, EPCACHE_LOG, MALLOC_* would each change what is measured.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}


@dataclass
class Sample:
    wall_ms: float
    cpu_ms: float
    peak_kb: int


@dataclass
class Program:
    """One row of a table. `rounds` maps the number of a round to what the run then cost."""

    name: str
    command: object
    # Done before each run, and not timed.
    prepare: object = None
    # On top of ENVIRONMENT.
    environment: dict = field(default_factory=dict)
    # Exit statuses that are no failure.
    accept: tuple = (0,)
    rounds: dict = field(default_factory=dict)
    failure: str = ""

    def values(self, what):
        return [getattr(sample, what) for sample in self.rounds.values()]


class RunFailed(Exception):
    pass


def spawn(command, environment=None, accept=(0,)):
    """Run a command to its end. Times include its start and the reaping of all it waited for."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    started = time.perf_counter_ns()
    try:
        child = os.posix_spawn(command[0], command, {**ENVIRONMENT, **(environment or {})}, file_actions=actions)
    except OSError as error:
        raise RunFailed(f"{command[0]}: {error.strerror}") from error
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter_ns() - started
    code = os.waitstatus_to_exitcode(status)
    if code not in accept:
        raise RunFailed(f"exit status {code}")
    return Sample(wall / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss)


def timed_call(function):
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    function()
    return Sample((time.perf_counter_ns() - wall) / 1e6, (time.process_time_ns() - cpu) / 1e6, 0)


def run_once(program):
    if program.prepare:
        program.prepare()
    if callable(program.command):
        return timed_call(program.command)
    return spawn(program.command, program.environment, program.accept)


def interleave(programs, rounds, budget_s, fewest):
    """Warm each program up once, then run all in turn. A program that would need more than
    `budget_s` for all rounds runs in evenly spread ones only, but in `fewest` at least. One that
    fails is left out from there on, and says so in its row."""
    shuffle = random.Random(1)
    shares = {}
    for program in programs:
        try:
            # With little to do, one run does not warm up caches and the CPU's clock.
            cost = run_once(program).wall_ms
            if cost < 100:
                cost = min(run_once(program).wall_ms for _ in range(2))
        except RunFailed as failure:
            program.failure = str(failure)
            continue
        affordable = int(budget_s * 1e3 / max(cost, 0.01))
        shares[program.name] = min(rounds, max(min(fewest, rounds), affordable))
    for number in range(rounds):
        due = [program for program in programs if not program.failure
               and (number + 1) * shares[program.name] // rounds > number * shares[program.name] // rounds]
        shuffle.shuffle(due)
        for program in due:
            try:
                program.rounds[number] = run_once(program)
            except RunFailed as failure:
                program.failure = str(failure)
    return programs


def peaks(command, environment=None):
    """The peak memory (VmHWM, in kB) of a command's first process and of each of its children, by looking again and
    again: of a process that ends within a millisecond after its peak, the last of it may be missed. What
    wait4 says is of no use for the first, to which Linux counts the memory of whoever started it."""
    null = os.open(os.devnull, os.O_RDWR)
    child = os.posix_spawn(command[0], command, {**ENVIRONMENT, **(environment or {})},
                           file_actions=[(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)])
    os.close(null)
    found = {}
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        pending = [child]
        while pending:
            process = pending.pop()
            try:
                with open(f"/proc/{process}/status", "rb") as file:
                    for line in file:
                        if line.startswith(b"VmHWM:"):
                            found[process] = max(found.get(process, 0), int(line.split()[1]))
                with open(f"/proc/{process}/task/{process}/children", "rb") as file:
                    pending += map(int, file.read().split())
            except (OSError, IndexError):
                continue
        time.sleep(0.0005)
    first = found.pop(child, 0)
    return first, max(found.values(), default=0)


@dataclass
class Summary:
    """`n` values: median, quartiles, extremes."""

    n: int
    median: float
    q1: float
    q3: float
    low: float
    high: float


def summarise(values):
    if not values:
        return None
    if len(values) == 1:
        return Summary(1, *[values[0]] * 5)
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(len(values), median, q1, q3, min(values), max(values))


def paired(program, baseline, combine, what):
    """`combine(program, baseline)`, round by round, over the rounds in which both ran."""
    return summarise([combine(getattr(sample, what), getattr(baseline.rounds[number], what))
                      for number, sample in program.rounds.items() if number in baseline.rounds])


def ratio(program, baseline, what="wall_ms"):
    # Very short CPU times may be accounted as none at all.
    return paired(program, baseline, lambda a, b: a / max(b, 0.001), what)


def difference(program, baseline, what="wall_ms"):
    return paired(program, baseline, lambda a, b: a - b, what)
