"""Messages for a server: in order, nearly in order, and out of it; the same for the same dice."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from live import client
from live.client import CONFIG

HEADER = struct.Struct("<HHIII")
_RESET_BY_CONFIG = struct.pack("<QII", 0x78, CONFIG, 2) + b"\0\x80"  # Initiate FLR
_EDGES = [0, 1, 2, 3, 7, 8, 9, 15, 16, 255, 256, 4095, 4096, 0xBFFF, 0xC000, 0xFFFF, 0x10000, 1 << 20, (1 << 20) + 1]
_EDGES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
_FAR = [1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096, (1 << 64) - 4, (1 << 64) - 1]
_DEEP = b'{"capabilities":' * 200 + b"[" * 800


def greeting(dice: random.Random, *limits: int) -> bytes:
    said: dict[str, object] = {"max_msg_fds": 16, "max_data_xfer_size": dice.choice([1 << 20, *limits])}
    return (
        struct.pack("<HH", 0, dice.choice([0, 0, 0, 1, 0xFFFF])) + json.dumps({"capabilities": said}).encode() + b"\0"
    )


def _read(dice: random.Random) -> bytes:
    region = dice.choice([CONFIG, CONFIG, CONFIG, *range(10)])
    offset = dice.choice([*_EDGES, *_FAR]) if dice.random() < 0.3 else dice.randrange(4096)
    return struct.pack(
        "<QII", offset, region, dice.choice(_EDGES) if dice.random() < 0.2 else dice.choice([1, 2, 4, 8])
    )


def _write(dice: random.Random) -> bytes:
    if dice.random() < 0.05:
        return _RESET_BY_CONFIG
    region = dice.choice([CONFIG, CONFIG, CONFIG, *range(10)])
    offset = dice.choice([*_EDGES, *_FAR]) if dice.random() < 0.3 else dice.randrange(4096)
    data = dice.randbytes(dice.choice([0, 1, 2, 3, 4, 4, 4, 8, 64, 4096]))
    return struct.pack("<QII", offset, region, len(data)) + data


def _numbers(form: str, *most: int) -> Callable[[random.Random], bytes]:
    """A payload of small numbers, each at most what is named, or a mask of what it can be."""
    return lambda dice: struct.pack(form, *(dice.randint(0, number) for number in most))


_COMMANDS: list[tuple[int, Callable[[random.Random], bytes]]] = [
    *[(client.REGION_READ, _read), (client.REGION_WRITE, _write)] * 4,
    (client.GET_INFO, lambda _: struct.pack("<IIII", 16, 0, 0, 0)),
    (client.REGION_INFO, lambda dice: struct.pack("<IIIIQQ", 32, 0, dice.randrange(11), 0, 0, 0)),
    (client.IRQ_INFO, lambda dice: struct.pack("<IIII", 16, 0, dice.randrange(6), 0)),
    (client.SET_IRQS, _numbers("<IIIII", 40, 0x3F, 5, 9, 9)),
    (client.DMA_MAP, _numbers("<IIQQQ", 40, 3, 1 << 20, 1 << 63, 1 << 63)),
    (client.DMA_UNMAP, _numbers("<IIQQ", 40, 3, 1 << 63, 1 << 63)),
    (client.RESET, lambda _: b""),
    (client.VERSION, greeting),
    (16, _numbers("<IIQ", 64, 0xFFFF, 1 << 63)),  # DEVICE_FEATURE
    (15, _numbers("<QQII", 3, 4096, 9, 8)),  # REGION_WRITE_MULTI
]


class Message(NamedTuple):
    """What is sent, and whose reply must come: none of a posted one."""

    octets: bytes
    id: int
    command: int
    answered: bool


def message(dice: random.Random) -> Message:
    """A command that is in order as a message: whatever it says, the server knows where the next one begins."""
    command, make = dice.choice(_COMMANDS)
    payload = bytearray(make(dice))
    flags = 0x10 if dice.random() < 0.1 else 0
    if dice.random() < 0.5 and payload:
        kind = dice.randrange(5)
        if kind == 0:
            payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
        elif kind == 1 and len(payload) >= 4:
            struct.pack_into("<I", payload, dice.randrange(len(payload) // 4) * 4, dice.choice(_EDGES))
        elif kind == 2:
            del payload[dice.randrange(len(payload)) :]
        elif kind == 3:
            payload += dice.randbytes(dice.choice([1, 4, 300]))
        else:
            command = dice.choice([*range(20), 255, 0xFFFF])
    flags |= dice.getrandbits(28) << 4 & ~0x10 if dice.random() < 0.1 else 0
    number = dice.getrandbits(16)
    head = HEADER.pack(number, command, 16 + len(payload), flags, dice.choice([0, 0, 1, 0xFFFFFFFF]))
    return Message(head + bytes(payload), number, command, not flags & 0x10)


def poison(dice: random.Random) -> bytes:
    """What the server may end the connection for."""
    octets = bytearray(message(dice).octets)
    kind = dice.randrange(6)
    if kind == 0:
        struct.pack_into(
            "<I", octets, 4, dice.choice([*_EDGES, len(octets) - 1, len(octets) + 1, len(octets) + 70_000])
        )
    elif kind == 1:
        struct.pack_into("<I", octets, 8, dice.choice([1, 2, 15, 0x21, 0xFFFFFFFF]))  # a reply, or what nobody knows
    elif kind == 2:
        del octets[dice.randrange(len(octets)) :]
    elif kind == 3:
        at = dice.randrange(16)
        octets[at] ^= 1 << dice.randrange(8)
    elif kind == 4:
        octets = bytearray(dice.randbytes(dice.choice([1, 15, 16, 17, 300])))
    else:
        octets += octets[: dice.randrange(len(octets))]
    return bytes(octets)


def first(dice: random.Random) -> bytes:
    """A VERSION that nobody should agree to, or something else in its place."""
    kind = dice.randrange(5)
    if kind == 0:
        return message(dice).octets
    if kind == 1:
        payload = struct.pack("<HH", 0, 0) + dice.choice([_DEEP, b"[" * 4000, b'"\\ud800"\0', b"1" * 4000, b"NaN\0"])
    elif kind == 2:
        payload = struct.pack("<HH", dice.choice([1, 0xFFFF]), 0)
    else:
        payload = bytearray(greeting(dice, *_EDGES))
        payload[dice.randrange(len(payload))] ^= 1 << dice.randrange(8)
    return HEADER.pack(1, client.VERSION, 16 + len(payload), 0, 0) + bytes(payload)
