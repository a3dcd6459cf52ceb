"""From the statistics of toys to a p-value."""

import numpy as np
import pytest

from lamppost.stats.toys import BLOCK, SINGLE, block_rng, draw_nested, run_blocks, seed_sequence, tail_probability


def test_few_or_many_exceedances() -> None:
    values = np.arange(1000.0)
    assert tail_probability(values, 950.0).p == pytest.approx(51 / 1001)
    assert tail_probability(values[:20], 100.0).p == pytest.approx(1 / 21)
    # too few toys for a tail to extrapolate from
    assert tail_probability(values[:240], 500.0).p == pytest.approx(1 / 241)
    none = tail_probability(values[:0], 1.0)
    assert (none.p, none.z, none.method) == (None, None, "not computed")


def test_sequential_stop_is_unbiased_by_what_comes_later() -> None:
    """p = 400 / l: the mean over 300 experiments at p = 0.2 is known to 0.3 %."""
    rng = np.random.default_rng(1)
    found = [tail_probability((rng.random(4000) < 0.2).astype(float), 1.0).p for _ in range(300)]
    assert np.mean(np.array(found, dtype=float)) == pytest.approx(0.2, rel=0.01)
    values = np.concatenate([np.ones(400), np.zeros(600)])
    assert tail_probability(values, 1.0).p == tail_probability(values[:450], 1.0).p == 1.0


def test_blocks_stop_after_enough_exceedances() -> None:
    made: list[int] = []

    def block(number: int) -> np.ndarray:
        made.append(number)
        return np.ones((BLOCK, 1))

    assert run_blocks(10000, 0.5, block).shape == (2 * BLOCK, 1)
    assert made == [0, 1]
    assert run_blocks(300, 2.0, block).shape == (300, 1)


def test_extrapolation_of_a_known_tail() -> None:
    """The tail exp(-q / 2) itself: extrapolated from 2,000 toys by 20 units, right within the 14 % of its anchor."""
    values = 2.0 * np.random.default_rng(2).exponential(size=2000)
    tail = tail_probability(values, 30.0)
    assert tail.p == pytest.approx(np.exp(-15.0), rel=0.5)
    assert tail.method.startswith("toys to")
    far = tail_probability(values, 4000.0)
    assert far.p == 0.0
    assert far.z == pytest.approx(63.0, abs=0.5)


def test_failed_toys_count_as_exceedances() -> None:
    values = np.concatenate([np.full(30, np.inf), np.random.default_rng(3).exponential(size=970)])
    assert tail_probability(values, 1e6).p == pytest.approx(31 / 1001)


def test_streams_depend_on_seed_and_block_only() -> None:
    root = seed_sequence(5)
    assert block_rng(root, 3).integers(2**60) == block_rng(np.random.SeedSequence(5), 3).integers(2**60)
    assert block_rng(root, 3).integers(2**60) != block_rng(root, 4).integers(2**60)
    child = np.random.SeedSequence(5).spawn(1)[0]
    assert block_rng(child, 3).integers(2**60) != block_rng(root, 3).integers(2**60)


def test_nested_toys_are_thinned() -> None:
    expected = [np.array([100.0, 20.0, 0.0]), np.array([30.0, 25.0, 0.0])]
    loose, tight = draw_nested(np.random.default_rng(6), expected, 20000)
    assert (tight <= loose).all()
    np.testing.assert_array_equal(loose[:, 1], tight[:, 1])  # a share above one keeps everything
    assert tight[:, 0].mean() == pytest.approx(30.0, abs=4 * np.sqrt(30 / 20000))
    assert tight[:, 0].var() == pytest.approx(30.0, rel=4 * np.sqrt(2 / 20000))
    correlation = np.corrcoef(loose[:, 0], tight[:, 0])[0, 1]
    assert correlation == pytest.approx(np.sqrt(0.3), abs=0.03)


def test_errors_of_counted_p_values() -> None:
    """Pulls of 400 experiments at p = 0.1, with and without the stop: mean and width within 4 standard deviations."""
    rng = np.random.default_rng(1000)
    for toys in (500, 6000):
        found = [tail_probability((rng.random(toys) < 0.1).astype(float), 1.0) for _ in range(400)]
        p, error = (np.array([getattr(tail, name) for tail in found], dtype=float) for name in ("p", "error"))
        pulls = (p - 0.1) / error
        # (k + 1) / (n + 1) and the skewness of 400 / l shift the mean by less than 0.15
        assert abs(pulls.mean()) < 0.15 + 4.0 / np.sqrt(400)
        assert abs(pulls.std() - 1.0) < 0.05 + 4.0 / np.sqrt(800)
    assert tail_probability(np.ones(0), 1.0).error is None
    assert tail_probability(np.ones(300), 1.0).error == 0.0


def test_errors_of_extrapolations_hold_what_they_promise() -> None:
    """Of 200 extrapolations to 5 sigma at least 68 % less 4 binomial errors are right within theirs."""
    rng = np.random.default_rng(1001)
    found = [tail_probability(2.0 * rng.exponential(size=1000), 25.0) for _ in range(200)]
    right = [
        abs(tail.p - np.exp(-12.5)) < tail.error for tail in found if tail.p is not None and tail.error is not None
    ]
    assert len(right) == 200
    assert np.mean(right) > 0.68 - 4.0 * np.sqrt(0.68 * 0.32 / 200)


def test_the_tail_of_a_single_mass_falls_faster() -> None:
    """Squares of normal numbers where positive, half of them zero: 5 sigma from 4,000 toys is 2.9e-7."""
    z = np.maximum(np.random.default_rng(1002).standard_normal(4000), 0.0)
    tail = tail_probability(z**2, 25.0, SINGLE)
    assert tail.p is not None
    assert tail.error is not None
    assert abs(tail.p - 2.867e-7) < 3.0 * tail.error < 3.0 * tail.p
    assert tail.method.endswith("the asymptotic tail")
    assert tail_probability(z**2, 25.0).p > 1.5 * tail.p
