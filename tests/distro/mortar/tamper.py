"""Packages that rpmbuild refuses to make: bytes of a finished RPM replaced, its digests made right again.

Only equal lengths, so no offset in the file changes. RPM v4 format: lead, signature header (padded to
8 bytes), header, payload; a header is magic, two big-endian counts and an index of 16-byte entries.
"""

import hashlib
import struct
from pathlib import Path

from .progress import Failure

_LEAD = 96
_MAGIC = b"\x8e\xad\xe8\x01"

_SIG_SHA1, _SIG_SHA256, _SIG_MD5 = 269, 273, 1004
_PAYLOAD_SHA256, _PAYLOAD_SHA256_PLAIN = 5092, 5097


def replace(path, changes):
    """Replaces bytes in the header and in the payload, which must not be compressed."""
    data = bytearray(Path(path).read_bytes())
    header = _end(data, _LEAD)
    header += -header % 8
    body = bytes(data[header:])
    for old, new in changes:
        if len(old) != len(new) or old not in body:
            raise Failure(f"'{path}': '{old.decode()}' is not there or as long as its replacement")
        body = body.replace(old, new)
    data[header:] = body
    payload = _end(data, header)
    digest = hashlib.sha256(data[payload:]).hexdigest().encode()
    for tag in (_PAYLOAD_SHA256, _PAYLOAD_SHA256_PLAIN):
        _put(data, header, tag, digest)
    _put(data, _LEAD, _SIG_SHA1, hashlib.sha1(data[header:payload]).hexdigest().encode())
    _put(data, _LEAD, _SIG_SHA256, hashlib.sha256(data[header:payload]).hexdigest().encode())
    _put(data, _LEAD, _SIG_MD5, hashlib.md5(data[header:]).digest())
    Path(path).write_bytes(data)


def _counts(data, start):
    if data[start : start + 4] != _MAGIC:
        raise Failure(f"offset {start}: not an RPM header")
    return struct.unpack_from(">II", data, start + 8)


def _end(data, start):
    entries, store = _counts(data, start)
    return start + 16 + 16 * entries + store


def _put(data, start, tag, value):
    """Overwrites a tag's value in place, if the header has the tag."""
    entries, _ = _counts(data, start)
    for number in range(entries):
        found, _, offset, _ = struct.unpack_from(">IIII", data, start + 16 + 16 * number)
        if found == tag:
            at = start + 16 + 16 * entries + offset
            data[at : at + len(value)] = value
