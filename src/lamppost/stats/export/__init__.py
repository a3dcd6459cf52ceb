"""Statistical models and results in the formats of others: HEPData, CMS Combine, HS3, pyhf, CSV, UHI and ROOT.

The libraries of these formats are needed to write HEPData (hepdata-lib), ROOT (uproot) and hist only.
"""

from lamppost.stats.export.combine import counting_card, write_shape_card
from lamppost.stats.export.hepdata import write_hepdata
from lamppost.stats.export.hs3 import to_hs3
from lamppost.stats.export.pyhf import to_pyhf
from lamppost.stats.export.tables import Column, ResultTable, limit_table, scan_table, spectrum_table, write_csv
from lamppost.stats.export.uhi import Histogram, from_uhi, to_hist, to_uhi, write_root

__all__ = [
    "Column",
    "Histogram",
    "ResultTable",
    "counting_card",
    "from_uhi",
    "limit_table",
    "scan_table",
    "spectrum_table",
    "to_hist",
    "to_hs3",
    "to_pyhf",
    "to_uhi",
    "write_csv",
    "write_hepdata",
    "write_root",
    "write_shape_card",
]
