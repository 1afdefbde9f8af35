"""Mutated indexes: `mutations.py COUNT SEED` asks COUNT of them, and tells how that went.

Half are damaged as disks and people do it: then the answer has to be the right one, whatever was hit. Half are
made by somebody who makes all checksums right again: then any answer is as good as his index. In no case anything
is raised, or costs more than 64 MiB of memory or a second of processor time.
"""

import os
import random
import resource
import shutil
import signal
import sys
import warnings
import types
from binascii import crc32
from unittest import mock

from support import Case, epcache, look_first

WITHOUT_BINASCII = types.SimpleNamespace(modules={}, builtin_module_names=(), path=sys.path, meta_path=sys.meta_path)
for name in ("flags", "prefix", "base_prefix"):
    setattr(WITHOUT_BINASCII, name, getattr(sys, name))
MEMORY = 64 << 20
SECONDS = 1.0


class Tree(Case):
    def runTest(self):
        pass

    def make(self):
        self.dist("one", "alpha", "[g]\na = alpha:a\nb = alpha:b [x]\n[h]\nc = alpha\n")
        self.dist("one", "twin", "[g]\nt = twin:old\n", "1")
        self.dist("one", "Twin", "[g]\nt = twin:new\n", "2")
        self.dist("one", "Old", "[g]\no = old:o\n", ending=".egg-info")
        self.dist("one", "empty", "[g]\ne = empty:e\n", headers=False)
        self.dist("two", "alpha", "[g]\nhidden = alpha:hidden\n", "9")
        many = "".join(["name%d = package.module%d:attribute\n" % (n, n) for n in range(120)])
        self.dist("two", "beta", "[g]\nz = beta:z\n[many]\n" + many)
        return self.refresh("one", "two")


QUESTIONS = ({"group": "g"}, {"group": "many"}, {}, {"group": "g"})


def answer(number):
    found = epcache.entry_points(**QUESTIONS[number])
    if number == 3:
        return [(ep.dist.name, ep.dist.version) for ep in found]
    return [(ep.name, ep.value, ep.group) for ep in found]


def answers(numbers=range(len(QUESTIONS))):
    epcache._state = None
    return [answer(number) for number in numbers]


def first_answer(number):
    """That of the first lookup of a process, or None."""
    if "group" not in QUESTIONS[number]:
        return None
    found = look_first(QUESTIONS[number]["group"])
    if found is None:
        return None
    if number == 3:
        return [(ep.dist.name, ep.dist.version) for ep in found]
    return [(ep.name, ep.value, ep.group) for ep in found]


# ---- by accident


def damaged(whole, choose):
    for _ in range(choose.choice((1, 1, 1, 2, 8))):
        at, length = choose.randrange(len(whole) + 1), choose.choice((1, 1, 2, 4, 16, 64, 512))
        there = whole[at : at + length]
        what = choose.randrange(7)
        if what == 0:
            new = bytes([byte ^ 1 << choose.randrange(8) for byte in there[:1]]) + there[1:]
        elif what == 1:
            new = bytes(len(there))
        elif what == 2:
            new = bytes([choose.randrange(256) for _ in there])
        elif what == 3:
            new = b""
        elif what == 4:
            new = there + there
        elif what == 5:
            start = choose.randrange(len(whole))
            new = whole[start : start + len(there)]
        else:
            return whole[:at]
        whole = whole[:at] + new + whole[at + length :]
    return whole


# ---- on purpose


def word(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def fields(whole):
    """Where numbers stand that say where something is, how long it is, or how many there are."""
    body = 64 + 4 * word(whole, 24)
    directories, records = word(whole, 28), word(whole, 32)
    found = list(range(20, 56, 4))
    found += [body + 16 * row + at for row in range(directories) for at in (0, 4, 8)]
    for record in range(records):
        row = body + 16 * directories + 48 * record
        found += [row + at for at in range(0, 48, 4)]
        segment = body + word(whole, row)
        for size, rows in ((64, 16), (8, 16), (16, 20), (16, 24), (8, 24), (24, 28)):
            count = word(whole, row + rows)
            # A few rows of a long table stand for all.
            for number in list(range(min(count, 6))) + [count - 1] * (count > 6):
                found += [segment + number * size + at for at in range(0, size, 4)]
            segment += size * count
    return found


def lied(whole, places, choose):
    lie = bytearray(whole)
    for _ in range(choose.choice((1, 1, 2, 3, 6))):
        if choose.random() < 0.1:
            at = choose.randrange(64, len(lie))
            lie[at] = choose.choice((0, 0x2E, 0x2F, 0x80, 0xFF, choose.randrange(256)))
            continue
        at = choose.choice(places)
        here = word(whole, at)
        value = choose.choice(
            (0, 1, here + 1, here - 1, 2 * here, len(whole), 4096, 4097, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
            + (word(whole, choose.choice(places)), choose.getrandbits(32), choose.randrange(len(whole)))
        )
        lie[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
    return repaired(lie, word(whole, 24))


def repaired(lie, blocks):
    """The same with right checksums, for so many blocks."""
    start = 64 + 4 * blocks
    for number in range(blocks):
        block = lie[start + 4096 * number : start + 4096 * (number + 1)]
        lie[64 + 4 * number : 68 + 4 * number] = crc32(block).to_bytes(4, "little")
    lie[16:20] = crc32(bytes(lie[20:64])).to_bytes(4, "little")
    return bytes(lie)


def too_long(*_):
    raise AssertionError("took more than a second of processor time")


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    tree = Tree()
    tree.setUp()
    try:
        index = tree.make()
        with open(index, "rb") as file:
            whole = file.read()
        right = answers()
        places = fields(whole)
        tree.assertEqual({answer.how for answer in epcache._state.last[0]}, {"fresh"})
        tree.assertEqual([len(found) for found in right], [6, 120, 127, 6])
        epcache._warning._said = True
        os.environ["EPCACHE"] = "off"
        tree.assertEqual([sorted(found) for found in answers()], [sorted(found) for found in right])

        with open("/proc/self/statm") as file:
            memory = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        signal.signal(signal.SIGPROF, too_long)
        used = first = 0
        for number in range(count):
            choose = random.Random("%d:%d" % (seed, number))
            by_accident = number % 2 == 0
            content = damaged(whole, choose) if by_accident else lied(whole, places, choose)
            level = choose.choice(("auto", "fast", "strict", "trust"))
            os.environ["EPCACHE"] = level
            new = index + ".new"
            with open(new, "wb") as file:
                file.write(content)
            os.rename(new, index)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                numbers = choose.sample(range(len(QUESTIONS)), choose.choice((1, 1, 2)))
                found = answers(numbers)
                if by_accident:
                    tree.assertEqual(found, [right[at] for at in numbers])
                used += not epcache._state.unusable.get(index)
                # With the checksums of the package itself, and with those of binascii.
                with mock.patch.object(epcache, "sys", choose.choice((sys, WITHOUT_BINASCII))):
                    found = [first_answer(at) for at in numbers]
                first += found != [None] * len(found)
                if by_accident:
                    for at, one in zip(numbers, found):
                        tree.assertIn(one, (right[at], None))
            except BaseException:
                sys.stderr.write("mutation %d of seed %d, %s\n" % (number, seed, level))
                kept = "%s-%d-%d" % (os.path.join(os.path.dirname(tree.folder), "epcache-mutation"), seed, number)
                shutil.copy(index, kept)
                sys.stderr.write("kept as %s\n" % kept)
                raise
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
        print("%d mutated indexes, seed %d: %d of them were used, %d at first" % (count, seed, used, first))
    finally:
        tree.doCleanups()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
