"""A hunt as pure tasks with artefacts named by content: any number of workers, killed and resumed, the same bits."""

from lamppost.run.artefacts import write_file
from lamppost.run.graph import TaskCrash
from lamppost.run.hunt import run_hunt
from lamppost.run.samples import check_events, check_windows
from lamppost.run.view import MassModel, SmoothMass, blind_view
from lamppost.run.worker import InlineExecutor, available_cores, process_pool

__all__ = [
    "InlineExecutor",
    "MassModel",
    "SmoothMass",
    "TaskCrash",
    "available_cores",
    "blind_view",
    "check_events",
    "check_windows",
    "process_pool",
    "run_hunt",
    "write_file",
]
