"""Autoencoders: what a linear method knows exactly, and what a score must do with events off the beaten track."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from lamppost.core import Array, Events, Outlier
from lamppost.errors import ConfigError, DataError
from lamppost.learn.autoencoder import Autoencoder, AutoencoderScore, Vae
from lamppost.spec import make
from lamppost.storage import load, save

N = 1900  # too few for maps of quantiles: features are standardised, and what is linear stays linear


def events(x: Array, w: Array | None = None) -> Events:
    n = len(x)
    ids = np.arange(n, dtype=np.uint64)
    names = tuple(f"x{k}" for k in range(x.shape[1]))
    return Events(ids, x.astype(np.float32), np.ones(n), np.ones(n) if w is None else w, names)


def line(rng: np.random.Generator, n: int = N) -> Array:
    """Events (n, 3) along the diagonal, 0.1 from it."""
    return np.outer(rng.normal(size=n), np.ones(3)) + 0.1 * rng.normal(size=(n, 3))


def curve(rng: np.random.Generator, n: int = N) -> Array:
    """Events (n, 3) along a bent curve, 0.05 from it."""
    t = rng.uniform(-1.5, 1.5, n)
    return np.column_stack([t, t**2, np.sin(2 * t)]) + 0.05 * rng.normal(size=(n, 3))


def auc(high: Array, low: Array) -> float:
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.mean() - (len(high) + 1) / 2) / len(low))


def fit(spec: Outlier, sample: Events, seed: int = 1) -> AutoencoderScore:
    score = spec.fit(sample, np.random.default_rng(seed))
    assert isinstance(score, AutoencoderScore)
    return score


@cache
def on_line(beta: float) -> AutoencoderScore:
    return fit(Vae(members=2, latent=1, beta=beta), events(line(np.random.default_rng(1))))


def standardised(x: Array) -> tuple[Array, Array]:
    """z (n, d) and the eigenvalues of its covariance, largest first."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    return z, np.linalg.eigvalsh(np.cov(z.T))[::-1]


@pytest.mark.parametrize("spec", [Autoencoder(members=2, latent=1), Vae(members=2, latent=1, beta=0.01)])
def test_off_the_curve(spec: Outlier) -> None:
    """Events a long way off the curve, though every feature of theirs is a usual one."""
    rng = np.random.default_rng(2)
    score, usual, x = fit(spec, events(curve(rng))), curve(rng), curve(rng)
    odd = np.column_stack([rng.permutation(column) for column in x.T])
    far = np.sqrt(((odd[:, None] - curve(rng)) ** 2).sum(axis=2)).min(axis=1) > 0.5
    assert far.sum() > 500
    assert auc(score(events(odd[far])), score(events(usual))) > 0.95
    assert abs(auc(score(events(x)), score(events(usual))) - 0.5) < 4 * np.sqrt(1 / 6 / N)


def test_reconstruction_error_is_that_of_principal_components() -> None:
    rng = np.random.default_rng(3)
    x = line(rng)
    z, eigenvalues = standardised(x)
    _, _, axes = np.linalg.svd(z, full_matrices=False)
    truth = 0.5 * ((z @ axes[1:].T) ** 2).sum(axis=1)
    errors = fit(Autoencoder(members=2, latent=1), events(x)).reconstruction(events(x))
    usual = np.abs(z.mean(axis=1)) < 2.5  # a network that saturates bends where there are no events
    assert np.corrcoef(errors[usual], truth[usual])[0, 1] > 0.95
    assert 0.8 < errors.mean() / (0.5 * eigenvalues[1:].sum()) < 1.2


@pytest.mark.parametrize("beta", [0.03, 0.3])
def test_linear_vae(beta: float) -> None:
    """For data of one direction with variance L: sigma^2 = beta / L, <mu^2> = 1 - sigma^2, <KL> = log(L / beta) / 2.

    The variance finds this value only if the gradient of the reconstruction passes through the drawn latent.
    """
    x = line(np.random.default_rng(1))
    sigma2 = beta / standardised(x)[1][0]
    mu2 = (on_line(beta).encode(events(x)) ** 2).mean()
    kl = on_line(beta).kl(events(x)).mean()
    assert mu2 == pytest.approx(1 - sigma2, abs=0.1)
    assert kl == pytest.approx(-0.5 * np.log(sigma2), abs=0.05)


