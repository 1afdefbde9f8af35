"""Mutated indexes, read by the quick reader: `quick_mutations.py COUNT SEED`.

Half are damaged by accident: then what is answered has to be right. Half are made on purpose, with
right checksums: then any answer is as good as the index. In no case anything is raised, or costs
more than 64 MiB of memory or a second of processor time. At least every fifth is answered.
"""

import os
import random
import resource
import signal
import sys

from mutations import MEMORY, SECONDS, damaged, fields, lied, too_long, word
from quick_answers import load_quick
from support import Case


class Tree(Case):
    def runTest(self):
        pass

    def make(self):
        self.dist("one", "alpha", "[g]\na = alpha:a\nb = alpha:b [x]\n[h]\nc = alpha\n")
        self.dist("one", "Old", "[g]\no = old:o\n", ending=".egg-info")
        self.dist("two", "alpha", "[g]\nhidden = alpha:hidden\n", "9")
        many = "".join(["name%d = package.module%d:attribute\n" % (n, n) for n in range(120)])
        self.dist("two", "beta", "[g]\nz = beta:z\n[many]\n" + many)
        return self.refresh("one", "two")


QUESTIONS = (
    lambda quick: quick.entry_points("g"),
    lambda quick: quick.entry_points("many"),
    lambda quick: quick.entry_points(),
    lambda quick: quick.distributions(),
    lambda quick: quick.distribution("beta"),
    lambda quick: quick.distribution("gamma"),
)


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    quick = load_quick()
    tree = Tree()
    tree.setUp()
    try:
        index = tree.make()
        with open(index, "rb") as file:
            whole = file.read()
        places = fields(whole)
        assert word(whole, 0) == 0x63706589
        right = [ask(quick) for ask in QUESTIONS]
        sizes = [None if found is None else len(found) for found in right]
        tree.assertEqual(sizes, [4, 120, 125, 4, 1, 0])
        with open("/proc/self/statm") as file:
            memory = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        signal.signal(signal.SIGPROF, too_long)
        answered = 0
        for number in range(count):
            choose = random.Random("%d:%d" % (seed, number))
            by_accident = number % 2 == 0
            content = damaged(whole, choose) if by_accident else lied(whole, places, choose)
            os.environ["EPCACHE"] = level = choose.choice(("auto", "fast", "strict", "trust"))
            with open(index + ".new", "wb") as file:
                file.write(content)
            os.rename(index + ".new", index)
            quick.forget()
            numbers = choose.sample(range(len(QUESTIONS)), choose.choice((1, 1, 2)))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                found = [QUESTIONS[at](quick) for at in numbers]
            except BaseException:
                sys.stderr.write("mutation %d of seed %d, %s\n" % (number, seed, level))
                raise
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            answered += found != [None] * len(found)
            if by_accident:
                for at, one in zip(numbers, found):
                    tree.assertIn(one, (right[at], None), (number, seed, level))
        print("%d mutated indexes, seed %d: %d were answered from" % (count, seed, answered))
        tree.assertGreater(answered, count / 5)
    finally:
        tree.doCleanups()


if __name__ == "__main__":
    main()
