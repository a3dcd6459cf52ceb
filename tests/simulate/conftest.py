"""Samples that several test modules look at, made once."""

import pytest

from lamppost.core import Collisions
from lamppost.simulate import Production, parse_production, produce

Made = tuple[Collisions, dict[str, dict[str, float]]]


@pytest.fixture(scope="package")
def production() -> Production:
    return parse_production({"seed": 1000, "processes": {"qcd": {"events": 5000}, "wprime": {"events": 600}}})


@pytest.fixture(scope="package")
def qcd(production: Production) -> Made:
    """The first chunk of the background, cut short."""
    return produce(production, "qcd", 0, 200)


@pytest.fixture(scope="package")
def wprime(production: Production) -> Made:
    """The first chunk of the signal, cut short."""
    return produce(production, "wprime", 0, 300)
