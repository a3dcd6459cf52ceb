"""All that a column may name, for people."""

from collections.abc import Mapping

from lamppost.features import event, kinematics, substructure, systems
from lamppost.features.presets import PRESETS
from lamppost.features.quantity import Quantity

__all__ = ["glossary", "listing"]


def glossary() -> Mapping[str, Mapping[str, Quantity]]:
    """The quantities by what they are of; the keys show how a column names them."""
    return {
        "one object, or the sum of several: QUANTITY_j1, QUANTITY_j1j2": kinematics.quantities(),
        "two objects: QUANTITY_j1j2": systems.quantities(),
        "all objects of a collection: QUANTITY_j": event.of_collections(),
        "all particles of an event: QUANTITY": event.of_events(),
        "the particles of a clustered jet: QUANTITY_j1": substructure.quantities(),
    }


def listing() -> str:
    """Presets and quantities, one a line."""
    lines = ["presets"]
    lines += [f"  {name:<12} {preset.about} [{preset.source}]" for name, preset in PRESETS.items()]
    for title, quantities in glossary().items():
        lines += ["", title]
        lines += [f"  {name:<12} {_line(quantity)}" for name, quantity in quantities.items()]
    return "\n".join(lines)


def _line(quantity: Quantity) -> str:
    unit = f" [{quantity.unit}]" if quantity.unit else ""
    return f"{quantity.formula}{unit}: {quantity.about} [{quantity.source}]"
