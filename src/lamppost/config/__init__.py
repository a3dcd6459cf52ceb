"""What TOML files describe: a search, a comparison of methods, an extraction of features."""

from lamppost.config.comparison import Comparison, load_comparison, parse_comparison
from lamppost.config.fit import Fit
from lamppost.config.search import Search, control_region, load, parse
from lamppost.config.setup import Setup, with_roots
from lamppost.config.tables import Scan
from lamppost.config.toml import read_toml, rooted

__all__ = [
    "Comparison",
    "Fit",
    "Scan",
    "Search",
    "Setup",
    "control_region",
    "load",
    "load_comparison",
    "parse",
    "parse_comparison",
    "read_toml",
    "rooted",
    "with_roots",
]
