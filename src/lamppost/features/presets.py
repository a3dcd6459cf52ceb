"""The feature sets of the field, as the tables of a TOML file that declare them."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from lamppost.errors import ConfigError

__all__ = ["PRESETS", "Preset", "expanded"]


@dataclass(frozen=True)
class Preset:
    """A set of features: what it is, where it is from (arXiv), and the tables that declare it."""

    about: str
    source: str
    tables: Mapping[str, Any]


# R&D set of the LHC Olympics (arXiv:2101.08320): a jet of pT > 1.2 TeV, |eta| < 2.5
_TRIGGER = "(pt_j1 > 1200 and abs(eta_j1) < 2.5) or (pt_j2 > 1200 and abs(eta_j2) < 2.5)"
_MASSES = ("mjj = m_j1j2", "mj1 = m_j1", "dm = m_j2 - m_j1")
_RATIOS = ("tau21", "tau32", "tau43", "tau54")
_TAUS = ("tau1", "tau2", "tau3", "tau4", "tau5")
_ALL_TAUS = tuple(f"tau{order}{beta}" for beta in ("", "_b05", "_b2") for order in range(1, 10))
_GROOMED = ("msd", "zg", "rg", "lund_n", "lund_kt", "lund_delta")
_SHAPES = ("c2", "d2", "m2", "n2", "n", "ptd", "width", "lha", "lead")
_KINEMATICS = ("pt_j1", "pt_j2", "eta_j1", "eta_j2", "deta_j1j2", "dphi_j1j2", "balance_j1j2")


def _both(*quantities: str) -> list[str]:
    return [f"{quantity}_{jet}" for jet in ("j1", "j2") for quantity in quantities]


def _dijet(order: str, columns: list[str], **features: Any) -> dict[str, Any]:
    """The two leading jets of radius 1; by rising mass j1 is the lighter."""
    jets = {"cluster": {"algorithm": "antikt", "radius": 1.0, "min_pt": 20.0}, "keep": 2, "order": order}
    return {"objects": {"j": jets}, "features": {"columns": columns, "select": _TRIGGER, **features}}


def _wide() -> dict[str, Any]:
    """What fixes the mass of the pair, pT and angles, is no feature to learn from."""
    inside = _both(*_TAUS, *_RATIOS, *_GROOMED, *_SHAPES)
    return _dijet("rising_mass", [*_MASSES, *_KINEMATICS, *inside], learn=["mj1", "dm", *inside])


def _published() -> dict[str, Any]:
    quantities = ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
    columns = [f"{quantity}{jet} = {quantity}_{jet}" for jet in ("j1", "j2") for quantity in quantities]
    return _dijet("pt", [*columns, "mjj = m_j1j2"], mass="mjj", learn=_LIGHTER_FIRST)


_LIGHTER_FIRST = [
    "mj_light = min(mj1, mj2)",
    "dm = abs(mj1 - mj2)",
    "tau21_light = where(mj1 < mj2, tau2j1 / (tau1j1 + 1e-5), tau2j2 / (tau1j2 + 1e-5))",
    "tau21_heavy = where(mj1 < mj2, tau2j2 / (tau1j2 + 1e-5), tau2j1 / (tau1j1 + 1e-5))",
]

PRESETS: Mapping[str, Preset] = {
    "lhco4": Preset(
        "masses and tau21 of two jets, the lighter first",
        "2109.00546",
        _dijet("rising_mass", [*_MASSES, *_both("tau21")]),
    ),
    "lhco10": Preset(
        "masses and tau21, tau32, tau43, tau54 of two jets, the lighter first",
        "2309.13111",
        _dijet("rising_mass", [*_MASSES, *_both(*_RATIOS)]),
    ),
    "lhco12": Preset(
        "masses and tau1 to tau5 of two jets, the lighter first",
        "2309.13111",
        _dijet("rising_mass", [*_MASSES, *_both(*_TAUS)]),
    ),
    "lhco56": Preset(
        "masses and tau1 to tau9 of two jets with angles to the power 1/2, 1 and 2, the lighter first",
        "2309.13111",
        _dijet("rising_mass", [*_MASSES, *_both(*_ALL_TAUS)]),
    ),
    "wide": Preset("kinematics and 24 quantities of the inside of two jets, the lighter first", "2101.08320", _wide()),
    "lhco": Preset(
        "the published table of the LHC Olympics: momenta, masses, tau1 to tau3 of two jets by falling pT",
        "2101.08320",
        _published(),
    ),
}
"""Every preset clusters anti-kT jets of radius 1 and asks for one of pT > 1.2 TeV, as the LHC Olympics did."""


def expanded(tables: Any) -> Any:
    """The tables with those of `features.preset` filled in; what is given replaces what the preset has, key by key.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    if not isinstance(tables, Mapping):
        return tables
    given = tables.get("features")
    if isinstance(given, BaseModel):
        given = given.model_dump(by_alias=True, exclude_unset=True)
    if not isinstance(given, Mapping) or not isinstance(name := given.get("preset"), str):
        return tables
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f", known are {', '.join(PRESETS)}"
        msg = f"features.preset: unknown preset {name!r}{hint}"
        raise ConfigError(msg)
    own = PRESETS[name].tables
    # the mass and the features to learn from are columns of the preset
    left_out = ("mass", "learn") if "columns" in given else ()
    own = {**own, "features": {key: value for key, value in own["features"].items() if key not in left_out}}
    return _merged(own, {**tables, "features": {key: value for key, value in given.items() if key != "preset"}})


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(below[key], value) if isinstance(value, Mapping) and isinstance(below.get(key), Mapping) else value
        for key, value in above.items()
    }
    return {**below, **both}
