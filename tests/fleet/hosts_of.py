"""Fleets for the tests: real captures, varied, as files of many hosts."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from catalog.lspci import ROOT, capture_files
from vpci_compile.capture import Capture, read_all
from vpci_compile.stack.chains import extended_chain

OWN = ROOT / "tests" / "captures"
DSN, AER = 0x0003, 0x0001


@cache
def captures() -> list[Capture]:
    """Every function of every capture that is here."""
    return [one for path in capture_files() for one in read_all(path).captures]


@cache
def own(name: str) -> bytes:
    """The bytes of the only function in a capture of ours."""
    (one,) = read_all(OWN / f"{name}.lspci").captures
    return one.data


def place(data: bytes, own_id: int) -> int:
    """Where the extended capability is."""
    return next(one.offset for one in extended_chain(data) if one.id == own_id)


def put(data: bytes, offset: int, text: str) -> bytes:
    """The bytes with others from `offset` on, in hex."""
    octets = bytes.fromhex(text)
    return data[:offset] + octets + data[offset + len(octets) :]


def unit(data: bytes, number: int) -> bytes:
    """Another unit of the same device: with a serial number of its own, on another host."""
    dice = random.Random(number)
    at = place(data, DSN)
    made = put(data, at + 4, dice.randbytes(3).hex())
    made = put(made, 0x12, dice.randbytes(1).hex() + "fe")  # the address of BAR 0
    return put(made, 0x3C, f"{dice.randrange(1, 255):02x}")


def text(functions: dict[str, bytes], title: str = "Ethernet controller: Some Card") -> str:
    """The functions by slot, as `lspci -xxxx` writes them."""
    lines: list[str] = []
    for slot, data in functions.items():
        lines.append(f"{slot} {title}")
        lines += [f"{at:02x}: {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16)]
        lines.append("")
    return "\n".join(lines) + "\n"


def host(folder: Path, number: int, *functions: bytes) -> Path:
    """A host's file with these functions at 01:00.0 and so on."""
    path = folder / f"h{number:04}.lspci"
    path.write_text(text({f"{bus:02x}:00.0": data for bus, data in enumerate(functions, 1)}))
    return path
