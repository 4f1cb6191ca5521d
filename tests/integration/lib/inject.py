# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""System calls made inside another process, as it is confined.

What a hijacked process could do is tried from within it: it is stopped by
ptrace, its registers are set to a call, one instruction (a `syscall` of the
kernel's own code page) is stepped, and everything is put back. A call that the
process's filter punishes with death ends it, which is an answer as well.
"""
import ctypes
import os
import platform
import re
import signal

from tap import skip

PTRACE_PEEKDATA, PTRACE_POKEDATA = 2, 5
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS = 9, 12, 13
PTRACE_ATTACH, PTRACE_DETACH = 16, 17

# x86-64
NUMBERS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "mmap": 9,
    "mprotect": 10, "dup": 32, "getpid": 39, "socket": 41, "connect": 42,
    "bind": 49, "clone": 56, "fork": 57, "execve": 59, "kill": 62,
    "truncate": 76, "mkdir": 83, "unlink": 87, "symlink": 88, "chmod": 90,
    "ptrace": 101, "setuid": 105, "mknod": 133, "prctl": 157, "chroot": 161,
    "mount": 165, "tkill": 200, "tgkill": 234, "openat": 257, "unshare": 272,
    "process_vm_readv": 310, "memfd_create": 319, "bpf": 321, "execveat": 322,
    "io_uring_setup": 425, "clone3": 435}


class Regs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
        "rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                         ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, pid, address=None, data=None):
    ctypes.set_errno(0)
    value = _libc.ptrace(request, pid, address, data)
    error = ctypes.get_errno()
    if value == -1 and error:
        raise OSError(error, "ptrace: " + os.strerror(error))
    return value


class Killed(Exception):
    """The process has ended of this signal."""

    def __init__(self, number):
        super().__init__("killed by signal %d" % number)
        self.signal = number


class Inside:
    """with Inside(pid) as p: p.call("open", b"/etc/passwd", 0) -> result"""

    def __init__(self, pid):
        if platform.machine() != "x86_64":
            skip("system calls are injected on x86-64 only")
        self.pid = pid
        self.ended = False

    def _wait(self):
        while True:
            _, status = os.waitpid(self.pid, 0x40000000)  # __WALL
            if os.WIFSIGNALED(status):
                self.ended = True
                raise Killed(os.WTERMSIG(status))
            if os.WIFEXITED(status):
                self.ended = True
                raise Killed(0)
            number = os.WSTOPSIG(status)
            if number in (signal.SIGSTOP, signal.SIGTRAP):
                return number

    def __enter__(self):
        try:
            _ptrace(PTRACE_ATTACH, self.pid)
        except PermissionError:
            skip("ptrace is not permitted here")
        self._wait()
        self.saved = Regs()
        _ptrace(PTRACE_GETREGS, self.pid, None, ctypes.byref(self.saved))
        self.memory = open("/proc/%d/mem" % self.pid, "r+b", buffering=0)
        self.instruction = self._find_instruction()
        # below the red zone of whatever was going on
        self.stack = (self.saved.rsp - 16384) & ~15
        self.kept = self._peek(self.stack, 8192)
        return self

    def __exit__(self, *_):
        if not self.ended:
            self._poke(self.stack, self.kept)
            _ptrace(PTRACE_SETREGS, self.pid, None, ctypes.byref(self.saved))
        self.memory.close()
        if not self.ended:
            _ptrace(PTRACE_DETACH, self.pid)

    def _peek(self, address, size):
        self.memory.seek(address)
        return self.memory.read(size)

    def _poke(self, address, data):
        self.memory.seek(address)
        self.memory.write(data)

    def _find_instruction(self):
        with open("/proc/%d/maps" % self.pid) as f:
            for line in f:
                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*(libc|vdso)",
                             line)
                if not m:
                    continue
                start, end = int(m.group(1), 16), int(m.group(2), 16)
                at = self._peek(start, end - start).find(b"\x0f\x05")
                if at >= 0:
                    return start + at
        raise AssertionError("no syscall instruction found")

    def call(self, name, *args):
        """The result, negative errno included. bytes go to the stack."""
        regs = Regs.from_buffer_copy(self.saved)
        at, words = self.stack, []
        for arg in args:
            if isinstance(arg, bytes):
                self._poke(at, arg + b"\0")
                words.append(at)
                at += (len(arg) + 16) & ~15
            else:
                words.append(arg & 0xffffffffffffffff)
        words += [0] * (6 - len(words))
        (regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9) = words
        regs.rax = NUMBERS[name]
        regs.orig_rax = 0xffffffffffffffff  # nothing to be restarted
        regs.rip = self.instruction
        _ptrace(PTRACE_SETREGS, self.pid, None, ctypes.byref(regs))
        _ptrace(PTRACE_SINGLESTEP, self.pid)
        self._wait()
        _ptrace(PTRACE_GETREGS, self.pid, None, ctypes.byref(regs))
        value = regs.rax
        return value - (1 << 64) if value >> 63 else value
