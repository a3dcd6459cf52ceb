"""The plan of a hunt: which tasks there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamppost.config import Search
from lamppost.core import Method, Window
from lamppost.methods.subset import Subset
from lamppost.run.combined import combine_searches
from lamppost.run.fits import apart, keys_of
from lamppost.run.graph import Task
from lamppost.run.measure import measure_inclusive, measure_window, validate_window
from lamppost.run.planned import Planned, plan_samples
from lamppost.run.samples import Samples
from lamppost.run.tasks import Training, determine_mass, fit_fold, populated, train_fold
from lamppost.run.worker import TaskFunction

__all__ = ["CONTROL", "Hunt", "Looked", "Plan", "plan", "plan_in"]

CONTROL = "random score"
"""Name of the control: the same selections, fits and p-values with a score that knows nothing."""


@dataclass(frozen=True)
class Looked:
    """A window seen by a method: the artefacts of its folds, of its measurement, of the test whether x determines m.

    `fits` are those of fitted scores, where it is made of other methods, or others are made of it.
    """

    window: Window
    method: str
    parts: tuple[str, ...]
    measured: str
    mass: str | None
    fits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All tasks of a hunt, and which artefacts hold what; `combined`: claims, and controls, if they are combined."""

    tasks: tuple[Task, ...]
    sha256: str
    events: str
    claims: tuple[Looked, ...]
    validations: tuple[Looked, ...]
    controls: tuple[Looked, ...]
    inclusive: str
    combined: tuple[str | None, str | None]


def plan(search: Search) -> Plan:
    """Every task of the hunt."""
    planned = Planned()
    return plan_in(planned, search, *plan_samples(planned, search))


def plan_in(
    planned: Planned, search: Search, samples: Samples, sha256: str, validated: Sequence[Looked] | None = None
) -> Plan:
    """Every task of the hunt in these samples, after those that are planned.

    Windows without a claim are looked at here, unless they were `validated` before.
    """
    hunt = Hunt(planned, search, samples)
    named, tests = search.methods.items(), search.validation_windows()
    looked = [hunt.look(w, name, method) for name, method in named for w in search.claim_windows()]
    if validated is None:
        validated = [hunt.look(w, name, method, claim=False) for name, method in named for w in tests]
    controls = [hunt.look(w, CONTROL, Method.parse("random")) for w in search.claim_windows()]
    inclusive = hunt.inclusive()
    combined = hunt.combine("windows", looked), hunt.combine(f"{CONTROL}: windows", controls)
    return Plan(
        tuple(planned.tasks.values()),
        sha256,
        samples.data,
        tuple(looked),
        tuple(validated),
        tuple(controls),
        inclusive,
        combined,
    )


