"""Early stopping, as AWS's hyperparameters define it."""

from __future__ import annotations

import pytest

from sm_amazon_algos.container.linear.stopping import EarlyStopping


@pytest.mark.parametrize("sign", [1, -1])
def test_small_gains_are_none_however_many_follow(sign: int) -> None:
    stopping = EarlyStopping(patience=3, tolerance=0.001, higher_is_better=sign < 0)
    losses = [1.0, 0.9, 0.8995, 0.899, 0.8985]
    assert [stopping.improves(sign * loss) for loss in losses] == [True, True, False, False, False]
    assert stopping.is_over
    assert stopping.best == sign * 0.8985


def test_an_improvement_begins_the_count_anew() -> None:
    stopping = EarlyStopping(patience=2, tolerance=0.001, higher_is_better=False)
    assert [stopping.improves(loss) for loss in (1.0, 1.1, 0.5, 0.6)] == [True, False, True, False]
    assert not stopping.is_over
    assert not stopping.improves(0.5)
    assert stopping.is_over
