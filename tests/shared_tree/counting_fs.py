"""A file system as a network has it: each question that a client has is a round trip, and is counted.

    counting_fs.py SOURCE MOUNT COUNTS SECONDS

Passes everything on to SOURCE, and writes the number of questions of each kind to the file COUNTS whenever
MOUNT/.counts-ANYTHING is looked at, which starts counting anew. The kernel keeps what it has been told for so many SECONDS, as
an NFS client keeps attributes, so that a question is asked once; a new mount knows nothing.
"""

import os
import sys
from collections import Counter

import fusepy


class CountingFileSystem(fusepy.Operations):
    def __init__(self, source, counts):
        self.source = source
        self.counts_file = counts
        self.counts = Counter()

    def __call__(self, operation, path, *arguments):
        if path.startswith("/.counts"):
            with open(self.counts_file, "w") as file:
                for name, count in sorted(self.counts.items()):
                    print(name, count, file=file)
            self.counts.clear()
            raise fusepy.FuseOSError(2)
        # What has no place in NFS's protocol, or is answered by the client itself.
        if operation not in ("init", "destroy", "flush", "release", "releasedir", "opendir", "statfs", "ioctl"):
            self.counts[operation] += 1
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


source, mount, counts, seconds = sys.argv[1:]
seconds = float(seconds)
fusepy.FUSE(
    CountingFileSystem(os.path.abspath(source), counts),
    mount,
    foreground=True,
    nothreads=True,
    allow_other=True,
    ro=True,
    entry_timeout=seconds,
    attr_timeout=seconds,
    negative_timeout=seconds,
    direct_io=seconds == 0,
)
