"""A file system as a network has it: each question that a client has is a round trip, and is counted.

    counting_fs.py SOURCE MOUNT COUNTS SECONDS [LATE]

Passes everything on to SOURCE, and writes the number of questions of each kind to the file COUNTS whenever
MOUNT/.counts-ANYTHING is looked at, which starts counting anew. The kernel keeps what it has been told for so many SECONDS, as
an NFS client keeps attributes, so that a question is asked once; a new mount knows nothing. Answers come LATE seconds after
the questions, each for itself; the file COUNTS.at-once has how many questions were waiting for theirs at a time, at most.
"""

import os
import sys
import threading
import time
from collections import Counter

import fusepy


class CountingFileSystem(fusepy.Operations):
    def __init__(self, source, counts, late):
        self.source = source
        self.counts_file = counts
        self.counts = Counter()
        self.late = late
        self.mutex = threading.Lock()
        self.waiting = self.most_waiting = 0

    def __call__(self, operation, path, *arguments):
        if path.startswith("/.counts"):
            with open(self.counts_file, "w") as file:
                for name, count in sorted(self.counts.items()):
                    print(name, count, file=file)
            with open(self.counts_file + ".at-once", "w") as file:
                print(self.most_waiting, file=file)
            self.counts.clear()
            raise fusepy.FuseOSError(2)
        # What has no place in NFS's protocol, or is answered by the client itself.
        if operation not in ("init", "destroy", "flush", "release", "releasedir", "opendir", "statfs", "ioctl"):
            with self.mutex:
                self.counts[operation] += 1
                self.waiting += 1
                self.most_waiting = max(self.waiting, self.most_waiting)
            time.sleep(self.late)
            with self.mutex:
                self.waiting -= 1
        return super().__call__(operation, self.source + path, *arguments)

    def getattr(self, path, handle=None):
        stat = os.lstat(path)
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_ino")
        attributes = {name: getattr(stat, name) for name in names}
        for name in ("atime", "mtime", "ctime"):
            attributes["st_" + name] = getattr(stat, f"st_{name}_ns")
        return attributes

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def readlink(self, path):
        return os.readlink(path)

    def open(self, path, flags):
        return os.open(path, flags)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def release(self, path, handle):
        os.close(handle)

    use_ns = True


source, mount, counts, *times = sys.argv[1:]
seconds, late = map(float, [*times, "0"][:2])
fusepy.FUSE(
    CountingFileSystem(os.path.abspath(source), counts, late),
    mount,
    foreground=True,
    nothreads=False,
    allow_other=True,
    ro=True,
    entry_timeout=seconds,
    attr_timeout=seconds,
    negative_timeout=seconds,
    direct_io=seconds == 0,
)
