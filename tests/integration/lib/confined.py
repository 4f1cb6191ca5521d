#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Runs a program as a service manager or a container would confine it.

    confined.py unit FILE WRITABLE,... PROGRAM ARGUMENT...
    confined.py container user|root PROGRAM ARGUMENT...
    confined.py without CALL,... PROGRAM ARGUMENT...

unit: what a systemd unit says of capabilities, system calls, namespaces, socket
families, executable memory, limits and the file system, without systemd. Of
the settings that are not emulated `skipped()` knows the names.
container: Docker's default list of refused system calls and its capabilities;
as an ordinary user, or as the container's root. without: those calls fail with
ENOSYS; CALL=NUMBER: when that is their first argument.
"""
import ctypes
import errno
import os
import resource
import subprocess
import sys

ALLOW, KILL = 0x7fff0000, 0x80000000
EQ, MASKED_EQ, NE = 4, 7, 1
CLONE_NEW = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000,
             "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
             "net": 0x40000000}
ALL_NEW = sum(CLONE_NEW.values())
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
PROT_EXEC, PROT_WRITE = 4, 2

# https://docs.docker.com/engine/security/seccomp/: refused without further
# capabilities
DOCKER_REFUSES = """
acct add_key bpf clock_adjtime clock_settime delete_module finit_module
fsconfig fsmount fsopen fspick get_mempolicy init_module io_uring_enter
io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load
keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages
name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open
pivot_root process_vm_readv process_vm_writev quotactl reboot request_key
set_mempolicy setns settimeofday stime swapoff swapon sysfs _sysctl umount
umount2 unshare uselib userfaultfd ustat vhangup vm86 vm86old""".split()
DOCKER_CAPABILITIES = """chown dac_override fsetid fowner mknod net_raw setgid
setuid setfcap setpcap net_bind_service sys_chroot kill audit_write""".split()


def fail_with(number):
    return 0x00050000 | number


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    """A seccomp filter by libseccomp."""

    def __init__(self, default):
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.lib.seccomp_init.argtypes = [ctypes.c_uint32]
        self.lib.seccomp_rule_add_array.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
            ctypes.POINTER(Compare)]
        self.lib.seccomp_load.argtypes = [ctypes.c_void_p]
        self.default = default
        self.context = self.lib.seccomp_init(default)

    def add(self, action, name, *compares):
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0 or action == self.default:
            return  # not of this machine
        array = (Compare * max(1, len(compares)))(*compares)
        code = self.lib.seccomp_rule_add_array(
            self.context, action, number, len(compares), array)
        if code not in (0, -errno.EEXIST):
            raise OSError(-code, "seccomp rule for " + name)

    def load(self):
        if self.lib.seccomp_load(self.context) != 0:
            raise OSError("seccomp_load")


def libc(name, *args):
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


# ---- a unit ----

EMULATED = """CapabilityBoundingSet SystemCallFilter SystemCallErrorNumber
NoNewPrivileges RestrictNamespaces RestrictAddressFamilies
MemoryDenyWriteExecute ProtectSystem PrivateTmp PrivateMounts UMask LimitNOFILE
LimitCORE OOMScoreAdjust""".split()
# What is said to systemd about starting and watching, not about confining.
OF_THE_MANAGER = """Type NotifyAccess ExecStart ExecReload KillMode
TimeoutStopSec Restart RestartSec OOMPolicy RuntimeDirectory
RuntimeDirectoryMode LogsDirectory StateDirectory""".split()


def read_unit(path):
    """Setting -> list of its values' words, over all its lines."""
    out, section = {}, ""
    with open(path) as f:
        for line in f:
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and line[0] != "#":
                name, value = line.split("=", 1)
                out.setdefault(name, []).append(value.split())
    return out


def skipped(path):
    return sorted(set(read_unit(path)) - set(EMULATED) - set(OF_THE_MANAGER))


def expand(words):
    """Names of system calls; groups as systemd knows them."""
    out = set()
    for word in words:
        if not word.startswith("@"):
            out.add(word)
            continue
        text = subprocess.run(
            ["systemd-analyze", "syscall-filter", "--no-pager", word],
            capture_output=True, text=True, check=True).stdout
        inside = [x.strip() for x in text.splitlines()[1:]]
        out |= expand([x for x in inside if x and x[0] != "#"])
    return out


