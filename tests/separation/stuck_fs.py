"""A file server that dies in the middle of an answer: reads of one file never end, everything else works.

    stuck_fs.py SOURCE MOUNT FILE REACHED

Shows SOURCE at MOUNT. Who reads /FILE makes the file REACHED appear, and waits until this program is killed: as
with a network mount whose server is gone, no signal ends that wait.
"""

import os
import sys
import time

import fusepy


class StuckFileSystem(fusepy.Operations):
    def __init__(self, source, stuck, reached):
        self.source = source
        self.stuck = stuck
        self.reached = reached

    def getattr(self, path, handle=None):
        stat = os.lstat(self.source + path)
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_mtime", "st_ctime")
        return {name: getattr(stat, name) for name in names}

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(self.source + path)]

    def open(self, path, flags):
        return os.open(self.source + path, flags)

    def read(self, path, size, offset, handle):
        if path == self.stuck:
            open(self.reached, "w").close()
            time.sleep(3600)
        return os.pread(handle, size, offset)

    def release(self, path, handle):
        os.close(handle)


source, mount, stuck, reached = sys.argv[1:]
fusepy.FUSE(
    StuckFileSystem(os.path.abspath(source), "/" + stuck, os.path.abspath(reached)),
    mount,
    foreground=True,
    allow_other=True,
    default_permissions=True,
    ro=True,
)
