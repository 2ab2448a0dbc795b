# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a COSI 1.2 file as its specification wants it to be read, and puts the disk together again.

    cosi.py FILE RAW [trident]     complains and exits 1 unless FILE is right and gives RAW, byte by byte

With "trident" it is also one that Trident installs: of file systems that it knows, booted by a kernel image in the EFI system partition.
"""
import hashlib
import json
import re
import struct
import subprocess
import sys
import tarfile
import uuid
import zlib

CHUNK = 1 << 20
# What Trident's documents list (Composable OS Image, "How Trident Consumes COSI").
INSTALLED = {"ext4", "ext3", "ext2", "cramfs", "squashfs", "vfat", "msdos", "exfat", "iso9660", "ntfs", "btrfs", "xfs"}
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def need(condition, what):
    if not condition:
        sys.exit(f"cosi: {what}")


def has(value, kind, what):
    need(isinstance(value, kind) and not isinstance(value, bool), f"{what} is {value!r}")
    return value


def matches(value, pattern, what):
    need(re.fullmatch(pattern, has(value, str, what)) is not None, f"{what} is {value!r}")


def check_image(image, what):
    matches(image["path"], r"images/.+", f"{what}.path")
    matches(image["sha384"], r"[0-9a-f]{96}", f"{what}.sha384")
    for member in ("compressedSize", "uncompressedSize"):
        need(has(image[member], int, f"{what}.{member}") > 0, f"{what}.{member} is not positive")


def check_file_systems(meta, regions):
    """Of the schema and of Trident's own validation: each is a partition's, described there in the same way."""
    mounts, uuids = set(), set()
    for fs in meta["images"]:
        check_image(fs["image"], "images[].image")
        matches(fs["partType"], UUID, "partType")
        need(regions.get(fs["image"]["path"]) == fs["image"], "a file system is not as its partition")
        need(fs["mountPoint"] not in mounts and fs["mountPoint"].startswith("/"), "mountPoint")
        need(fs["fsType"] and fs["fsUuid"] and fs["fsUuid"] not in uuids, "fsType or fsUuid")
        mounts.add(fs["mountPoint"])
        uuids.add(fs["fsUuid"])
        if fs.get("verity") is not None:
            check_image(fs["verity"]["image"], "verity.image")
            matches(fs["verity"]["roothash"], r"[0-9a-f]{64}", "roothash")
            need(regions.get(fs["verity"]["image"]["path"]) == fs["verity"]["image"], "a hash partition is not as its partition")
    esps = [fs for fs in meta["images"] if fs["partType"].lower() == ESP]
    need(len(esps) == 1 and esps[0]["fsType"] == "vfat", "not one EFI system partition")
    return esps[0]["mountPoint"], mounts


def check_bootloader(meta, esp):
    if meta["bootloader"]["type"] == "grub":
        need(meta["bootloader"].get("systemdBoot") is None, "GRUB with entries of systemd-boot")
        return
    need(meta["bootloader"]["type"] == "systemd-boot", "bootloader.type")
    need(len(meta["bootloader"]["systemdBoot"]["entries"]) > 0, "there is no boot entry")
    for entry in meta["bootloader"]["systemdBoot"]["entries"]:
        folder = {"uki-standalone": "EFI/Linux", "config": "loader/entries"}.get(entry["type"])
        need(folder is not None and entry["path"].startswith(f"{esp}/{folder}/"), "boot entry")
        need(has(entry["cmdline"], str, "cmdline") and re.match(r"\d", has(entry["kernel"], str, "kernel")), "boot entry")
        for fs in meta["images"]:
            if fs.get("verity") is not None:
                need(f"roothash={fs['verity']['roothash']}" in entry["cmdline"].split(), "another roothash is booted")


def check_trident(meta, raw_path, esp):
    """Its ESP is mounted, and read by names; how systems are updated goes by them as well."""
    for fs in meta["images"]:
        need(fs["fsType"] in INSTALLED, f"Trident does not install {fs['fsType']}")
    need(meta["bootloader"]["type"] == "systemd-boot" and meta["bootloader"]["systemdBoot"]["entries"][0]["type"] == "uki-standalone",
         "Trident boots GRUB on Azure Linux 3 only")
    names = subprocess.run(["mdir", "-/", "-b", "-i", f"{raw_path}@@{esp}", "::/"], check=True, capture_output=True, text=True).stdout
    names = [name.removeprefix("::").lower() for name in names.split()]
    for name in ("bootx64.efi", "grubx64.efi"):
        need(f"/efi/boot/{name}" in names, f"Trident finds no {name} to copy")
    ukis = [name for name in names if re.fullmatch(r"/efi/linux/[^/]+", name)]
    path = meta["bootloader"]["systemdBoot"]["entries"][0]["path"].lower()
    need(len(ukis) == 1 and path.endswith(ukis[0]), "Trident takes no disk with another number of files in EFI/Linux than one")


def check_metadata(meta):
    need(meta["version"] == "1.2" and meta["osArch"] == "x86_64", "version or osArch")
    matches(meta["id"], UUID, "id")
    need("\nID=" in "\n" + has(meta["osRelease"], str, "osRelease"), "osRelease has no ID")
    need(has(meta["compression"]["maxWindowLog"], int, "maxWindowLog") > 9, "maxWindowLog")
    disk = meta["disk"]
    need(disk["type"] == "gpt" and disk["lbaSize"] == 512 and disk["size"] % 512 == 0, "disk")
    need([region["type"] for region in disk["gptRegions"]][0] == "primary-gpt", "the first region is no partition table")
    need(all(region["type"] == "partition" for region in disk["gptRegions"][1:]), "two partition tables")
    for region in disk["gptRegions"]:
        check_image(region["image"], "gptRegions[].image")
    numbers = [has(region["number"], int, "number") for region in disk["gptRegions"][1:]]
    need(len(set(numbers)) == len(numbers) and min(numbers) > 0, "numbers of partitions")
    esp, mounts = check_file_systems(meta, {region["image"]["path"]: region["image"] for region in disk["gptRegions"]})
    need("/" in mounts, "no root")
    need(len(meta["osPackages"]) > 0, "no packages")
    for package in meta["osPackages"]:
        for member in ("name", "version", "release", "arch"):
            need(has(package[member], str, f"osPackages[].{member}"), f"osPackages[].{member} is empty")
    check_bootloader(meta, esp)


def check_end(path, last):
    """Two blocks of zeros behind the last file, and nothing of ours behind them (COSI File Format)."""
    with open(path, "rb") as file:
        file.seek(last.offset_data + -(-last.size // 512) * 512)
        need(file.read() == bytes(1024), "the archive does not end with its mark")


def open_image(path, member, image):
    """The unpacked bytes, in chunks; the digest and both sizes are checked on the way."""
    with open(path, "rb") as file:
        file.seek(member.offset_data)
        packed = file.read(member.size)
    need(len(packed) == image["compressedSize"], f"{image['path']}: compressedSize")
    need(hashlib.sha384(packed).hexdigest() == image["sha384"], f"{image['path']}: sha384")
    with open(path, "rb") as file:
        # tail(1) and head(1) hand over the part without a copy of it on the disk.
        command = f"tail -c +{member.offset_data + 1} | head -c {member.size} | zstd -q -d -c --memory=4MB"
        with subprocess.Popen(["bash", "-c", "set -o pipefail; " + command], stdin=file, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as zstd:
            size = 0
            while chunk := zstd.stdout.read(CHUNK):
                size += len(chunk)
                yield chunk
            errors = zstd.stderr.read().decode()
    need("error" not in errors.lower() and "zstd:" not in errors, f"{image['path']}: {errors}")
    need(size == image["uncompressedSize"], f"{image['path']}: uncompressedSize")


def backup_table(gpt, size):
    """The copy of the table at the end of the disk, which follows from that at its start (UEFI 2.10 5.3.2)."""
    header, last = bytearray(gpt[512:604]), size // 512 - 1
    entries = gpt[1024:]
    struct.pack_into("<QQ", header, 24, last, 1)
    struct.pack_into("<Q", header, 72, last - len(entries) // 512)
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    return entries + bytes(header) + bytes(512 - len(header))


def read_partitions(gpt):
    """By number: first byte and size."""
    need(gpt[512:520] == b"EFI PART", "the first region has no GPT header")
    entries, count, length = struct.unpack_from("<QII", gpt, 512 + 72)
    need(len(gpt) == entries * 512 + count * length, "the table's image does not end where the table does")
    found = {}
    for number in range(1, count + 1):
        entry = gpt[entries * 512 + (number - 1) * length:][:length]
        if entry[:16] != bytes(16):
            first, last = struct.unpack_from("<QQ", entry, 32)
            found[number] = (first * 512, (last - first + 1) * 512, str(uuid.UUID(bytes_le=entry[:16])))
    return found


def compare(raw, at, chunks, what):
    raw.seek(at)
    for chunk in chunks:
        need(raw.read(len(chunk)) == chunk, f"{what} is not as in the disk")


def main(path, raw_path, reader=None):
    with open(path, "rb") as file:
        need(file.read(11) == b"cosi-marker", "it does not begin with the marker")
    with tarfile.open(path, "r:") as archive:
        members = archive.getmembers()
        meta = json.load(archive.extractfile(members[1]))
    names = [member.name for member in members]
    check_end(path, members[-1])
    need(names[0] == "cosi-marker" and members[0].size == 0 and members[0].isreg(), "the marker is no empty file")
    need(names[1] == "metadata.json", "the metadata is not the second entry")
    need(len(set(names)) == len(names), "a path is there twice")
    check_metadata(meta)
    regions = meta["disk"]["gptRegions"]
    need(names[2:] == [region["image"]["path"] for region in regions], "the images are not in the order of the disk")
    end = 0
    with open(raw_path, "rb") as raw:
        need(raw.seek(0, 2) == meta["disk"]["size"], "disk.size")
        gpt = b"".join(open_image(path, members[2], regions[0]["image"]))
        partitions = read_partitions(gpt)
        need(set(partitions) == {region["number"] for region in regions[1:]}, "not all partitions are there")
        compare(raw, 0, [gpt], "the partition table")
        end = len(gpt)
        for member, region in zip(members[3:], regions[1:]):
            start, size, kind = partitions[region["number"]]
            need(region["image"]["uncompressedSize"] == size, "an image is not as large as its partition")
            need(start >= end, "partitions are not in disk order")
            for fs in meta["images"]:
                need(fs["image"] != region["image"] or fs["partType"].lower() == kind, "partType")
            compare(raw, end, [bytes(start - end)], "what is before a partition")
            compare(raw, start, open_image(path, member, region["image"]), region["image"]["path"])
            end = start + size
        if reader == "trident":
            check_trident(meta, raw_path, [start for start, _, kind in partitions.values() if kind == ESP][0])
        backup = backup_table(gpt, meta["disk"]["size"])
        compare(raw, end, [bytes(meta["disk"]["size"] - end - len(backup)), backup], "what is behind the partitions")


if __name__ == "__main__":
    main(*sys.argv[1:])
