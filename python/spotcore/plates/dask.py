"""Pictures analysed on an existing Dask cluster.

A picture's bytes go to a worker, and the bytes of its files come back; only this process writes
to OUT. So the workers need this version of spotcore but share no disk with anyone, and a worker
that dies, or one that the scheduler lost sight of and that works on, leaves nothing behind: its
picture is analysed again elsewhere, and written once.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import socket
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spotcore._backends import __version__
from spotcore._files import atomic_file
from spotcore.images.limits import MAX_BYTES
from spotcore.plates.work import Job, analyse_or_refuse, failure, refuse, remove_outputs
from spotcore.results.names import WellFiles
from spotcore.results.record import Record
from spotcore.results.write import write_record
from spotcore.settings import well_settings
from spotcore.settings.file import named_files

__all__ = ["check_scheduler", "run_dask"]

#: Seconds until somebody listens there; to reach the scheduler, and until it has a worker.
MOMENT, PATIENCE = 8.0, 30


def run_dask(jobs: Iterable[Job], address: str) -> Generator[Job, None, None]:
    """Analyse pictures on a cluster; yield each one when its files are there.

    Parameters
    ----------
    jobs : iterable of Job
        The pictures.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields
    ------
    Job
        In the order in which they end.

    Raises
    ------
    ValueError
        If there is no scheduler, it has no worker, or a worker has not this version of spotcore.
    OutputError
        If an output cannot be written.
    ConnectionError
        If the scheduler is lost. Without any worker left, it waits for new ones.
    """
    import dask
    from distributed import as_completed

    # A picture in a task is what is meant here, not a mistake to warn of.
    with (
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}),
        _connected(address) as client,
    ):
        queue, ended = deque(jobs), as_completed(loop=client.loop)
        running: dict[Any, Job] = {}
        while queue or running:
            # Enough that no worker waits, while the scheduler never holds the whole plate.
            while queue and len(running) < 2 * max(1, sum(client.nthreads().values())):
                job = queue.popleft()
                if not _can_be_sent(job.path):
                    analyse_or_refuse(job)  # refuses it, in the words of any other run
                    yield job
                    continue
                future = client.submit(
                    _remote,
                    job,
                    job.path.read_bytes(),
                    _read_named(job),
                    key=f"spotcore-{job.files.name}-{uuid.uuid4().hex}",
                    retries=2,
                )
                running[future] = job
                ended.add(future)
            if running:
                future = next(ended)
                job = running.pop(future)
                _keep(job, future)
                yield job


def _remote(job: Job, picture: bytes, named: Mapping[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """Analyse a picture on a worker, in a folder of its own; return its files by name."""
    with tempfile.TemporaryDirectory(prefix="spotcore-") as temporary:
        home = Path(temporary)
        for part in ("in", "out", *named):
            (home / part).mkdir()
        paths: dict[str, Any] = {}
        for setting, (name, data) in named.items():
            (home / setting / name).write_bytes(data)
            paths[setting] = str(home / setting / name)
        path = home / "in" / job.path.name
        path.write_bytes(picture)
        settings = replace(job.settings, **paths)
        files = WellFiles(home / "out", job.files.name)
        analyse_or_refuse(replace(job, path=path, files=files, settings=settings))
        return {file.name: file.read_bytes() for file in (home / "out").iterdir()}


def _keep(job: Job, future: Any) -> None:
    """Write what came back as if it had been made here, the record last."""
    from distributed import KilledWorker

    try:
        files = future.result()
    except concurrent.futures.CancelledError:
        raise ConnectionError("the cluster was lost; the same command goes on from here") from None
    except KilledWorker:
        refuse(job, "every worker that analysed it died: out of memory?", final=False)
        return
    except Exception as error:  # of the worker: its disk may be full
        refuse(job, f"failed on its worker ({failure(job.path, error)})", final=False)
        return
    record = Record.from_json(json.loads(files.pop(job.files.record.name)))
    if record.spotcore != __version__:
        raise ValueError(_other_version("a worker", record.spotcore))
    remove_outputs(job.files)
    for name, data in files.items():
        with atomic_file(job.files.folder / name) as file:
            file.write(data)
    settings = well_settings(job.settings)  # those of the worker name its own files
    write_record(job.files, replace(record, file=str(job.path), settings=settings))


def _can_be_sent(path: Path) -> bool:
    """Tell whether a file is one that `read_image` would read, and that can be read."""
    try:
        return path.is_file() and path.stat().st_size <= MAX_BYTES and os.access(path, os.R_OK)
    except OSError:
        return False


def _read_named(job: Job) -> dict[str, tuple[str, bytes]]:
    """Read the files that the settings name: names and bytes by setting."""
    return {
        setting: (path.name, path.read_bytes())
        for setting, path in named_files(job.settings).items()
    }


def check_scheduler(address: str) -> None:
    """Ask whether anybody listens at an address, before any work is done.

    One that is wrong is told at once; a scheduler that is just being started gets a moment.

    Raises
    ------
    ValueError
        If the address names no port, or nobody does.
    """
    scheme, _, rest = address.rpartition("://")
    if scheme not in ("", "tcp", "tls"):  # a kind of its own, which only its client can reach
        from distributed.comm.registry import get_backend

        try:
            get_backend(scheme)
        except ValueError as error:
            raise ValueError(f"dask: no scheduler at {address!r} ({error})") from None
        return
    host, _, port = rest.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            f"dask: expected an address with a port, such as tcp://localhost:8786, got {address!r}"
        )
    deadline = time.monotonic() + MOMENT
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=MOMENT).close()
            return
        except OSError as error:
            known = not isinstance(error, socket.gaierror)
            if not known or time.monotonic() > deadline:
                raise ValueError(
                    f"dask: no scheduler at {address!r} ({error.strerror or error})"
                ) from None
            time.sleep(0.2)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a cluster that can do the work, or say what is in the way."""
    from distributed import Client

    class ClosedHere(Client):  # type: ignore[misc]
        def __del__(self) -> None:
            """Do nothing: one that never connected would hold the program up as it ends."""

    try:
        client = ClosedHere(address, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # what is no scheduler may answer anything
        raise ValueError(f"dask: no scheduler at {address!r} ({error})") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ValueError(f"dask: the cluster at {address} has no worker") from None
        for worker, version in client.run(_version, on_error="return").items():
            if version != __version__:
                raise ValueError(_other_version(f"worker {worker}", version))
        yield client


def _version() -> str:
    """Return the version of a worker."""
    return __version__


def _other_version(who: str, version: object) -> str:
    return f"dask: {who} needs spotcore {__version__}, it has {version!r}"
