"""Tasks on a Dask cluster: the bits of a local pool, whatever its workers have loaded, and clear words where it fails."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytest.importorskip("dask_jobqueue", reason="the extra `dask` is not installed")

import dask

from lamppost.cli import main
from lamppost.config.cluster import load_cluster
from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.run import connections
from lamppost.run.artefacts import Store
from lamppost.run.cluster import DaskExecutor, executors
from lamppost.run.graph import Task, TaskCrash, run_graph
from lamppost.run.worker import Report
from small_campaign import TASKS, begin, begun, campaign, content
from small_cluster import SmallCluster, free_port, small_cluster
from small_hunt import entries, finish, result_in, start, timeless


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCluster]:
    """A scheduler and one worker of two threads, started with other thread counts than ours."""
    with small_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every artefact of the campaign, as one process makes them."""
    from lamppost.run.worker import InlineExecutor

    out = tmp_path_factory.mktemp("undisturbed")
    run_in(out, campaign(), InlineExecutor)
    return content(out)


def run_in(out: Path, tasks: list[Task], make_executor: object) -> list[str]:
    """The tasks that were done, in the order in which they ended."""
    done: list[str] = []
    store = Store(out / "artefacts")
    store.folder.mkdir(parents=True, exist_ok=True)

    def finished(task: Task, report: Report | None) -> None:
        done.append(task.key)

    run_graph(tasks, store, make_executor, in_flight=3, finished=finished)
    return done
