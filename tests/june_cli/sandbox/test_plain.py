"""What is carried between a sample and its judge: plain data, whatever was sent."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from june_cli.sandbox.plain import Opaque, Unpackable, pack, unpack

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
)
HASHABLE = LEAVES | st.tuples(LEAVES, LEAVES) | st.frozensets(st.integers())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE) | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_is_the_same_afterwards_in_kind_and_content(value: Any) -> None:
    again = unpack(pack(value))
    assert again == value
    assert type(again) is type(value)


Pair = namedtuple("Pair", "a b")


class Yes(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Yes(3), 3),
        (Pair(1, 2), (1, 2)),
        (Counter("aab"), Counter("aab")),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(a=1), OrderedDict(a=1)),
        (deque([1, 2]), deque([1, 2])),
        (range(1, 9, 2), range(1, 9, 2)),
        ({1: 2}.keys(), {1}),
        (np.int64(5), 5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (int, int),
        (time(1, 2), time(1, 2)),
        (bytearray(b"ab"), b"ab"),
        ("\ud800", "\ud800"),
        (1 << 100_000, 1 << 100_000),
        (
            [(date(2020, 1, 1), Fraction(1, 3)), Decimal("1.50")],
            [(date(2020, 1, 1), Fraction(1, 3)), Decimal("1.5")],
        ),
        (
            [datetime(2020, 1, 1, 5, tzinfo=UTC), timedelta(days=-1, seconds=3)],
            [datetime(2020, 1, 1, 5, tzinfo=UTC), timedelta(-1, 3)],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_has_no_word_for(value: Any, wanted: Any) -> None:
    assert unpack(pack(value)) == wanted


def test_floats_that_are_no_numbers_and_arrays() -> None:
    assert math.isnan(unpack(pack(math.nan)))
    assert unpack(pack(-math.inf)) == -math.inf
    again = unpack(pack(np.array([[1, 2], [3, 4]])))
    assert isinstance(again, np.ndarray)
    assert again.tolist() == [[1, 2], [3, 4]]


def test_an_iterator_stays_one() -> None:
    again = unpack(pack(x for x in (1, 2)))
    assert again != [1, 2]
    assert list(again) == [1, 2]


def test_an_object_has_a_truth_and_equals_nothing() -> None:
    class Always:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

        def __bool__(self) -> bool:
            return False

    again = unpack(pack(Always()))
    assert isinstance(again, Opaque)
    assert again != 5
    assert not again
    assert unpack(pack(object()))


def test_what_holds_itself_cannot_be_carried() -> None:
    found: list[Any] = []
    found.append(found)
    with pytest.raises(RecursionError):
        pack(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["~", "v", "x"]), inner)
        | st.fixed_dictionaries(
            {
                "~": st.sampled_from(
                    ["int", "array", "dict", "decimal.Decimal", "type", "set", "os.system", "opaque"]
                ),
                "v": inner,
            }
        )
    ),
)


@given(JSON)
def test_whatever_is_sent_it_is_plain_or_refused(sent: Any) -> None:
    try:
        unpack(json.dumps(sent))
    except Unpackable:
        return


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{}",
        b"[1",
        b'{"~": "os.system", "v": ["true"]}',
        b'{"~": "builtins.eval", "v": ["1"]}',
        b"\xff\xfe",
        b'{"~": "type", "v": "eval"}',
        b'{"~": "set", "v": [[]]}',
        b"[" * 100_000,
        b"1" * 5000,
        b'{"~": "fractions.Fraction", "v": [1, 0]}',
        b'{"~": "range", "v": [1]}',
        b'{"~": "float", "v": []}',
    ],
)
def test_what_is_no_plain_data_is_refused(sent: bytes) -> None:
    with pytest.raises(Unpackable):
        unpack(sent)
