"""The language's validator, without pydantic's start-up time.

pydantic makes a schema for its core from the models of `device.py` and `machine.py`, which takes longer than compiling
a layout. The schema is kept as JSON (in the wheel, or in the cache of a checkout) and handed straight to the core. The
documents are then instances of stand-ins with the models' attributes; the two files say what these are. Where the kept
schema was made by another pydantic, or from another text of the language, the models themselves are used.
"""

from __future__ import annotations

import importlib
import json
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pydantic_core

from .. import resources
from . import readers


class Language(StrEnum):
    """A kind of document: the module with its models."""

    DEVICE = "device"
    MACHINE = "machine"

    @property
    def file(self) -> str:
        """The kept schema, in schemas/ of a wheel."""
        return f"{self}-core.json"


_ROOTS = {Language.DEVICE: "DeviceLayout", Language.MACHINE: "MachineLayout"}
_SHARED = ("device.py", "scalars.py", "readers.py")
_LEFT_OUT = ("metadata", "serialization")  # what only pydantic itself looks at


class Part:
    """Stands in for a model: pydantic's core puts the attributes in."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")


@cache
def validator(language: Language) -> Any:
    """What validates a document: `validate_python(plain)` gives the typed layout or raises ValidationError."""
    for path in (resources.folder("schemas") / language.file, resources.cache_file(language.file)):
        with suppress(OSError, ValueError, KeyError, TypeError, pydantic_core.SchemaError):
            kept = json.loads(path.read_bytes()) if path is not None else {}
            if kept["made_from"] == _made_from(language):
                return pydantic_core.SchemaValidator(_decode(kept["schema"], {}))
    resources.keep(language.file, lambda: pack(language))
    return model(language).__pydantic_validator__


def model(language: Language) -> Any:
    """The model of a whole document."""
    found = getattr(importlib.import_module(f".{language}", __package__), _ROOTS[language])
    found.model_rebuild()
    return found


def pack(language: Language) -> str:
    """The JSON text that `validator` reads."""
    made = {"made_from": _made_from(language), "schema": _encode(model(language).__pydantic_core_schema__)}
    return json.dumps(made)


def _made_from(language: Language) -> list[str]:
    """What the schema depends on: pydantic's core, and the text of the language."""
    import hashlib

    here = Path(__file__).parent
    names = dict.fromkeys((f"{language}.py", *_SHARED))
    texts = [hashlib.sha256((here / name).read_bytes()).hexdigest() for name in names]
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
