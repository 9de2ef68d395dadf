# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the cryptography of docs/protocol.md, for checking its examples.

Written from the RFCs and the specification alone, with nothing but hashlib: slow, not constant-
time, and only for test vectors. Never use it for anything else.
"""
import hashlib
import hmac
import struct

P = 2**255 - 19


def blake2b(data, size, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def expand(key, label, ctx, size):
    """E(k, label, ctx, n)."""
    label = label.encode()
    return blake2b(bytes([len(label)]) + label + ctx, size, key)


# -- Curves (RFC 7748, RFC 8032) ---------------------------------------------------------------


def clamp(scalar):
    s = bytearray(scalar)
    s[0] &= 248
    s[31] = s[31] & 127 | 64
    return int.from_bytes(s, "little")


def x25519(secret, u=b"\x09" + bytes(31)):
    k, x1 = clamp(secret), int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


D = -121665 * pow(121666, P - 2, P) % P


def edwards_add(p, q):
    (x1, y1), (x2, y2) = p, q
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return x, y


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x & 1 else x), y


class Identity:
    """Section 1: Ed25519 public key of a seed, and the X25519 pair made from it."""

    def __init__(self, seed):
        self.seed = seed
        self.secret = hashlib.sha512(seed).digest()[:32]
        scalar, point, result = clamp(self.secret), base_point(), (0, 1)
        while scalar:
            if scalar & 1:
                result = edwards_add(result, point)
            point = edwards_add(point, point)
            scalar >>= 1
        x, y = result
        self.id = (y | (x & 1) << 255).to_bytes(32, "little")
        self.public = ((1 + y) * pow(1 - y, P - 2, P) % P).to_bytes(32, "little")
        assert self.public == x25519(self.secret)


# -- ChaCha20-Poly1305 (RFC 8439) --------------------------------------------------------------


def rotate32(v, n):
    return (v << n | v >> (32 - n)) & 0xFFFFFFFF


def chacha20_block(key, counter, nonce):
    start = list(
        struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce)
    )
    s = start[:]

    def quarter(a, b, c, d):
        for first, second, third, bits in (
            (a, b, d, 16),
            (c, d, b, 12),
            (a, b, d, 8),
            (c, d, b, 7),
        ):
            s[first] = (s[first] + s[second]) & 0xFFFFFFFF
            s[third] = rotate32(s[third] ^ s[first], bits)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))


def pad16(data):
    return data + bytes(-len(data) % 16)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def seal(key, nonce, aad, plaintext):
    stream = b"".join(chacha20_block(key, 1 + i, nonce) for i in range((len(plaintext) + 63) // 64))
    ciphertext = bytes(a ^ b for a, b in zip(plaintext, stream))
    lengths = struct.pack("<QQ", len(aad), len(ciphertext))
    tag = poly1305(chacha20_block(key, 0, nonce)[:32], pad16(aad) + pad16(ciphertext) + lengths)
    return ciphertext + tag


# -- SipHash-2-4 with 128 bits out -------------------------------------------------------------


def siphash128(key, data):
    k0, k1 = struct.unpack("<QQ", key)
    m64 = 2**64 - 1
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D ^ 0xEE,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & m64

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & m64
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & m64
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & m64
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & m64
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    tail = len(data) % 8
    padded = data + bytes(7 - tail) + bytes([len(data) & 255])
    for i in range(0, len(padded), 8):
        word = struct.unpack("<Q", padded[i : i + 8])[0]
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return struct.pack("<QQ", low, v[0] ^ v[1] ^ v[2] ^ v[3])


# -- Noise (revision 34), 25519_ChaChaPoly_BLAKE2b ---------------------------------------------


class NoiseState:
    """Symmetric state; both sides' secrets are known here, so one object plays both."""

    def __init__(self, name, prologue):
        self.h = name.ljust(64, b"\0") if len(name) <= 64 else blake2b(name, 64)
        self.ck, self.key, self.n = self.h, None, 0
        self.mix_hash(prologue)

    def hkdf(self, data, count):
        temp = hmac.new(self.ck, data, hashlib.blake2b).digest()
        out, last = [], b""
        for i in range(1, count + 1):
            last = hmac.new(temp, last + bytes([i]), hashlib.blake2b).digest()
            out.append(last)
        return out

    def mix_hash(self, data):
        self.h = blake2b(self.h + data, 64)

    def mix_key(self, data):
        self.ck, temp = self.hkdf(data, 2)
        self.key, self.n = temp[:32], 0

    def encrypt(self, plaintext):
        if self.key is None:
            out = plaintext
        else:
            out = seal(self.key, bytes(4) + struct.pack("<Q", self.n), self.h, plaintext)
            self.n += 1
        self.mix_hash(out)
        return out

    def split(self):
        k1, k2 = self.hkdf(b"", 2)
        return k1[:32], k2[:32]
