# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules by which ostree-ext (bootc, rpm-ostree) reads a container image that holds a commit, stated once more: for tests/cli/test-ostree.sh.

  ostree-import.py ARCHIVE REPO     imports the objects into a new repository of mode "archive" and prints the commit's checksum

Fails where that reader would: an unknown layout, an object that is not what its name says, attributes that are not announced, an object twice in a
layer, metadata outside the first layer.
"""
import gzip
import hashlib
import io
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tarfile
import zlib

PREFIX = "sysroot/ostree/repo/"
METADATA = ("commit", "commitmeta", "dirtree", "dirmeta")


class Archive:
    """An OCI archive."""

    def __init__(self, path):
        self.tar = tarfile.open(path)
        index = json.load(self.tar.extractfile("index.json"))
        self.manifest = json.loads(self.blob(index["manifests"][0]["digest"]))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))
        self.labels = self.config["config"]["Labels"]

    def blob(self, digest):
        data = self.tar.extractfile("blobs/" + digest.replace(":", "/")).read()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == digest, digest
        return data

    def layers(self):
        """Those of the commit: up to that which the label names."""
        diff_ids = self.config["rootfs"]["diff_ids"]
        count = diff_ids.index(self.labels["ostree.final-diffid"]) + 1
        for layer, diff_id in list(zip(self.manifest["layers"], diff_ids))[:count]:
            data = self.blob(layer["digest"])
            if layer["mediaType"].endswith("+gzip"):
                data = gzip.decompress(data)
            elif layer["mediaType"].endswith("+zstd"):
                data = subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
            assert "sha256:" + hashlib.sha256(data).hexdigest() == diff_id, diff_id
            yield tarfile.open(fileobj=io.BytesIO(data))


def file_header(member, xattrs, with_size):
    """The GVariant (uuuusa(ayay)) that the checksum of a file covers, or (tuuuusa(ayay)) of a file in a repository of mode "archive"."""
    mode = member.mode | (stat.S_IFLNK if member.issym() else stat.S_IFREG)
    target = (member.linkname if member.issym() else "").encode() + b"\0"
    head = struct.pack(">IIII", member.uid, member.gid, mode, 0) + target
    if with_size:
        head = struct.pack(">Q", 0 if member.issym() else member.size) + head
    end = len(head)
    body = head + xattrs
    # Where the string ends, in as few bytes as the whole needs.
    for size, code in ((1, "<B"), (2, "<H"), (4, "<I")):
        if len(body) + size < 1 << 8 * size:
            return body + struct.pack(code, end)
    raise AssertionError("too large")


def framed(header):
    return struct.pack(">I", len(header)) + b"\0" * 4 + header


class Repository:
    def __init__(self, path):
        self.path = path
        subprocess.run(["ostree", "init", "--mode=archive", "--repo=" + path], check=True)
        self.has = set()

    def write(self, checksum, suffix, data):
        directory = os.path.join(self.path, "objects", checksum[:2])
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, checksum[2:] + "." + suffix), "wb") as file:
            file.write(data)

    def add_metadata(self, checksum, kind, data):
        if kind != "commitmeta":
            assert hashlib.sha256(data).hexdigest() == checksum, f"{checksum}.{kind}"
        self.write(checksum, kind, data)

    def add_file(self, checksum, member, data, xattrs):
        if checksum in self.has:
            return
        content = b"" if member.issym() else data
        found = hashlib.sha256(framed(file_header(member, xattrs, False)) + content).hexdigest()
        assert found == checksum, f"{checksum}.file is {found}"
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        self.write(checksum, "filez", framed(file_header(member, xattrs, True)) + packer.compress(content) + packer.flush())
        self.has.add(checksum)


class Importer:
    """One layer."""

    def __init__(self, repository, is_first):
        self.repository = repository
        self.is_first = is_first
        self.commit = None
        self.xattrs = {}
        self.announced = None
        self.seen = set()

    def metadata(self, checksum, kind, member, data):
        assert self.is_first, f"metadata {checksum}.{kind} in another layer"
        assert member.isreg()
        if self.commit is None:
            assert kind == "commit", "the first object is no commit"
            self.commit = checksum
        else:
            assert kind != "commit", "a second commit"
        self.repository.add_metadata(checksum, kind, data)

    def attributes(self, checksum, member, data):
        assert member.isreg() and hashlib.sha256(data).hexdigest() == checksum, checksum
        self.xattrs[checksum] = data

    def link(self, checksum, member):
        assert self.announced is None, "attributes of a file that did not come"
        assert member.islnk()
        match = re.fullmatch(PREFIX + r"objects/([0-9a-f]{2})/([0-9a-f]{62})\.file-xattrs", member.linkname)
        self.announced = (checksum, match[1] + match[2])

    def file(self, checksum, member, data):
        assert self.announced is not None and self.announced[0] == checksum, f"attributes of {checksum} are missing"
        assert member.isreg() or member.issym()
        assert checksum not in self.seen, f"{checksum} is there twice"
        self.seen.add(checksum)
        self.repository.add_file(checksum, member, data, self.xattrs[self.announced[1]])
        self.announced = None

    def run(self, tar):
        names = set()
        for member in tar:
            name = member.name.rstrip("/")
            assert name not in names, f"{name} is there twice"
            names.add(name)
            if member.islnk():
                assert member.linkname in names, f"{name} is a link to what is not in its layer"
            if member.isdir() or not name.startswith(PREFIX + "objects/"):
                continue
            match = re.fullmatch(PREFIX + r"objects/([0-9a-f]{2})/([0-9a-f]{62})\.([a-z-]+)", name)
            checksum, kind = match[1] + match[2], match[3]
            data = tar.extractfile(member).read() if member.isreg() else b""
            if kind in METADATA:
                self.metadata(checksum, kind, member, data)
            elif kind == "file-xattrs":
                self.attributes(checksum, member, data)
            elif kind == "file-xattrs-link":
                self.link(checksum, member)
            else:
                assert kind == "file", kind
                self.file(checksum, member, data)
        assert self.announced is None


def main():
    archive = Archive(sys.argv[1])
    repository = Repository(sys.argv[2])
    commit = None
    for number, tar in enumerate(archive.layers()):
        importer = Importer(repository, number == 0)
        importer.run(tar)
        commit = commit or importer.commit
    labels = archive.labels
    assert labels["ostree.commit"] == commit and labels["ostree.bootable"] == "true" and labels["containers.bootc"] == "1"
    subprocess.run(["ostree", "refs", "--repo=" + sys.argv[2], "--create=imported", commit], check=True)
    print(commit)


main()
