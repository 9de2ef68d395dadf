#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Computes the example packets of docs/protocol.md, appendix A, a second time (second_crypto.py).

    protocol_examples.py docs/protocol.md            compares; exit status 1 where they differ
    protocol_examples.py --update docs/protocol.md   writes the blocks anew

A block begins with ```example NAME and holds `field = hex`, continued on indented lines; # begins a
comment. The unit tests of the engine read the same blocks.
"""
import re
import struct
import sys

from second_crypto import Identity, NoiseState, blake2b, expand, seal, siphash128, x25519

VERSION = 0x706C7431


def varint(v):
    for size, bits in ((1, 6), (2, 14), (4, 30), (8, 62)):
        if v < 1 << bits:
            return (v | (size.bit_length() - 1) << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(v)


def count_up(first, n):
    return bytes((first + i) & 255 for i in range(n))


A = Identity(count_up(0x00, 32))
Z = Identity(count_up(0x20, 32))
A_EPHEMERAL, Z_EPHEMERAL = count_up(0x40, 32), count_up(0x60, 32)
A_CID, Z_CID = count_up(0xA0, 8), count_up(0xB0, 8)

# A field is a list of (bytes, comment); a plain bytes value is one without a comment.


def joined(parts):
    return parts if isinstance(parts, bytes) else b"".join(p[0] for p in parts)


def parameter(number, name, value):
    return (varint(number) + varint(len(value)) + value, name)


def limits(handshake_class, max_channels, window, message, links, delay, idle, dormancy):
    names = (
        "HANDSHAKE_CLASS",
        "MAX_CHANNELS",
        "INITIAL_WINDOW",
        "MAX_MESSAGE",
        "MAX_LINKS",
        "MAX_ACK_DELAY",
        "IDLE_TIMEOUT",
        "DORMANCY_TIMEOUT",
    )
    values = (handshake_class, max_channels, window, message, links, delay, idle, dormancy)
    return [parameter(5 + i, f"{n} {v}", varint(v)) for i, (n, v) in enumerate(zip(names, values))]


def classes(*table):
    value = b"".join(bytes([len(n)]) + n.encode() + bytes([size]) for n, size in table)
    return parameter(4, "CLASSES " + ", ".join(f"{n}: {size}" for n, size in table), value)


def long_header(kind, dcid, scid):
    return [
        (bytes([0x80 | kind << 4]), ("INIT", "RESP", "FIN")[kind]),
        (struct.pack(">I", VERSION), "version"),
        (bytes([len(dcid)]) + dcid, "dlen, dcid"),
        (bytes([len(scid)]) + scid, "slen, scid"),
    ]


class Handshake:
    """IK from A to Z."""

    def __init__(self):
        self.header = long_header(0, b"", A_CID) + [(b"\0\1", "suite"), (b"\1", "pattern: IK")]
        self.prologue = b"plait1" + joined(self.header) + Z.id
        n = self.noise = NoiseState(b"Noise_IK_25519_ChaChaPoly_BLAKE2b", self.prologue)
        n.mix_hash(Z.public)
        e, z_e = x25519(A_EPHEMERAL), x25519(Z_EPHEMERAL)

        self.init_payload = [
            parameter(1, "NODE_ID", A.id),
            parameter(2, "CIPHERS", b"\1\2"),
            parameter(15, "TIME", struct.pack(">Q", 1_700_000_000_000)),
            classes(("udp", 8), ("serial", 1)),
        ] + limits(0, 256, 65536, 16777216, 8, 5000, 60000, 60000)
        n.mix_hash(e)
        n.mix_key(x25519(A_EPHEMERAL, Z.public))
        s = n.encrypt(A.public)
        n.mix_key(x25519(A.secret, Z.public))
        self.init_parts = [
            (e, "e"),
            (s, "s, encrypted"),
            (n.encrypt(joined(self.init_payload)), "payload"),
        ]

        cids = bytes([8]) + A_CID + bytes([8]) + Z_CID
        self.resp_payload = [
            parameter(3, "CIPHER", b"\1"),
            parameter(13, "VERSIONS", struct.pack(">I", VERSION)),
            parameter(14, "SUITES", b"\0\1"),
            parameter(16, "CONNECTION_IDS", cids),
            classes(("serial", 1), ("udp", 8)),
        ] + limits(1, 256, 65536, 16777216, 8, 5000, 30000, 60000)
        n.mix_hash(z_e)
        n.mix_key(x25519(Z_EPHEMERAL, e))
        n.mix_key(x25519(Z_EPHEMERAL, A.public))
        self.resp_parts = [(z_e, "e"), (n.encrypt(joined(self.resp_payload)), "payload")]
        self.k1, self.k2 = n.split()
        self.root = blake2b(b"plait1 root" + n.h, 64, self.k1 + self.k2)

    def init(self):
        noise = joined(self.init_parts)
        packet = self.header + [(struct.pack(">H", len(noise)), "noise_len")] + self.init_parts
        packet.append((bytes(400 - 32 - len(joined(packet))), "padding"))
        key = blake2b(b"plait1 mac1" + Z.public, 32)
        packet.append((blake2b(joined(packet), 16, key), "mac1"))
        return packet + [(bytes(16), "mac2: no cookie")]

    def resp(self):
        noise = joined(self.resp_parts)
        return (
            long_header(1, A_CID, Z_CID)
            + [(struct.pack(">H", len(noise)), "noise_len")]
            + self.resp_parts
        )


def channel_key(root, channel, direction, cipher=1, epoch=0):
    both = expand(root, "chan", struct.pack(">IBBI", channel, direction, cipher, epoch), 44)
    return both[:32], both[32:]


def rekey_root(root, generation, init_body, resp_body, secrets):
    data = b"plait1 rekey" + struct.pack(">I", generation) + b"".join(secrets)
    return blake2b(data + init_body + resp_body, 64, root)


def rekey(hs):
    """Section 3.5, from generation 0 to 1."""
    a, z = count_up(0x80, 32), count_up(0xC0, 32)
    head = struct.pack(">I", 1)
    init_body = head + b"\0\1" + b"\0\x20" + x25519(a)
    resp_body = head + b"\0\x20" + x25519(z)
    ee, es, se = x25519(a, x25519(z)), x25519(a, Z.public), x25519(A.secret, x25519(z))
    # Z computes the same from the other halves.
    assert (ee, es, se) == (
        x25519(z, x25519(a)),
        x25519(Z.secret, x25519(a)),
        x25519(z, A.public),
    )
    root = rekey_root(hs.root, 1, init_body, resp_body, (ee, es, se))
    key, iv = channel_key(root, 5, 0)
    packet = short_packet(root, 0, Z_CID, 5, 2, 9, 1, 0x08, [(b"\x01", "PING")], hs.root)
    return {
        "a_ephemeral": a,
        "z_ephemeral": z,
        "init": [
            (varint(3) + varint(len(init_body)), "REKEY_INIT"),
            (init_body[:4], "generation"),
            (init_body[4:6], "suite"),
            (init_body[6:], "key"),
        ],
        "resp": [
            (varint(4) + varint(len(resp_body)), "REKEY_RESP"),
            (resp_body[:4], "generation"),
            (resp_body[4:], "key"),
        ],
        "ee": ee,
        "es": es,
        "se": se,
        "root_1": root,
        "key": key,
        "iv": iv,
        "header": packet["header"],
        "plaintext": packet["plaintext"],
        "packet": packet["packet"],
    }


def header_key(root, direction):
    return expand(root, "hp", bytes([direction]), 16)


def short_packet(
    root, direction, cid, channel, link, number, number_size, flags, plaintext, root_0=None
):
    """Section 4.3, step by step; the fields are those of the example."""
    flags |= number_size - 1
    channel_bytes, number_bytes = varint(channel), number.to_bytes(8, "big")[8 - number_size :]
    header = bytes([flags]) + cid + channel_bytes + number_bytes
    key, iv = channel_key(root, channel, direction, epoch=flags >> 4 & 3)
    nonce = bytes(a ^ b for a, b in zip(iv, struct.pack(">IQ", link, number)))
    sealed = seal(key, nonce, header, joined(plaintext))
    mask = siphash128(header_key(root_0 or root, direction), sealed[-16:])
    rest = bytes(a ^ b for a, b in zip(channel_bytes + number_bytes, mask[1:]))
    return {
        "header": [
            (bytes([flags]), "flags"),
            (cid, "connection id"),
            (channel_bytes, f"channel {channel}"),
            (number_bytes, f"packet number {number:#x}"),
        ],
        "plaintext": plaintext,
        "key": key,
        "iv": iv,
        "nonce": nonce,
        "mask": mask,
        "packet": [
            (bytes([flags ^ mask[0] & 0x7F]), "flags, masked"),
            (cid, "connection id"),
            (rest, "channel and packet number, masked"),
        ]
        + ([(sealed[:-16], "ciphertext")] if plaintext else [])
        + [(sealed[-16:], "tag, also the sample")],
    }


def tinymt32(seed):
    """RFC 8682."""
    s = [seed, 0x8F7011EE, 0xFC78FF1F, 0x3793FDFF]

    def step():
        x = (s[0] & 0x7FFFFFFF) ^ s[1] ^ s[2]
        x ^= x << 1 & 0xFFFFFFFF
        y = s[3] ^ s[3] >> 1 ^ x
        s[:] = s[1], s[2], x ^ y << 10 & 0xFFFFFFFF, y
        if y & 1:
            s[1] ^= 0x8F7011EE
            s[2] ^= 0xFC78FF1F

    for i in range(1, 8):
        s[i & 3] ^= i + 1812433253 * (s[i - 1 & 3] ^ s[i - 1 & 3] >> 30) & 0xFFFFFFFF
    for _ in range(8):
        step()
    while True:
        step()
        t = s[0] + (s[2] >> 8) & 0xFFFFFFFF
        yield s[3] ^ t ^ (0x3793FDFF if t & 1 else 0)


def times(a, b):
    """In GF(2^8)."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def repair(key, size, window):
    """RFC 8681, over bytes: docs/protocol.md section 6.7."""
    coefficients = (n & 255 for n in tinymt32(key) if n & 255)
    symbol = bytearray(size)
    for at in range(0, len(window), size):
        c = next(coefficients)
        for column, byte in enumerate(window[at : at + size]):
            symbol[column] ^= times(c, byte)
    return bytes(symbol)


def frames():
    cid = count_up(0xD0, 8)
    token = expand(expand(Z.seed, "reset", b"", 32), "tok", b"udp" + cid, 16)
    v = varint
    return {
        "ping": b"\x01",
        "ack": b"\x02"
        + v(3)
        + v(1000)
        + v(700)
        + b"\x01\x02\x03\x04"
        + v(3)
        + v(10)
        + v(0)
        + v(4)
        + v(1)
        + v(0),
        "ack_ecn": b"\x03" + v(0) + v(7) + v(25) + bytes(4) + v(8) + v(0) + v(1) + v(1) + v(7),
        "data": b"\x0d" + v(70000) + v(5) + b"hello",
        "data_fin": b"\x0a" + v(70005),
        "skip": b"\x10" + v(5) + v(1200) + v(2400) + v(2),
        "open": [
            (b"\x11" + v(2), "channel 2"),
            (b"\x86", "at most, skip, ordered, messages, one-way"),
            (v(3), "3 resends"),
            (v(20000), "reorder wait 20 ms"),
            (b"\x24", "class 2, weight 16"),
            (v(0), "window"),
            (b"\0\x10", "cipher, 2^16 packets an epoch"),
            (b"\4chat", "label"),
        ],
        "accept": b"\x12" + v(2) + v(262144) + v(65536),
        "refuse": b"\x13" + v(2) + v(9),
        "reset": b"\x14" + v(5) + v(2**32 + 1) + v(70005),
        "stop": b"\x15" + v(5) + v(17),
        "max_channel_data": b"\x16" + v(5) + v(1 << 20) + v(1),
        "blocked": b"\x17" + v(5) + v(65536),
        "credit_return": b"\x18" + v(5) + v(1) + v(70005),
        "max_channels": b"\x19" + v(300),
        "max_links": b"\x1a" + v(16),
        "ack_freq": b"\x1b" + v(2) + v(1) + v(90) + v(5000) + v(3),
        "challenge": b"\x1c" + count_up(1, 8),
        "response": b"\x1d" + count_up(1, 8),
        "new_cid": [
            (b"\x1e", "type"),
            (v(2), "link 2"),
            (v(1), "class 1: udp in Z's table"),
            (v(1), "seq"),
            (b"\x08" + cid, "cid"),
            (token, "token, from Z's seed"),
        ],
        "new_cid_short": b"\x1e" + v(2) + v(0) + v(2) + b"\x01\x5c",
        "retire_cid": b"\x1f" + v(1),
        "cid_request": b"\x20" + v(0) + v(2),
        "link_state": b"\x21" + v(2) + b"\x01",
        "link_close": b"\x22" + v(2) + v(1),
        "close": b"\x23" + v(5) + b"\0" + b"\x07not now",
        "repair": b"\x24"
        + v(20)
        + v(40)
        + v(50)
        + b"\0\x07"
        + v(20)
        + repair(7, 20, count_up(40, 50)),
        "extension": v(0x5D) + v(2) + b"\x5a\x5a",
    }


def records():
    v4 = struct.pack(">BH4s", 4, 4242, bytes([192, 0, 2, 7]))
    v6 = struct.pack(">BH16s", 6, 4242, bytes.fromhex("20010db8" + "00" * 11 + "07"))
    udp = b"\x03udp"
    body = [
        (b"\x02", "two addresses"),
        (udp, "udp"),
        (bytes([len(v4)]) + v4, "192.0.2.7:4242"),
        (udp, "udp"),
        (bytes([len(v6)]) + v6, "[2001:db8::7]:4242"),
    ]
    size = len(joined(body))
    head = [(varint(6), "ENDPOINTS"), (varint(size), f"{size} bytes")]
    return {"endpoints": head + body}


def examples():
    hs = Handshake()
    root = hs.root
    key, iv = channel_key(root, 5, 0)
    data = [
        (b"\x0d" + varint(0x1000) + varint(12), "DATA: LEN, START; offset 4096; 12 bytes"),
        (varint(11) + b"hello plait", "the message's length and body"),
    ]
    # 0x11f0..0x1234 without 0x1201, received on link 0, 1.5 ms ago.
    ack = [
        (b"\x02" + varint(0) + varint(0x1234) + varint(1500), "ACK: link, largest, delay"),
        (struct.pack(">I", 0x00ABCDEF), "receive time"),
        (varint(2), "ranges"),
        (varint(0x1234 - 0x1202), "0x1202..0x1234"),
        (varint(0) + varint(0x1200 - 0x11F0), "0x11f0..0x1200"),
        (b"\x01", "PING"),
    ]
    return {
        "varints": {
            f"value_{n}": varint(n)
            for n in (
                0,
                37,
                63,
                64,
                15293,
                16383,
                16384,
                494878333,
                2**30 - 1,
                2**30,
                151288809941952652,
                2**62 - 1,
            )
        },
        "identity": {
            "a_seed": A.seed,
            "a_id": A.id,
            "a_x25519": A.public,
            "z_seed": Z.seed,
            "z_id": Z.id,
            "z_x25519": Z.public,
        },
        "init": {
            "ephemeral_secret": A_EPHEMERAL,
            "prologue": hs.prologue,
            "payload": hs.init_payload,
            "packet": hs.init(),
        },
        "resp": {"ephemeral_secret": Z_EPHEMERAL, "payload": hs.resp_payload, "packet": hs.resp()},
        "keys": {
            "h": hs.noise.h,
            "k1": hs.k1,
            "k2": hs.k2,
            "root_0": root,
            "hp_0": header_key(root, 0),
            "hp_1": header_key(root, 1),
            "chan_5_dir_0_key": key,
            "chan_5_dir_0_iv": iv,
            "exporter_5_test_32": expand(
                expand(root, "exporter", b"", 32), "export", struct.pack(">I", 5) + b"test", 32
            ),
        },
        "rekey": rekey(hs),
        "data_packet": short_packet(root, 0, Z_CID, 5, 0, 0x1234, 2, 0x04, data),
        "ack_packet": short_packet(root, 1, A_CID, 0, 0, 7, 1, 0, ack),
        "empty_packet": short_packet(root, 0, Z_CID, 70000, 6, 0x123456789, 4, 0x20, b""),
        "frames": frames(),
        "records": records(),
    }


def block(name):
    out = [f"```example {name}"]
    for field, value in examples()[name].items():
        if isinstance(value, bytes) and len(value) <= 32:
            out.append(f"{field} = {value.hex()}".rstrip())
            continue
        out.append(f"{field} =")
        for part, comment in [(value, "")] if isinstance(value, bytes) else value:
            if comment == "padding":
                out.append(f"  # {len(part)} bytes of padding")
                comment = ""
            text = part.hex()
            lines = [text[i : i + 64] for i in range(0, len(text), 64)] or [""]
            lines[-1] += f"{'':{max(1, 33 - len(lines[-1]))}}# {comment}" if comment else ""
            out += ["  " + line for line in lines]
    return "\n".join(out) + "\n```"


def parse(text):
    fields, field = {}, None
    for line in text.splitlines():
        line = line.split("#")[0]
        match = re.match(r"(\w+) *=(.*)", line)
        if match:
            field, line = match[1], match[2]
            fields[field] = ""
        if line.strip():
            fields[field] += "".join(line.split())
    return {name: bytes.fromhex(value) for name, value in fields.items()}


def main(args):
    update = args[:1] == ["--update"]
    path = args[-1]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    pattern = re.compile(r"```example (\w+)\n(.*?)```", re.S)
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(pattern.sub(lambda m: block(m[1]), text))
        return 0
    computed = {
        name: {f: joined(v) for f, v in fields.items()} for name, fields in examples().items()
    }
    documented = {m[1]: parse(m[2]) for m in pattern.finditer(text)}
    bad = [
        f"{name}.{field}"
        for name in computed.keys() | documented.keys()
        for field in computed.get(name, {}).keys() | documented.get(name, {}).keys()
        if computed.get(name, {}).get(field) != documented.get(name, {}).get(field)
    ]
    bad += sorted(computed.keys() ^ documented.keys())
    print(
        "\n".join(f"differs: {b}" for b in bad)
        or f"{sum(map(len, computed.values()))} fields agree"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
