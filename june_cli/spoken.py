"""The sentences that checks speak: sixteen of the Harvard sentences (IEEE, 1969), phonetically balanced."""

from __future__ import annotations

from importlib.resources import files


def sentences() -> list[str]:
    """The fixed list, so that figures of different days and machines can be compared."""
    lines = files("june_cli").joinpath("sentences.tsv").read_text("utf-8").splitlines()
    return [line.partition("\t")[2] for line in lines[1:]]
