"""What every test can ask for, first of all the backends.

`backend` runs a test once per backend: all that the test calls then computes on it. The tables of
tests/core/test_ops.py hold each operation on each backend against its twin in
`spotcore.reference`, the tests of the solvers whole drivers, those of the networks all layers.

To add a backend:

1. Name it in `BACKENDS`, with the environment that chooses it.
2. Say in `missing` how to find out that this machine lacks it, and why: those tests are skipped
   with that reason, never passed over in silence.
3. Run the tests. A tolerance is counted from the roundings of an operation
   (tests/support/single_precision.py): a backend that sums in another order needs no other one.
   One that rounds differently (fast division, another square root) gets its own count there, with
   the reason.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from spotcore import _core
from support.edited_folder import copy_with_pictures
from support.result_folder import write_result

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# The instruction sets of the processor, each with what chooses it in place of the best.
BACKENDS = {name: {"SPOTCORE_ISA": name} for name in ("v4", "v3", "baseline")}

# A shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that:
# the tests that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(name: str) -> str | None:
    """Why this machine cannot run a backend; None if it can."""
    here = _core.isa_names()
    return None if name in here else f"this processor does not run {name}, only {', '.join(here)}"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compute on each backend in turn; its name."""
    reason = missing(request.param)
    if reason is not None:
        pytest.skip(reason)
    for variable, value in BACKENDS[request.param].items():
        monkeypatch.setenv(variable, value)
    return str(request.param)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real wells and published results that cannot be part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data (real wells, published results) is not beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def made_plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a plate with its maps, not to be written to."""
    return write_result(tmp_path_factory.mktemp("plate") / "OUT", 1, 3, maps=True)


@pytest.fixture
def plate(made_plate: Path, tmp_path: Path) -> Path:
    """A copy of it, with its pictures."""
    return copy_with_pictures(made_plate, tmp_path)


@pytest.fixture
def record(plate: Path) -> Path:
    """The record of a counted well in it."""
    return plate / "wells" / "A1.run.json"
