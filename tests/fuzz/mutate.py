"""Changes to bytes as damage, and an attacker who knows the format's numbers, would make them."""

import random
import re
import struct
from collections.abc import Callable, Sequence

_NUMBERS = (0, 1, 2, 7, 8, 16, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 10**6, 0x7FFFFFFF, 0x80000000)
_LARGE = (0xFFFFFFFF, 1 << 32, 10**12, (1 << 61) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_LARGEST = 300_000  # bytes; larger ones take long and find no more


def mutated(seeds: Sequence[bytes], numbers: random.Random) -> bytes:
    """One of the seeds with one to eight changes; the same random numbers give the same bytes."""
    content = bytearray(numbers.choice(seeds))
    for _ in range(numbers.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        if not content:
            break
        numbers.choice(_CHANGES)(content, numbers, seeds)
    return bytes(content[:_LARGEST])


def _flip(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)


def _byte(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    content[numbers.randrange(len(content))] = numbers.choice(
        (0, 1, 2, 127, 128, 255, numbers.randrange(256))
    )


def _number(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    """An integer of 2, 4 or 8 bytes that readers stumble over: zero, the largest, about the file's size."""
    code = numbers.choice(("H", "I", "Q"))
    value = numbers.choice(
        (*_NUMBERS, *_LARGE, len(content), len(content) - 1, numbers.randrange(len(content) + 1))
    )
    packed = struct.pack(numbers.choice("<>") + code, value & (1 << 8 * struct.calcsize(f"<{code}")) - 1)
    place = numbers.randrange(len(content))
    content[place : place + len(packed)] = packed


def _digits(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    """A number in digits, in text formats."""
    found = list(re.finditer(rb"-?\d+", content))
    if found:
        span = numbers.choice(found).span()
        values = (*_NUMBERS, *_LARGE, -1, 10**30, 10**400, "1e999", "NaN")
        content[slice(*span)] = str(numbers.choice(values)).encode()


def _delete(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    place = numbers.randrange(len(content))
    del content[place : place + numbers.choice((1, 2, 4, 8, 16, 64, 500))]


def _cut(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    del content[numbers.randrange(len(content)) :]


def _repeat(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    place = numbers.randrange(len(content))
    part = content[place : place + numbers.choice((1, 2, 4, 8, 12, 24, 40, 64, 200))]
    content[place:place] = part * numbers.choice((1, 1, 1, 2, 8, 100, 1000))


def _swap(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    length = numbers.choice((1, 2, 4, 8, 16, 40))
    first, second = numbers.randrange(len(content)), numbers.randrange(len(content))
    part = bytes(content[first : first + length])
    content[first : first + length] = content[second : second + length]
    content[second : second + length] = part


def _insert(content: bytearray, numbers: random.Random, _: Sequence[bytes]) -> None:
    place = numbers.randrange(len(content))
    content[place:place] = numbers.randbytes(numbers.choice((1, 2, 4, 8, 16, 64)))


def _splice(content: bytearray, numbers: random.Random, seeds: Sequence[bytes]) -> None:
    other = numbers.choice(seeds)
    place = numbers.randrange(len(other)) if other else 0
    part = other[place : place + numbers.choice((4, 8, 16, 64, 500, len(other)))]
    start = numbers.randrange(len(content))
    content[start : start + numbers.choice((0, len(part)))] = part


_Change = Callable[[bytearray, random.Random, Sequence[bytes]], None]
_CHANGES: tuple[_Change, ...] = (
    _flip, _flip, _byte, _byte, _number, _number, _number, _digits, _delete, _cut, _repeat, _swap, _insert, _splice,
)  # fmt: skip
