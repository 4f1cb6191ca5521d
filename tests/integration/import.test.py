#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""tolseyctl import: the configurations that Debian ships, each trap of the old
programs, and input that is no configuration. Every line ends in the report;
what is written passes tolseyd --check-config."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import glob
import random
import re
import shutil
import subprocess
import tempfile

import tolsey
from tap import case, check, eq, main, shared, skip

tolsey.REFERENCE and sys.exit("not for the reference server")

PROGRAMS = os.path.join(tolsey.find_build(), "src")
MODULES = os.path.join(tolsey.find_build(), "modules")
SUMMARY = re.compile(r"^(\d+) lines: (\d+) translated, (\d+) the same without "
                     r"them, (\d+) not needed, (\d+) DIFFER\.$", re.M)


class Folder:
    name = "folder"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tolsey-import-")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def close(self):
        shutil.rmtree(self.dir)


folder = shared(Folder)


def checked(path):
    run = subprocess.run([os.path.join(PROGRAMS, "tolseyd"), "--check-config",
                          "-c", path], capture_output=True, text=True,
                         timeout=30)
    check(run.returncode == 0, "--check-config: %s%s" % (
        run.stdout, run.stderr))


class Result:
    """The lines of the configuration, and of the report."""

    def __init__(self, conf, report):
        self.conf = [x.strip() for x in conf.split("\n")
                     if x and not x.startswith("#")]
        self.text = conf
        self.report = re.sub(r"\n\s+", " ", report)
        self.counts = [int(n) for n in SUMMARY.search(report).groups()]

    def says(self, *words):
        for word in words:
            check(word in self.report, "%r is not in the report:\n%s" % (
                word, self.report))

    def has(self, *lines):
        for line in lines:
            check(line in self.conf, "%r is not in %s" % (line, self.conf))

    def lacks(self, word):
        check(not any(x.lower().startswith(word.lower()) for x in self.conf),
              "%r is in %s" % (word, self.conf))


def lines_of(data):
    """Lines that are neither empty nor comments."""
    return [x for x in data.split(b"\n")
            if x.strip(b" \t\r") and not x.lstrip(b" \t\r").startswith(b"#")]


def convert(*paths, code=0):
    f = folder()
    for name in ("out.conf", "report"):
        if os.path.exists(f.path(name)):
            os.unlink(f.path(name))
    run = subprocess.run(
        [os.path.join(PROGRAMS, "tolseyctl"), "import", "-o",
         f.path("out.conf"), "-r", f.path("report")] + list(paths),
        capture_output=True, timeout=60)
    eq(run.returncode, code, "exit status (%s)" % run.stderr[-1000:])
    if code:
        return run.stderr.decode("utf-8", "replace")
    checked(f.path("out.conf"))
    with open(f.path("out.conf"), errors="surrogateescape") as g, \
            open(f.path("report"), errors="surrogateescape") as h:
        got = Result(g.read(), h.read())
    eq(sum(got.counts[1:]), got.counts[0], "ends of lines")
    return got


def of(text, name="c-icap.conf"):
    """Every line of the text must have exactly one end in the report."""
    got = convert(folder().write(name, text))
    data = text if isinstance(text, bytes) else text.encode()
    if b"Include" not in data and b"\\\n" not in data:
        eq(got.counts[0], len(lines_of(data)), "lines")
    return got


# ---- what is shipped ----

@case()
def debian():
    names = ["c-icap.conf", "virus_scan.conf", "clamav_mod.conf",
             "clamd_mod.conf"]
    paths = ["/etc/c-icap/" + n for n in names]
    if not all(os.path.exists(p) for p in paths):
        skip("c-icap's configuration is not installed")
    got = convert(*paths)
    want = sum(len(lines_of(open(p, "rb").read())) for p in paths)
    eq(got.counts[0], want, "lines")
    check("known" not in got.report and "does not have" not in got.report,
          "a directive that Debian ships is not known:\n" + got.report)
    got.has("Listen 0.0.0.0:1344", "BodyTimeout 300s", "<Service avscan>",
            "<Service echo>", "MaxKeepAliveRequests 100")
    got.lacks("MaxObjectSize")
    got.lacks("MaxScanSize")
    got.says("virus_scan.MaxObjectSize 5M DIFFERS: larger objects passed "
             "unscanned",
             "virus_scan.ScanFileTypes", "only these types were scanned",
             "clamav_mod.MaxScanSize 100M DIFFERS", "by mistake clamav_mod "
             "sets all flags", "DIFFERS, without virus_scan.PassOnError")


