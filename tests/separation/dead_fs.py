"""A file server that answers nothing: who asks about anything at MOUNT waits until this program is killed.

    dead_fs.py MOUNT REACHED [killable]

The first question makes the file REACHED appear. As with a network mount whose server is gone, no signal ends the
wait; with `killable`, SIGKILL does, as on NFS: then the server does not even say that it is there.
"""

import ctypes
import os
import struct
import sys
import time

INIT = 26
mount, reached = sys.argv[1:3]
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
if libc.mount(b"dead", mount.encode(), b"fuse", 6, options.encode()):
    sys.exit(f"no FUSE mount: {os.strerror(ctypes.get_errno())}")
if "killable" in sys.argv:
    time.sleep(3600)
while True:
    request = os.read(device, 1 << 20)
    _, operation, unique = struct.unpack_from("IIQ", request)
    if operation == INIT:
        answer = struct.pack("IIIIHHIIHHII28x", 7, 31, 0, 0, 1, 1, 4096, 1, 1, 0, 0, 0)[:64]
        os.write(device, struct.pack("IiQ", 16 + len(answer), 0, unique) + answer)
    else:
        open(reached, "w").close()
