"""Pictures analysed in several processes of this machine.

Processes and not threads: a library that crashes on a picture, or the system that ends what takes
too much memory, must not take the plate with it. Two cost about 150 MB more than two threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from spotcore.plates.work import Job, analyse_or_refuse, refuse

__all__ = ["run_local"]


def run_local(jobs: Iterable[Job], workers: int) -> Generator[Job, None, None]:
    """Analyse pictures, several at a time; yield each one when its files are there.

    Where a process dies, those that were under way are tried again one by one, and the one that
    kills its process again is refused. When the iteration ends early, no process stays behind.

    Parameters
    ----------
    jobs : iterable of Job
        The pictures.
    workers : int
        Number of processes.

    Yields
    ------
    Job
        In the order in which they end.

    Raises
    ------
    OutputError
        If an output cannot be written.
    """
    queue = deque(jobs)
    while queue:
        suspects = yield from _until_broken(queue, min(workers, len(queue)))
        for job in suspects:
            if (yield from _until_broken(deque([job]), 1)):
                refuse(job, "the process that analysed it died: out of memory?", final=False)
                yield job


def _until_broken(queue: deque[Job], workers: int) -> Generator[Job, None, list[Job]]:
    """Work a queue off until it is empty or a process dies; return what was under way then."""
    # "spawn" everywhere: a fork would copy the locks of NumPy's threads.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    others = set(multiprocessing.active_children())
    running: dict[Future[None], Job] = {}
    lost: list[Job] = []
    try:
        while running or (queue and not lost):
            # Twice as many, so that no process waits: not all, for they would stay in memory.
            while queue and not lost and len(running) < 2 * workers:
                job = queue.popleft()
                try:
                    running[pool.submit(analyse_or_refuse, job)] = job
                except BrokenProcessPool:
                    lost.append(job)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    future.result()
                except BrokenProcessPool:
                    lost.append(job)
                else:
                    yield job
    finally:
        if running:  # an error or Ctrl-C: what is under way will be done again
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(cancel_futures=True)
    return lost


def _begin() -> None:
    """Prepare a process: Ctrl-C is its parent's to handle, and without a parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End at once when the parent dies, where a pool's processes would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
