"""The state of a machine as QEMU saves it for a migration: its RAM blocks and its sections, field by field.

Source: QEMU migration/savevm.c (qemu_savevm_state_*), ram.c (ram_save_setup), vmstate.c (vmdesc_loop).
The description at the end of the stream says what each field is and how long; with QEMU 11.1.3 it was found complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import virtio_state

_START, _FULL, _SUBSECTION, _FOOTER, _DESCRIPTION, _CONFIGURATION = 1, 4, 5, 0x7E, 6, 7
_MAGIC = b"QEVM"
_RAM = "ram"
_RAM_SIZES = 0x4  # RAM_SAVE_FLAG_MEM_SIZE
_PAGE_FLAGS = 0xFFF
_CONFIG, _VIRTIO = "pci config", "virtio"


class StreamError(ValueError):
    """This is no saved state, or none of a form that is known."""


class Field(NamedTuple):
    """A leaf of a section's description, and its bytes in the stream."""

    name: str
    type: str
    content: bytes
    optional: bool
    """Part of a subsection: it is there only where its device thinks so."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one device saves. `number` is the stream's own, `fields` are in its order."""

    name: str
    instance: int
    version: int
    number: int
    fields: tuple[Field, ...]

    @property
    def key(self) -> bytes:
        """What stands in the stream before the content, from the length of the name on."""
        numbers = self.instance.to_bytes(4, "big") + self.version.to_bytes(4, "big")
        return bytes((len(self.name),)) + self.name.encode() + numbers

    @property
    def holder(self) -> str:
        """The type of the field that holds the configuration space: of its own, or inside virtio's; "" for none."""
        return next((field.type for field in self.fields if _config_field(field)), "")

    @property
    def config_at(self) -> int:
        """Where the configuration space begins, counted from the section's first byte; only with a `holder`."""
        at = 0
        for field in self.fields:
            if _config_field(field):
                return at + (0 if field.type == _CONFIG else virtio_state.VERSION_BYTES)
            at += len(field.content)
        raise StreamError(f"{self.name} saves no configuration space")

    @property
    def config(self) -> bytes:
        """The configuration space; only with a `holder`."""
        content = self.content(self.holder)
        if self.holder == _CONFIG:
            return content
        inner = virtio_state.read(content)
        if inner is None:
            raise StreamError(f"{self.name} is not understood")
        return inner.config

    @property
    def queues(self) -> tuple[int, ...]:
        """Entries of each virtqueue, in the order of their numbers; none where it has no virtqueues."""
        inner = virtio_state.read(self.content(_VIRTIO)) if self.holder == _VIRTIO else None
        return inner.queues if inner is not None else ()

    @property
    def size(self) -> int:
        """Bytes without the optional subsections."""
        return sum(len(field.content) for field in self.fields if not field.optional)

    def content(self, kind: str) -> bytes:
        """The bytes of the first field of a type."""
        return next(field.content for field in self.fields if field.type == kind)


class State(NamedTuple):
    """A machine's saved state; `blocks` in the stream's order, by name and bytes."""

    machine: str
    ram_version: int
    blocks: tuple[tuple[str, int], ...]
    sections: tuple[Section, ...]


def read(stream: bytes) -> State:
    """Read a saved state.

    Raises:
        StreamError: it is none, or its description and its bytes differ.
    """
    try:
        return _read(stream)
    except (IndexError, KeyError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StreamError(f"not understood: {error!r}") from error


def _read(stream: bytes) -> State:
    if not stream.startswith(_MAGIC):
        raise StreamError("no saved state")
    at = 8
    machine = ""
    if stream[at] == _CONFIGURATION:
        length = _number(stream, at + 1, 4)
        at += 5
        machine = stream[at : at + length].decode()
        at += length
    # Subsections of the configuration (page size, capabilities) may stand here.
    at = stream.index(bytes((len(_RAM),)) + _RAM.encode(), at)
    at += 1 + len(_RAM) + 4
    version = _number(stream, at, 4)
    blocks, at = _blocks(stream, at + 4)
    description = _description(stream)
    sections = []
    for entry in description["devices"]:
        section, at = _section(stream, at, entry)
        sections.append(section)
    return State(machine, version, blocks, tuple(sections))


def _blocks(stream: bytes, at: int) -> tuple[tuple[tuple[str, int], ...], int]:
    head = _number(stream, at, 8)
    at += 8
    if not head & _RAM_SIZES:
        raise StreamError("no sizes of RAM blocks")
    left = head & ~_PAGE_FLAGS
    blocks = []
    while left > 0:
        length = stream[at]
        name = stream[at + 1 : at + 1 + length].decode()
        size = _number(stream, at + 1 + length, 8)
        at += 9 + length
        left -= size
        blocks.append((name, size))
    return tuple(blocks), at


def _description(stream: bytes) -> Any:
    """The JSON at the end: one byte of type, four of length, the text."""
    at = stream.rfind(b'{"configuration"')
    if at < 0:
        at = stream.rfind(b'{"page_size"')
    if at < 5 or stream[at - 5] != _DESCRIPTION:
        raise StreamError("no description of the fields")
    return json.loads(stream[at : at + _number(stream, at - 4, 4)])


def _section(stream: bytes, after: int, entry: dict[str, Any]) -> tuple[Section, int]:
    name, instance = entry["name"], entry["instance_id"]
    key = bytes((len(name),)) + name.encode() + instance.to_bytes(4, "big")
    at = stream.find(key, after)
    while at >= 0 and stream[at - 5] != _FULL:
        at = stream.find(key, at + 1)
    if at < 0:
        raise StreamError(f"no section {name}")
    number, start = _number(stream, at - 4, 4), at + len(key) + 4
    fields, end = [], start
    for field_name, kind, size, optional in _leaves(entry):
        fields.append(Field(field_name, kind, stream[end : end + size], optional))
        end += size
    if stream[end] != _FOOTER or _number(stream, end + 1, 4) != number:
        raise StreamError(f"section {name} does not end where its description says")
    return Section(name, instance, _number(stream, start - 4, 4), number, tuple(fields)), end + 5


def _leaves(entry: dict[str, Any], optional: bool = False) -> Iterator[tuple[str, str, int, bool]]:
    """Name, type and bytes of everything in a description, subsections behind the fields that they belong to."""
    for field in entry.get("fields", ()):
        name = field["name"].partition("[")[0]
        for _ in range(field.get("array_len", 1)):
            if "struct" in field:
                yield from _leaves(field["struct"], optional)
            else:
                yield name, field["type"], field["size"], optional
    for sub in entry.get("subsections", ()):
        yield sub["vmsd_name"], "subsection", 2 + len(sub["vmsd_name"]) + 4, True
        yield from _leaves(sub, True)


def _config_field(field: Field) -> bool:
    return field.type in (_CONFIG, _VIRTIO)


def _number(stream: bytes, at: int, size: int) -> int:
    return int.from_bytes(stream[at : at + size], "big")
