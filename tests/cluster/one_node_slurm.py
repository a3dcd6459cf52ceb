"""A Slurm of one node, this machine, in a folder of its own: no configuration of the system is read or changed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname, socket

NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "sinfo")


def missing() -> str | None:
    """Why there can be no Slurm here."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)"
    return "its daemons need root" if os.geteuid() else None


def said(*command: str) -> str:
    """What a command prints; an exception if it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def _configuration(folder: Path) -> str:
    host = gethostname().partition(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"""
ClusterName=lamppost
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory * 9 // 10} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def one_node_slurm(folder: Path) -> Iterator[None]:
    """It is up, and commands find it by `SLURM_CONF`; what was started here, and nothing else, is ended."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "slurm.conf").write_text(_configuration(folder))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (folder / f"{command[0]}.out").open("wb") as output:
            daemons.append(subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True))

    try:
        key = f"--key-file={folder}/munge.key"
        said("mungekey", "--create", f"--keyfile={folder}/munge.key")
        files = (f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed"))
        start("munged", "--foreground", "--force", key, f"--socket={folder}/munge.socket", *files)
        _wait(folder, lambda: (folder / "munge.socket").exists())
        start("slurmctld", "-D", "-f", str(folder / "slurm.conf"))
        start("slurmd", "-D", "-f", str(folder / "slurm.conf"))
        _wait(folder, lambda: "idle" in said("sinfo", "--noheader", "--format=%T"))
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _wait(folder: Path, up: object) -> None:
    assert callable(up)
    end = time.monotonic() + 60.0
    while True:
        try:
            if up():
                return
        except subprocess.CalledProcessError:
            pass
        if time.monotonic() > end:
            for log in sorted([*folder.glob("*.out"), *folder.glob("*.log")]):
                sys.stderr.write(f"== {log.name}\n{log.read_text(errors='replace')[-2000:]}\n")
            msg = "Slurm did not come up within a minute"
            raise RuntimeError(msg)
        time.sleep(0.2)
