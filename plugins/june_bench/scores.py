"""pass@k and how sure it is.

pass@k: with n samples of a task, c of them right, the chance that one of k drawn is right is
1 - C(n-c, k) / C(n, k) (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"); the mean over
tasks is the score. The interval is the middle 95 % of that mean over tasks drawn again with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from june_cli.errors import UsageProblem

DRAWS, SEED, PART = 10_000, 0, 0.95


def pass_at_k(n: int, c: int, k: int) -> float:
    """Of one task: n samples, c of them right. ValueError for a k that n samples cannot say."""
    if not 0 < k <= n or not 0 <= c <= n:
        raise ValueError(f"pass@{k} cannot be told from {c} of {n}")
    missed = 1.0
    for one in range(n - c + 1, n + 1):
        missed *= 1.0 - k / one
    return 1.0 - missed if n - c >= k else 1.0


def require_k(ks: Sequence[int], counts: Mapping[str, tuple[int, int]]) -> None:
    """UsageProblem where a task has fewer samples than k: an estimate from less would be biased."""
    fewest = min((n for n, _ in counts.values()), default=0)
    for k in ks:
        if k > fewest:
            raise UsageProblem(
                "k-too-large",
                f"pass@{k} needs at least {k} samples of every task, and there are {fewest} of one.",
                hint=f"-n {k}, or -k {fewest}",
            )


def scores(counts: Mapping[str, tuple[int, int]], k: int) -> list[float]:
    """Every task's pass@k, from its samples and how many were right."""
    return [pass_at_k(n, c, k) for n, c in counts.values()]


def mean(values: Sequence[float]) -> float:
    """Their mean; 0 of none."""
    return sum(values) / len(values) if values else 0.0


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of their mean, by bootstrap over tasks: the same for the same values."""
    import numpy as np

    if not values:
        return 0.0, 0.0
    drawn = np.random.default_rng(SEED)
    known = np.asarray(values)
    means = [known[drawn.integers(0, len(known), len(known))].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [(1 - PART) / 2, (1 + PART) / 2])
    return float(low), float(high)


def difference(
    ones: Mapping[str, float], others: Mapping[str, float]
) -> tuple[float, tuple[float, float], int]:
    """How much better the others are on tasks that both have: mean, its 95 % interval, number of tasks."""
    both = [others[task] - ones[task] for task in ones if task in others]
    return mean(both), interval(both), len(both)
