"""Since which release libvirt has what (`schemas/stacks/libvirt.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .. import loader, resources

_FILE = "libvirt.yaml"


@cache
def since() -> Mapping[str, tuple[int, ...]]:
    """The first release, (12, 1, 0), by element."""
    plain = loader.load(resources.folder("schemas") / "stacks" / _FILE, shown=_FILE).plain()
    return {name: tuple(map(int, text.split("."))) for name, text in plain["since"].items()}