@case()
def debian_commented_lines():
    """All that the shipped files show as an example is known."""
    text, known = b"", b""
    for path in sorted(glob.glob("/etc/c-icap/*.conf")):
        for line in open(path, "rb"):
            m = re.match(rb"#\s+((?:[a-z_]+_(?:mod|scan)\.)?[A-Z]\w+ \S.*)$",
                         line)
            tag = re.match(rb"# TAG: (\S+)", line)
            if tag:
                known = tag.group(1)
            elif m and m.group(1).split()[0] == known:
                text += m.group(1) + b"\n"
    if not text:
        skip("c-icap's configuration is not installed")
    got = of(text)
    unknown = [x for x in got.report.split("\n")
               if "no directive that is known" in x]
    eq(unknown, [], "unknown")


@case()
def clamd_conf():
    got = of("LocalSocket /var/run/clamav/clamd.ctl\nUser clamav\n"
             "ScanMail true\nMaxFileSize 25M\nMaxScanSize 5000M\n"
             "DetectPUA yes\nMaxThreads 12\nSelfCheck 3600\nFoo bar\n"
             "AlertEncrypted yes\nStreamMaxLength 25M\nBytecode true\n"
             "DatabaseDirectory /var/lib/clamav\nExcludePUA NetTool\n"
             "ExcludePUA PWTool\n", "clamd.conf")
    got.has("SelfCheck 3600", "DetectPUA yes", "OnPua block",
            "OnEncrypted block", "ExcludePUA NetTool", "ExcludePUA PWTool")
    got.lacks("MaxFileSize")
    got.says("MaxThreads 12 DIFFERS: use ScanWorkers", "Foo bar DIFFERS",
             "ScanMail true the same", "MaxFileSize 25M DIFFERS")


# ---- c-icap ----

@case()
def addresses():
    of("Port 192.0.2.1:1345\nPort [::1]:99\n").has(
        "Listen 192.0.2.1:1345", "Listen [::1]:99")
    got = of("Port 0\nPort x\nPort 70000\nPort\n")
    eq(got.counts[4], 4, "reported")
    got.lacks("Listen")
    f = folder()
    if shutil.which("openssl"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=x", "-keyout", f.path("k.pem"),
             "-out", f.path("c.pem")], check=True, capture_output=True)
        os.chmod(f.dir, 0o755)
        os.chmod(f.path("k.pem"), 0o644)
        got = of("TlsPort 1345 cert=%s key=%s client_ca=%s "
                 "tls_options=!SSL_OP_ALL\n" % (
                     f.path("c.pem"), f.path("k.pem"), f.path("c.pem")))
        got.has("ListenTls 0.0.0.0:1345", "TlsCertificate " + f.path("c.pem"),
                "TlsClientCert require")
        got.says("not taken over: tls_options=!SSL_OP_ALL")
    of("TlsPort 1345\n").says("there is no TLS")


@case()
def who_may_ask():
    got = of("acl localnet src 10.0.0.0/255.0.0.0 192.168.1.0/24\n"
             "acl one src 192.0.2.7\nacl all src 0.0.0.0/0.0.0.0\n"
             "icap_access allow localnet\nicap_access allow one\n"
             "icap_access deny all\n")
    got.has("AllowClients 10.0.0.0/8 192.168.1.0/24 192.0.2.7")
    eq(got.counts[4], 0, "differ")
    of("icap_access allow all\n").lacks("AllowClients")
    # what cannot be translated must not open the door
    for text in ("acl a src 10.0.0.0/8\nicap_access deny a\n"
                 "icap_access allow all\n",
                 "acl a src 10.0.0.0/8\nicap_access allow a\n",
                 "acl a src 10.0.0.0/8\nicap_access allow !a\n"
                 "icap_access deny all\n",
                 "acl a src 10.0.0.0/8\nacl b type OPTIONS\n"
                 "icap_access allow a b\nicap_access deny all\n",
                 "acl u auth *\nicap_access allow u\nicap_access deny all\n",
                 "icap_access allow nosuch\nicap_access deny all\n",
                 "acl a src 10.0.0.0/255.0.255.0\nicap_access allow a\n"
                 "icap_access deny all\n"):
        got = of(text)
        got.has("AllowClients 127.0.0.0/8 ::1 unix")
        got.says("only this machine may ask")


