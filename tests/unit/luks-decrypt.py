#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Decrypts a LUKS2 volume by another program's AES-XTS: luks-decrypt.py VOLUME VOLUME-KEY SECTOR-BYTES OUTPUT"""
import sys
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

OFFSET = 16 << 20
volume, key_path, sector, output = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
key = open(key_path, "rb").read()
with open(volume, "rb") as data, open(output, "wb") as plain:
    data.seek(OFFSET)
    at = 0
    while block := data.read(sector):
        tweak = (at // 512).to_bytes(16, "little")
        plain.write(Cipher(algorithms.AES(key), modes.XTS(tweak)).decryptor().update(block))
        at += sector