def test_beta_weighs_reconstruction_against_kl() -> None:
    """Small: as good as without; above the variance of the only direction: that is given up."""
    x = line(np.random.default_rng(1))
    eigenvalues, sample = standardised(x)[1], events(x)
    errors = [on_line(beta).reconstruction(sample).mean() for beta in (0.03, 0.3, 5.0)]
    assert errors[0] < 1.3 * 0.5 * eigenvalues[1:].sum()
    assert errors[0] < errors[1] < errors[2]
    assert errors[2] == pytest.approx(0.5 * eigenvalues.sum(), rel=0.05)
    assert on_line(5.0).kl(sample).mean() < 0.01


def test_kl_sees_what_is_far_along_the_manifold_and_nothing_else() -> None:
    rng = np.random.default_rng(4)
    usual, along = line(rng), line(rng, 500)
    along += np.sign(along.mean(axis=1, keepdims=True)) * 3.0
    across = line(rng, 500) + rng.choice([-1, 1], (500, 1)) * np.array([0.5, -0.5, 0.0])
    terms = on_line(0.1)
    assert auc(terms.kl(events(along)), terms.kl(events(usual))) > 0.95
    assert abs(auc(terms.kl(events(across)), terms.kl(events(usual))) - 0.5) < 0.1
    assert auc(terms.reconstruction(events(across)), terms.reconstruction(events(usual))) > 0.95


def test_scores_are_the_terms() -> None:
    sample, fitted = events(line(np.random.default_rng(5))), on_line(0.1)
    errors, kl = fitted.reconstruction(sample), fitted.kl(sample)
    for name, expected in (("reconstruction", errors), ("kl", kl), ("both", errors + 0.1 * kl)):
        np.testing.assert_array_equal(replace(fitted, score=name)(sample), expected)
    latent = fitted.encode(sample)
    assert latent.shape == (N, 2, 1)
    assert Vae().score == "both"


def test_latent_as_large_as_the_features_reconstructs() -> None:
    x = np.random.default_rng(6).normal(size=(N, 3))
    all_three, one = (fit(Autoencoder(members=2, latent=k), events(x)).reconstruction(events(x)).mean() for k in (3, 1))
    assert all_three < 0.01 * 1.5  # 1 % of the variance 3/2
    assert one > 0.3 * 1.5


@pytest.mark.parametrize("spec", [Autoencoder(members=2, latent=1), Vae(members=2, latent=1)])
def test_weight_two_is_the_event_twice(spec: Outlier) -> None:
    x = np.random.default_rng(7).normal(size=(1650, 3))
    first = np.arange(1650) < 300  # each part has one direction less than it has features
    x[:, 1], x[:, 2] = np.where(first, x[:, 0], x[:, 1]), np.where(first, x[:, 2], x[:, 0])

    def moved(sample: Events) -> float:
        errors = np.mean([fit(spec, sample, seed).reconstruction(events(x)) for seed in (1, 2, 3)], axis=0)
        return float(errors[first].mean() - errors[~first].mean())

    plain, heavy = moved(events(x)), moved(events(x, np.where(first, 2.0, 1.0)))
    twice = moved(events(np.concatenate([x, x[:300]])))
    assert heavy < plain
    assert abs(heavy - twice) < 0.3 * abs(heavy - plain)


def test_only_proportions_of_weights_matter() -> None:
    x = line(np.random.default_rng(1))
    score = fit(Vae(members=2, latent=1, beta=0.1), events(x, np.full(N, 1024.0)))
    assert score.to_bytes() == on_line(0.1).to_bytes()


def test_same_seed_same_bits() -> None:
    sample = events(line(np.random.default_rng(1)))
    spec = Vae(members=2, latent=1, beta=0.1)
    again, other = fit(spec, sample), fit(spec, sample, seed=2)
    assert again.to_bytes() == on_line(0.1).to_bytes() != other.to_bytes()
    assert again(sample).tobytes() == on_line(0.1)(sample).tobytes()


