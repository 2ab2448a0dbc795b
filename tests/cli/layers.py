# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Python's tarfile reads out of an OCI archive: for tests/cli/test-container.sh.

  layers.py tree ARCHIVE|TAR     a line for each entry of the tree that the layers make, sorted, all metadata
  layers.py blobs ARCHIVE        "DIGEST SIZE" of each layer
  layers.py reuse OLD NEW        bytes of layers of NEW, and of those that OLD has, too
  layers.py check ARCHIVE        fails if a file is in two layers, its directory is not before it, or a link leads to another layer
"""
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile


class Image:
    def __init__(self, path):
        self.tar = tarfile.open(path)
        self.manifest = None
        if "index.json" not in self.tar.getnames():
            return
        index = self.load("index.json")
        self.manifest = self.blob_json(index["manifests"][0]["digest"])
        self.config = self.blob_json(self.manifest["config"]["digest"])

    def load(self, name):
        return json.load(self.tar.extractfile(name))

    def blob(self, digest):
        data = self.tar.extractfile("blobs/" + digest.replace(":", "/")).read()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == digest, digest
        return data

    def blob_json(self, digest):
        return json.loads(self.blob(digest))

    def layers(self):
        if self.manifest is None:
            yield self.tar
            return
        diff_ids = self.config["rootfs"]["diff_ids"]
        assert len(diff_ids) == len(self.manifest["layers"]) == len(self.config["history"])
        for layer, diff_id in zip(self.manifest["layers"], diff_ids):
            data = self.blob(layer["digest"])
            assert len(data) == layer["size"]
            if layer["mediaType"].endswith("+gzip"):
                data = gzip.decompress(data)
            elif layer["mediaType"].endswith("+zstd"):
                data = subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
            assert "sha256:" + hashlib.sha256(data).hexdigest() == diff_id, diff_id
            yield tarfile.open(fileobj=io.BytesIO(data))


def describe(tar, member):
    xattrs = sorted((k, v) for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.") and not k.endswith("security.selinux"))
    content = hashlib.sha256(tar.extractfile(member).read()).hexdigest() if member.isreg() else ""
    return (member.type, oct(member.mode), member.uid, member.gid, member.mtime, member.size, member.linkname.removeprefix("./"), xattrs, content)


def name_of(member):
    return member.name.removeprefix("./").rstrip("/")


def tree(path):
    entries = {}
    for tar in Image(path).layers():
        for member in tar:
            entries[name_of(member)] = describe(tar, member)
    for name in sorted(entries):
        if name not in ("", "."):
            print(name, *entries[name])


def check(path):
    files = {}
    for number, tar in enumerate(Image(path).layers()):
        directories = {""}
        for member in tar:
            name = name_of(member)
            parent = name.rpartition("/")[0]
            assert parent in directories, f"layer {number}: {name} is before its directory"
            if member.isdir():
                directories.add(name)
                continue
            assert name not in files, f"{name} is in layers {files[name]} and {number}"
            files[name] = number
            assert not member.islnk() or files.get(member.linkname) == number, f"{name} is a link out of its layer"
    assert len(files) > 100


def blobs(path):
    return {layer["digest"]: layer["size"] for layer in Image(path).manifest["layers"]}


def main(command, *paths):
    if command == "tree":
        tree(*paths)
    elif command == "check":
        check(*paths)
    elif command == "blobs":
        for digest, size in blobs(*paths).items():
            print(digest, size)
    else:
        old, new = blobs(paths[0]), blobs(paths[1])
        print(sum(new.values()), sum(size for digest, size in new.items() if digest in old))


main(*sys.argv[1:])
