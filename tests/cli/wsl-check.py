#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks a .wsl file, or a manifest of "wsl --install", by the rules that Microsoft publishes for distributions.

Prints a line for each rule: its name, a tab, and what is wrong (nothing: it holds). Sources: "Build a custom Linux distribution for WSL", and
what the check in Microsoft's repository of WSL looks at.
"""

import configparser
import gzip
import hashlib
import json
import os
import posixpath
import sys
import tarfile

MIB = 1024 * 1024
DISTRIBUTION_KEYS = {
    "oobe": {"command", "defaultuid", "defaultname"},
    "shortcut": {"enabled", "icon"},
    "windowsterminal": {"enabled", "profiletemplate"},
}
# "user.default" exists, and is discouraged.
CONF_KEYS = {
    "automount": {"enabled", "mountfstab", "root", "options", "cgroups", "ldconfig"},
    "boot": {"command", "systemd", "protectbinfmt"},
    "fileserver": {"enabled"},
    "filesystem": {"umask"},
    "general": {"hostname"},
    "gpu": {"enabled", "appendlibpath"},
    "interop": {"enabled", "appendwindowspath"},
    "network": {"generatehosts", "generateresolvconf", "hostname"},
    "time": {"usewindowstimezone"},
}
# WSL does these things itself. systemd-tmpfiles-setup.service is on Microsoft's list as well, and in its own distribution: it links WSLg's sockets.
UNWANTED_UNITS = set(
    """systemd-resolved.service systemd-networkd.service systemd-networkd-wait-online.service
    systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service systemd-tmpfiles-clean.service
    systemd-vconsole-setup.service tmp.mount NetworkManager.service NetworkManager-wait-online.service console-getty.service
    networking.service hypervkvpd.service""".split()
)
UNIT_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
LABELS = ("security.selinux", "security.ima", "security.evm")
MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine


class Archive:
    """A tar whose names are looked up as a system would, links followed inside."""

    def __init__(self, path):
        self.tar = tarfile.open(path, "r:gz")
        self.members = {self.clean(m.name): m for m in self.tar.getmembers()}

    @staticmethod
    def clean(name):
        return posixpath.normpath("/" + name).lstrip("/")

    def resolve(self, path, depth=20):
        done = ""
        for part in self.clean(path).split("/"):
            done = posixpath.join(done, part)
            member = self.members.get(done)
            if member is not None and member.issym():
                if depth == 0:
                    return None
                target = posixpath.join("/" + posixpath.dirname(done), member.linkname)
                done = self.resolve(target, depth - 1)
                if done is None:
                    return None
        return done

    def find(self, path):
        name = self.resolve(path)
        member = self.members.get(name) if name is not None else None
        return self.members.get(self.clean(member.linkname)) if member is not None and member.islnk() else member

    def read(self, path):
        member = self.find(path)
        return self.tar.extractfile(member).read() if member is not None and member.isfile() else b""

    def config(self, path):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(self.read(path).decode())
        return parser


def owned(archive, path, modes, most_bytes=None, gids=(0,)):
    """What is wrong with root's file. @gids None: any."""
    member = archive.find(path)
    if member is None:
        return f"{path} is missing"
    if not member.isfile():
        return f"{path} is no file"
    if member.uid != 0 or (gids is not None and member.gid not in gids) or member.mode & 0o7777 not in modes:
        return f"{path}: {member.uid}:{member.gid} {member.mode:o}"
    if most_bytes is not None and member.size > most_bytes:
        return f"{path} has {member.size} bytes"
    return ""


def below(path, *folders):
    return "" if path.startswith(tuple(f + "/" for f in folders)) and ".." not in path else f"{path} is not below {' or '.join(folders)}"


def known_keys(parser, known):
    wrong = [f"{s}.{k}" for s in parser.sections() for k in parser[s] if k.lower() not in known.get(s.lower(), ())]
    return f"unknown: {' '.join(wrong)}" if wrong else ""


def program(archive, path, architecture):
    wrong = owned(archive, path, (0o755, 0o775, 0o555))
    head = archive.read(path)[:20]
    if not wrong and (head[:5] != b"\x7fELF\x02" or int.from_bytes(head[18:20], "little") != MACHINES[architecture]):
        wrong = f"{path} is no program for {architecture}"
    return wrong