def test_members_in_a_batch_are_members_alone() -> None:
    sample = events(line(np.random.default_rng(1)))
    alone = fit(Vae(members=1, latent=1, beta=0.1), sample)
    np.testing.assert_allclose(on_line(0.1).encode(sample)[:, :1], alone.encode(sample), atol=1e-5)


def test_an_event_is_scored_alone() -> None:
    sample = events(line(np.random.default_rng(8), 5000))  # more than a chunk
    scores, order = on_line(0.1)(sample), np.random.default_rng(9).permutation(5000)
    np.testing.assert_array_equal(on_line(0.1)(sample[order]), scores[order])
    np.testing.assert_array_equal(on_line(0.1)(sample[4090:4103]), scores[4090:4103])
    np.testing.assert_array_equal(on_line(0.1)(sample[7:8]), scores[7:8])
    np.testing.assert_array_equal(on_line(0.1)(sample.select(["x2", "x0", "x1"])), scores)
    assert on_line(0.1)(sample[:0]).shape == (0,)


def test_saved_and_loaded(tmp_path: Path) -> None:
    sample = events(line(np.random.default_rng(8)))
    save(on_line(0.1), tmp_path / "score")
    read_back = load(tmp_path / "score")
    assert isinstance(read_back, AutoencoderScore)
    assert read_back.to_bytes() == on_line(0.1).to_bytes()
    np.testing.assert_array_equal(read_back(sample), on_line(0.1)(sample))
    np.testing.assert_array_equal(read_back.encode(sample), on_line(0.1).encode(sample))


def test_units_do_not_matter() -> None:
    x = line(np.random.default_rng(1))
    for unit in (np.array([1024.0, 1.0, 2.0**-10]), np.full(3, 1e-3)):
        scaled = events(x * unit)
        scores = fit(Vae(members=2, latent=1, beta=0.1), scaled)(scaled)
        assert np.corrcoef(scores, on_line(0.1)(events(x)))[0, 1] > 0.99


@pytest.mark.parametrize(("kind", "d", "latent"), [("autoencoder", 20, 2), ("vae", 2, 1), ("vae", 1, 1)])
def test_few_events(kind: str, d: int, latent: int) -> None:
    """A hundred events of any number of features; an event absurdly far away gets a finite score, a high one."""
    sample = events(np.random.default_rng(10).normal(size=(100, d)))
    score = fit(make(Outlier, {"kind": kind, "members": 2}), sample)
    assert score.encode(sample).shape == (100, 2, latent)
    far = score(events(np.full((1, d), 1e30)))
    assert np.isfinite(far).all()
    assert far > score(sample).max()


def test_refusals() -> None:
    x = np.random.default_rng(11).normal(size=(20, 2))
    for spec in (Autoencoder(), Vae()):
        with pytest.raises(DataError, match=f"{spec.kind}: found a weight of -1, expected none below 0"):
            fit(spec, events(x, np.where(np.arange(20) < 3, -1.0, 1.0)))
        with pytest.raises(DataError, match=f"{spec.kind}: found 9 events of weight above 0, expected >= 10"):
            fit(spec, events(x, np.where(np.arange(20) < 11, 0.0, 1.0)))
    for wrong in ({"kind": "vae", "beta": 0.0}, {"kind": "vae", "score": "nll"}, {"kind": "autoencoder", "latent": 0}):
        with pytest.raises(ConfigError):
            make(Outlier, wrong)
    with pytest.raises(ConfigError, match="expected kind 'vae'"):
        replace(on_line(0.1), beta=None).kl(events(line(np.random.default_rng(1))))
    with pytest.raises(DataError, match="no feature 'x2'"):
        on_line(0.1)(events(x))


def test_defaults() -> None:
    """A change of these changes every result: make it on purpose."""
    common: dict[str, Any] = {
        "members": 5,
        "latent": None,
        "hidden": (64, 32),
        "epochs": 20.0,
        "learning_rate": 3e-3,
    }
    assert make(Outlier, "autoencoder").model_dump() == {"kind": "autoencoder", **common}
    assert make(Outlier, "vae").model_dump() == {"kind": "vae", **common, "beta": 0.1, "score": "both"}
