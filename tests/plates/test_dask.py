"""A plate on a real Dask cluster: a scheduler and workers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter

import psutil
import pytest

from spotcore.settings.file import lock
from support.command_line import run
from support.plate_folder import SPOTCORE, contents, done, start, table, until, write_plate

pytest.importorskip("distributed", reason="distributed is not installed (extra 'dask')")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

OPTIONS = ("--format", "12", "--max-iter", "40", "--tol", "0", "--no-report")

#: What each worker loads: every analysis is noted when it starts and when it has ended.
NOTES = """
import os
from spotcore.plates import work

def note(word, name):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{word} {name} {os.getpid()}\\n")

def noting(analyse_file):
    def noted(path, files, *args, **kwargs):
        note("start", files.name)
        try:
            return analyse_file(path, files, *args, **kwargs)
        finally:
            note("end", files.name)

    return noted

if work.analyse_file.__name__ != "noted":  # Dask loads this file twice
    work.analyse_file = noting(work.analyse_file)
"""


class Cluster:
    """A scheduler and workers without a nanny: one that is killed stays dead."""

    def __init__(self, folder, stack):
        self.folder, self.stack, self.workers = folder, stack, []
        (folder / "preload.py").write_text(NOTES)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self._start("scheduler", "--host", self.address, "--no-dashboard")

    def _start(self, what, *arguments, **environment):
        log = self.stack.enter_context((self.folder / f"{what}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", what, *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | environment,
            cwd=self.folder,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def add(self, count=1):
        for _ in range(count):
            self.workers.append(
                self._start(
                    "worker",
                    self.address,
                    "--no-nanny",
                    "--no-dashboard",
                    "--nthreads",
                    "1",
                    "--preload",
                    str(self.folder / "preload.py"),
                    NOTES=str(self.folder / "notes"),
                )
            )

    def notes(self):
        """Lines of word, well and process."""
        path = self.folder / "notes"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def at_work(self, pid):
        """Wells that a worker has begun and not ended."""
        mine = [(word, name) for word, name, of in self.notes() if of == str(pid)]
        return [name for word, name in mine if word == "start" and ("end", name) not in mine]


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    with contextlib.ExitStack() as stack:
        yield Cluster(tmp_path / "cluster", stack)


def test_one_worker_killed_in_the_middle(tmp_path, cluster):
    """Nothing lost, nothing twice, and the files are those of a run on this machine."""
    folder, out = write_plate(tmp_path / "images", 12, of=12), tmp_path / "out"
    (folder / "B2.png").write_bytes(b"no image")
    options = (*OPTIONS, "--pattern", "{well}.png")
    cluster.add(3)
    process = start("plate", folder, "-o", out, *options, "--dask", cluster.address)
    try:
        # In the middle: some wells are done, and one worker, held for the moment, is at work
        def victim():
            if process.poll() is not None:
                raise AssertionError(process.communicate())
            for worker in cluster.workers if len(done(out)) >= 2 else ():
                worker.send_signal(signal.SIGSTOP)
                if cluster.at_work(worker.pid):
                    return worker
                worker.send_signal(signal.SIGCONT)
            return None

        killed = until(victim, 120)
        (interrupted,) = cluster.at_work(killed.pid)
        killed.kill()
        _, error = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 0, error

    rows = table(out / "wells.csv")
    assert len(rows) == 12 and [row["well"] for row in rows if row["status"] == "rejected"] == [
        "B2"
    ]
    wells = {row["well"] for row in rows}
    notes = cluster.notes()
    ended = Counter(name for word, name, _ in notes if word == "end")
    started = Counter(name for word, name, _ in notes if word == "start")
    assert started.keys() == ended.keys() == wells and started[interrupted] == 2
    # Results that were still on the killed worker are made again. No other well is begun twice.
    of_killed = {name for _, name, pid in notes if pid == str(killed.pid)}
    assert {name for name, times in started.items() if times > 1} <= of_killed
    assert max(started.values()) == 2

    here = tmp_path / "here"
    assert run("plate", folder, "-o", here, *options).exit_code == 0
    assert contents(out) == contents(here)


def test_a_study_with_a_file_of_its_own(tmp_path, cluster):
    """Workers get what the settings name, and resumed runs know it again."""
    from spotcore.networks.parameters import write
    from support.network_cases import metadata, smoother

    folder, out = write_plate(tmp_path / "images", 2, of=6), tmp_path / "out"
    write(tmp_path / "mine.safetensors", smoother(metadata(1)))
    study = tmp_path / "study.toml"
    study.write_text('method = "spotnet"\nnetwork = "mine.safetensors"\nthreads = 1\n')
    lock(study)
    cluster.add(1)
    command = ["plate", folder, "--format", "6", "--settings", study, "--no-report"]
    result = run(*command, "-o", out, "--dask", cluster.address)
    assert result.exit_code == 0, result.output
    assert {name for _, name, _ in cluster.notes()} == {"A1", "A2"}
    assert run(*command, "-o", tmp_path / "here").exit_code == 0
    assert contents(out) == contents(tmp_path / "here")
    cluster.workers[0].kill()
    assert run(*command, "-o", out).exit_code == 0  # all done: no worker needed
    assert len(cluster.notes()) == 4


def test_clusters_that_cannot_be_used(tmp_path, cluster, monkeypatch):
    from spotcore.plates import dask

    monkeypatch.setattr(dask, "MOMENT", 1.0)
    folder = write_plate(tmp_path / "images", 1)
    command = ["plate", folder, "-o", tmp_path / "out", *OPTIONS, "--dask"]
    nobody = run(*command, "tcp://127.0.0.1:1")
    assert nobody.exit_code == 2 and "no scheduler at 'tcp://127.0.0.1:1'" in nobody.stderr
    monkeypatch.setattr(dask, "PATIENCE", 20)
    cluster.add(1)
    monkeypatch.setattr("spotcore.plates.dask.__version__", "99.0")
    other = run(*command, cluster.address)
    assert other.exit_code == 1 and "needs spotcore 99.0" in other.stderr
    cluster.workers[0].kill()
    until(lambda: not psutil.pid_exists(cluster.workers[0].pid) or cluster.workers[0].poll())
    monkeypatch.setattr(dask, "PATIENCE", 3)
    nobody = run(*command, cluster.address)
    assert nobody.exit_code == 1 and "has no worker" in nobody.stderr


def test_a_server_that_is_no_scheduler(tmp_path):
    """It is told as soon as it answers, and the program ends."""
    write_plate(tmp_path / "images", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):  # of a socket that the test has closed
                while True:
                    with server.accept()[0] as caller:
                        caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        command = ["plate", "images", "-o", "out", "--quiet", "--dask", address]
        done = subprocess.run(
            [*SPOTCORE, *command], cwd=tmp_path, capture_output=True, text=True, timeout=20
        )
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread
    assert done.returncode == 1
    assert f"no scheduler at '{address}'" in done.stderr and "Traceback" not in done.stderr
