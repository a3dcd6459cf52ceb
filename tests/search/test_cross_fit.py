"""No event is scored by a model that saw it: a whole cross-fit on noise, and a leak that these tests do see."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import ks_2samp
from search_toys import WINDOW, events, falling

from lamppost.core import Array, Events, Method, Rng, View
from lamppost.run.artefacts import Store
from lamppost.run.samples import Samples
from lamppost.run.tasks import Training, train_fold
from lamppost.run.view import MassModel
from lamppost.search import fold_of
from lamppost.spec import load_kinds, make
from lamppost.stats import Background

load_kinds()
FOLDS = 5
MASSES = MassModel((1.0, 2.0, 3.0), (Background.parse("dijet"),))  # nothing here draws masses
SAMPLES = Samples("events.parquet", None, (), MASSES)
WEAK = {"kind": "weak", "ratio": {"kind": "boosted", "members": 3, "min_leaf": 10}}


def stored(folder: Path, sample: Events) -> Store:
    store = Store(folder)
    arrays = {"id": sample.id, "index": np.arange(len(sample)), "m": sample.m, "w": sample.w, "x": sample.x}
    store.write_arrays("events.parquet", arrays, {"names": sample.names, "groups": {}})
    return store


def cross_fit(store: Store, sample: Events, method: Method, *, decorrelate: bool = True) -> Array:
    """The out-of-fold scores (n,) of the sample."""
    of, scores = fold_of(sample.id, FOLDS), np.full(len(sample), np.nan)
    for fold in range(FOLDS):
        training = Training(method, WINDOW, fold, FOLDS, decorrelate, seed=1)
        train_fold(store, f"fold-{fold}.parquet", samples=SAMPLES, training=training)
        scores[of == fold] = store.read_arrays(f"fold-{fold}.parquet")[0]["score"]
    return scores


@pytest.fixture(scope="module")
def noise() -> Events:
    """Features that know nothing of m, in a region with as many events as its sidebands."""
    rng = np.random.default_rng(1)
    m = np.where(rng.random(6000) < 0.5, rng.uniform(3400, 3800, 6000), falling(rng, 6000))
    return events(m, {name: rng.normal(size=6000) for name in "abcd"})


@pytest.fixture(scope="module")
def scores(noise: Events, tmp_path_factory: pytest.TempPathFactory) -> Array:
    return cross_fit(stored(tmp_path_factory.mktemp("noise"), noise), noise, make(Method, WEAK))


def higher_in_the_region(scores: Array, sample: Events) -> float:
    """One-sided Kolmogorov-Smirnov p-value of: scores in the region are not higher than beside it."""
    inside, beside = WINDOW.inside(sample.m), WINDOW.beside(sample.m)
    return float(ks_2samp(scores[inside], scores[beside], alternative="less", method="asymp").pvalue)


def test_noise_scores_no_higher_in_the_region(noise: Events, scores: Array) -> None:
    assert np.isfinite(scores).all()
    assert higher_in_the_region(scores, noise) > 1e-3
    inside = WINDOW.inside(noise.m)
    for efficiency in (0.3, 0.1, 0.03):
        kept = scores >= -np.log10(efficiency)
        assert abs(kept[inside].mean() - efficiency) < 5 * np.sqrt(efficiency / 3000)


def test_a_leak_is_seen(noise: Events) -> None:
    """The same events, the same method, scored by the model that trained on them."""
    view = View(noise[WINDOW.inside(noise.m)], noise[WINDOW.beside(noise.m)], WINDOW)
    leaky = make(Method, WEAK).fit(view, np.random.default_rng(1))(noise)
    assert higher_in_the_region(leaky, noise) < 1e-10


def test_scores_do_not_depend_on_others_of_their_fold(noise: Events, scores: Array, tmp_path: Path) -> None:
    """Turning the features of one event around moves no other event of its fold."""
    x = noise.x.copy()
    mine = int(np.flatnonzero((fold_of(noise.id, FOLDS) == 2) & WINDOW.inside(noise.m))[0])
    x[mine] = -x[mine]
    changed = noise.with_x(x)
    store = stored(tmp_path, changed)
    again = cross_fit(store, changed, make(Method, WEAK))
    same_fold = (fold_of(noise.id, FOLDS) == 2) & (np.arange(len(noise)) != mine)
    np.testing.assert_allclose(again[same_fold], scores[same_fold], atol=1e-6)


class _Recording:
    """Notes who was scored."""

    def __init__(self, trained: set[int]) -> None:
        self.trained = trained
        self.scored: list[set[int]] = []

    def __call__(self, events: Events) -> Array:
        self.scored.append(set(events.id.tolist()))
        return events.x[:, 0].astype(np.float64)

    def to_bytes(self) -> bytes:
        return b""


@pytest.fixture
def recorder() -> Iterator[tuple[Method, list[_Recording]]]:
    found: list[_Recording] = []

    class Recorder(Method):
        """A method that learns nothing but who is who."""

        kind: Literal["recorder"] = "recorder"

        def fit(self, view: View, rng: Rng) -> Any:
            assert view.reference is None
            assert not view.signals
            assert WINDOW.inside(view.sr.m).all()
            assert WINDOW.beside(view.sb.m).all()
            found.append(_Recording(set(view.sr.id.tolist()) | set(view.sb.id.tolist())))
            return found[-1]

    yield Recorder(), found
    Method.registry.pop("recorder")


def test_who_trains_who_calibrates_who_is_tested(
    noise: Events, recorder: tuple[Method, list[_Recording]], tmp_path: Path
) -> None:
    method, found = recorder
    cross_fit(stored(tmp_path, noise), noise, method)
    of = fold_of(noise.id, FOLDS)
    near = WINDOW.inside(noise.m) | WINDOW.beside(noise.m)
    assert len(found) == FOLDS
    for fold, recording in enumerate(found):
        calibrating = (fold + 1) % FOLDS
        ids = {k: set(noise.id[(of == k) & near].tolist()) for k in range(FOLDS)}
        assert recording.trained == set().union(*(ids[k] for k in ids if k not in (fold, calibrating)))
        background, tested = recording.scored
        assert background == set(noise.id[(of == calibrating) & WINDOW.beside(noise.m)].tolist())
        assert tested == set(noise.id[of == fold].tolist())
        assert not recording.trained & (background | tested)


def test_order_of_the_file_does_not_choose_the_folds(noise: Events, tmp_path: Path) -> None:
    """With a score that learns nothing from the order, shuffled events get the same scores."""
    order = np.random.default_rng(2).permutation(len(noise))
    found = []
    for name, sample in (("as is", noise), ("shuffled", noise[order])):
        folder = tmp_path / name
        folder.mkdir()
        found.append(cross_fit(stored(folder, sample), sample, make(Method, "random")))
    np.testing.assert_allclose(found[1], found[0][order], atol=1e-6)
