"""A package's files: unpacked from the .deb, moved to where an RPM distribution has them, adjusted.

Owners, modes and capabilities live in the entries only, never on disk, so no privilege is needed.
"""

import os
import posixpath
import re
import stat
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .progress import Failure

_MERGED = re.compile(r"^/(bin|sbin|lib|lib32|lib64|libx32)(/.*)?$")
_BOOT = re.compile(r"^/boot/(vmlinuz|config|System\.map)-(.+)$")


@dataclass
class Entry:
    """One path of the package; `kind` is d, f or l, `ghost` means that nothing is packed."""

    kind: str
    mode: int
    user: str
    group: str
    caps: str = None
    config: bool = False
    ghost: bool = False


def map_path(path):
    """Where Mortar has a Debian path: the merged /usr, kernels beside their modules, /run."""
    boot = _BOOT.match(path)
    if boot:
        return f"/usr/lib/modules/{boot.group(2)}/{boot.group(1)}"
    if path == "/var/run" or path.startswith("/var/run/"):
        return path[len("/var") :]
    return "/usr" + path if _MERGED.match(path) else path


def map_link(path, target):
    """The target that a symlink at map_path(path) needs in order to mean what it meant at `path`."""
    if target.startswith("/"):
        return target
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    moved = map_path(path)
    says = posixpath.normpath(posixpath.join(posixpath.dirname(moved), target))
    if map_path(says) == map_path(meant):
        return target
    return posixpath.relpath(map_path(meant), posixpath.dirname(moved))


class Payload:
    """The files below `root`, and what the package says about each of them."""

    def __init__(self, root, base_directories):
        self.root = Path(root)
        self.entries = {}
        self.newest = 0
        self._base = base_directories
        self._times = {}

    def unpack(self, deb, drops):
        """Takes the data member of a .deb, but for what `drops(path)` is true for."""
        command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
                for member in archive:
                    self._take(archive, member, drops)
            child.stdout.read()
        if child.returncode != 0:
            raise Failure(f"'{deb}': dpkg-deb failed")

    def overlay(self, folder):
        """Adds every file of a folder of this repository, on top of what is there."""
        for source in sorted(Path(folder).rglob("*")):
            path = "/" + str(source.relative_to(folder))
            if source.is_symlink():
                self.link(path, os.readlink(source))
            elif source.is_dir():
                self._parents(path + "/x")
            else:
                mode = 0o755 if os.access(source, os.X_OK) else 0o644
                self.write(path, source.read_bytes(), mode)

    def write(self, path, data, mode=0o644):
        self._clear(path)
        old = self.entries.get(path)
        self.at(path).write_bytes(data)
        self.entries[path] = Entry("f", mode, "root", "root", config=_is_etc(path))
        if old and old.kind == "f":
            self.entries[path] = old

    def link(self, path, target):
        self._clear(path)
        os.symlink(target, self.at(path))
        self.entries[path] = Entry("l", 0o777, "root", "root")

    def copy(self, source, path):
        """What ucf would have done: a template becomes the configuration file."""
        self.write(path, self.at(source).read_bytes())

    def directory(self, path, mode=0o755, user="root", group="root"):
        self._parents(path)
        self.at(path).mkdir(exist_ok=True)
        self.entries[path] = Entry("d", mode, user, group)

    def ghost(self, path, mode, user, group):
        """A path that belongs to the package but is made later; rpmbuild wants to see it all the same."""
        if path.endswith("/"):
            self.directory(path.rstrip("/"), mode, user, group)
        else:
            self.write(path, b"", mode)
        entry = self.entries[path.rstrip("/")]
        entry.mode, entry.user, entry.group, entry.ghost, entry.config = mode, user, group, True, False

    def at(self, path):
        return self.root / path.lstrip("/")

    def files(self):
        return [path for path, entry in self.entries.items() if entry.kind == "f" and not entry.ghost]

    def finish(self):
        """Sets all times, directories last; what has no time of its own gets the newest of Debian's."""
        deepest_first = sorted(self.entries, key=lambda p: (self.entries[p].kind == "d", -p.count("/")))
        for path in deepest_first:
            when = self._times.get(path, self.newest)
            os.utime(self.at(path), (when, when), follow_symlinks=False)

    def _take(self, archive, member, drops):
        original = posixpath.normpath("/" + member.name)
        path = map_path(original)
        if path in self._base or drops(path):
            return
        self.newest = max(self.newest, int(member.mtime))
        self._parents(path)
        mode = stat.S_IMODE(member.mode)
        if member.isdir():
            self.at(path).mkdir(exist_ok=True)
            kind = "d"
        elif member.issym():
            kind = self._take_link(original, path, member)
        elif member.islnk():
            os.link(self.at(map_path(posixpath.normpath("/" + member.linkname))), self.at(path))
            kind = "f"
        elif member.isreg():
            with open(self.at(path), "wb") as out:
                out.write(archive.extractfile(member).read())
            kind = "f"
        else:
            raise Failure(f"'{path}': not a file, directory or link")
        if kind:
            self.entries[path] = Entry(kind, mode, member.uname, member.gname)
            self._times[path] = int(member.mtime)

    def _take_link(self, original, path, member):
        target = map_link(original, member.linkname)
        # /usr/bin/x -> /bin/x would point to itself once /usr is merged.
        if map_path(posixpath.normpath(posixpath.join(posixpath.dirname(path), target))) == path:
            return None
        os.symlink(target, self.at(path))
        return "l"

    def _parents(self, path):
        missing = []
        parent = posixpath.dirname(path)
        while parent != "/" and parent not in self._base and parent not in self.entries:
            missing.append(parent)
            parent = posixpath.dirname(parent)
        for folder in reversed(missing):
            self.entries[folder] = Entry("d", 0o755, "root", "root")
        self.at(posixpath.dirname(path)).mkdir(parents=True, exist_ok=True)

    def _clear(self, path):
        self._parents(path)
        if os.path.lexists(self.at(path)):
            self.at(path).unlink()
        self._times.pop(path, None)


def _is_etc(path):
    return path.startswith("/etc/")
