#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of ashlar-node do to a machine made of files, and how they look at it: with code of their own.

    nodelab.py images DIR                       v1.img ... v4.img: root images with few differences
    nodelab.py boot MACHINE                     what systemd-boot and the initramfs would do: prints the version that runs
    nodelab.py bless MACHINE                    what systemd-bless-boot does
    nodelab.py check MACHINE                    prints each version that can boot, in systemd-boot's order
    nodelab.py replay MACHINE LOG WORK OLD NEW COMMAND each prefix of the recorded writes: see replay()

MACHINE has disk.raw, esp/ and root/ (proc, etc, usr, var)."""

import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

BLOCK = 4096


def make_images(folder):
    chance = random.Random(1)
    image = bytearray(chance.randbytes(192 * BLOCK))
    for number in range(1, 5):
        (folder / f"v{number}.img").write_bytes(image)
        at = chance.randrange(0, 150) * BLOCK
        image[at:at + 10 * BLOCK] = chance.randbytes(10 * BLOCK)
        image += chance.randbytes(5 * BLOCK) + bytes(7 * BLOCK)


# --- GPT, as Linux reads it: the backup table does not count unless asked for ---

def header_is_valid(disk, lba):
    header = disk[lba * 512:lba * 512 + 512]
    if header[:8] != b"EFI PART":
        return None
    size, crc = struct.unpack_from("<II", header, 12)
    if not 92 <= size <= 512 or zlib.crc32(header[:16] + bytes(4) + header[20:size]) != crc:
        return None
    my, other = struct.unpack_from("<QQ", header, 24)
    at, count, width, array_crc = struct.unpack_from("<QIII", header, 72)
    entries = disk[at * 512:at * 512 + count * width]
    if my != lba or width != 128 or zlib.crc32(entries) != array_crc:
        return None
    return other, entries


def read_partitions(disk):
    primary = header_is_valid(disk, 1)
    assert primary is not None, "the primary partition table is not valid"
    found = []
    for at in range(0, len(primary[1]), 128):
        entry = primary[1][at:at + 128]
        if entry[:16] == bytes(16):
            continue
        first, last, flags = struct.unpack_from("<QQQ", entry, 32)
        raw = entry[16:32]
        uuid = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
        label = entry[56:].decode("utf-16-le").rstrip("\0")
        found.append((uuid, label, first * 512, (last + 1) * 512, flags))
    return found


# --- dm-verity, format 1, SHA-256 ---

def verify_root(disk, data, tree, root_hash):
    block = disk[tree[2]:tree[2] + 512]
    assert block[:8] == b"verity\0\0", "no verity superblock"
    data_blocks, salt_size = struct.unpack_from("<QH", block, 72)[0], struct.unpack_from("<H", block, 80)[0]
    salt = block[88:88 + salt_size]
    assert 0 < data_blocks * BLOCK <= data[3] - data[2], "data does not fit"
    level = [hashlib.sha256(salt + disk[data[2] + i * BLOCK:data[2] + (i + 1) * BLOCK]).digest() for i in range(data_blocks)]
    levels = []
    while len(level) > 1:
        blocks = [b"".join(level[i:i + 128]).ljust(BLOCK, b"\0") for i in range(0, len(level), 128)]
        levels.append(blocks)
        level = [hashlib.sha256(salt + one).digest() for one in blocks]
    assert level[0].hex() == root_hash, "the data does not have the root hash"
    stored = b"".join(b"".join(blocks) for blocks in reversed(levels))
    assert disk[tree[2] + BLOCK:tree[2] + BLOCK + len(stored)] == stored, "the stored tree is not that of the data"


# --- boot entries ---

def list_entries(esp):
    """(file, version, left, done) in systemd-boot's order; left is None without a counter."""
    found = []
    for path in (esp / "EFI/Linux").iterdir():
        match = re.fullmatch(r"lab_(.+?)(?:\+(\d+)(?:-(\d+))?)?\.efi", path.name)
        if match:
            left = None if match[2] is None else int(match[2])
            found.append((path, match[1], left, int(match[3] or 0)))
    return sorted(found, key=lambda entry: (entry[2] == 0, -int(entry[1])))


def root_hash_of(uki):
    return re.search(rb"roothash=([0-9a-f]{64})", uki.read_bytes())[1].decode()


def try_boot(machine, entry):
    root_hash = root_hash_of(entry[0])
    disk = (machine / "disk.raw").read_bytes()
    halves = [bytes.fromhex(root_hash)[:16], bytes.fromhex(root_hash)[16:]]
    parts = [[part for part in read_partitions(disk) if part[0] == half] for half in halves]
    assert len(parts[0]) == 1 and len(parts[1]) == 1, f"version {entry[1]}: its partitions are not there (or twice)"
    assert parts[0][0][1] == parts[1][0][1] == f"lab_{entry[1]}", f"version {entry[1]}: labels are {parts[0][0][1]}, {parts[1][0][1]}"
    assert not parts[0][0][4] >> 63, "the flag no-auto is set"
    verify_root(disk, parts[0][0], parts[1][0], root_hash)
    return root_hash


def bootable(machine):
    """Versions that can boot, in order; one that is first and cannot is an error of whoever put it there."""
    versions = []
    for entry in list_entries(machine / "esp"):
        try_boot(machine, entry)
        versions.append(entry[1])
    return versions


