"""The hint for a name that is not known: the nearest one, or all there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def hint(name: str, options: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`did you mean 'talk'?`, or `known: …` in the order given when nothing is near."""
    known = list(options)
    near = get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
