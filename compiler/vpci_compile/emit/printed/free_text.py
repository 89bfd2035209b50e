"""`free`: what of configuration space is free, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...capture.free import PASID_BYTES, Offer, Run, Space, State

_ORDER = (State.FREE, State.UNPROVEN, State.QUIRK)
_WORDS = {
    State.FREE: "free",
    State.UNPROVEN: "unproven",
    State.QUIRK: "named by a quirk",
    State.USED: "used",
}


def render(spaces: Sequence[Space], runs: Sequence[Run], offer: Offer) -> str:
    """The ranges that are free, that are not proven, and that a quirk names; then the place for a PASID structure."""
    whole = spaces[0].label if len(spaces) == 1 else f"all of {', '.join(one.label for one in spaces)}"
    lines = [f"{whole}: {max(one.size for one in spaces)} bytes"]
    for state in _ORDER:
        found = [run for run in runs if run.state is state]
        if found or state is State.FREE:
            total = sum(run.end - run.start for run in found)
            lines.append(f"  {_WORDS[state]}: {total} bytes")
        lines.extend(f"    {run.start:#05x}..{run.end - 1:#05x}{f'  {run.why}' if run.why else ''}" for run in found)
    lines.extend(
        f"  {one.label} has a PASID structure of its own at {one.pasid:#x}, which Linux hides"
        for one in spaces
        if one.pasid is not None
    )
    lines.append(f"  a PASID structure ({PASID_BYTES} bytes): {_offer(offer)}")
    return "\n".join(lines) + "\n"


def _offer(offer: Offer) -> str:
    if offer.at is None:
        return f"nowhere: {offer.instead}"
    sure = "" if offer.state is State.FREE else ", which is not proven"
    return f"at {offer.at:#x}{sure}" + (f" (not at {offer.instead})" if offer.instead else "")


def as_json(spaces: Sequence[Space], runs: Sequence[Run], offer: Offer) -> str:
    """The same, and every other range, as JSON: ranges as [first, last], offsets in bytes."""
    document = {
        "captures": [
            {"name": one.label, "size": one.size, "pasid": one.pasid, "ranges": [_row(run) for run in one.runs]}
            for one in spaces
        ],
        "together": [_row(run) for run in runs],
        "pasid": {"at": offer.at, "state": offer.state.name.lower(), "why": offer.instead},
    }
    return json.dumps(document, indent=1)


def _row(run: Run) -> dict[str, object]:
    return {"range": [run.start, run.end - 1], "state": run.state.name.lower(), "why": run.why}