def accounts(archive, default_uid):
    lines = archive.read("etc/passwd").decode().splitlines()
    fields = [line.split(":") for line in lines]
    if any(len(f) != 7 or not f[2].isdigit() for f in fields):
        return "a line has not seven fields, or a user no number"
    uids = [int(f[2]) for f in fields]
    if len(set(uids)) != len(uids):
        return "two users have one number"
    if [f[0] for f in fields if f[2] == "0"] != ["root"]:
        return "user 0 is not root"
    return f"user {default_uid} is there already" if default_uid in uids else ""


def passwords(archive):
    lines = [line.split(":") for line in archive.read("etc/shadow").decode().splitlines()]
    wrong = [f[0] for f in lines if f[1] not in ("*", "!", "!!", "!*")]
    return f"has a password: {' '.join(wrong)}" if wrong or not lines else ""


def enabled_units(archive):
    found = []
    for name, member in archive.members.items():
        folder, unit = posixpath.split(name)
        if not any(posixpath.dirname(folder) == f for f in UNIT_FOLDERS) or not folder.endswith((".target.wants", ".target.requires")):
            continue
        mask = archive.members.get(f"etc/systemd/system/{unit}")
        masked = mask is not None and mask.issym() and mask.linkname == "/dev/null"
        if not masked and not (member.issym() and member.linkname == "/dev/null"):
            found.append(unit)
    return found


def unwanted(archive):
    wrong = UNWANTED_UNITS.intersection(enabled_units(archive))
    return f"enabled: {' '.join(sorted(wrong))}" if wrong else ""


def labels(archive):
    wrong = [m.name for m in archive.members.values() if any(f"SCHILY.xattr.{x}" in m.pax_headers for x in LABELS)]
    return " ".join(wrong[:3])


def left_over(archive, *patterns):
    return " ".join(n for n in archive.members if any(posixpath.basename(n).startswith(p) for p in patterns) and n.startswith(("boot/", "usr/lib/modules/")))


