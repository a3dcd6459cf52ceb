"""A hunt as pure tasks with artefacts named by content: any number of workers, killed and resumed, the same bits.

Light: every process of a run imports it, a Dask worker, which computes nothing, among them.
"""

from lamppost.run.artefacts import write_file
from lamppost.run.graph import TaskCrash
from lamppost.run.worker import InlineExecutor, available_cores, process_pool

__all__ = ["InlineExecutor", "TaskCrash", "available_cores", "process_pool", "write_file"]
