"""Starts a program with a filter of system calls around it, as container runtimes have.

    filtered.py NUMBER=ERRNO[,NUMBER=ERRNO]... PROGRAM ARGUMENT...

Each call of these numbers fails with that errno; where it is 0, the call says that it worked and does nothing;
where it is -1, it ends the process.
"""

import ctypes
import os
import struct
import sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2


def instruction(code, k, jump_true=0, jump_false=0):
    return struct.pack("HBBI", code, jump_true, jump_false, k)


program = instruction(LOAD, 0)
for call, errno in (map(int, rule.split("=")) for rule in sys.argv[1].split(",")):
    verdict = KILL if errno < 0 else ERRNO | errno
    program += instruction(EQUAL, call, 0, 1) + instruction(RETURN, verdict)
program += instruction(RETURN, ALLOW)

libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(program)
filter_program = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(buffer)))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, filter_program, 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[2], sys.argv[2:])
