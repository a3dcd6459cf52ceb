"""What TOML files describe: a search, an extraction of features."""

from lamppost.config.search import Fit, Scan, Search, load, parse
from lamppost.config.toml import read_toml, rooted

__all__ = ["Fit", "Scan", "Search", "load", "parse", "read_toml", "rooted"]