def icon(archive, path):
    data = archive.read(path)
    if data[:4] != b"\0\0\1\0" or data[4:6] == b"\0\0":
        return f"{path} is no ICO file"
    for i in range(int.from_bytes(data[4:6], "little")):
        entry = data[6 + 16 * i : 22 + 16 * i]
        size, at = (int.from_bytes(entry[k : k + 4], "little") for k in (8, 12))
        side = int.from_bytes(data[at + 4 : at + 8], "little")
        height = int.from_bytes(data[at + 8 : at + 12], "little")
        wanted = 40 + side * side * 4 + side * ((side + 31) // 32 * 4)
        if at + size > len(data) or (entry[0], entry[1]) != (side, side) or height != 2 * side or size != wanted:
            return f"image {i} of {path} is damaged"
    return ""


def terminal(archive, path):
    """A fragment, with the schemes that its profiles name."""
    fragment = json.loads(archive.read(path))
    if not isinstance(fragment["profiles"], list) or not all(isinstance(p, dict) for p in fragment["profiles"]):
        return "profiles is no array of objects"
    names = [s["name"] for s in fragment.get("schemes", [])]
    wrong = [p["colorScheme"] for p in fragment["profiles"] if p.get("colorScheme", names[0]) not in names]
    colours = [c for s in fragment.get("schemes", []) for k, c in s.items() if k != "name"]
    wrong += [c for c in colours if len(c) != 7 or c[0] != "#" or not all(d in "0123456789ABCDEFabcdef" for d in c[1:])]
    return " ".join(wrong)


def check_archive(path, architecture):
    with gzip.open(path) as stream:
        yield "it is a tar in gzip", "" if stream.read(262)[257:] == b"ustar" else "no tar"
    a = Archive(path)
    distribution, conf = a.config("etc/wsl-distribution.conf"), a.config("etc/wsl.conf")
    oobe, shortcut, window = ({k.lower(): v for k, v in distribution[s].items()} for s in ("oobe", "shortcut", "windowsterminal"))
    yield "/etc/wsl-distribution.conf is root's, 0644", owned(a, "/etc/wsl-distribution.conf", (0o644, 0o664))
    yield "it has known keys only", known_keys(distribution, DISTRIBUTION_KEYS)
    yield "the first-run command is root's, 0755", owned(a, oobe["command"], (0o755, 0o775))
    yield "it is where such things are", below(oobe["command"], "/usr/lib/wsl", "/usr/libexec/wsl")
    yield "the default user is 1000", "" if oobe["defaultuid"] == "1000" else oobe["defaultuid"]
    yield "there is a default name", "" if oobe["defaultname"] else "empty"
    yield "the icon is root's, 0644, at most 1 MiB", owned(a, shortcut["icon"], (0o644, 0o664), MIB)
    yield "the icon is where such things are", below(shortcut["icon"], "/usr/lib/wsl", "/usr/share/wsl")
    yield "the icon is an ICO file", icon(a, shortcut["icon"])
    yield "the shortcut is enabled", "" if shortcut["enabled"] == "true" else shortcut["enabled"]
    profile = window["profiletemplate"]
    yield "the terminal profile is root's, 0640, at most 1 MiB", owned(a, profile, (0o640, 0o660), MIB)
    yield "it is below /usr/lib/wsl", below(profile, "/usr/lib/wsl")
    yield "it is a fragment of Windows Terminal", terminal(a, profile)
    yield "the profile is enabled", "" if window["enabled"] == "true" else window["enabled"]
    yield "/etc/wsl.conf is root's, 0644", owned(a, "/etc/wsl.conf", (0o644, 0o664))
    yield "it has known keys only, and no default user", known_keys(conf, CONF_KEYS)
    yield "systemd is started", "" if conf["boot"]["systemd"] == "true" else "no"
    for path in ("/sbin/init", "/bin/sh", "/bin/bash"):
        yield f"{path} is a program of the architecture", program(a, path, architecture)
    yield "/etc/passwd is root's, 0644", owned(a, "/etc/passwd", (0o644, 0o664))
    yield "it has root, and nobody twice, nor the default user", accounts(a, int(oobe["defaultuid"]))
    yield "/etc/shadow is closed", owned(a, "/etc/shadow", (0o640, 0o600, 0), gids=None)
    yield "no password is in it", passwords(a)
    yield "no unit is enabled that WSL has no use for", unwanted(a)
    yield "no labels or signatures of security modules", labels(a)
    yield "no /etc/resolv.conf", "it is there" if "etc/resolv.conf" in a.members else ""
    yield "no kernel and no initramfs", left_over(a, "vmlinu", "initr")


def check_entry(folder, flavor, entry, keys):
    archives = [entry[k] for k in keys if k in entry]
    unknown = set(entry) - {"Name", "FriendlyName", "Default", *keys}
    yield "an entry has known keys only", " ".join(unknown)
    yield "its name begins with the flavor", "" if entry["Name"].startswith(flavor) else entry["Name"]
    yield "it has a name for people", "" if entry["FriendlyName"] else "empty"
    yield "it has a file", "" if archives else "none"
    for archive in archives:
        name = os.path.basename(archive["Url"])
        with open(os.path.join(folder, name), "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        yield "the file is called .wsl", "" if name.endswith(".wsl") else name
        yield "its SHA-256 is right", "" if archive["Sha256"].removeprefix("0x") == digest else archive["Sha256"]


def check_manifest(path):
    with open(path, encoding="ascii") as stream:
        manifest = json.load(stream)
    for flavor, entries in manifest["ModernDistributions"].items():
        for entry in entries:
            yield from check_entry(os.path.dirname(path), flavor, entry, ("Amd64Url", "Arm64Url"))
        count = sum(e["Default"] is True for e in entries)
        yield "one entry of a flavor is its default", "" if count == 1 else str(count)


def main():
    path = sys.argv[1]
    rules = check_manifest(path) if path.endswith(".json") else check_archive(path, sys.argv[2])
    wrong = False
    for name, problem in rules:
        print(f"{name}\t{problem}")
        wrong = wrong or problem != ""
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
