"""A plate whose run ends early, of whatever: what is left, and how the next run goes on."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from spotcore._files import OutputError, atomic_file, write_png
from spotcore.plates import work
from spotcore.plates.work import Job, analyse_or_refuse, finished
from spotcore.results.names import WellFiles
from spotcore.results.record import read_record
from spotcore.settings import Settings
from spotcore.settings.file import well_settings_hash
from spotcore.simulation.demo import plate_like
from support.command_line import run
from support.plate_folder import FAST, SLOW, contents, done, start, table, times, until, write_plate


@pytest.fixture
def job(tmp_path):
    image, out = tmp_path / "A1.png", tmp_path / "out"
    write_png(image, plate_like(8, 72)[0])
    out.mkdir()
    settings = Settings(max_iter=2, threads=1)
    return Job(image, None, None, WellFiles(out, "A1"), settings, well_settings_hash(settings))


def test_a_failed_second_run_leaves_nothing_of_the_first(job):
    analyse_or_refuse(job)
    assert finished(job).status == "counted"
    job.path.write_bytes(b"damaged")
    assert finished(job) is None
    analyse_or_refuse(job)
    assert [path.name for path in job.files.folder.iterdir()] == ["A1.run.json"]
    assert finished(job).status == "rejected"


@pytest.mark.parametrize("files", range(4))
def test_killed_between_any_two_files(job, monkeypatch, files):
    """What is left does not count as done, and nothing of it is left by the next run."""
    analyse_or_refuse(job)
    expected = contents(job.files.folder)
    job.files.record.unlink()  # so that it is to do again

    class Killed(BaseException):
        """Unlike an exception, nothing handles it."""

    ends = ("cells.csv", "artefacts.csv", "overlay.png")

    def dies(*_, **__):
        for end in ends[:files]:
            with atomic_file(job.files.folder / f"A1.{end}") as file:
                file.write(b"of the run that was killed")
        (job.files.folder / f".A1.{(*ends, 'run.json')[files]}.0123456789ab.part").write_bytes(
            b"half"
        )
        raise Killed

    monkeypatch.setattr(work, "analyse_file", dies)
    with pytest.raises(Killed):
        analyse_or_refuse(job)
    assert finished(job) is None
    monkeypatch.undo()
    (job.files.folder / ".A12.cells.csv.0123456789ab.part").write_bytes(b"of another well")
    analyse_or_refuse(job)
    assert contents(job.files.folder).keys() - expected.keys() == {
        ".A12.cells.csv.0123456789ab.part"
    }
    assert finished(job) is not None
    assert contents(job.files.folder)["A1.cells.csv"] == expected["A1.cells.csv"]


def test_what_may_pass_is_tried_again(job, monkeypatch):
    def short_of_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr(work, "analyse_file", short_of_memory)
    analyse_or_refuse(job)
    assert read_record(job.files.record).reason.startswith("MemoryError")
    assert finished(job) is None

    def full(*_, **__):
        raise OutputError("A1.cells.csv: cannot be written (No space left on device)")

    monkeypatch.setattr(work, "analyse_file", full)
    with pytest.raises(OutputError):  # the next well would meet the same
        analyse_or_refuse(job)


def test_an_output_that_cannot_be_replaced_ends_the_run(tmp_path):
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    (out / "wells" / "A1.run.json").mkdir(parents=True)
    result = run("plate", folder, "-o", out, *FAST)
    assert result.exit_code == 1 and "A1.run.json: cannot be removed" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_ended_in_the_middle_and_resumed(plate, tmp_path, how):
    folder, whole, _ = plate
    out = tmp_path / "out"
    command = ["plate", folder, "-o", out, *SLOW, "--workers", 2]
    process = start(*command)
    until(lambda: len(done(out)) >= 1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    if how == "kill":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    until(lambda: not any(child.is_running() for child in children), 30)  # none stays behind
    left = times(out)
    assert 1 <= len(left) < 6, "it was over before it was ended"
    assert not (out / "wells.csv").exists() and not (out / "plate.json").exists()
    if how == "interrupt":
        assert process.returncode == 130
        assert "interrupted" in error and "Traceback" not in error
    for name in left:  # where a record is, all is there
        well = name.split(".")[0]
        assert {f"{well}.{end}" for end in ("cells.csv", "overlay.png")} <= set(
            os.listdir(out / "wells")
        )

    resumed = run(*command)
    assert resumed.exit_code == 0, resumed.output
    assert {name: time for name, time in times(out).items() if name in left} == left
    assert contents(out) == contents(whole)  # nothing half-written is left either


def test_a_second_run_into_the_same_folder_is_refused(plate, tmp_path):
    folder, _, _ = plate
    out = tmp_path / "out"
    process = start("plate", folder, "-o", out, *SLOW, "--workers", 1)
    until(lambda: len(done(out)) >= 1)
    second = run("plate", folder, "-o", out, *FAST)
    assert second.exit_code == 1
    assert f"{out}: another run is writing to it" in second.stderr
    assert run("plate", folder, "-o", tmp_path / "other", *FAST).exit_code == 0
    process.kill()
    process.communicate()
    until(lambda: run("plate", folder, "-o", out, *FAST).exit_code == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_picture_that_kills_its_process_is_refused(tmp_path):
    folder, out = write_plate(tmp_path / "images"), tmp_path / "out"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from spotcore.plates import work\n"
        "analyse_file = work.analyse_file\n"
        "def deadly(path, files, *args, **kwargs):\n"
        "    if files.name in ('A2', 'B1'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return analyse_file(path, files, *args, **kwargs)\n"
        "work.analyse_file = deadly\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = start(
        "plate", folder, "-o", out, *FAST, "--workers", 2, env=os.environ | {"PYTHONPATH": path}
    )
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    rows = {row["well"]: row["status"] for row in table(out / "wells.csv")}
    assert [well for well, status in rows.items() if status == "rejected"] == ["A2", "B1"]
    assert [well for well, status in rows.items() if status == "counted"] == [
        "A1",
        "A3",
        "B2",
        "B3",
    ]
    assert error.count("the process that analysed it died") == 2
    before = times(out)
    assert run("plate", folder, "-o", out, *FAST).exit_code == 0  # where nothing kills
    after = times(out)
    assert {name for name in after if after[name] != before[name]} == {"A2.run.json", "B1.run.json"}
    assert {row["status"] for row in table(out / "wells.csv")} == {"counted"}
