"""The TOML file that says how a batch system starts workers: `lamppost hunt CONFIG.toml --dask slurm.toml`."""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from lamppost.config.fit import Several
from lamppost.config.toml import read_toml
from lamppost.errors import ConfigError
from lamppost.spec import Role

__all__ = ["Cluster", "load_cluster"]

Memory = Annotated[str, Field(pattern=r"^[0-9.]+ ?([kMGT]i?)?B$")]
Lines = Several[Annotated[str, Field(min_length=1)]]


class Cluster(Role):
    """Jobs of a batch system. In each one Dask worker runs `cores` tasks at a time, of one thread each."""

    dask_class: ClassVar[str]
    """Module and name of the class, of dask-jobqueue or made like those."""

    jobs: int | tuple[int, int] = Field(1, description="how many, or [least, most] to follow the work that is left")
    cores: int = Field(1, ge=1, description="tasks at a time in a job")
    memory: Memory = Field(description='of a job, as in `"8GB"`')
    shared: bool = Field(
        True, description="whether workers see the run folder and the data; if not, inputs and results are sent"
    )
    host: str | None = Field(None, description="name or address by which workers reach this machine")
    port: int | None = Field(None, ge=1, le=65535, description="at which they reach it; default: any")
    interface: str | None = Field(None, description='network interface, as in `"ib0"`; default: that of the host name')
    python: str | None = Field(None, description="what runs the workers; default: what runs this")
    prologue: Lines = Field((), description="shell commands before the worker starts")
    worker_arguments: Lines = Field((), description="further arguments of `dask worker`")
    local_directory: str | None = Field(None, description="scratch space of workers; default: where they start")
    log_directory: str | None = Field(None, description="of the output of jobs; default: `jobs/` in the run folder")

    @model_validator(mode="after")
    def _some_jobs(self) -> "Cluster":
        least, most = self.range
        if not 0 <= least <= most or most < 1:
            msg = f"jobs: expected at least one, or [least, most], found {self.jobs}"
            raise ValueError(msg)
        return self

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest number of jobs."""
        return (self.jobs, self.jobs) if isinstance(self.jobs, int) else self.jobs

    @abstractmethod
    def own(self) -> dict[str, Any]:
        """Arguments that only this batch system has, for the class of dask-jobqueue."""

    def arguments(self, logs: Path) -> dict[str, Any]:
        """All arguments of the class of dask-jobqueue; what is not given is left to the configuration of Dask."""
        scheduler = {"host": self.host, "port": self.port, "interface": None if self.host else self.interface}
        given = {
            "interface": self.interface,
            "python": self.python,
            "job_script_prologue": list(self.prologue),
            "worker_extra_args": list(self.worker_arguments),
            "local_directory": self.local_directory,
            **self.own(),
        }
        return {
            "job_name": "lamppost",
            "cores": self.cores,
            "processes": 1,  # it only hands on: every task runs in a process that it starts
            "nanny": False,  # a job whose worker died ends, and is replaced
            "memory": self.memory,
            "log_directory": self.log_directory or str(logs),
            "scheduler_options": {"dashboard_address": ":0", **{k: v for k, v in scheduler.items() if v is not None}},
            **{name: value for name, value in given.items() if value},
        }


class _Script(Cluster):
    """A batch system with job scripts."""

    queue: str | None = Field(None, description="partition or queue")
    account: str | None = Field(None, description="what the time is charged to")
    walltime: str | None = Field(None, description='time limit of a job, as the batch system writes it: `"04:00:00"`')
    directives: Lines = Field((), description="further directives of the job script, without `#SBATCH` and the like")

    def own(self) -> dict[str, Any]:
        return {
            "queue": self.queue,
            "walltime": self.walltime,
            "job_extra_directives": list(self.directives),
            **self.charged(),
        }

    @abstractmethod
    def charged(self) -> dict[str, Any]:
        """The account, by its name in dask-jobqueue."""


class Slurm(_Script):
    """Slurm: `sbatch`, `scancel`."""

    kind: Literal["slurm"] = "slurm"
    dask_class: ClassVar[str] = "dask_jobqueue:SLURMCluster"

    def charged(self) -> dict[str, Any]:
        return {"account": self.account}


class PBS(_Script):
    """PBS: `qsub`, `qdel`."""

    kind: Literal["pbs"] = "pbs"
    dask_class: ClassVar[str] = "dask_jobqueue:PBSCluster"

    def charged(self) -> dict[str, Any]:
        return {"account": self.account}


class LSF(_Script):
    """LSF: `bsub`, `bkill`."""

    kind: Literal["lsf"] = "lsf"
    dask_class: ClassVar[str] = "dask_jobqueue:LSFCluster"

    def charged(self) -> dict[str, Any]:
        return {"project": self.account}


class HTCondor(Cluster):
    """HTCondor: `condor_submit`, `condor_rm`."""

    kind: Literal["htcondor"] = "htcondor"
    dask_class: ClassVar[str] = "dask_jobqueue:HTCondorCluster"
    disk: Memory = Field("4GB", description="of a job")
    directives: dict[str, str | int] = Field(
        {}, description='lines of the submit file, as in `{"+JobFlavour" = \'"workday"\'}`'
    )

    def own(self) -> dict[str, Any]:
        return {"disk": self.disk, "job_extra_directives": dict(self.directives)}


def load_cluster(path: Path) -> Cluster:
    """Read and check the TOML file of a batch system.

    Raises
    ------
    ConfigError
        One line that names the file, the key, what was expected and what was found.
    """
    try:
        return Cluster.parse(read_toml(path))
    except ConfigError as error:
        msg = str(error) if str(error).startswith(f"{path}:") else f"{path}: {error}"
        raise ConfigError(msg) from None
