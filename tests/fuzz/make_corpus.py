#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz corpora: the example packets of docs/protocol.md, one file each.

    make_corpus.py tests/fuzz/corpus

What libFuzzer finds on top is added by hand (-merge=1), under the names that it gives.
"""
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
from protocol_examples import examples, joined  # noqa: E402


def cobs_frame(datagram):
    out, block = bytearray(), bytearray()
    for byte in datagram + struct.pack("<I", zlib.crc32(datagram)):
        if len(block) == 254:
            out += bytes([255]) + block
            block.clear()
        if byte:
            block.append(byte)
        else:
            out += bytes([len(block) + 1]) + block
            block.clear()
    return bytes(out + bytes([len(block) + 1]) + block + b"\0")


def seeds():
    page = {name: {f: joined(v) for f, v in fields.items()} for name, fields in examples().items()}
    short = [n for n in page if n.endswith("_packet")]
    for name in short:
        yield "short_packet", name, b"\x07" + page[name]["mask"] + page[name]["packet"]
        yield "short_packet", name + "_plain", b"\x07" + bytes(16) + page[name]["header"] + bytes(
            16
        )
        if page[name]["plaintext"]:
            yield "frames", name, page[name]["plaintext"]
    serial = b"\x00" + bytes(16) + b"\x00\x5c\x00\x01" + bytes(16)
    yield "short_packet", "serial", serial
    for name, frame in page["frames"].items():
        yield "frames", name, frame
    yield "frames", "all", b"".join(page["frames"].values())
    for name, first in (("init", 15 + 3), ("resp", 23)):
        packet, payload = page[name]["packet"], page[name]["payload"]
        yield "long_packet", name, packet
        rest = struct.pack(">H", len(payload)) + payload + bytes(32)
        yield "long_packet", name + "_open", packet[:first] + rest
    cid, version = bytes(range(0xA0, 0xA8)), bytes.fromhex("706c7431")
    to, scid = b"\x08" + cid + b"\x00", b"\x00\x08" + cid
    yield "long_packet", "retry", b"\xb0" + version + to + bytes(range(32))
    yield "long_packet", "versions", b"\xc0" + bytes(4) + to + bytes(16) + b"\x01" + version
    yield "long_packet", "frag", b"\xd0" + version + scid + b"\x00\x01\x00\x00\x10" + bytes(
        8
    ) + b"piece"
    yield "long_packet", "probe", b"\xe0" + version + b"\x00\x01\x5c" + bytes(32)
    fin = page["resp"]["packet"][:23] + struct.pack(">H", len(page["init"]["payload"]))
    yield "long_packet", "fin_open", b"\xa0" + fin[1:] + page["init"]["payload"]
    for name, data in (
        ("small", b"plait"),
        ("zeros", bytes(10)),
        ("mixed", bytes([0, 1, 0, 2, 3])),
        ("block_254", b"\x11" * 250),
        ("long", bytes(range(1, 256)) * 3),
        ("packet", page["data_packet"]["packet"]),
    ):
        yield "cobs", name, cobs_frame(data)
        yield "cobs", name + "_raw", data
    yield "cobs", "garbage_first", b"\x05\x11\x22\0\0" + cobs_frame(b"after garbage") + b"\xff\x01"

    for name, data in node_seeds(page["frames"]):
        yield "node", name, data


def node_seeds(frames):
    """The steps of fuzz_node.cpp: 1 frames under a channel's key, 7 time, 9 a call, and so on."""

    def say(frame, channel=0):
        return bytes([1, channel, len(frame)]) + frame + b"\0"

    wait, send = bytes([7, 50]), bytes([9, 2, 0, 20])
    for name, frame in frames.items():
        if len(frame) <= 200:
            yield name, b"\x01" + say(frame) + say(frame, 2) + wait
    for kind, n in (("stream", 0), ("datagram", 1)):
        yield "open_" + kind, b"\x01" + bytes([9, n, 0, 0]) + send * 3 + wait + say(
            frames["accept"]
        ) + send
    both = say(frames["open"] + frames["data"], 2)
    yield "channel", b"\x01" + both + send + wait + both + bytes([9, 3, 0, 0]) + wait * 3
    yield "repaired", b"\x01" + both + say(frames["repair"], 2) + say(frames["data"], 2) + wait
    yield "close", b"\x01" + both + bytes([9, 8, 0, 0]) + wait
    yield "link", b"\x01" + bytes([9, 7, 0, 0]) + say(frames["new_cid"]) + wait * 4
    yield "handshake", b"\0" + bytes([6, 0, 60, 0, 0, 6, 1, 0, 9, 0, 6, 0, 0, 0, 0, 8, 120])
    yield "sealed", b"\x01" + bytes([4, 3, 2, 0, 4, 30, 9, 0, 5, 0, 3, 5, 1, 0])
    for name, step, changed in (("pieces", 60, 1000), ("pieces_changed", 100, 40)):
        pieces = bytes([10, step, 3]) + struct.pack(">H", changed)
        yield name, b"\0" + pieces + say(frames["ping"]) + pieces + wait
    yield "raw", b"\x01" + bytes([0, 30]) + bytes(range(30)) + b"\0" + bytes([8, 255])


def main(root):
    for target, name, data in seeds():
        folder = os.path.join(root, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main(sys.argv[1])