class Hunt:
    """Adds the tasks of a hunt in these samples; labels begin with `where`, windows are called `key`.

    `lenient`: a training or a claim whose fit fails is stored as failed, where it would end the run. `keep`: every
    fitted score is an artefact of its own. `windows` are looked at instead of those of the search, in data of which
    some of the mass range may be hidden. With `scored`, scores are made of these events only, and those of the windows
    are not counted aloud, nor in what is said of a training that fails.
    """

    def __init__(
        self,
        planned: Planned,
        search: Search,
        samples: Samples,
        where: str = "",
        *,
        key: str = "scan.windows",
        lenient: bool = False,
        keep: bool = False,
        windows: Mapping[str, Sequence[Window]] | None = None,
        scored: str | None = None,
    ) -> None:
        self.planned, self.search, self.samples, self.where, self.lenient = planned, search, samples, where, lenient
        self.keep, self.scored = keep, scored
        self.claims = search.claim_windows()
        seen = [(method, search.decorrelated(method)) for method in search.methods.values()]
        # what was trained before the windows were opened is an artefact of its own
        self.apart = apart(seen) | frozenset(seen if search.blind is not None and search.blind.train else ())
        if windows is None:
            others = [] if search.blind is not None else search.validation_windows()
            windows = {key: self.claims, "scan.validation": others}
        arguments: dict[str, Any] = {"events": samples.data, "windows": windows}
        if scored is not None:
            arguments["counted"] = False
        # all other tasks wait for this one, but none is named by all the windows
        self.checked = planned.add("check", f"{where}checking windows", populated, arguments, needs=(samples.data,))

    def look(self, window: Window, name: str, method: Method, *, claim: bool = True) -> Looked:
        """A window seen by a method: trainings, then fit and toys, or if there is no claim a test of flatness."""
        parts, fits = self.trained(window, name, method)
        arguments: dict[str, Any] = {
            "events": self.samples.data,
            "parts": parts,
            "window": window,
            "efficiencies": self.search.scan.efficiency,
            "name": name,
        }
        if claim:
            arguments |= {"fit": self.search.fit.single, "seed": self.search.seed}
            if self.samples.masses.hidden:
                arguments["hidden"] = self.samples.masses.hidden
            measured = self._add("claim", f"{name}: fit and toys, window {window}", measure_window, arguments, parts)
        else:
            measured = self._add("validate", f"{name}: validation, window {window}", validate_window, arguments, parts)
        return Looked(window, name, parts, measured, self.mass(window, method), fits)

    def trained(self, window: Window, name: str, method: Method) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The artefacts of the scores, fold by fold, and of the fits they come from, if these have their own."""
        folds = [self.train(window, name, method, fold) for fold in range(self.search.scan.folds)]
        return tuple(part for part, _ in folds), tuple(key for _, keys in folds for key in keys)

    def inclusive(self) -> str:
        """The fit to all events, over all windows."""
        region = min(w.lo for w in self.claims), max(w.hi for w in self.claims)
        arguments = {
            "events": self.samples.data,
            "region": region,
            "fit": self.search.fit.single,
            "seed": self.search.seed,
        }
        return self._add("claim", "inclusive fit and toys", measure_inclusive, arguments, (self.samples.data,))

    def combine(self, what: str, looked: Sequence[Looked]) -> str | None:
        """The global p-value of several windows and methods from their correlations; None if it is not asked for."""
        if self.search.fit.combine != "bootstrap" or len(looked) < 2:
            return None
        arguments = {
            "events": self.samples.data,
            "searches": tuple((one.measured, one.parts) for one in looked),
            "fit": self.search.fit.single,
            "seed": self.search.seed,
        }
        needs = (self.samples.data, *(key for one in looked for key in (one.measured, *one.parts)))
        return self._add("combine", f"{what} together", combine_searches, arguments, tuple(dict.fromkeys(needs)))

    def _add(
        self, stage: str, label: str, function: TaskFunction, arguments: Mapping[str, Any], needs: tuple[str, ...]
    ) -> str:
        lenient = self.lenient and stage in ("fit", "train", "claim", "combine")
        hush = self.scored is not None and stage in ("fit", "train")
        where: dict[str, Any] = {"needs": needs, "after": (self.checked,), "lenient": lenient, "hush": hush}
        return self.planned.add(stage, f"{self.where}{label}", function, arguments, **where)

    def train(
        self, window: Window, name: str, method: Method, fold: int, others: str | None = None
    ) -> tuple[str, tuple[str, ...]]:
        """Scores of a fold, and the fits they come from, if these are artefacts of their own.

        Those of the data, or by the same fit of `others`: the artefact of a sample that is not in the data.
        """
        decorrelate = self.search.decorrelated(method) if method.kind != "random" else False
        label = f"{name}: training, window {window}, fold {fold}"

        def training(one: Method) -> Training:
            return Training(one, window, fold, self.search.scan.folds, decorrelate, self.search.seed)

        def fit(one: Method, members: tuple[str, ...]) -> str:
            arguments = {"samples": self.samples, "training": training(one), "members": members}
            return self._add("fit", f"{label}, {one.kind}", fit_fold, arguments, (*self.samples.keys, *members))

        fits = keys_of(method, fit) if self.keep or (method, decorrelate) in self.apart else ()
        own = fits[-1] if fits else None
        arguments = {"samples": self.samples, "training": training(method), "fitted_in": own}
        needs = (*self.samples.keys, *fits[-1:])
        scored = self.scored if others is None else others
        if scored is not None:
            arguments, needs = {**arguments, "scored": scored}, (*needs, scored)
        if others is not None:
            label = f"{label}, signal"
        return self._add("train", label, train_fold, arguments, needs), fits

    def mass(self, window: Window, method: Method) -> str | None:
        """The test whether the features determine m; None for a score that does not look at them."""
        if method.kind == "random":
            return None
        arguments = self.determining(window, method)
        label = f"do the features determine m? window {window}"
        return self._add("check", label, determine_mass, arguments, (self.samples.data,))

    def determining(self, window: Window, method: Method) -> dict[str, Any]:
        """What the question whether features determine m is asked of: those that the method sees."""
        arguments = {"events": self.samples.data, "window": window, "decorrelate": self.search.decorrelated(method)}
        if isinstance(method, Subset) and method.features:
            arguments["features"] = method.features
        return arguments
