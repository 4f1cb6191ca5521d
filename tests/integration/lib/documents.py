# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Files that a scanner cannot look into, or that it has doubts about: encrypted
archives and documents, documents with macros, broken ones.

What is here as text was made by the usual programs with the password "secret";
the rest is put together at run time.
"""
import base64
import io
import struct
import zipfile

# zip -P (ZipCrypto)
ZIP = base64.b64decode(
    "UEsDBBQAAQAAACYWfF3aiUmbGAAAAAwAAAAFAAAAdC50eHRMnoTjLVcGVMOulAB+JDvi"
    "Y1oqW+WaRWJQSwECPwMUAAEAAAAmFnxd2olJmxgAAAAMAAAABQAkAAAAAAAAACCApIEA"
    "AAAAdC50eHQKACAAAAAAAAEAGAA4iioM437dAQAAAAAAAAAAAAAAAAAAAABQSwUGAAAA"
    "AAEAAQBXAAAAOwAAAAAA")
# 7z -tzip -mem=AES256
ZIP_AES = base64.b64decode(
    "UEsDBDMAAQBjACYWfF0AAAAAKAAAAAwAAAAFAAsAdC50eHQBmQcAAgBBRQMAAA/u6SSE"
    "DJpDduzElYvvsFve1TlPcTQZMTeMpaXAef0KMnBGd1BG471QSwECPwMzAAEAYwAmFnxd"
    "AAAAACgAAAAMAAAABQAvAAAAAAAAACCApIEAAAAAdC50eHQKACAAAAAAAAEAGAA4iioM"
    "437dAQAAAAAAAAAAAAAAAAAAAAABmQcAAgBBRQMAAFBLBQYAAAAAAQABAGIAAABWAAAA"
    "AAA=")
# 7z
SEVENZIP = base64.b64decode(
    "N3q8ryccAAQFbDwsEAAAAAAAAABiAAAAAAAAALxKgN8aC92pjBh8PaLiAxZVeKwXAQQG"
    "AAEJEAAHCwEAAiQG8QcBElMPz6CdKkKKvr8ULUNTNKtViyEhAQABAAwQDAAICgHaiUmb"
    "AAAFARkBABENAHQALgB0AHgAdAAAABQKAQA4iioM437dARUGAQAggKSBAAA=")
# 7z -mhe=on, also the names
SEVENZIP_NAMES = base64.b64decode(
    "N3q8ryccAASTknm8gAAAAAAAAAAuAAAAAAAAAAiYbTZoEqruSZpxNI8eVN7kvaq0llwc"
    "vh0Fkz5aB/czum2lykhUyBSKcCneZMAuwvn9J1cpcd6AIBdD7HW7yHE0mNRHMd87Ao4o"
    "KirRRNTH/8cBiAc+cC4+6jpRedA2+il5CCjG2+9WVkr0RplHbBO9BhOlz8jQId5Jc193"
    "/6DTuqBsIxcGEAEJcAAHCwEAASQG8QcBElMPyoL5uVnRt12vEbQtMm81MQxiCgGqmPI1"
    "AAA=")
# qpdf --encrypt secret owner 40
PDF_RC4 = base64.b64decode(
    "JVBERi0xLjQKJb/3ov4KMSAwIG9iago8PCAvUGFnZXMgMiAwIFIgL1R5cGUgL0NhdGFs"
    "b2cgPj4KZW5kb2JqCjIgMCBvYmoKPDwgL0NvdW50IDEgL0tpZHMgWyAzIDAgUiBdIC9U"
    "eXBlIC9QYWdlcyA+PgplbmRvYmoKMyAwIG9iago8PCAvQ29udGVudHMgNCAwIFIgL01l"
    "ZGlhQm94IFsgMCAwIDkgOSBdIC9QYXJlbnQgMiAwIFIgL1R5cGUgL1BhZ2UgPj4KZW5k"
    "b2JqCjQgMCBvYmoKPDwgL0xlbmd0aCAyOSAvRmlsdGVyIC9GbGF0ZURlY29kZSA+Pgpz"
    "dHJlYW0K62U+D4fj0zcb6FAlJcDb9drYD2jD5Z+gB+6s01BlbmRzdHJlYW0KZW5kb2Jq"
    "CjUgMCBvYmoKPDwgL0ZpbHRlciAvU3RhbmRhcmQgL0xlbmd0aCA0MCAvTyA8OTJmZTBm"
    "NDQ1NGFkNGM5NjQ0NjkzZjMzYzA3Y2I1NGY1ODdkY2UxZTI2ODJmZTllY2VhNjEwN2Ex"
    "ZWY2MzBkZD4gL1AgLTQgL1IgMiAvVSA8MTYyYzA4NGJjMjA0NjQ1YmQ2ZTQwNDVmNTI3"
    "OGFhZWQ0YzgyMGY5OGNmZDM1MDYzNTFkNjBjNjMzMTg1YTZmOD4gL1YgMSA+PgplbmRv"
    "YmoKeHJlZgowIDYKMDAwMDAwMDAwMCA2NTUzNSBmIAowMDAwMDAwMDE1IDAwMDAwIG4g"
    "CjAwMDAwMDAwNjQgMDAwMDAgbiAKMDAwMDAwMDEyMyAwMDAwMCBuIAowMDAwMDAwMjA4"
    "IDAwMDAwIG4gCjAwMDAwMDAzMDcgMDAwMDAgbiAKdHJhaWxlciA8PCAvUm9vdCAxIDAg"
    "UiAvU2l6ZSA2IC9JRCBbPDQxYTgxYzNlMDk3NTAwNmRmZWM2YTdjMDExNTM1MDVjPjw0"
    "MWE4MWMzZTA5NzUwMDZkZmVjNmE3YzAxMTUzNTA1Yz5dIC9FbmNyeXB0IDUgMCBSID4+"
    "CnN0YXJ0eHJlZgo1MTMKJSVFT0YK")
# qpdf --encrypt secret owner 256
PDF_AES = base64.b64decode(
    "JVBERi0xLjcKJb/3ov4KMSAwIG9iago8PCAvRXh0ZW5zaW9ucyA8PCAvQURCRSA8PCAv"
    "QmFzZVZlcnNpb24gLzEuNyAvRXh0ZW5zaW9uTGV2ZWwgOCA+PiA+PiAvUGFnZXMgMiAw"
    "IFIgL1R5cGUgL0NhdGFsb2cgPj4KZW5kb2JqCjIgMCBvYmoKPDwgL0NvdW50IDEgL0tp"
    "ZHMgWyAzIDAgUiBdIC9UeXBlIC9QYWdlcyA+PgplbmRvYmoKMyAwIG9iago8PCAvQ29u"
    "dGVudHMgNCAwIFIgL01lZGlhQm94IFsgMCAwIDkgOSBdIC9QYXJlbnQgMiAwIFIgL1R5"
    "cGUgL1BhZ2UgPj4KZW5kb2JqCjQgMCBvYmoKPDwgL0xlbmd0aCA0OCAvRmlsdGVyIC9G"
    "bGF0ZURlY29kZSA+PgpzdHJlYW0KI4o/a5K553lwsjcwC1WfLKnozcD0gDiTIlvOUIgA"
    "9HA7WQiE+d6PXDV1v36Wsm9/ZW5kc3RyZWFtCmVuZG9iago1IDAgb2JqCjw8IC9DRiA8"
    "PCAvU3RkQ0YgPDwgL0F1dGhFdmVudCAvRG9jT3BlbiAvQ0ZNIC9BRVNWMyAvTGVuZ3Ro"
    "IDMyID4+ID4+IC9GaWx0ZXIgL1N0YW5kYXJkIC9MZW5ndGggMjU2IC9PIDxiYzlhYTE4"
    "MGNjZWMyMDQ4ZjBjYTNiYzE5YjkxZWQ3MjA3MTE5M2FiMTU5NDFhNWZiOTA2NDFiZTIy"
    "YTNjODI1OTQ5ZWNhYTc2Mjg5ZjQ3NmM2YjA0ZmUzMWRlNmNiNjM+IC9PRSA8OTMzMjg0"
    "NmNlOThkYmZlNzc3NGJhMDk2Nzc2YjllNzFkMGZmNGJlZGE4OTk4ODljNTY5YjdkODk5"
    "NTZmOTRhNz4gL1AgLTQgL1Blcm1zIDw2NjYzZTliZmM1ZjdlOWQ4Y2I1ZDJmNWFkNjRm"
    "MGM4ZD4gL1IgNiAvU3RtRiAvU3RkQ0YgL1N0ckYgL1N0ZENGIC9VIDwyYmI0ZmZhZjE5"
    "NzdhYzliNTJhMWI3ZTQxZTE1MWI0NjhiOGNlYzBlMzFjZGIzYWJlMTZjZjFiNmYzNTNl"
    "ZjQ4NjRjMzFkNWEzMGZiYmFhODRmNzYyMzFhZjc2NDg3ZTM+IC9VRSA8ZjRmZjRlN2Iw"
    "MmExOTYwMDkyNWNmNTJhYmFkMWRkZTFiYmMzYWZkMzk1ZjYyODg5ZDJjOWIzYmFjNjhl"
    "ZmQ3OD4gL1YgNSA+PgplbmRvYmoKeHJlZgowIDYKMDAwMDAwMDAwMCA2NTUzNSBmIAow"
    "MDAwMDAwMDE1IDAwMDAwIG4gCjAwMDAwMDAxMzAgMDAwMDAgbiAKMDAwMDAwMDE4OSAw"
    "MDAwMCBuIAowMDAwMDAwMjc0IDAwMDAwIG4gCjAwMDAwMDAzOTIgMDAwMDAgbiAKdHJh"
    "aWxlciA8PCAvUm9vdCAxIDAgUiAvU2l6ZSA2IC9JRCBbPGI0YjQ2NTg2NDM1ZjI0Y2Vi"
    "MDE0NjIwZmNkM2Q5MzlhPjxiNGI0NjU4NjQzNWYyNGNlYjAxNDYyMGZjZDNkOTM5YT5d"
    "IC9FbmNyeXB0IDUgMCBSID4+CnN0YXJ0eHJlZgo5MzkKJSVFT0YK")


# ---- compound files (OLE2, MS-CFB) ----
FREE, END, FAT = 0xffffffff, 0xfffffffe, 0xfffffffd


def compound(streams):
    """A compound file with these streams below its root: (name, bytes)."""
    streams = [(n, d.ljust(4096, b"\0")) for n, d in streams]
    dirs = (len(streams) + 1 + 3) // 4
    fat, at, starts, body = [FAT], 1, [], b""

    def chain(count):
        nonlocal at
        fat.extend([at + i + 1 for i in range(count - 1)] + [END])
        at += count

    chain(dirs)
    for _, data in streams:
        starts.append(at)
        chain((len(data) + 511) // 512)
        body += data.ljust((len(data) + 511) // 512 * 512, b"\0")
    if len(fat) > 128:
        raise ValueError("one sector of FAT is enough here")
    fat += [FREE] * (128 - len(fat))

    def entry(name, kind, following, child, start, size):
        raw = name.encode("utf-16-le")
        return struct.pack("<64sHBBIII16sI16sIII", raw, len(raw) + 2 if raw
                           else 0, kind, 1, FREE, following, child, b"", 0,
                           b"", start, size, 0)

    entries = entry("Root Entry", 5, FREE, 1, END, 0)
    for i, (name, data) in enumerate(streams):
        entries += entry(name, 2, i + 2 if i + 1 < len(streams) else FREE,
                         FREE, starts[i], len(data))
    entries = entries.ljust(dirs * 512, b"\0")
    head = struct.pack("<8s16sHHHHHHIIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1"
                       b"\x1a\xe1", b"", 0x3e, 3, 0xfffe, 9, 6, 0, 0, 0, 1,
                       1, 0, 4096, END, 0, END, 0)
    head += struct.pack("<I", 0) + struct.pack("<I", FREE) * 108
    return head + struct.pack("<128I", *fat) + entries + body


def encrypted_ooxml():
    """docx, xlsx, pptx with a password (MS-OFFCRYPTO 2.3.4)."""
    return compound([("EncryptionInfo", b"\4\0\4\0\x40\0\0\0<encryption/>"),
                     ("EncryptedPackage", bytes(range(256)) * 30)])


def word(encrypted):
    fib = bytearray(b"\xec\xa5\xc1\0".ljust(1024, b"\0"))
    fib[11] = 0x13 if encrypted else 0x12
    return compound([("WordDocument", bytes(fib)), ("1Table", b"x")])


BOF = struct.pack("<HH16s", 0x0809, 16, b"\0\6\5\0")


def record(kind, data=b""):
    return struct.pack("<HH", kind, len(data)) + data


def excel(encrypted):
    book = BOF
    if encrypted:
        book += record(0x2f, b"\1\0\1\0\1\0" + bytes(48))
    return compound([("Workbook", book + record(0x42, b"\xb0\4") +
                      record(0x0a))])


def excel_macros():
    """A sheet of Excel 4 macros."""
    sheet = struct.pack("<IBBBB", 4096, 0, 1, 4, 0) + b"Mac1"
    return compound([("Workbook", BOF + record(0x85, sheet) +
                      record(0x0a))])


def powerpoint(encrypted):
    token = 0xf3d1c4df if encrypted else 0xe391c05f
    user = struct.pack("<HHIII", 0, 0x0ff6, 32, 20, token)
    return compound([("Current User", user), ("PowerPoint Document", b"x")])


def opendocument(encrypted):
    data = ('<manifest:encryption-data manifest:checksum="x"/>' if encrypted
            else "")
    manifest = ('<?xml version="1.0"?><manifest:manifest xmlns:manifest='
                '"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
                '<manifest:file-entry manifest:full-path="content.xml">' +
                data + "</manifest:file-entry></manifest:manifest>")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        z.writestr("content.xml", bytes(range(256)))
        z.writestr("META-INF/manifest.xml", manifest)
    return out.getvalue()


ENCRYPTED = {
    "zip": ZIP, "zip-aes": ZIP_AES, "7z": SEVENZIP,
    "7z-names": SEVENZIP_NAMES, "pdf-rc4": PDF_RC4, "pdf-aes": PDF_AES,
    "ooxml": encrypted_ooxml(), "doc": word(True), "xls": excel(True),
    "ppt": powerpoint(True), "odt": opendocument(True),
}
PLAIN = {
    "doc": word(False), "xls": excel(False), "ppt": powerpoint(False),
    "odt": opendocument(False),
}
