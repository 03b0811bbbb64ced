"""Hashes of strings that are the same everywhere: those by which Keras's layers choose bins.

FarmHash's 64-bit fingerprint (Geoff Pike, Google, 2014) and SipHash-2-4 (Aumasson and Bernstein, 2012).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F  # primes of FarmHash


def hash_bins(texts: Sequence[str], bins: int, salt: Sequence[int] | None = None) -> list[int]:
    """The bin, 0 to bins - 1, of each string of a list; by SipHash where there is a `salt` of two integers."""
    known = {}
    for text in set(texts):
        content = text.encode()
        known[text] = (fingerprint64(content) if salt is None else siphash64(content, salt)) % bins
    return [known[text] for text in texts]


def _word(content: bytes, place: int, size: int = 8) -> int:
    return int.from_bytes(content[place : place + size], "little")


def _rotated_right(x: int, shift: int) -> int:
    return (x >> shift | x << 64 - shift) & _MASK


def _mixed(x: int) -> int:
    return x ^ x >> 47


def _joined(u: int, v: int, factor: int) -> int:
    a = _mixed((u ^ v) * factor & _MASK)
    b = _mixed((v ^ a) * factor & _MASK)
    return b * factor & _MASK


def fingerprint64(content: bytes) -> int:
    """FarmHash's fingerprint of some bytes."""
    length = len(content)
    factor = _K2 + 2 * length & _MASK
    if length == 0:
        return _K2
    if length < 4:
        y = content[0] + (content[length >> 1] << 8)
        z = length + (content[-1] << 2)
        return _mixed((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK
    if length < 8:
        return _joined(length + (_word(content, 0, 4) << 3), _word(content, length - 4, 4), factor)
    if length <= 16:
        a, b = _word(content, 0) + _K2 & _MASK, _word(content, length - 8)
        c = _rotated_right(b, 37) * factor + a & _MASK
        return _joined(c, (_rotated_right(a, 25) + b) * factor & _MASK, factor)
    if length <= 32:
        return _joined(*_ends(content, _K1, factor)[:2], factor)
    if length <= 64:
        y, rest, a = _ends(content, _K2, factor)
        z = _joined(y, rest, factor)
        e, f = _word(content, 16) * factor & _MASK, _word(content, 24)
        g = (y + _word(content, length - 32)) * factor & _MASK
        h = (z + _word(content, length - 24)) * factor & _MASK
        first = _rotated_right(e + f & _MASK, 43) + _rotated_right(g, 30) + h & _MASK
        return _joined(first, e + _rotated_right(f + a & _MASK, 18) + g & _MASK, factor)
    return _fingerprint_of_long(content)


def _ends(content: bytes, factor_of_first: int, factor: int) -> tuple[int, int, int]:
    """Two numbers of the first and last 16 bytes, and the first word of them times its factor."""
    length = len(content)
    a, b = _word(content, 0) * factor_of_first & _MASK, _word(content, 8)
    c, d = _word(content, length - 8) * factor & _MASK, _word(content, length - 16) * _K2 & _MASK
    first = _rotated_right(a + b & _MASK, 43) + _rotated_right(c, 30) + d & _MASK
    return first, a + _rotated_right(b + _K2 & _MASK, 18) + c & _MASK, a


def _fingerprint_of_long(content: bytes) -> int:
    """That of more than 64 bytes: all whole pieces of 64, and the last 64 bytes."""
    length = len(content)
    x, y = 81, (81 * _K1 + 113) & _MASK
    z = _mixed((y * _K2 + 113) & _MASK) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(content, 0)) & _MASK
    end = (length - 1) // 64 * 64
    for place in range(0, end, 64):
        x, y, z, v, w = _stirred(content, place, x, y, z, v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1) & _MASK
    w0 = w[0] + ((length - 1) & 63) & _MASK
    v0 = v[0] + w0 & _MASK
    v, w = (v0, v[1]), (w0 + v0 & _MASK, w[1])
    x, y, z, v, w = _stirred(content, length - 64, x, y, z, v, w, factor, 9)
    first = _joined(v[0], w[0], factor) + _mixed(y) * _K0 + z & _MASK
    return _joined(first, _joined(v[1], w[1], factor) + x & _MASK, factor)


def _stirred(content: bytes, place: int, x: int, y: int, z: int, v: tuple[int, int], w: tuple[int, int], factor: int,
             weight: int) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:  # fmt: skip
    """The state after a piece of 64 bytes; x and z have changed places."""
    x = _rotated_right(x + y + v[0] + _word(content, place + 8) & _MASK, 37) * factor & _MASK
    y = _rotated_right(y + v[1] + _word(content, place + 48) & _MASK, 42) * factor & _MASK
    x ^= w[1] * weight & _MASK
    y = y + v[0] * weight + _word(content, place + 40) & _MASK
    z = _rotated_right(z + w[0] & _MASK, 33) * factor & _MASK
    v = _weak(content, place, v[1] * factor, x + w[0])
    w = _weak(content, place + 32, z + w[1], y + _word(content, place + 16))
    return z, y, x, v, w


def _weak(content: bytes, place: int, a: int, b: int) -> tuple[int, int]:
    words = [_word(content, place + 8 * number) for number in range(4)]
    a = a + words[0] & _MASK
    b = _rotated_right(a + b + words[3] & _MASK, 21)
    c, a = a, a + words[1] + words[2] & _MASK
    return a + words[3] & _MASK, b + _rotated_right(a, 44) + c & _MASK


def siphash64(content: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 of some bytes under a key of two integers."""
    first, second = (part & _MASK for part in key)
    v = [first ^ 0x736F6D6570736575, second ^ 0x646F72616E646F6D,
         first ^ 0x6C7967656E657261, second ^ 0x7465646279746573]  # fmt: skip
    whole = len(content) // 8 * 8
    words = [_word(content, place) for place in range(0, whole, 8)]
    words.append(_word(content, whole) | (len(content) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        for a, b, shift in ((0, 1, 13), (2, 3, 16), (0, 3, 21), (2, 1, 17)):
            v[a] = v[a] + v[b] & _MASK
            v[b] = _rotated_right(v[b], 64 - shift) ^ v[a]
            if shift in (13, 17):
                v[a] = _rotated_right(v[a], 32)
