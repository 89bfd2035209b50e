"""A fleet as JSON (`schemas/fleet.schema.json`) and as CSV, a row for each function."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from typing import Any

from ...diagnostics import Diagnostic, printable
from ...fleet import Family, FleetReport, Group, Member, ModelReport
from ...fleet.groups import EXAMPLES
from ...loader.json_shape import Maybe, Number, Part, Rows, Text, Truth, part, schema_text

VERSION = 1
VERSION_KEY = "vpci-fleet"
COLUMNS = ("file", "slot", "model", "digest", "group", "refusal")
_FORMULA = "=+-@"
_MOST = 1 << 53  # what every JSON reader can count
_WORDS = Text("text", r"[\s\S]*")
_COUNT = Number(0, _MOST)
_DIGEST = Text("a sha256 in hex", r"[0-9a-f]{64}")
_PAIR = r"[0-9a-f]{4}:[0-9a-f]{4}(?:\+[0-9a-f]{6}\+[0-9a-f]{4}:[0-9a-f]{4})?"
_IDS = Text('a pair of ids, "15b3:101e"', _PAIR)
_NAME = Text("a group's name, 15b3:101e/2", f"{_PAIR}/[0-9]+")


_MEMBER = part("A function.", file=(_WORDS, "Where it stands."), slot=(_WORDS, 'Its slot; "" if not known.'))
_GROUP = part(
    "Functions with one contract, or that are not shown for one reason.",
    name=(_NAME, "As the CSV names it."),
    digest=(Maybe(_DIGEST), "Names the contract; null where the stack does not show them."),
    functions=(_COUNT, "How many there are."),
    members=(Rows(_MEMBER, EXAMPLES), "The first of them."),
    refusal=(Maybe(_WORDS), "Why the stack does not show them; null where it does."),
)
_APART = part(
    "A field inside the contract that is not as in the model's first family.",
    path=(_WORDS, "structure.register.field, or what else differs."),
    title=(_WORDS, "Its name for people."),
    offset=(Maybe(_COUNT), "Its first byte; null where it is not one of bytes."),
    first=(_WORDS, "Its value in the first family."),
    here=(_WORDS, "Its value in this one."),
    changes=(Maybe(Text("who", "hardware|unit|host")), "Who changes it without a guest asking; null for nobody."),
)
_WAY = part(
    "A migration to another family, by the rule of its destination.",
    to=(Number(1, _MOST), "The family that it would go to."),
    refused=(Maybe(_WORDS), "The destination's words, or why else it cannot be; null where it is taken."),
    seen=(Rows(_WORDS, _MOST), "What a running guest then sees changed, though nobody refuses."),
    unknown=(Rows(_WORDS, _MOST), "What nobody refuses either, and one of them does not say: BAR sizes."),
)
_FAMILY = part(
    "Groups that are alike but for what differs from unit to unit.",
    number=(Number(1, _MOST), "1 is the largest one of the model."),
    functions=(_COUNT, "How many there are."),
    outlier=(Truth(), "Whether the first family is at least ten times as large."),
    units=(Rows(_WORDS, _MOST), "The fields in which its groups differ; none of them can migrate to another one."),
    compared=(Truth(), "Whether `differences` and `ways` are known: only the largest families are compared."),
    differences=(Rows(_APART, _MOST), "What sets it apart from the first family."),
    ways=(Rows(_WAY, _MOST), "To the other families that are compared."),
    groups=(Rows(_GROUP, _MOST), "Its groups, the largest first."),
)
_MODEL = part(
    "Functions with one vendor and device id.",
    ids=(_IDS, "Both, in hex; of virtual functions without any also class and subsystem ids."),
    title=(_WORDS, 'What a capture calls it; "" if none does.'),
    functions=(_COUNT, "How many there are."),
    whole=(Truth(), "Whether each can migrate to each other one, or none is shown to guests."),
    families=(Rows(_FAMILY, _MOST), "The largest first."),
    refused=(Rows(_GROUP, _MOST), "Those that the stack does not show."),
)
_PROBLEM = part(
    "What could not be read, or is to be said.",
    code=(Text("a code", "VPCI[0-9]{4}"), "See 'vpci-compile explain'."),
    message=(_WORDS, "What is wrong."),
    path=(_WORDS, "The file."),
    line=(Number(1, _MOST), "The line."),
    count=(Number(1, _MOST), "How often; of a warning the first one stands here."),
)
FORMAT = Part(
    "A fleet below a stack; 'vpci-compile fleet --format json' writes it.",
    {
        VERSION_KEY: (Number(VERSION, VERSION), "Version of this format."),
        "stack": (_WORDS, "Kernel and VMM."),
        "place": (Text("a place", "port|root|conventional"), "Where the guest has the functions."),
        "options": (Rows(_WORDS, _MOST), "Options of the VMM's device, KEY=VALUE."),
        "files": (_COUNT, "How many were found."),
        "functions": (_COUNT, "How many were read."),
        "fine": (Truth(), "Whether everything was read, and each model is whole."),
        "models": (Rows(_MODEL, _MOST), "The models, by their ids."),
        "problems": (Rows(_PROBLEM, _MOST), "What could not be read."),
        "warnings": (Rows(_PROBLEM, _MOST), "What was odd, by code."),
    },
)


@cache
def fleet_schema() -> str:
    """The text of `schemas/fleet.schema.json` (JSON Schema 2020-12)."""
    return schema_text("vpci-compile fleet report", FORMAT)


def to_json(report: FleetReport) -> str:
    """The document."""
    below = report.below
    document = {
        VERSION_KEY: VERSION,
        "stack": below.stack.name,
        "place": below.place.value,
        "options": [f"{key}={text}" for key, text in below.options.items()],
        "files": report.files,
        "functions": report.functions,
        "fine": report.fine,
        "models": [_model(one) for one in report.models],
        "problems": [_problem(one, 1) for one in report.problems],
        "warnings": [_problem(one.first, one.count) for _, one in sorted(report.warnings.items())],
    }
    return json.dumps(document, indent=1) + "\n"


def _model(one: ModelReport) -> dict[str, Any]:
    return {
        "ids": one.model.name,
        "title": one.model.title,
        "functions": one.functions,
        "whole": one.whole,
        "families": [_family(family) for family in one.families],
        "refused": [_group(group) for group in one.refused],
    }


def _family(family: Family) -> dict[str, Any]:
    return {
        "number": family.number,
        "functions": family.functions,
        "outlier": family.outlier,
        "units": [*family.units],
        "compared": family.compared,
        "differences": [
            {
                "path": row.path,
                "title": row.title,
                "offset": row.offset,
                "first": row.largest,
                "here": row.here,
                "changes": row.changes or None,
            }
            for row in family.differences
        ],
        "ways": [
            {"to": way.to, "refused": way.refused or None, "seen": [*way.seen], "unknown": [*way.unknown]}
            for way in family.ways
        ],
        "groups": [_group(group) for group in family.groups],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "digest": group.digest or None,
        "functions": group.count,
        "members": [{"file": member.file, "slot": member.slot} for member in group.members],
        "refusal": group.refusal or None,
    }


def _problem(one: Diagnostic, count: int) -> dict[str, Any]:
    return {"code": one.code, "message": one.message, "path": one.span.path, "line": one.span.line, "count": count}


def csv_row(*cells: str) -> str:
    """A line of CSV (RFC 4180, but with a line feed at its end)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def csv_function(member: Member, group: Group) -> str:
    """The line of a function, in the order of `COLUMNS`."""
    file = printable(member.file)
    # A spreadsheet takes such a beginning for a formula; the path means the same.
    file = f"./{file}" if file[:1] in _FORMULA else file
    return csv_row(file, member.slot, group.model.name, group.digest, group.name, printable(group.refusal))
