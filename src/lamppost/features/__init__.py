"""Features: from particles to jets to columns."""

from lamppost.features.clustering import Cluster
from lamppost.features.collections import Collection
from lamppost.features.declaration import Features
from lamppost.features.extraction import Extraction, Table, jets_of
from lamppost.features.listing import glossary, listing
from lamppost.features.presets import PRESETS
from lamppost.features.quantity import Quantity
from lamppost.features.substructure import Substructure

__all__ = [
    "PRESETS",
    "Cluster",
    "Collection",
    "Extraction",
    "Features",
    "Quantity",
    "Substructure",
    "Table",
    "glossary",
    "jets_of",
    "listing",
]
