"""The language's validator, without pydantic's start-up time.

pydantic makes a schema for its core from the models of `device.py`, which takes longer than compiling a layout. The
schema is kept as JSON (in the wheel, or in the cache of a checkout) and handed straight to the core. The documents are
then instances of stand-ins with the models' attributes; `device.py` says what these are. Where the kept schema was made
by another pydantic, or from another `device.py`, the models themselves are used.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pydantic_core

from .. import resources
from . import readers

FILE = "device-core.json"  # in schemas/ of a wheel
_SOURCES = ("device.py", "scalars.py", "readers.py")
_LEFT_OUT = ("metadata", "serialization")  # what only pydantic itself looks at


class Part:
    """Stands in for a model: pydantic's core puts the attributes in."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")


@cache
def validator() -> Any:
    """What validates a document: `validate_python(plain)` gives the typed layout or raises ValidationError."""
    for path in (resources.folder("schemas") / FILE, resources.cache_file(FILE)):
        with suppress(OSError, ValueError, KeyError, TypeError, pydantic_core.SchemaError):
            kept = json.loads(path.read_bytes()) if path is not None else {}
            if kept["made_from"] == _made_from():
                return pydantic_core.SchemaValidator(_decode(kept["schema"], {}))
    resources.keep(FILE, pack)
    from .device import DeviceLayout

    DeviceLayout.model_rebuild()
    return DeviceLayout.__pydantic_validator__


def pack() -> str:
    """The JSON text that `validator` reads."""
    from .device import DeviceLayout

    DeviceLayout.model_rebuild()
    return json.dumps({"made_from": _made_from(), "schema": _encode(DeviceLayout.__pydantic_core_schema__)})


def _made_from() -> list[str]:
    """What the schema depends on: pydantic's core, and the text of the language."""
    import hashlib

    here = Path(__file__).parent
    texts = [hashlib.sha256((here / name).read_bytes()).hexdigest() for name in _SOURCES]
    return [pydantic_core.__version__, *texts]


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode(inner) for key, inner in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list | tuple):
        return [_encode(inner) for inner in value]
    if isinstance(value, type):
        return {"$part": value.__name__}
    if callable(value):
        return {"$reader": value.__name__}
    return value


def _decode(value: Any, parts: dict[str, type]) -> Any:
    if isinstance(value, list):
        return [_decode(inner, parts) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$reader" in value:
        return getattr(readers, value["$reader"])
    if "$part" in value:
        name = value["$part"]
        return parts.setdefault(name, type(name, (Part,), {"__slots__": ()}))
    return {key: _decode(inner, parts) for key, inner in value.items()}
