"""Input: files of any format become events. One file per format."""

from lamppost.io import csv, lhco, parquet, root
from lamppost.io.data import Data, Sample, file_hash, read

__all__ = ["Data", "Sample", "csv", "file_hash", "lhco", "parquet", "read", "root"]