@case()
def services():
    got = of("Service antivirus_module virus_scan.so\n"
             "Service url_check_module srv_url_check.so\n"
             "ServiceAlias av virus_scan?mode=vir&allow204=off&x=y\n"
             "ServiceAlias avscan virus_scan?allow204=on&sizelimit=off\n"
             "ServiceAlias other url_check\nServiceAlias e echo\n"
             "ServiceAlias a/b virus_scan\nDefaultService echo\n"
             "ServerAdmin help@example.org\n")
    got.has("Alias av", "Alias e", 'Contact "help@example.org"')
    eq(got.conf.count("Default on"), 1, "defaults")
    got.says("srv_url_check.so DIFFERS: tolsey has no such service",
             "no page that shows progress", "x=y means nothing here",
             "other url_check DIFFERS", "a/b virus_scan DIFFERS")
    got = of("Module common clamd_mod.so\nModule logger sys_logger.so\n"
             "url_check.LookupTableDB x\n")
    got.says("url_check is another module", "LogFile syslog",
             "clamd.conf: give it")


@case()
def switches():
    got = of("virus_scan.PassOnError on\nclamav_mod.ArchiveBlockEncrypted on\n"
             "clamav_mod.OLE2BlockMacros on\nclamav_mod.DetectPUA on\n"
             "clamav_mod.IncludePUA NetTool PWTool\n"
             "clamav_mod.HeuristicScanPrecedence on\n"
             "clamav_mod.OfficialDatabaseOnly on\n"
             "clamav_mod.MaxFilesInArchive 0\nclamav_mod.MaxRecLevel 5\n"
             "virus_scan.Allow206 on\nvirus_scan.PreviewSize 1024\n"
             "clamav_mod.DetectBrokenExecutables maybe\n"
             "virus_scan.TransferIgnore gif\nvirus_scan.TransferPreview *\n"
             "srv_clamav.ClamAvMaxRecLevel 4\nDebugLevel 5\n"
             "SupportBuggyClients on\nMaxServers 100\nThreadsPerChild 50\n"
             "KeepAliveTimeout -1\nFakeAllow204 off\n")
    got.has("OnFailed pass", "OnTimeout pass", "AlertEncryptedArchive yes",
            "OnEncrypted block", "AlertOLE2Macros yes", "OnSuspicious block",
            "DetectPUA yes", "OnPua block", "IncludePUA NetTool PWTool",
            "HeuristicScanPrecedence yes", "OfficialDatabaseOnly on",
            "Allow206 on", "PreviewSize 1024", "LogLevel debug",
            "LenientLineEnds on", "MaxConnections 5000")
    got.lacks("MaxRecursion")
    got.says("wrong place", "MaxFilesInArchive 0 DIFFERS: no limit was set", "ClamAvMaxRecLevel 4 DIFFERS: what was nested",
             "maybe DIFFERS: neither on nor off",
             "KeepAliveTimeout -1 DIFFERS")


@case()
def values():
    """Out of range, twice, in quotes, continued, with a comment behind."""
    got = of('KeepAliveTimeout 10\nKeepAliveTimeout 20\nkeepalivetimeout 600\n'
             'Timeout 99999999\nTmpDir "/a b\\"c#d"\n'
             "MaxKeepAliveRequests 5 6\nMaxKeepAliveRequests 18446744073709551"
             "616\nvirus_scan.PreviewSize 99999999999\n")
    # the last one counts
    eq([x for x in got.conf if x.startswith("KeepAliveTimeout")],
       ["KeepAliveTimeout 600s"])
    got.says("Timeout 99999999 DIFFERS: not taken over",
             "PreviewSize 99999999999 DIFFERS: not taken over")
    got.has('SpoolDirectory "/a b\\x22c#d"')
    got = of("clamav_mod.IncludePUA NetTool \\\n  PWTool\nPort 1344\n")
    got.has("IncludePUA NetTool PWTool", "Listen 0.0.0.0:1344")
    got.says("c-icap.conf:3: Port")


