"""Training in a batch: nobody notices anybody else, and the optimum is the one that calculus gives."""

import logging
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import equinox as eqx  # noqa: E402

from lamppost.learn.engine import training  # noqa: E402
from lamppost.learn.engine.chunks import CHUNK, in_chunks  # noqa: E402
from lamppost.learn.engine.layers import Mlp  # noqa: E402
from lamppost.learn.engine.training import Job, Plan, batch_size, train  # noqa: E402

PLAN = Plan(batch=128, epochs=20, learning_rate=0.02)
N = 4000


class Line(eqx.Module):
    """y = slope x + offset."""

    slope: Any
    offset: Any


def squares(model: Line, batch: Any, key: Any) -> Any:
    return jax.numpy.mean(batch["w"] * (model.slope * batch["x"] + model.offset - batch["y"]) ** 2)


def pool(seed: int = 1, n: int = N) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    columns = {"x": x, "y": 2 * x + 1 + 0.5 * rng.normal(size=n), "w": rng.exponential(size=n)}
    return {name: column.astype(np.float32) for name, column in columns.items()}


def job(rows: Any, seed: int, start: float = 0.0) -> Job:
    return Job(Line(np.float32(start), np.float32(0)), np.asarray(rows, np.int32), seed)


def values(models: Line) -> Any:
    return np.stack([np.asarray(models.slope), np.asarray(models.offset)])


def least_squares(pool: dict[str, Any], rows: Any) -> Any:
    x, y, w = (pool[name][rows].astype(np.float64) for name in ("x", "y", "w"))
    design = np.column_stack([x, np.ones_like(x)])
    return np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * y))


def test_finds_the_weighted_optimum() -> None:
    """Averaged late steps are as good as the exact minimum; weights are those of the loss."""
    data, rows = pool(), np.arange(N)
    found = values(train(squares, [job(rows, 1)], data, PLAN))[:, 0]
    # a tenth of what 4000 events know: 0.5 / sqrt(4000) = 0.008, in the direction of either parameter
    np.testing.assert_allclose(found, least_squares(data, rows), atol=0.003)


def test_only_its_own_rows() -> None:
    data = pool()
    rows = np.flatnonzero(data["x"] > 0.5)
    data["y"] = np.where(data["x"] > 0.5, data["y"], 1e6).astype(np.float32)
    plan = Plan(batch=128, epochs=100, learning_rate=0.05)
    found = values(train(squares, [job(rows, 1)], data, plan))[:, 0]
    np.testing.assert_allclose(found, least_squares(data, rows), atol=0.02)


def test_jobs_of_different_sizes_together_are_as_alone() -> None:
    """Sizes of 1 to 4000 events, that is of 300 to 625 steps."""
    data = pool()
    jobs = [job(np.arange(n), seed) for seed, n in enumerate((N, 100, 2500, 1, 4000))]
    together = values(train(squares, jobs, data, PLAN))
    for k, one in enumerate(jobs):
        np.testing.assert_allclose(values(train(squares, [one], data, PLAN))[:, 0], together[:, k], atol=1e-5)
    order = [3, 0, 4, 1, 2]
    np.testing.assert_array_equal(values(train(squares, [jobs[k] for k in order], data, PLAN)), together[:, order])
    assert len({tuple(column) for column in together.T}) == len(jobs)


def cross_entropy(model: Mlp, batch: Any, key: Any) -> Any:
    s = model(batch["x"][None])[0]
    return jax.numpy.mean(batch["w"] * (jax.nn.softplus(s) - (batch["y"] > 1) * s))


