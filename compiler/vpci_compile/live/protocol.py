"""vfio-user: the messages on the wire, as numbers with names.

Source: the vfio-user protocol specification 0.9.2 (published with libvfio-user and with QEMU, docs/interop). What QEMU
11.1 sends and expects beyond it was seen on the wire; such lines say so. Everything is little-endian here, as on the
hosts that run it: the protocol uses the host's own order.
"""

from __future__ import annotations

import errno
import json
import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct("<HHIII")
"""Message id, command, size of the whole message in bytes, flags, error number."""
HEADER_BYTES = HEADER.size

MAJOR, MINOR = 0, 1
"""The version that is spoken; a client with a lower minor one gets that."""

_TYPE = 0xF
COMMAND, REPLY = 0, 1
NO_REPLY, ERROR = 0x10, 0x20

MAX_DATA = 1 << 20
"""Most bytes of one read or write: the specification's default for max_data_xfer_size."""
MAX_DESCRIPTORS = 16
"""Most file descriptors of one message that we promise to take; QEMU 11.1 offers the same (on the wire)."""
MAX_FIRST = 4096
"""Most bytes of a message before the limits are agreed on; QEMU's proposal has about 300."""


class Command(IntEnum):
    """The commands of a client."""

    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11
    DMA_WRITE = 12
    DEVICE_RESET = 13
    REGION_WRITE_MULTI = 15
    DEVICE_FEATURE = 16
    MIG_DATA_READ = 17
    MIG_DATA_WRITE = 18


# The payloads, with their names in the specification.
VERSION = struct.Struct("<HH")  # major, minor; then JSON text that ends with a zero byte
DEVICE_INFO = struct.Struct("<IIII")  # argsz, flags, num_regions, num_irqs
REGION_INFO = struct.Struct("<IIIIQQ")  # argsz, flags, index, cap_offset, size, offset
REGION_TYPE = struct.Struct("<HHIII")  # capability: id, version, next; type, subtype
IRQ_INFO = struct.Struct("<IIII")  # argsz, flags, index, count
IRQ_SET = struct.Struct("<IIIII")  # argsz, flags, index, start, count
REGION_ACCESS = struct.Struct("<QII")  # offset, region, count
DMA_MAP = struct.Struct("<IIQQQ")  # argsz, flags, offset, address, size
DMA_UNMAP = struct.Struct("<IIQQ")  # argsz, flags, address, size

# Numbers of VFIO that the protocol shares (linux/vfio.h).
DEVICE_RESETS, DEVICE_IS_PCI = 0x1, 0x2
REGION_READABLE, REGION_WRITABLE, REGION_HAS_CAPS = 0x1, 0x2, 0x8
REGION_CAP_TYPE = 2
SET_NONE, SET_BOOL, SET_EVENTFD = 0x1, 0x2, 0x4
SET_MASK, SET_UNMASK, SET_TRIGGER = 0x8, 0x10, 0x20
IRQ_EVENTFD, IRQ_MASKABLE, IRQ_AUTOMASKED, IRQ_NORESIZE = 0x1, 0x2, 0x4, 0x8
ROM_REGION, CONFIG_REGION, VGA_REGION = 6, 7, 8
FIXED_REGIONS = 9
INTX, MSI, MSIX, ERR, REQ = range(5)
IRQS = 5


class Header(NamedTuple):
    """The 16 bytes that begin every message; `size` is the whole message in bytes."""

    id: int
    command: int
    size: int
    flags: int

    @property
    def is_command(self) -> bool:
        """Whether it is a request and not the reply to one."""
        return self.flags & _TYPE == COMMAND

    @property
    def wants_reply(self) -> bool:
        """Whether the client waits for an answer (posted writes do not)."""
        return not self.flags & NO_REPLY


class ProtocolError(Exception):
    """A message that gets an error reply, with `number` from errno."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        super().__init__(f"{errno.errorcode.get(number, number)}: {text}")


def parse_header(octets: bytes) -> Header:
    """The header in the first 16 bytes."""
    number, command, size, flags, _ = HEADER.unpack_from(octets)
    return Header(number, command, size, flags)


def reply(header: Header, payload: bytes = b"") -> bytes:
    """The answer to a command that went well."""
    return HEADER.pack(header.id, header.command, HEADER_BYTES + len(payload), REPLY, 0) + payload


def refusal(header: Header, number: int) -> bytes:
    """The answer to a command that failed with `number` (errno)."""
    return HEADER.pack(header.id, header.command, HEADER_BYTES, REPLY | ERROR, number)


def take(form: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """The numbers at the start of a payload.

    Raises:
        ProtocolError: it is shorter than its form.
    """
    if len(payload) < form.size:
        raise ProtocolError(errno.EINVAL, f"a payload of {len(payload)} bytes, {form.size} are needed")
    return form.unpack_from(payload)


def take_sized(form: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """As `take`, of a payload that begins with argsz: how many bytes the client has sent, or has room for.

    Raises:
        ProtocolError: the payload is shorter than its form, or says so itself.
    """
    numbers = take(form, payload)
    if numbers[0] < form.size:
        raise ProtocolError(errno.EINVAL, f"argsz {numbers[0]}, {form.size} are needed")
    return numbers


def take_irqs(payload: bytes) -> tuple[int, int, int]:
    """Which interrupts a client sets: index, start and count.

    Raises:
        ProtocolError: it is not clear what is done with them, or not said for each of them.
    """
    argsz, flags, index, start, count = take_sized(IRQ_SET, payload)
    data = flags & (SET_NONE | SET_BOOL | SET_EVENTFD)
    action = flags & (SET_MASK | SET_UNMASK | SET_TRIGGER)
    if data.bit_count() != 1 or action.bit_count() != 1 or flags != data | action:
        raise ProtocolError(errno.EINVAL, f"flags {flags:#x}: one kind of data and one action are needed")
    if data == SET_BOOL and min(argsz, len(payload)) - IRQ_SET.size < count:
        raise ProtocolError(errno.EINVAL, f"less than {count} bytes for {count} interrupts")
    return index, start, count


def agree(payload: bytes) -> tuple[bytes, int]:
    """Our answer to a client's VERSION, and the most bytes of data in one message from then on.

    Raises:
        ProtocolError: no version that we speak, or no text that can be understood.
    """
    major, minor = take(VERSION, payload)
    if major != MAJOR:
        raise ProtocolError(errno.ENOTSUP, f"version {major}.{minor}, this is {MAJOR}.{MINOR}")
    text = payload[VERSION.size :].rstrip(b"\0")
    try:
        said = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise ProtocolError(errno.EINVAL, "capabilities that are no JSON") from error
    offered = said.get("capabilities", {}) if isinstance(said, dict) else None
    limit = offered.get("max_data_xfer_size", MAX_DATA) if isinstance(offered, dict) else None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        raise ProtocolError(errno.EINVAL, "capabilities of the wrong shape")
    # Of the rest nothing is offered: QEMU warns of keys that it does not know, and uses what it finds.
    ours = {"capabilities": {"max_msg_fds": MAX_DESCRIPTORS, "max_data_xfer_size": MAX_DATA}}
    return VERSION.pack(MAJOR, min(minor, MINOR)) + json.dumps(ours).encode() + b"\0", min(limit, MAX_DATA)
