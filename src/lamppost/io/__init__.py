"""Input: files of any format become events. One file per format."""

from lamppost.io import csv, lhco, parquet, root
from lamppost.io.data import Data, Sample, file_hash, read
from lamppost.io.expressions import columns_of

__all__ = ["Data", "Sample", "columns_of", "csv", "file_hash", "lhco", "parquet", "read", "root"]
