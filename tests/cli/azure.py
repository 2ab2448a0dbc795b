# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a disk for Azure as its documents ask for it, byte by byte, with nothing of ours.

    azure.py FILE.vhd gen1|gen2|cvm...     complains and exits 1 unless FILE is right for each of them

gen1: what a BIOS would run is followed from the first sector to GRUB's core image. gen2: the firmware
finds its loader. cvm: nothing is booted but one kernel image.
"""
import struct
import subprocess
import sys
import zlib

MIB = 1 << 20
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
SWAP = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
LVM = "e6d6d379-f507-44c2-a23c-238f2a3df928"
RAID = "a19d880f-05fc-4d3b-a006-743f0f84911e"


def need(condition, what):
    if not condition:
        sys.exit(f"azure: {what}")


def guid(data):
    first, second, third = struct.unpack_from("<IHH", data)
    return f"{first:08x}-{second:04x}-{third:04x}-{data[8:10].hex()}-{data[10:16].hex()}"


def geometry(sectors):
    """Virtual Hard Disk Image Format Specification 1.0, "CHS Calculation"."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    track = 17
    rows = sectors // track
    heads = max((rows + 1023) // 1024, 4)
    if rows >= heads * 1024 or heads > 16:
        track, heads = 31, 16
        rows = sectors // track
    if rows >= heads * 1024:
        track, heads = 63, 16
        rows = sectors // track
    return rows // heads, heads, track


def check_footer(file):
    """A page blob is taken if it is a fixed VHD of whole MiB, with one footer at its end. Returns the disk's size."""
    end = file.seek(0, 2)
    need(end % 512 == 0 and end > MIB, "the file is not whole sectors")
    file.seek(end - 512)
    footer = file.read(512)
    cookie, features, version, offset, _, _, _, _, original, size = struct.unpack_from(">8sIIQI4sI4sQQ", footer)
    cylinders, heads, track, kind, checksum = struct.unpack_from(">HBBII", footer, 56)
    need(cookie == b"conectix" and version == 0x10000 and features & 2, "cookie, version or features of the footer")
    need(kind == 2 and offset == (1 << 64) - 1, "it is not of fixed size")
    need(original == size == end - 512, f"the footer says {size} bytes, the file has {end - 512}")
    need(size % MIB == 0, "the disk is not whole MiB")
    need(size <= 2 << 40, "the disk is larger than 2 TiB")
    need(checksum == ~sum(footer[:64] + footer[68:]) & 0xffffffff, "the checksum of the footer")
    need((cylinders, heads, track) == geometry(size // 512), "the geometry is not that of the specification")
    need(footer[68:84] != bytes(16) and footer[84] == 0 and footer[85:] == bytes(427), "identifier, saved state or reserved bytes")
    file.seek(0)
    need(file.read(8) != b"conectix", "there is a copy of the footer at the start, as dynamic disks have it")
    return size


def read_table(file, at, where):
    file.seek(at * 512)
    header = file.read(512)
    signature, _, length, crc, _, own, other, first, last, _, entries_at, count, entry, entries_crc = struct.unpack_from("<8sIIIIQQQQ16sQIII", header)
    need(signature == b"EFI PART" and own == at, f"the {where} partition table")
    need(zlib.crc32(header[:16] + bytes(4) + header[20:length]) == crc, f"the checksum of the {where} table's header")
    file.seek(entries_at * 512)
    entries = file.read(count * entry)
    need(zlib.crc32(entries) == entries_crc, f"the checksum of the {where} table's entries")
    rows = [entries[i * entry:(i + 1) * entry] for i in range(count)]
    return other, first, last, [(guid(row), *struct.unpack_from("<QQ", row, 32)) for row in rows if row[:16] != bytes(16)]


def check_table(file, size):
    other, first, last, partitions = read_table(file, 1, "first")
    need(other == size // 512 - 1, "the second partition table is not at the end of the disk")
    need(read_table(file, other, "second")[1:] == (first, last, partitions), "the two partition tables differ")
    file.seek(0)
    mbr = file.read(512)
    need(mbr[510:] == b"\x55\xaa" and mbr[450] == 0xee, "there is no protective MBR")
    end = first
    for kind, start, stop in sorted(partitions, key=lambda row: row[1]):
        need(end <= start <= stop <= last, "partitions overlap, or leave the disk")
        need(start * 512 % MIB == 0, "a partition does not begin at a whole MiB")
        need(kind not in (SWAP, LVM, RAID), "swap, LVM and RAID do not belong on the disk of the system")
        end = stop + 1
    return partitions, mbr


def find(partitions, kind):
    rows = [row for row in partitions if row[0] == kind]
    need(len(rows) == 1, f"there are {len(rows)} partitions of type {kind}")
    return rows[0]


def check_bios(file, partitions, mbr):
    """As the BIOS and GRUB's first two sectors go: to the sector that the MBR names, and to the blocks that this one lists."""
    _, start, stop = find(partitions, BIOS_BOOT)
    need(mbr[0] == 0xeb and any(mbr[0x68:0x1b8]), "the MBR has no boot code")
    need(struct.unpack_from("<Q", mbr, 0x5c)[0] == start, "the boot code reads another sector than the first of its partition")
    need(mbr[0x66:0x68] == b"\x90\x90", "the boot code trusts a BIOS that says nothing of the drive")
    file.seek(start * 512)
    core = file.read((stop - start + 1) * 512)
    block, length, segment = struct.unpack_from("<QHH", core, 500)
    need((block, segment) == (start + 1, 0x820) and struct.unpack_from("<QHH", core, 488) == (0, 0, 0), "the list of blocks")
    need(0 < length <= stop - start, "the core image leaves its partition")
    need(any(core[length * 512:(length + 1) * 512]) and not any(core[(length + 1) * 512:]), "the core image does not end where its list does")


def list_esp(path, partitions):
    _, start, _ = find(partitions, ESP)
    names = subprocess.run(["mdir", "-/", "-b", "-i", f"{path}@@{start * 512}", "::/"], check=True, capture_output=True, text=True).stdout
    return {name.removeprefix("::").lower() for name in names.split("\n")}


def main(path, *generations):
    with open(path, "rb") as file:
        size = check_footer(file)
        partitions, mbr = check_table(file, size)
        if "gen1" in generations:
            check_bios(file, partitions, mbr)
        else:
            need(not any(mbr[:440]), "there is boot code for a BIOS")
    names = list_esp(path, partitions)
    if "gen2" in generations:
        need("/efi/boot/bootx64.efi" in names, "the firmware finds no loader")
    if "cvm" in generations:
        need(not any("grub" in name or "shim" in name or name.startswith("/loader/entries/") for name in names), "there is a loader whose configuration nobody measures")
        need(len([name for name in names if name.startswith("/efi/linux/") and name.endswith(".efi")]) == 1, "there is not one kernel image")


if __name__ == "__main__":
    main(*sys.argv[1:])
