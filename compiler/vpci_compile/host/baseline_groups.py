"""The largest set of inputs that can be one function, which is the smallest to leave out.

Two views that must agree in some bits can be one function when they are equal in them. That is an equivalence, so the
sets are its classes, and none has to be searched for. Only an unknown BAR size agrees with any: there the sizes that
are known are tried, one BAR after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from .baseline_views import Key, View, fixed_bars


def largest(choices: Sequence[Sequence[View]]) -> list[View]:
    """The largest set of views, all under one choice of options, that can be one function.

    `choices` has for each choice, the preferred one first, the views of those hosts that can be shown so. Of sets with
    as many hosts that with the earliest inputs is taken.
    """
    best: list[View] = []
    for views in choices:
        classes: dict[Key, list[View]] = {}
        for view in views:
            classes.setdefault(view.key, []).append(view)
        for key, members in classes.items():
            stricter = [one for other, rows in classes.items() if _covers(key, other) for one in rows]
            best = _better(best, _agreeing([*members, *stricter]))
    return best


def _covers(key: Key, other: Key) -> bool:
    """Whether another class promises the same and more: some fields are there by what a device holds in them."""
    size, wanted, held, kinds = key
    more = wanted != other[1] and not wanted & ~other[1]
    return more and other[2] & wanted == held and (size, kinds) == (other[0], other[3])


def _agreeing(views: list[View]) -> list[View]:
    """The largest part of views of one class whose BARs have no two sizes."""
    for index in sorted({bar.index for view in views for bar in fixed_bars(view.prediction)}):
        sizes = {size_of(view, index) for view in views} - {None}
        if len(sizes) > 1:
            best: list[View] = []
            for size in sorted(size for size in sizes if size is not None):
                best = _better(best, _agreeing([view for view in views if size_of(view, index) in (None, size)]))
            return best
    return views


def size_of(view: View, index: int) -> int | None:
    """Bytes of a BAR of the view; None where nobody knows."""
    return next((bar.size for bar in view.prediction.bars if bar.index == index), None)


def _better(one: list[View], other: list[View]) -> list[View]:
    """The larger one; of equals the one with the earlier inputs, then the first."""
    if len(one) != len(other):
        return max(one, other, key=len)
    return min(one, other, key=lambda views: sorted(view.host.number for view in views))
