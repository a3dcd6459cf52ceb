"""A hunt through dask-jobqueue on a real Slurm, one of whose jobs is cancelled half-way: the bits of a local pool?

`make test-cluster` runs it: it starts a Slurm of one node, and stops it again. Without Slurm or root it says so.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from one_node_slurm import missing, one_node_slurm, said  # noqa: E402

from small_hunt import entries, events, result_in, start, timeless, until, write_hunt  # noqa: E402

JOBS = """\
kind = "slurm"
jobs = 2
cores = 1
memory = "1GB"
walltime = "00:30:00"
queue = "all"
host = "127.0.0.1"
"""
PATIENCE_S = 1200
WINDOWS = [[lo, lo + 400.0] for lo in (3200.0, 3400.0, 3600.0, 3800.0)]


def main() -> int:
    reason = missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="lamppost-slurm-"))
    try:
        with one_node_slurm(folder / "slurm"):
            return hunts(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def hunts(folder: Path) -> int:
    """The hunt in a local pool, then on Slurm; 0 if they agree."""
    print(f"$ sinfo\n{said('sinfo').rstrip()}")
    config = write_hunt(
        folder, events(30_000), scan={"windows": WINDOWS}, method={"ratio": {"members": 20, "rounds": 100}}
    )
    pool, slurm, table = folder / "pool", folder / "slurm-run", folder / "slurm.toml"
    table.write_text(JOBS)
    print("$ lamppost hunt hunt.toml --out pool --workers 2")
    with running("hunt", config, "--out", pool, "--workers", 2, "--quiet"):
        pass
    tasks = len(entries(pool, "done"))
    print(f"{tasks} tasks done")
    print(f"$ cat slurm.toml\n{JOBS}$ lamppost hunt hunt.toml --out slurm --dask slurm.toml")
    with running("hunt", config, "--out", slurm, "--dask", table, "--quiet") as process:
        cancelled = cancel_one(process, slurm, tasks // 3)
    jobs = {path.name for path in (slurm / "jobs").iterdir()}
    log = entries(slurm, "done")
    print(f"{len(log)} tasks done by {len({one['pid'] for one in log})} processes, {len(jobs) // 2} jobs")
    until(lambda: not said("squeue", "--noheader"), 30)
    print("$ squeue\nno job is left")
    wrong = [*compare(pool, slurm), *refused(config, folder)]
    if len({one["key"] for one in log}) != len(log) or len(log) != tasks:
        wrong.append("tasks done")
    if not any(cancelled in name for name in jobs) or len(jobs) // 2 < 3:
        wrong.append(f"jobs: {sorted(jobs)}")
    print(
        f"differs: {', '.join(wrong)}"
        if wrong
        else "result, scores and all artefacts are those of the pool, bit by bit"
    )
    return int(bool(wrong))


@contextmanager
def running(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """A command of lamppost, which is to end well."""
    process = start(*arguments)
    try:
        yield process
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, stderr
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def cancel_one(process: "subprocess.Popen[str]", out: Path, tasks: int) -> str:
    """Cancel a running job when so many tasks are done; its number."""
    until(lambda: len(entries(out, "done")) >= tasks or process.poll() is not None, PATIENCE_S)
    assert process.poll() is None, process.communicate()
    done = len(entries(out, "done"))
    print(f"after {done} tasks\n$ squeue\n{said('squeue').rstrip()}")
    job = said("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()[0]
    print(f"$ scancel {job}")
    said("scancel", job)
    return job


def refused(config: Path, folder: Path) -> list[str]:
    """What is wrong with what is said where Slurm takes no job."""
    table = folder / "wrong.toml"
    table.write_text(JOBS.replace('"all"', '"none"'))
    print('$ lamppost hunt hunt.toml --out wrong --dask wrong.toml    # queue = "none"')
    process = start("hunt", config, "--out", folder / "wrong", "--dask", table, "--quiet")
    _, stderr = process.communicate(timeout=PATIENCE_S)
    line = stderr.replace(f"{folder}/", "")
    print(line.rstrip())
    return [] if process.returncode == 2 and "invalid partition" in line and line.count("\n") == 1 else ["refusal"]


def compare(pool: Path, slurm: Path) -> list[str]:
    """What differs."""
    wrong = [] if timeless(result_in(pool)) == timeless(result_in(slurm)) else ["result.json"]
    names = [path.relative_to(pool) for path in (pool / "artefacts").iterdir()]
    every = (Path("scores.parquet"), Path("details.json"), *names)
    return wrong + [str(name) for name in every if (pool / name).read_bytes() != (slurm / name).read_bytes()]


if __name__ == "__main__":
    sys.exit(main())
