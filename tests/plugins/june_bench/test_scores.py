"""pass@k and its interval."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from june_bench.scores import difference, interval, mean, pass_at_k, require_k, scores

from june_cli.errors import UsageProblem


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_it_is_the_unbiased_estimate(values: tuple[int, int, int]) -> None:
    n, c, k = values
    assert pass_at_k(n, c, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-12)


def test_more_than_there_are_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@3"):
        pass_at_k(2, 1, 3)
    with pytest.raises(UsageProblem, match="at least 3"):
        require_k([1, 3], {"a": (5, 1), "b": (2, 0)})
    require_k([2], {"a": (5, 1), "b": (2, 0)})


def test_the_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = scores({str(n): (1, n % 2) for n in range(164)}, 1)
    low, high = interval(values)
    assert low < mean(values) == 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 164) ** 0.5, rel=0.1)
    assert interval(values) == (low, high)
    assert interval([]) == (0.0, 0.0)


def test_two_runs_are_compared_task_by_task() -> None:
    one = {str(n): float(n < 50) for n in range(100)}
    other = {str(n): float(n < 60) for n in range(100)} | {"new": 1.0}
    value, (low, high), tasks = difference(one, other)
    assert (value, tasks) == (pytest.approx(0.1), 100)
    assert 0.03 < low < 0.1 < high < 0.17