@case()
def includes():
    f = folder()
    f.write("inc/a.conf", "KeepAliveTimeout 10\nInclude c-icap.conf\n")
    f.write("inc/b.conf", "DebugLevel 7\n")
    main_file = f.write("inc/c-icap.conf", "Include a.conf\nInclude no.conf\n"
                        "Include b*.conf\nInclude .\n")
    got = convert(main_file, f.path("inc/b.conf"))
    eq(got.counts[0], 7, "lines")
    got.has("KeepAliveTimeout 10s", "LogLevel debug")
    got.says("Include no.conf DIFFERS: it cannot be read", "b.conf:1")
    convert(f.path("inc/none.conf"), code=66)
    convert(f.path("inc"), code=66)
    os.mkfifo(f.path("fifo"))
    check("fifo" in convert(f.path("fifo"), code=66), "fifo")
    convert("/dev/zero", code=66)


# ---- squidclamav ----

@case()
def squidclamav():
    f = folder()
    patterns = f.write("hosts", "a\nb\n")
    got = of("maxsize 5000000\nredirect http://x/cgi?a\n"
             "clamd_local /var/run/clamav/clamd.ctl\ntimeout 1\nlogredir 0\n"
             "dnslookup 1\nsafebrowsing 0\nmultipart 0\n"
             "abort ^.*\\.(ico|gif)$\nabortcontent ^image/.*$\n"
             "whitelist .*\\.clamav.net\nblacklist (unclosed\n"
             "blacklist evil\\.example\nwhitelist %s\n"
             "trustclient 10.0.0.1 and more\nscan_mode ScanNothingExcept\n"
             "enable_libarchive 1\nban_max_entries 100\nrecoverpath /x\n"
             "trust_cache 1\nnonsense 1\nmaxredir\nabort %s\nabort\n" % (
                 patterns, "x" * 300), "squidclamav.conf")
    got.lacks("MaxFiles")
    got.lacks("MaxObjectSize")
    got.says("maxsize 5000000 DIFFERS: objects of this size and above passed",
             "blacklist (unclosed DIFFERS: not a regular expression",
             "blacklist evil\\.example DIFFERS: with ScanNothingExcept",
             "ban_max_entries 100 DIFFERS", "MaxFiles is the opposite",
             "All lines of that file",
             "and more DIFFERS: squidclamav read the first word",
             "squidclamav read the first 255 bytes only",
             "abort DIFFERS: it has no value",
             "ScanNothingExcept DIFFERS", "Content-Length at all",
             "nonsense 1 DIFFERS: no directive that is known")
    # by its lines, whatever its name
    of("maxsize 0\nwhitelist x\n", "my.conf").says(
        "objects of any size were scanned")
    of("maxsize 5x\n", "squidclamav.conf").says("not a size")


# ---- what is no configuration ----

@case()
def hostile_input():
    dice = random.Random(4711)
    for i in range(30):
        data = dice.randbytes(dice.randrange(5000))
        got = of(data, "noise%d" % (i % 3))
        check("\x1b" not in got.text, "an escape in the configuration")
    of(b"Port 1\0344\nPort \x1b[2J\n \t#x\nPort \"1344\n")
    of(b"a" * 1000000 + b"\nPort 1344\n").has("Listen 0.0.0.0:1344")
    of(b"Port " + b"x " * 1000 + b"\nPort 1344")
    of(b"\n" * 100000 + b"TmpDir /x\r\n").has("SpoolDirectory /x")
    # a value must not become a second line, or a block
    got = of("ServerAdmin \"a\\nUser root\"\nServerAdmin \"</Service>\"\n"
             "TmpDir \"/x\ty <Service z>\"\n")
    got.lacks("User")
    eq(sum(x.startswith("<Service") for x in got.conf), 2, "blocks")
    check("too large" in convert(folder().write("big", b"a\n" * 3000000),
                                 code=66).lower(), "a large file")
    of("", "empty.conf")


@case()
def files():
    f = folder()
    source = f.write("c-icap.conf", "KeepAliveTimeout 10\n")
    run = subprocess.run([os.path.join(PROGRAMS, "tolseyctl"), "import",
                          source], capture_output=True, text=True)
    check("KeepAliveTimeout 10s" in run.stdout and "translated:" in
          run.stderr, run.stderr)
    there = f.write("there", "mine\n")
    args = [os.path.join(PROGRAMS, "tolseyctl"), "import", "-o", there, source]
    eq(subprocess.run(args, capture_output=True).returncode, 73, "not forced")
    eq(open(there).read(), "mine\n", "what was there")
    args.insert(2, "-f")
    eq(subprocess.run(args, capture_output=True).returncode, 0, "forced")
    eq(subprocess.run(args[:2], capture_output=True).returncode, 64, "no file")


main()