def unit_filters(unit):
    """One filter for each setting, as systemd makes them."""
    allowed = set()
    for words in unit["SystemCallFilter"]:
        if words[0].startswith("~"):
            allowed -= expand([words[0][1:]] + words[1:])
        else:
            allowed |= expand(words)
    error = fail_with(getattr(errno, unit["SystemCallErrorNumber"][0][0]))
    calls = Filter(error)
    # what systemd itself needs to start a program is always permitted
    for name in allowed | {"execve", "exit", "exit_group", "prctl"}:
        calls.add(ALLOW, name)

    refused = ALL_NEW - sum(CLONE_NEW[w] for w in
                            unit["RestrictNamespaces"][0])
    eperm = fail_with(errno.EPERM)
    others = Filter(ALLOW)
    bit = 1
    while bit <= refused:
        if refused & bit:
            for name in ("unshare", "clone"):
                others.add(eperm, name, Compare(0, MASKED_EQ, bit, bit))
        bit <<= 1
    others.add(fail_with(errno.ENOSYS), "clone3")
    others.add(eperm, "setns")
    allowed = {FAMILIES[w] for w in unit["RestrictAddressFamilies"][0]}
    for family in range(0, 50):
        if family not in allowed:
            others.add(fail_with(errno.EAFNOSUPPORT), "socket",
                       Compare(0, EQ, family))
    both = PROT_EXEC | PROT_WRITE
    others.add(eperm, "mmap", Compare(2, MASKED_EQ, both, both))
    others.add(eperm, "mprotect", Compare(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
    others.add(eperm, "pkey_mprotect",
               Compare(2, MASKED_EQ, PROT_EXEC, PROT_EXEC))
    return [calls, others]


class MountAttr(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in (
        "attr_set", "attr_clr", "propagation", "userns_fd")]


def read_only_but(writable):
    """ProtectSystem=strict, PrivateTmp=yes for /var/tmp."""
    at_recursive, rdonly, private = 0x8000, 1, 1 << 18
    bind, rec = 4096, 16384
    libc("unshare", CLONE_NEW["mnt"])
    libc("mount", None, b"/", None, rec | private, None)
    for path in writable:
        libc("mount", path.encode(), path.encode(), None, bind | rec, None)
    change = MountAttr(attr_set=rdonly)
    libc("mount_setattr", -100, b"/", at_recursive, ctypes.byref(change),
         ctypes.sizeof(change))
    change = MountAttr(attr_clr=rdonly)
    for path in list(writable) + ["/proc", "/dev", "/sys"]:
        libc("mount_setattr", -100, path.encode(), at_recursive,
             ctypes.byref(change), ctypes.sizeof(change))
    libc("mount", b"tmpfs", b"/var/tmp", b"tmpfs", 0, b"mode=1777")


def as_unit(path, writable):
    unit = read_unit(path)
    filters = unit_filters(unit)
    if unit["ProtectSystem"] == [["strict"]]:
        read_only_but(writable)
    os.umask(int(unit["UMask"][0][0], 8))
    files = int(unit["LimitNOFILE"][0][0])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (min(files, hard), min(files, hard)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write(unit["OOMScoreAdjust"][0][0])
    except PermissionError:
        pass  # only the host's root may
    names = [w.lower().replace("cap_", "") for line in
             unit["CapabilityBoundingSet"] for w in line]
    return names, filters


# ---- a container ----

def as_container():
    refused = Filter(ALLOW)
    for name in DOCKER_REFUSES:
        refused.add(fail_with(errno.EPERM), name)
    bit = 1
    while bit <= ALL_NEW:
        if ALL_NEW & bit:
            refused.add(fail_with(errno.EPERM), "clone",
                        Compare(0, MASKED_EQ, bit, bit))
        bit <<= 1
    refused.add(fail_with(errno.ENOSYS), "clone3")
    return [refused]


def without(names):
    refused = Filter(ALLOW)
    for name in names:
        name, _, value = name.partition("=")
        compares = [Compare(0, EQ, int(value))] if value else []
        refused.add(fail_with(errno.ENOSYS), name, *compares)
    return [refused]


# Of linux/capability.h, in their order.
CAPABILITIES = """chown dac_override dac_read_search fowner fsetid kill setgid
setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw
ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm
block_suspend audit_read perfmon bpf checkpoint_restore""".split()


def keep_capabilities(names):
    """Of those that what is executed from here will have."""
    for number, name in enumerate(CAPABILITIES):
        if name not in names:
            ctypes.CDLL(None).prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP


def become(user):
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def main(kind, what, *rest):
    libc("prctl", 38, 1, 0, 0, 0)  # no new privileges
    if kind == "unit":
        names, filters = as_unit(what, rest[0].split(","))
        keep_capabilities(names)
        rest = rest[1:]
    elif kind == "container":
        filters = as_container()
        if what == "root":
            keep_capabilities(DOCKER_CAPABILITIES)
        else:
            become(65534)
    else:
        filters = without(what.split(","))
    for f in filters:
        f.load()
    os.execv(rest[0], rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
