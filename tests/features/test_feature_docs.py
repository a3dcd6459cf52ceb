"""Every quantity that a column may name is described, the description is true, and the page of the docs works."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lamppost.config.extract import parse_features
from lamppost.core import Array, Collisions, Objects
from lamppost.features import PRESETS, Extraction, Quantity, glossary

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
ALL = [
    pytest.param(name, quantity, id=f"{title.split(':')[0]} {name}".replace(" ", "-"))
    for title, registry in glossary().items()
    for name, quantity in registry.items()
]
ARXIV = r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}"
PAPER = r"PDG, \w+|[A-Z].+ \d+ \((19|20)\d\d\) \d+"


@pytest.mark.parametrize(("name", "quantity"), ALL)
def test_every_quantity_is_described(name: str, quantity: Quantity) -> None:
    assert name == quantity.name
    assert re.fullmatch("[a-z][a-z0-9_]*", name)
    assert quantity.formula
    assert quantity.about
    assert re.fullmatch(f"{ARXIV}|{PAPER}", quantity.source), quantity.source
    assert quantity.unit in {"", "GeV", "rad", "e"}
    if quantity.lo is not None and quantity.hi is not None:
        assert quantity.lo < quantity.hi


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_described(preset: str) -> None:
    assert PRESETS[preset].about
    assert re.fullmatch(ARXIV, PRESETS[preset].source)


def events(n: int) -> Collisions:
    """Events of two jets, back to back, with soft particles everywhere else."""
    rng = np.random.default_rng(1)
    counts = rng.integers(40, 120, n)
    total = int(counts.sum())
    kind = rng.integers(0, 3, total)  # the first jet, the second, neither
    widths = rng.uniform(0.05, 0.4, n)[np.repeat(np.arange(n), counts)]
    axis_eta, axis_phi = rng.normal(0.0, 1.0, (2, n)), rng.uniform(-np.pi, np.pi, n)
    event = np.repeat(np.arange(n), counts)
    eta = np.where(kind == 2, rng.uniform(-2.5, 2.5, total), axis_eta[np.minimum(kind, 1), event])
    phi = np.where(kind == 2, rng.uniform(-np.pi, np.pi, total), axis_phi[event] + np.pi * kind)
    pt = np.where(kind == 2, rng.exponential(1.0, total), rng.exponential(60.0, total))
    fields = {
        "pt": pt,
        "eta": eta + np.where(kind == 2, 0.0, rng.normal(0.0, 1.0, total) * widths),
        "phi": phi + np.where(kind == 2, 0.0, rng.normal(0.0, 1.0, total) * widths),
        "charge": rng.integers(-1, 2, total),
    }
    return Collisions(np.arange(n), {}, {"particles": Objects(counts, fields)})


def columns() -> dict[str, Quantity]:
    """Every quantity, of all that it may be said of."""
    found = {}
    for title, registry in glossary().items():
        for place in title.rsplit(": ", 1)[1].split(", "):
            found |= {place.replace("QUANTITY", name): quantity for name, quantity in registry.items()}
    return found


@pytest.fixture(scope="module")
def values() -> dict[str, Array]:
    tables = {"objects": {"j": {"cluster": {"min_pt": 100.0}}}, "features": {"columns": list(columns())}}
    table = Extraction.model_validate(tables).table(events(200))
    assert len(table) > 150
    return {name: np.asarray(column, dtype=np.float64) for name, column in table.columns.items()}


@pytest.mark.parametrize(("name", "quantity"), columns().items(), ids=columns())
def test_values_lie_in_the_range_that_is_told(name: str, quantity: Quantity, values: dict[str, Array]) -> None:
    """Columns are float32: bounds hold to their precision."""
    found = values[name]
    slack = 1e-6
    assert np.all(np.isfinite(found))
    assert quantity.lo is None or np.all(found >= quantity.lo - slack)
    assert quantity.hi is None or np.all(found <= quantity.hi + slack)
    assert np.ptp(found) > 0.0  # a column that is always the same shows nothing


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_page_are_valid() -> None:
    examples = blocks("toml")
    assert len(examples) >= 3
    for text in examples:
        run = parse_features(tomllib.loads(text))
        assert run.extraction.names


@pytest.mark.parametrize("directive", ["presets-reference", "quantities-reference", "extraction-reference"])
def test_the_page_is_made_from_the_registries(directive: str) -> None:
    assert f"```{{{directive}}}\n```" in PAGE.read_text(encoding="utf-8")
    assert f'"{directive}"' in (PAGE.parent / "_ext" / "quantities.py").read_text(encoding="utf-8")
