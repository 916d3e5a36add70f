"""Word and character error rates, after one fixed normalisation of both texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

TITLES = {"mr": "mister", "mrs": "missus", "ms": "miss", "dr": "doctor", "st": "saint", "vs": "versus"}
SYMBOLS = {"%": " percent ", "&": " and ", "+": " plus ", "=": " equals ", "@": " at "}
SPELLINGS = {"ok": "okay", "grey": "gray", "colour": "color", "favourite": "favorite", "centre": "center"}
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:st|nd|rd|th)?")
MONEY = re.compile(r"([$£€])\s?(\d[\d,]*(?:\.\d+)?)")
CURRENCY = {"$": "dollars", "£": "pounds", "€": "euros"}


@dataclass(frozen=True)
class Rates:
    """Errors over the words, and the characters, of the reference: fractions, which can exceed 1."""

    wer: float
    cer: float


def rates(references: Sequence[str], hypotheses: Sequence[str]) -> Rates:
    """Rates over a whole set: all errors over all reference words, so that long clips weigh more.

    A reference that is empty after normalisation counts each heard word as an error, against one word.
    """
    import jiwer

    wanted = [normalised(text) for text in references]
    heard = [normalised(text) for text in hypotheses]
    pairs = [(w, h) for w, h in zip(wanted, heard, strict=True) if w]
    extra = sum(len(h.split()) for w, h in zip(wanted, heard, strict=True) if not w)
    if not pairs:
        return Rates(float(min(extra, 1)), float(min(extra, 1)))
    words = jiwer.process_words([w for w, _ in pairs], [h for _, h in pairs])
    characters = jiwer.process_characters([w for w, _ in pairs], [h for _, h in pairs])
    total = words.hits + words.substitutions + words.deletions
    errors = words.substitutions + words.deletions + words.insertions + extra
    return Rates(errors / total, float(characters.cer))


def normalised(text: str) -> str:
    """Lower case words and nothing else: numbers in words, titles in full, no punctuation, no accents.

    Hyphens part words; apostrophes vanish, so that "don't" and "dont" are one word.
    """
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("\u2019", "'")
    text = MONEY.sub(lambda m: f"{m[2]} {CURRENCY[m[1]]}", text)
    text = NUMBER.sub(lambda m: f" {_in_words(m[0])} ", text)
    for symbol, word in SYMBOLS.items():
        text = text.replace(symbol, word)
    text = re.sub(r"[^\w\s]", " ", text.replace("'", "")).replace("_", " ")
    return " ".join(SPELLINGS.get(w, TITLES.get(w, w)) for w in text.split())


def _in_words(number: str) -> str:
    if len(number) > 30:
        return number  # no spoken number: an identifier
    # "3rd" becomes "third" by itself
    return str(_speller().number_to_words(number.replace(",", ""), andword=""))


@cache
def _speller() -> Any:
    import inflect

    return inflect.engine()
