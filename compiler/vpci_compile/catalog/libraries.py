"""Where layouts and quirks come from: the library that comes with the program, and the user's own.

A library is a folder: `nvidia/gh200.yaml` in it is the layout nvidia/gh200, `nvidia/gh200@1.yaml` an older version of
it, and `quirks/*.yaml` are quirks. The user's own come first.
"""

from __future__ import annotations

import re
from pathlib import Path

from .. import loader, resources
from ..diagnostics import failure, whole_file

QUIRKS = "quirks"
_BASE = "-base"  # ends the name of what is there to be extended only
_VERSION = re.compile(r"^version: ([0-9]+)", re.MULTILINE)


def folders() -> list[Path]:
    """The folders of the user's libraries, in the order in which they are searched.

    Raises:
        Failed: VPCI1120, one of them is not there.
    """
    for folder in resources.own_libraries():
        if not folder.is_dir():
            way_out = f"--library and {resources.LIBRARY_VARIABLE} name folders"
            raise failure("VPCI1120", whole_file(str(folder)), f"there is no library '{folder}'", help=way_out)
    return resources.own_libraries()


def layouts() -> dict[str, Path]:
    """Name -> file of every layout of every library: minimal, nvidia/gh200, nvidia/gh200@1."""
    found: dict[str, Path] = {}
    for root in (resources.folder("layouts"), *reversed(folders())):
        for path in sorted(root.rglob("*.yaml")):
            below = path.relative_to(root)
            if below.parts[0] != QUIRKS:
                found[below.with_suffix("").as_posix()] = path
    return dict(sorted(found.items()))


def is_base(name: str) -> bool:
    """Whether a layout is there to be extended only: no instance has it as it is."""
    return name.partition("@")[0].endswith(_BASE)


def find(name: str) -> Path | None:
    """The file of a layout by its name: nvidia/gh200 is the newest, nvidia/gh200@1 version 1; None without one.

    Raises:
        Failed: VPCI1122, the file of a version says another one.
    """
    plain, at, wanted = name.partition("@")
    for root in (*folders(), resources.folder("layouts")):
        for candidate in (root / f"{name}.yaml", root / f"{plain}.yaml") if at else (root / f"{name}.yaml",):
            if not loader.exists(candidate) or not candidate.is_file():
                continue
            own = version(candidate) if at else ""
            if own == wanted:
                return candidate
            if "@" in candidate.name:
                message = f"'{name}' says that it is version {own}"
                raise failure("VPCI1122", whole_file(str(candidate)), message, help=f"version: {wanted}")
    return None


def version(path: Path) -> str:
    """The version that the text of a layout says, in digits; 1 where it says none."""
    match = _VERSION.search(loader.read_source(path).text)
    return match[1] if match else "1"


def versions(name: str) -> list[str]:
    """The versions that there are of a layout, newest first; `name` may have a version itself."""
    plain = name.partition("@")[0]
    found = {version(path) for own, path in layouts().items() if own.partition("@")[0] == plain}
    return sorted(found, key=int, reverse=True)
