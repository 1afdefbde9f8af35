"""A file system that answers late: passes everything on to another directory, each question some time later.

    latency_fs.py SOURCE MOUNT MILLISECONDS

Questions are answered at once, each on a thread of its own, so that who asks several at a time waits once. The kernel keeps nothing.
"""

import os
import sys
import time

import fusepy


class LateFileSystem(fusepy.Operations):
    use_ns = True

    def __init__(self, source, seconds):
        self.source = source
        self.seconds = seconds

    def __call__(self, operation, path, *arguments):
        if operation in ("lookup", "getattr", "open", "read", "readdir", "readlink"):
            time.sleep(self.seconds)
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


source, mount, milliseconds = sys.argv[1:]
fusepy.FUSE(LateFileSystem(os.path.abspath(source), float(milliseconds) / 1e3), mount, foreground=True, nothreads=False,
            allow_other=True, ro=True, entry_timeout=0, attr_timeout=0, negative_timeout=0)