def test_an_accelerator_trains_them_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled for other backends, run on this one: each network is what it is alone, and as on a CPU."""
    data = pool()
    jobs = [
        Job(Mlp.drawn(np.random.default_rng(k), (1, 16, 16, 1)), np.arange(n), k) for k, n in enumerate((N, 900, 50))
    ]
    in_turn = jax.tree.leaves(train(cross_entropy, jobs, data, PLAN))
    monkeypatch.setattr(jax, "default_backend", lambda: "another")
    training._compiled.cache_clear()
    side_by_side = jax.tree.leaves(train(cross_entropy, jobs, data, PLAN))
    alone = [jax.tree.leaves(train(cross_entropy, [one], data, PLAN)) for one in jobs]
    training._compiled.cache_clear()
    for leaf, reference, *single in zip(side_by_side, in_turn, *alone, strict=True):
        np.testing.assert_allclose(leaf, np.concatenate(single), atol=1e-5)
        np.testing.assert_allclose(leaf, reference, atol=1e-5)


def test_same_seed_same_bits() -> None:
    data = pool()
    first, again, other = (values(train(squares, [job(np.arange(N), seed)], data, PLAN)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_rows_that_nobody_draws_change_nothing() -> None:
    data = pool()
    longer = {name: np.concatenate([column, np.full(500, np.nan, np.float32)]) for name, column in data.items()}
    one = [job(np.arange(N), 1)]
    np.testing.assert_array_equal(values(train(squares, one, data, PLAN)), values(train(squares, one, longer, PLAN)))


def test_every_event_is_seen_once_per_pass() -> None:
    """A loss linear in the events: its gradient counts them. At a constant rate the sum tells who was drawn."""

    class Counts(eqx.Module):
        seen: Any

    n = 640

    def loss(model: Counts, batch: Any, key: Any) -> Any:
        return -jax.numpy.sum(batch["one"] * model.seen[None])

    from lamppost.learn.engine.training import _Order

    order = _Order(job(np.arange(100, 100 + n), 5), 64)
    drawn = np.concatenate([order.draw(4).reshape(-1) for _ in range(5)])  # 1280: two passes
    assert loss(Counts(np.ones(2)), {"one": np.ones((3, 2))}, None) == -6
    for start in (0, n):
        assert sorted(drawn[start : start + n]) == list(range(100, 100 + n))
    assert (drawn[:n] != drawn[n:]).any()


def test_what_is_frozen_reaches_the_loss_and_compiles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def shifted(model: Line, batch: Any, key: Any) -> Any:
        return squares(model, {**batch, "y": batch["y"] + batch["by"]}, key)

    data, one = pool(), [job(np.arange(N), 1)]
    plain = values(train(shifted, one, data, PLAN, {"by": np.float32(0)}))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        moved = values(train(shifted, one, data, PLAN, {"by": np.float32(3)}))
    assert [record.message for record in caplog.records if "ompiling jit(" in record.message] == []
    np.testing.assert_allclose(moved - plain, [[0.0], [3.0]], atol=0.02)


def test_another_size_compiles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def loss(model: Line, batch: Any, key: Any) -> Any:
        return squares(model, batch, key)

    def compiled(n: int) -> list[str]:
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            train(loss, [job(np.arange(n), 1)], pool(n=n), PLAN)
        return [record.message for record in caplog.records if "ompiling" in record.message]

    assert len(compiled(4200)) > 0
    assert compiled(8000) == []


def test_noise_of_the_loss_is_fresh_in_every_step() -> None:
    """The key of a job goes on from step to step: the mean of many draws is found, not one of them."""

    def loss(model: Line, batch: Any, key: Any) -> Any:
        return (model.slope - jax.random.normal(key)) ** 2 + model.offset**2

    jobs = [job(np.arange(N), seed) for seed in range(4)]
    found = values(train(loss, jobs, pool(), PLAN))[0]
    assert abs(found).max() < 4 / np.sqrt(0.25 * 625) + 0.1
    assert len(set(found)) == 4


@pytest.mark.parametrize("average", [0.1, 1.0])
def test_the_mean_is_that_of_the_late_weights(average: float) -> None:
    """From a start far away: with all steps averaged the start is remembered, with the last tenth it is forgotten."""
    plan = Plan(batch=128, epochs=20, learning_rate=0.02, average=average)
    found = values(train(squares, [job(np.arange(N), 1, start=8.0)], pool(), plan))[0, 0]
    assert (abs(found - 2) < 0.2) == (average == 0.1)


def test_weight_decay() -> None:
    """Weights shrink by (1 - rate * decay) in every step; a single number is no weight."""

    def nothing(model: Line, batch: Any, key: Any) -> Any:
        return 0.0 * jax.numpy.sum(model.slope + model.offset)

    one = Job(Line(np.ones(3, np.float32), np.float32(1)), np.arange(N, dtype=np.int32), 1)
    plan = Plan(batch=128, epochs=20, learning_rate=0.02, weight_decay=1.0, average=1e-3)
    models = train(nothing, [one], pool(), plan)
    done = (np.arange(625) + 0.5) / 625
    rates = 0.02 * np.minimum(done / 0.05, 0.5 * (1 + np.cos(np.pi * done)) * 0.98 + 0.02)
    np.testing.assert_allclose(np.asarray(models.slope)[0], np.prod(1 - rates), rtol=1e-3)
    assert models.offset[0] == 1


def test_number_of_steps() -> None:
    plan = Plan(batch=1024, epochs=20, learning_rate=0.01, most=1500)
    assert [plan.steps(n) for n in (100, 1024 * 15, 51_200, 400_000)] == [300, 300, 1000, 1500]
    assert Plan(batch=64, epochs=1, learning_rate=0.01, most=10).steps(10**6) == 300


def test_batch_size() -> None:
    assert [batch_size(n, 1024) for n in (20, 4000, 5000, 10_000, 400_000)] == [128, 128, 128, 256, 1024]
    assert batch_size(20, 16) == 16


def test_chunks() -> None:
    """Any number of events, in pieces of one shape; what fills the last up is not returned."""
    shapes = []

    def function(model: float, x: Any, y: Any) -> tuple[Any, Any]:
        shapes.append((x.shape, y.shape))
        return model * x.sum(axis=0), np.stack([y, y + 1])[:, 0]

    rng = np.random.default_rng(1)
    for n in (0, 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5):
        x, y = rng.normal(size=(3, n)).astype(np.float32), rng.normal(size=(1, n)).astype(np.float32)
        total, both = in_chunks(function, 2.0, x, y)
        np.testing.assert_allclose(total, 2 * x.sum(axis=0), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(both, np.concatenate([y, y + 1]))
    assert set(shapes) == {((3, CHUNK), (1, CHUNK))}
