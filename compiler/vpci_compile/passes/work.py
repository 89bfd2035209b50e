"""What the passes hand on: the layout, and a draft of each structure that becomes part of the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..catalog import Capability, Chain, View
from ..catalog.quirks import Quirk
from ..diagnostics import Report, Span
from ..ir import Bar, Physical, Region
from ..loader import Node

if TYPE_CHECKING:
    from ..spec import BytesEntry, CapabilityEntry, DeviceLayout

NULL_OFFSET = -1  # a structure that is not placed yet


@dataclass(slots=True)
class Draft:
    """A structure while it is built; `body` holds it from its first byte on, `offset` is NULL_OFFSET until placed."""

    name: str
    chain: Chain
    id: int
    version: int
    capability: Capability | None
    body: bytearray
    length: int
    offset: int
    span: Span
    source: str
    style: str | None = None
    entry: CapabilityEntry | None = None
    path: tuple[str | int, ...] = ()
    origins: dict[str, Span] = field(default_factory=dict)
    header_type: int = 0

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.length

    @property
    def shown(self) -> str:
        """`pasid at 0xff8`, for messages."""
        return f"{self.name} at {self.offset:#x}"

    @property
    def linked(self) -> bool:
        """Whether the guest finds it in a chain."""
        return self.source != "hidden"

    def view(self) -> View | None:
        """Its bytes through the catalogue, or None for an id that the catalogue has not."""
        return View(self.capability, self.body, self.length, self.header_type) if self.capability is not None else None

    def field(self, path: str) -> int:
        """The bits of `register.field` or `register`; 0 where the structure has none."""
        view = self.view()
        if view is None:
            return 0
        try:
            place, one = view.find(path)
        except KeyError:
            return 0
        return view.get(place, one)


@dataclass(slots=True)
class Work:
    """Everything a pass may look at. Passes add; none takes away what another one made."""

    layout: DeviceLayout
    tree: Node
    report: Report
    size: int
    header: Draft
    standard: list[Draft]
    extended: list[Draft]
    physical: Physical | None
    physical_bytes: bytes
    quirks: tuple[Quirk, ...] = ()
    bars: list[Bar] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    @property
    def drafts(self) -> list[Draft]:
        """The capabilities of both chains, in order."""
        return [*self.standard, *self.extended]

    @property
    def placed(self) -> list[Draft]:
        """Those of them that have an offset."""
        return [draft for draft in self.drafts if draft.offset != NULL_OFFSET]

    @property
    def has_device(self) -> bool:
        """Whether a physical device stands behind the function."""
        return (
            self.physical is not None
            or any(d.source != "synthesized" for d in self.drafts)
            or any(bar.source == "copied" for bar in self.layout.bars.values())
            or any(entry.source == "copied" for entry in self.layout.bytes)
        )

    def at(self, draft: Draft, key: str = "at") -> Span:
        """Where the layout says `key` of a structure; the structure's own place when it does not."""
        node = self.tree.find(draft.path)
        return node.find([key]).span if isinstance(node.value, dict) and key in node.value else draft.span

    def find(self, name: str) -> Draft | None:
        """The first linked structure of that catalogue name."""
        return next((d for d in self.drafts if d.linked and d.capability and d.capability.name == name), None)

    def bytes_entries(self) -> list[tuple[BytesEntry, Span]]:
        """The runs of bytes outside capabilities, each with the place of its offset."""
        return [(entry, self.tree.span_of("bytes", index, "at")) for index, entry in enumerate(self.layout.bytes)]
