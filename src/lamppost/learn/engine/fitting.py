"""From a spec and events to a fitted density."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from lamppost.core import Array, Conditional, Events, Rng
from lamppost.errors import ConfigError, DataError
from lamppost.learn.density import FittedDensity
from lamppost.learn.engine.density import SWIFT, Model
from lamppost.learn.engine.flow import coupling_flow
from lamppost.learn.engine.training import Job, Plan, batch_size, train
from lamppost.learn.preprocess import Preprocess, check_finite

if TYPE_CHECKING:
    from lamppost.learn.flows import Flow

__all__ = ["fit_density", "one_of", "restored"]

LEAST_EVENTS = 20
REFERENCE = 10_000
"""Number of events that the weight decay of a spec is given for."""
START_FRACTION = 0.1
"""Where a learned fraction starts."""


def fit_density(
    spec: "Flow",
    events: Events,
    rng: Rng,
    *,
    base: Conditional | None,
    log_background: Array | None,
    fraction: float | Literal["learn"],
    joint: bool,
) -> FittedDensity:
    """Train all members of `spec` at once; see `core.Density.fit`."""
    _check(spec, events, base, log_background, fraction)
    assert base is None or isinstance(base, FittedDensity)
    held = rng.permutation(len(events))[: int(spec.holdout * len(events))]
    seen = np.setdiff1d(np.arange(len(events)), held).astype(np.int32)
    x, m, w = events.x[seen], events.m[seen], events.w[seen]
    untrained = FittedDensity(
        spec=spec,
        preprocess=base.preprocess if base else Preprocess.fit(x, w, events.names, dict(spec.transforms)),
        shift=base.shift if base else float(m.mean()),
        scale=base.scale if base else _width(m),
        tensors={},
        mass=Preprocess.fit(m[:, None], w, ("m",)) if joint else None,
        base=base,
    )
    pool = _pool(untrained, events, log_background, fraction)
    learned = log_background is not None and fraction == "learn"
    jobs = []
    for _ in range(spec.members):
        seed = int(rng.integers(2**31))
        # resampled events, so that the spread of members is the statistical one and not just that of their starts
        rows = rng.choice(seen, len(seen)) if spec.members > 1 else seen
        jobs.append(Job(_start(untrained, seed, learned=learned), rows, seed))
    plan = Plan(
        batch_size(len(seen), spec.batch),
        spec.epochs,
        spec.learning_rate,
        spec.weight_decay if log_background is None else 0.0,
        average=spec.average,
        least=spec.least,
        most=spec.steps,
        decay_at=REFERENCE,
    )
    models = train(spec.loss(plain=log_background is None), jobs, pool, plan, {"bases": untrained._bases})
    named = {name: np.asarray(leaf) for name, leaf in _named(models)}
    fractions = tuple(map(float, jax.nn.sigmoid(SWIFT * models.odds))) if learned else None
    trained = replace(untrained, tensors=named, fractions=fractions)
    return replace(trained, held_out=_held_out(trained, events[held], log_background, held, fraction))


def _width(m: Array) -> float:
    """The spread of m; 1 where it is one value up to rounding."""
    width = float(m.std())
    return width if width > 1e-9 * float(np.abs(m).max()) else 1.0


def _check(spec: "Flow", events: Events, base: Any, log_background: Array | None, fraction: Any) -> None:
    if len(events) < LEAST_EVENTS or not events.w.sum() > 0:
        msg = f"density: {len(events)} events of weight {events.w.sum():g}, expected >= {LEAST_EVENTS}"
        raise DataError(msg)
    check_finite(events.x, events.names, events.w != 0)
    check_finite(events.m[:, None], ("m",))
    if not np.isfinite(events.w).all():
        msg = f"density: {(~np.isfinite(events.w)).sum()} of {len(events)} weights are not finite"
        raise DataError(msg)
    if (events.w < 0).any():
        msg = f"density: {(events.w < 0).sum()} of {len(events)} weights are negative: such a likelihood has no maximum"
        raise DataError(msg)
    if not (base is None or isinstance(base, FittedDensity)):
        msg = f"density: expected a base fitted by lamppost, found {type(base).__name__}"
        raise ConfigError(msg)
    if base is not None and spec.transforms:
        msg = "density: with a base the preprocessing is that of the base, transforms have no effect"
        raise ConfigError(msg)
    if base is not None and base.preprocess.names != events.names:
        msg = f"density: base has features {', '.join(base.preprocess.names)}, found {', '.join(events.names)}"
        raise DataError(msg)
    if log_background is not None and (len(log_background) != len(events) or not (log_background < np.inf).all()):
        msg = f"density: expected {len(events)} log background densities below infinity, found {len(log_background)}"
        raise DataError(msg)
    if fraction != "learn" and not (isinstance(fraction, int | float) and 0 < fraction <= 1):
        msg = f"density: expected a fraction in (0, 1] or 'learn', found {fraction!r}"
        raise ConfigError(msg)
    if log_background is None and fraction != 1.0:
        msg = f"density: a fraction ({fraction}) needs the log density of a background"
        raise ConfigError(msg)


def _pool(
    density: FittedDensity, events: Events, log_background: Array | None, fraction: float | Literal["learn"]
) -> dict[str, Any]:
    y, log_slope = density._coordinates(events)
    pool = {"y": y.T, "c": density._given(events.m).T, "w": (events.w / events.w.mean()).astype(np.float32)}
    if density.mass is not None:
        pool["u"], log_slope_mass = density.mass.forward(events.m[:, None], events.id)
        log_slope = log_slope + log_slope_mass
    if log_background is not None:
        pool["background"] = np.maximum(log_background - log_slope, -1e30).astype(np.float32)
        if fraction != "learn":
            pool["log_fraction"] = np.full(len(events), np.log(fraction), np.float32)
            pool["log_rest"] = np.full(len(events), np.log1p(-fraction) if fraction < 1 else -1e30, np.float32)
    return pool


def _start(density: FittedDensity, seed: int, *, learned: bool) -> Model:
    """A member before training: the identity."""
    rng = np.random.default_rng([seed, 2])
    flow = density.spec.drawn(rng, len(density.preprocess.names), 1)
    mass = coupling_flow(rng, 1, 0, function="spline", layers=1, hidden=(), bins=16) if density.mass else None
    odds = jnp.asarray(np.log(START_FRACTION / (1 - START_FRACTION)) / SWIFT, jnp.float32) if learned else None
    return Model(flow, mass, odds)


def _named(model: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_flatten_with_path(model)[0]
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def restored(density: FittedDensity) -> Any:
    """The ensemble of a fitted density, for the compiled functions."""
    like = _start(density, 0, learned="odds" in density.tensors)
    names = [name for name, _ in _named(like)]
    if set(names) != set(density.tensors):
        msg = f"density: expected weights {names}, found {list(density.tensors)}"
        raise DataError(msg)
    leaves = [jnp.asarray(density.tensors[name]) for name in names]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def one_of(models: Any, member: int) -> Any:
    """One member of an ensemble."""
    return jax.tree.map(lambda leaf: leaf[member], models)


def _held_out(
    density: FittedDensity, events: Events, log_background: Array | None, held: Any, fraction: float | Literal["learn"]
) -> float | None:
    if not len(events) or not events.w.sum() > 0:
        return None
    each = density.member_log_probs(events)
    if log_background is not None:
        parts = np.array(density.fractions or (fraction,), dtype=np.float64)[:, None]
        with np.errstate(divide="ignore"):
            each = np.logaddexp(np.log(parts) + each, np.log1p(-parts) + log_background[held])
    log_p = np.logaddexp.reduce(each, axis=0) - np.log(len(each))
    return float(np.average(log_p, weights=events.w))
