"""Text that people hand in: looked at before anything starts."""

from __future__ import annotations

from june_cli.errors import UsageProblem


def checked(text: str, most: int, what: str) -> str:
    """The text without surrounding space. UsageProblem when it is empty, too long or not Unicode.

    `what` names it in the sentence: "the question".
    """
    if not text.strip():
        raise UsageProblem("text-empty", f"{what} is empty.")
    if len(text) > most:
        raise UsageProblem(
            "text-too-long",
            f"{what} has {len(text):,} characters; {most:,} are the limit.",
            hint="split it into several calls",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise not_unicode(what) from error
    return text.strip()


def not_unicode(what: str) -> UsageProblem:
    """The error for bytes that are no UTF-8."""
    return UsageProblem("text-not-unicode", f"{what} is not UTF-8 text.")