def boot(machine):
    entry = list_entries(machine / "esp")[0]
    path, version, left, done = entry
    if left is not None and left > 0:
        path = path.rename(path.with_name(f"lab_{version}+{left - 1}-{done + 1}.efi"))
    root_hash = try_boot(machine, (path, version, left, done))
    (machine / "root/proc/cmdline").write_text(f"roothash={root_hash} console=ttyS0\n")
    (machine / "root/proc/sys/kernel/random/boot_id").write_text(f"{random.SystemRandom().getrandbits(64):x}\n")
    (machine / "root/usr/lib/os-release").write_text(f'ID=lab\nIMAGE_ID="lab"\nIMAGE_VERSION="{version}"\n')
    os.utime(machine / "root/usr/lib/os-release", (1000000000, 1000000000))
    return version


def bless(machine):
    running = (machine / "root/proc/cmdline").read_text()
    for path, version, left, _ in list_entries(machine / "esp"):
        if left is not None and root_hash_of(path) in running:
            path.rename(path.with_name(f"lab_{version}.efi"))


# --- replay ---

def apply(operation, machine_from, machine_to):
    """One recorded line, on the copy of the machine."""
    kind, rest = operation.split(" ", 1)
    words = [word.replace(str(machine_from), str(machine_to), 1) if word.startswith(str(machine_from)) else word
             for word in rest.split(" ")]
    if kind in ("create", "mkdir"):
        os.makedirs(os.path.dirname(words[0]), exist_ok=True)
    if kind == "write":
        with open(words[0], "r+b") as file:
            file.seek(int(words[1]))
            file.write(bytes.fromhex(words[2]))
    elif kind == "create":
        open(words[0], "wb").close()
    elif kind == "truncate":
        os.truncate(words[0], int(words[1]))
    elif kind == "rename":
        os.rename(words[0], words[1])
    elif kind == "unlink":
        os.unlink(words[0])
    elif kind == "mkdir":
        os.makedirs(words[0], exist_ok=True)


def durable(operations):
    """Those that must have reached the disk: data before a sync of its file, names before a sync of their directory."""
    kept = []
    for number, line in enumerate(operations):
        kind, *words = line.split(" ")
        later = operations[number + 1:]
        if kind in ("write", "truncate"):
            # The file may have another name by the time of the sync: it has not, in what we write.
            if f"sync {words[0]}" in later:
                kept.append(line)
        elif kind in ("create", "mkdir", "unlink"):
            if f"sync {os.path.dirname(words[0])}" in later or kind == "create" and f"sync {words[0]}" in later or kind == "mkdir":
                kept.append(line)
        elif kind == "rename":
            if f"sync {os.path.dirname(words[1])}" in later:
                kept.append(line)
    return kept


def replay(machine, log, work, old, new, command):
    """After each prefix of the recorded operations, and after those of each prefix that are sure to be on the disk, version OLD or NEW
    must boot, whole; then COMMAND (with the copy of the machine in $MACHINE) must end in the same state as without an interruption. MACHINE is the
    machine as it was before; the paths in LOG are those of a machine called "recorded" beside it."""
    operations = Path(log).read_text().splitlines()
    recorded = machine.parent / "recorded"
    copy = Path(work) / "copy"
    states, tried, first = set(), 0, None
    for count in range(len(operations) + 1):
        for kind, prefix in (("prefix", operations[:count]), ("durable", durable(operations[:count]))):
            fingerprint = hash(tuple(prefix))
            if fingerprint in states:
                continue
            states.add(fingerprint)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(machine, copy)
            where = f"{kind} {count} of {len(operations)} ({operations[count - 1][:90] if count else 'nothing'})"
            try:
                for line in prefix:
                    apply(line, recorded, copy)
                versions = bootable(copy)
                assert versions and versions[0] in (old, new), f"boots {versions}"
                if first is None and kind == "prefix" and versions[0] == new:
                    first = count
                assert first is None or kind == "durable" or versions[0] == new, "went back to the old version"
            except (AssertionError, OSError) as problem:
                print(f"{where}: {problem}")
                return 1
            result = subprocess.run(["sh", "-c", command], env=dict(os.environ, MACHINE=str(copy)), capture_output=True, text=True)
            versions = bootable(copy)
            if result.returncode not in (0, 77) or versions[:1] != [new]:
                print(f"{where}: the next run exits {result.returncode}, boots {versions}\n{result.stdout}{result.stderr}")
                return 1
            leftovers = [path.name for path in (copy / "esp/EFI/Linux").iterdir() if path.name.endswith(".part")]
            if leftovers:
                print(f"{where}: leftovers {leftovers}")
                return 1
            tried += 1
    print(f"{tried} states of {len(operations)} operations; the new version boots from operation {first} on")
    return 0


def main():
    command, machine = sys.argv[1], Path(sys.argv[2])
    if command == "images":
        make_images(machine)
    elif command == "boot":
        print(boot(machine))
    elif command == "bless":
        bless(machine)
    elif command == "check":
        print(" ".join(bootable(machine)))
    elif command == "replay":
        sys.exit(replay(machine, *sys.argv[3:8]))


main()
