"""The words of the catalogue, for people who write layouts."""

from __future__ import annotations

from ... import catalog
from ...catalog import Capability, Chain
from ...diagnostics import nearest


def capabilities() -> str:
    """Every capability: name, id, title and clause."""
    lines = []
    for chain, heading in ((Chain.STANDARD, "capabilities:"), (Chain.EXTENDED, "extended:")):
        lines.append(heading)
        for name in catalog.names(chain):
            entry = catalog.by_name(chain, name)
            lines.append(f"  {name:<16} {entry.id:#06x}  {entry.title} ({entry.clause})")
    return "\n".join(lines) + "\n"


def fields(name: str) -> str | None:
    """Registers and fields of one capability, with bits, access and named values; None where there is none."""
    for chain in (Chain.STANDARD, Chain.EXTENDED, Chain.HEADER):
        if name in catalog.names(chain):
            return _fields(catalog.by_name(chain, name))
    return None


def nearest_name(name: str) -> str:
    """The capability that somebody most likely meant, "" where there is none."""
    return "".join(nearest(name, (known for chain in Chain for known in catalog.names(chain))))


def _fields(entry: Capability) -> str:
    lines = [f"{entry.name}: {entry.title} ({entry.clause})"]
    for register in entry.registers:
        many = " (repeated: add its number)" if register.repeat else ""
        lines.append(f"  {register.name}  {register.title}{many}")
        for one in register.fields:
            if register.blob or (len(register.fields) == 1 and one.name == register.name):
                continue
            bits = f"{one.low + one.width - 1}..{one.low}" if one.width > 1 else str(one.low)
            values = ", ".join(named.name for named in one.values)
            lines.append(f"    .{one.name:<26} {bits:>7}  {one.access:<7} {one.title}{f': {values}' if values else ''}")
    return "\n".join(lines) + "\n"
