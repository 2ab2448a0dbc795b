"""One .deb to one .rpm."""

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from . import control, payload, relations, rpmbuild, rules, scriptlets, spec
from .progress import Failure

_KERNEL = re.compile(r"^linux-image-(\d+\.\d+\.\d+-\d+)-(.+)$")


class Converter:
    """What all packages of a run share: the data files, and where finished packages are kept."""

    def __init__(self, home, tool_digest):
        self.home = Path(home)
        self.tool_digest = tool_digest
        self.file_rules = rules.FileRules()
        self.base_directories = read_base_directories()

    def rpm_path(self, stanza, snapshot):
        """Where the package is kept, keyed by all that goes into it; there or not there yet."""
        seed = hashlib.sha256(self.tool_digest.encode())
        seed.update(repr(sorted(self.base_directories)).encode())
        seed.update(stanza["SHA256"].encode())
        seed.update("\n".join(relations.dependency_tags(stanza, snapshot)).encode())
        seed.update(data_digest(data_name(stanza["Package"])).encode())
        seed.update(repr(vars(self.file_rules.of(data_name(stanza["Package"])))).encode())
        return self.home / seed.hexdigest()[:24] / rpm_name(stanza)

    def convert(self, stanza, snapshot, deb):
        """Builds the package unless it is there already; returns its path."""
        target = self.rpm_path(stanza, snapshot)
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(prefix="mortar-") as work:
            files = self._payload(stanza, deb, Path(work) / "root")
            fragment = read_fragment(stanza["Package"])
            scriptlets.add_unit_scripts(fragment, files)
            text = spec.write_spec(stanza, snapshot, files, fragment)
            built = self._build(Path(work), text, files, stanza)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(".partial")
            shutil.move(built, partial)
            os.rename(partial, target)
        return target

    def _build(self, work, text, files, stanza):
        path = work / f"{stanza['Package']}.spec"
        path.write_text(text)
        arch = "noarch" if stanza["Architecture"] == "all" else "x86_64"
        (built,) = rpmbuild.build(path, work, files.newest, root=files.root, arch=arch)
        return built

    def _payload(self, stanza, deb, root):
        name = stanza["Package"]
        special = self.file_rules.of(data_name(name))
        root.mkdir()
        files = payload.Payload(root, self.base_directories)
        files.unpack(deb, lambda path: self.file_rules.drops(path) or special.omits(path))
        for path in control.conffiles(control.read_control_files(deb)):
            entry = files.entries.get(payload.map_path(path))
            if entry:
                entry.config = True
        _apply(files, special, name)
        files.finish()
        return files


def _apply(files, special, name):
    """files.conf and the overlay of this package, in the order in which they may build on each other."""
    for path, source in special.copies.items():
        files.copy(source, path)
    folder = rules.HERE / "overlay" / data_name(name)
    if folder.is_dir():
        files.overlay(folder)
    for path, target in special.links.items():
        files.link(path, target)
    for path, attr in special.directories.items():
        files.directory(path, attr.mode, attr.user, attr.group)
    for path, attr in special.ghosts.items():
        files.ghost(fill_in(path, name), attr.mode, attr.user, attr.group)
    for path, attr in special.attrs.items():
        entry = files.entries.get(path)
        if not entry:
            raise Failure(f"files.conf: '{path}': not in the package '{name}'")
        entry.mode, entry.user, entry.group, entry.caps = attr.mode, attr.user, attr.group, attr.caps
    for path in special.configs:
        files.entries[path].config = True


def data_name(package):
    """The name under which the data files know a package: a kernel's ABI is left out."""
    match = _KERNEL.match(package)
    return f"linux-image-ABI-{match.group(2)}" if match else package


def fill_in(text, package):
    match = _KERNEL.match(package)
    return text.replace("@KERNEL@", f"{match.group(1)}-{match.group(2)}") if match else text


def read_fragment(package):
    path = rules.HERE / "scripts" / f"{data_name(package)}.spec-inc"
    return scriptlets.Fragment(fill_in(path.read_text(), package) if path.exists() else "")


def read_base_directories():
    """The directories of the filesystem package; no other package lists them."""
    text = (rules.HERE / "specs" / "filesystem.spec").read_text()
    return set(re.findall(r"^%dir %attr\(.*\) (/\S*)$", text, re.M)) | {"/"}


def data_digest(name):
    """A digest of the package's overlay and fragment."""
    digest = hashlib.sha256()
    paths = sorted((rules.HERE / "overlay" / name).rglob("*"))
    paths.append(rules.HERE / "scripts" / f"{name}.spec-inc")
    for path in paths:
        if path.is_symlink():
            digest.update(f"{path.name}>{os.readlink(path)}".encode())
        elif path.is_file():
            digest.update(f"{path.relative_to(rules.HERE)} {os.access(path, os.X_OK)}".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def rpm_name(stanza):
    _, version, release = relations.rpm_version(stanza["Version"])
    arch = "noarch" if stanza["Architecture"] == "all" else "x86_64"
    return f"{stanza['Package']}-{version}-{release or '0'}.{arch}.rpm"
