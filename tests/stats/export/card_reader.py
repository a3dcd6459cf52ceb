"""A minimal reader of Combine datacards: the likelihood from the text and its ROOT file alone.

Rules of the Combine manual: lnN a factor kappa^theta, asymmetric ones joined by a polynomial within one sigma; shape
histograms interpolated vertically, the fractions additively, their integral as an asymmetric lnN; rateParam factors
from formulas of extArg, rateParam and param parameters; param constraints Gaussian; r scales processes numbered <= 0.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import uproot


class Card:
    """A datacard. `parameters` holds the start of every parameter; `expected` and `nll` take values by name."""

    def __init__(self, path: Path) -> None:
        rows = [line.split() for line in path.read_text().splitlines() if line and line[0] not in "#-"]
        after = next(i for i, row in enumerate(rows) if row[0] == "rate")
        keyed = {(row[0], i): row[1:] for i, row in enumerate(rows[: after + 1])}
        bins = [row for (key, _), row in keyed.items() if key == "bin"]
        processes = [row for (key, _), row in keyed.items() if key == "process"]
        self.channels, cells, (names, numbers) = bins[0], bins[1], processes
        self.processes = list(zip(cells, names, (int(number) <= 0 for number in numbers), strict=True))
        assert len({name for _, name, _ in self.processes}) == 1 + int(next(r[1] for r in rows if r[0] == "jmax"))
        assert len(self.channels) == int(next(row[1] for row in rows if row[0] == "imax"))
        self.file, self.rates = None, [float(rate) for rate in rows[after][1:]]
        for row in rows:
            if row[0] == "shapes":
                assert row[1:3] == ["*", self.channels[0]]
                assert row[4:] == ["$PROCESS", "$PROCESS_$SYSTEMATIC"]
                with uproot.open(path.parent / row[3]) as file:
                    self.file = {key.split(";")[0]: np.array(file[key].values()) for key in file}
        seen = next(row[1:] for row in rows if row[0].lower() == "observation")
        self.observed = np.array([float(n) for n in seen]) if self.file is None else self.file["data_obs"]
        self.parameters: dict[str, float] = {"r": 1.0}
        self.limits: dict[str, tuple[float, float]] = {}
        self.constraints: dict[str, tuple[float, float]] = {}
        self.effects: list[tuple[str, str, list[str]]] = []
        self.factors: dict[int, list[tuple[str, list[str]]]] = {}
        for row in rows[after + 1 :]:
            self._read(row[0], row[1], row[2:])

    def _read(self, name: str, kind: str, rest: list[str]) -> None:
        if kind in ("lnN", "shape"):
            assert len(rest) == len(self.processes)
            self.parameters[name], self.constraints[name] = 0.0, (0.0, 1.0)
            self.effects.append((name, kind, rest))
        elif kind == "param":
            self.parameters[name], self.constraints[name] = float(rest[0]), (float(rest[0]), float(rest[1]))
        elif kind == "extArg":
            self._free(name, rest)
        else:
            assert kind == "rateParam"
            formula = rest[2].startswith("(")
            if not formula:
                self._free(name, rest[2:])
            factor = (rest[2], rest[3].split(",")) if formula else ("@0", [name])
            for i, (channel, process, _) in enumerate(self.processes):
                if rest[0] in ("*", channel) and rest[1] == process:
                    self.factors.setdefault(i, []).append(factor)

    def _free(self, name: str, rest: list[str]) -> None:
        low, high = rest[1].strip("[]").split(",")
        self.parameters[name], self.limits[name] = float(rest[0]), (float(low), float(high))

    def expected(self, values: Mapping[str, float]) -> Any:
        """Events expected in every bin of the histograms, or in every channel of a counting card."""
        total = np.zeros(len(self.observed))
        for i, (channel, process, signal) in enumerate(self.processes):
            rate = self._shape(i, process, values) if self.file is not None else self.rates[i]
            for name, kind, cells in self.effects:
                if kind == "lnN" and cells[i] != "-":
                    rate = rate * power(cells[i], values[name])
            for formula, arguments in self.factors.get(i, []):
                rate = rate * evaluate(formula, [values[argument] for argument in arguments])
            rate = rate * (values["r"] if signal else 1.0)
            if self.file is not None:
                total += rate
            else:
                total[self.channels.index(channel)] += rate
        return total

    def _shape(self, i: int, process: str, values: Mapping[str, float]) -> Any:
        assert self.file is not None
        assert self.rates[i] == -1.0
        nominal = self.file[process]
        norm, fractions = nominal.sum(), nominal / nominal.sum()
        for name, kind, cells in self.effects:
            if kind == "shape" and cells[i] == "1":
                up, down = self.file[f"{process}_{name}Up"], self.file[f"{process}_{name}Down"]
                norm = norm * power(f"{down.sum() / nominal.sum()}/{up.sum() / nominal.sum()}", values[name])
                high, low = up / up.sum() - nominal / nominal.sum(), down / down.sum() - nominal / nominal.sum()
                theta = values[name]
                fractions = fractions + 0.5 * theta * ((high - low) + (high + low) * smooth(theta))
        return norm * fractions

    def nll(self, values: Mapping[str, float], observed: Any = None) -> float:
        """-ln L up to a constant; infinite where a bin expects nothing."""
        n = self.observed if observed is None else observed
        mu = self.expected(values)
        if np.any(mu <= 0.0):
            return math.inf
        pulls = [(values[name] - mean) / sigma for name, (mean, sigma) in self.constraints.items()]
        return float(np.sum(mu - n * np.log(mu)) + 0.5 * np.sum(np.square(pulls)))


def smooth(x: float) -> float:
    """An odd polynomial from -1 to 1 that joins the sign of x smoothly at +-1."""
    return math.copysign(1.0, x) if abs(x) >= 1.0 else 0.125 * x * (x * x * (3.0 * x * x - 10.0) + 15.0)


def power(cell: str, theta: float) -> float:
    """The factor of a lnN: kappa^theta, or down/up with a smooth change of kappa in between."""
    down, up = (float(part) for part in cell.split("/")) if "/" in cell else (1.0 / float(cell), float(cell))
    high, low = math.log(up), -math.log(down)
    return math.exp(theta * (0.5 * (high + low) + 0.5 * (high - low) * smooth(theta)))


def evaluate(formula: str, arguments: list[float]) -> float:
    """A formula of @0, @1, ... with exp and arithmetic."""
    assert re.fullmatch(r"(exp|e[+-]|[-+*/().\d@])+", formula), formula
    assert len(formula) < 1000  # Combine's own limit for RooFit's factory
    text = re.sub(r"@(\d+)", r"x[\1]", formula)
    return float(eval(text, {"__builtins__": {}, "exp": math.exp}, {"x": arguments}))
