#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""SELinux labels in file systems of images, read without SELinux, without mounting, and without the composer's own readers.

    labels.py erofs FILE     lines "KIND PATH LABEL" of all names; "<<none>>" where there is no label
    labels.py ext4 FILE      the same of ext4, by debugfs(8)
    labels.py tar FILE       the same of a tar
    labels.py expect LIST CONTEXTS   what matchpathcon(8) says of the names in LIST, in the same form

The format of EROFS is that of the kernel's Documentation/filesystems/erofs.rst.
"""

import mmap
import stat
import struct
import subprocess
import sys
import tarfile

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "lnk_file"}
SECURITY = 6  # the name's prefix, "security.", as a number
INLINE = 2


class Erofs:
    def __init__(self, data):
        self.data = data
        (magic,) = struct.unpack_from("<I", data, 1024)
        if magic != 0xE0F5E1E2:
            sys.exit("labels.py: not EROFS")
        self.block = 1 << data[1024 + 12]
        (self.root,) = struct.unpack_from("<H", data, 1024 + 14)
        self.meta, self.shared = struct.unpack_from("<II", data, 1024 + 40)

    def inode(self, nid):
        at = self.meta * self.block + nid * 32
        form, xattrs, mode = struct.unpack_from("<HHH", self.data, at)
        (size,) = struct.unpack_from("<Q" if form & 1 else "<I", self.data, at + 8)
        (block,) = struct.unpack_from("<I", self.data, at + 16)
        head = at + (64 if form & 1 else 32)
        length = 12 + 4 * (xattrs - 1) if xattrs else 0
        return mode, size, block, form >> 1 & 7, head, length

    def entry(self, at):
        name_bytes, index, value_bytes = struct.unpack_from("<BBH", self.data, at)
        name = self.data[at + 4 : at + 4 + name_bytes]
        value = self.data[at + 4 + name_bytes : at + 4 + name_bytes + value_bytes]
        return index, name, value, (4 + name_bytes + value_bytes + 3) & ~3

    def label(self, head, length):
        if not length:
            return "<<none>>"
        count = self.data[head + 4]
        found = [self.entry(self.shared * self.block + 4 * number) for number in struct.unpack_from(f"<{count}I", self.data, head + 12)]
        at = head + 12 + 4 * count
        while at < head + length:
            found.append(self.entry(at))
            at += found[-1][3]
        values = [value for index, name, value, _ in found if (index, name) == (SECURITY, b"selinux")]
        return values[0].rstrip(b"\0").decode() if values else "<<none>>"

    def content(self, size, block, layout, behind):
        whole = size // self.block if layout == INLINE else -(-size // self.block)
        for number in range(whole):
            at = (block + number) * self.block
            yield self.data[at : at + min(self.block, size - number * self.block)]
        if size > whole * self.block:
            yield self.data[behind : behind + size - whole * self.block]

    def names(self, piece):
        (first,) = struct.unpack_from("<H", piece, 8)
        heads = [struct.unpack_from("<QH", piece, 12 * i) for i in range(first // 12)] + [(0, len(piece))]
        for (nid, start), (_, end) in zip(heads, heads[1:]):
            yield piece[start:end].split(b"\0")[0].decode(), nid

    def walk(self, path, nid):
        mode, size, block, layout, head, length = self.inode(nid)
        yield KINDS.get(stat.S_IFMT(mode), "other"), path or "/", self.label(head, length)
        if not stat.S_ISDIR(mode):
            return
        for piece in self.content(size, block, layout, head + length):
            for name, child in self.names(piece):
                if name not in (".", ".."):
                    yield from self.walk(f"{path}/{name}", child)


def show_erofs(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        image = Erofs(data)
        for line in sorted(map(" ".join, image.walk("", image.root))):
            print(line)


# The answers to requests for each of @paths: debugfs says each request again before its answer.
def ask_debugfs(image, request, paths):
    lines = "".join(f'{request.format(path)}\n' for path in paths)
    said = subprocess.run(["debugfs", "-f", "-", image], input=lines, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    answers = said.stdout.split("debugfs: ")[1:]
    if len(answers) != len(paths):
        sys.exit("labels.py: debugfs says something else than was asked for")
    return zip(paths, (answer.split("\n")[1:] for answer in answers))


# An entry is "/INODE/MODE/UID/GID/NAME/SIZE/".
def walk_ext4(image):
    kinds, level = {"/": "dir"}, ["/"]
    while level:
        below = []
        for path, answer in ask_debugfs(image, 'ls -p "{}"', level):
            for entry in filter(None, answer):
                mode, name = entry.split("/")[2], entry.split("/")[5]
                child = f"{path.rstrip('/')}/{name}"
                if name in ("", ".", ".."):
                    continue
                kinds[child] = KINDS.get(stat.S_IFMT(int(mode, 8)), "other")
                if kinds[child] == "dir":
                    below.append(child)
        level = below
    return kinds


def show_ext4(path):
    kinds = walk_ext4(path)
    values = ask_debugfs(path, 'ea_get -V "{}" security.selinux', list(kinds))
    for line in sorted(f"{kinds[name]} {name} {''.join(answer).rstrip(chr(0)) or '<<none>>'}" for name, answer in values):
        print(line)


def show_tar(path):
    kinds = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "lnk_file"}
    known = {}
    with tarfile.open(path) as archive:
        for member in archive:
            label = member.pax_headers.get("SCHILY.xattr.security.selinux", "<<none>>").rstrip("\0")
            kind = kinds.get(member.type, "other")
            # The label of a file with more names stands at its first.
            known[member.name] = known[member.linkname] if member.islnk() else (kind, label)
    for line in sorted(f"{kind} {'/' + name.lstrip('./')} {label}" for name, (kind, label) in known.items()):
        print(line)


def show_expected(path, contexts):
    with open(path) as file:
        names = [line.rstrip("\n").split(" ", 1) for line in file]
    names = [(kind, rest.rsplit(" ", 1)[0]) for kind, rest in names]
    for kind in sorted(set(kind for kind, _ in names)):
        paths = [path for other, path in names if other == kind]
        for start in range(0, len(paths), 1000):
            part = paths[start : start + 1000]
            said = subprocess.run(["matchpathcon", "-n", "-f", contexts, "-m", kind, *part], stdout=subprocess.PIPE, check=True, text=True)
            for name, label in zip(part, said.stdout.splitlines(), strict=True):
                print(kind, name, label)


if __name__ == "__main__":
    {"erofs": show_erofs, "ext4": show_ext4, "tar": show_tar, "expect": show_expected}[sys.argv[1]](*sys.argv[2:])
