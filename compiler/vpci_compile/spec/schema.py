"""The JSON Schema that editors use, generated from the language."""

from __future__ import annotations

import json

from .device import DeviceLayout


def device_schema() -> str:
    """The text of `schemas/device.schema.json` (JSON Schema 2020-12)."""
    schema = DeviceLayout.model_json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vpci-compile device layout",
    }
    return json.dumps({**head, **{k: v for k, v in schema.items() if k != "title"}}, indent=2) + "\n"
