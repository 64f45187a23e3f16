"""The commands ``spotcore train`` and ``spotcore reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spotcore.commands.options import OutputFolder, Seed, fail, names_network

if TYPE_CHECKING:
    from spotcore.train.trainer import Trainer

__all__ = ["reproduce", "train"]


class RecipeName(StrEnum):
    """Names in `spotcore.train.recipes.RECIPES`, and that of the wells' network."""

    isbi2019 = "isbi2019"
    ours = "ours"
    ours_finish = "ours-finish"
    ours_isbi2019 = "ours-isbi2019"
    ours_isbi2019_finish = "ours-isbi2019-finish"
    wells = "wells"


class Kind(StrEnum):
    """Architectures."""

    spotnet = "spotnet"
    convnet = "convnet"


class Publication(StrEnum):
    """What can be reproduced."""

    isbi2019 = "isbi2019"


def train(
    output: OutputFolder,
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="isbi2019: the paper's procedure; ours: the default network's, on mixed images; "
            "ours-isbi2019: ours for the paper's architectures and images; ...-finish: their "
            "second stages, with --start; wells: the network that finds the cells of real wells."
        ),
    ] = RecipeName.ours,
    kind: Annotated[Kind, typer.Option(help="Architecture.")] = Kind.spotnet,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps in all; default: the recipe's.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Begin with the parameters of this network.pt or checkpoint.pt."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops per step.")] = None,
    crop: Annotated[int | None, typer.Option(min=32, help="Side of a crop in pixels.")] = None,
    seed: Seed = 0,
    device: Annotated[
        str, typer.Option(help="auto: the accelerator where there is one; or a PyTorch device.")
    ] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Threads that share a batch, on a CPU.")] = 2,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 200,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    own: Annotated[
        Path | None,
        typer.Option(
            help="With the recipe wells: a result folder with your corrected wells (edits saved "
            "from napari); go on from the shipped weights, and say whether that helped."
        ),
    ] = None,
) -> None:
    """Train a network; write network.pt, history.csv, history.png and checkpoint.pt.

    The recipe wells writes wells.safetensors, its simulated wells and checkpoint.pt; of the options
    it has --steps, --batch, --seed, --device, --workers, --resume and --own.

    An interrupted run goes on with --resume and the same options, and ends with the same bits as
    one that was not interrupted (on the same machine, with the same number of workers).
    """
    if recipe is RecipeName.wells:
        of_wells = {"steps": steps, "batch": batch, "seed": seed}
        return _train_wells(output, of_wells, device, workers, resume, own)
    if own is not None:
        raise fail("--own: expected with --recipe wells")
    try:
        from spotcore.train import figures
        from spotcore.train.memory import keep_freed_memory
        from spotcore.train.recipes import RECIPES
        from spotcore.train.trainer import Trainer
    except ModuleNotFoundError as error:
        raise fail(f"train needs {error.name}: pip install 'spotcore[train]'") from None
    from tqdm import tqdm

    given: dict[str, Any] = {"steps": steps, "batch": batch, "crop": crop}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        chosen = replace(RECIPES[recipe.value](kind.value), seed=seed, **changes)
        if chosen.crop > chosen.image_size:
            raise ValueError(f"--crop: expected at most {chosen.image_size}, got {chosen.crop}")
        trainer = Trainer(chosen, output, device, workers, start)
        there = (output / "checkpoint.pt").exists()
        if there and not resume:
            raise fail(f"{output}: holds a checkpoint; add --resume, or take another folder")
        if there:
            trainer.resume()
        keep_freed_memory()
        with tqdm(total=chosen.steps, initial=trainer.step, unit="step", file=sys.stderr) as bar:
            trainer.run(checkpoint_every=checkpoint_every, progress=_shown_on(bar))
    except (ValueError, RuntimeError, OSError) as error:
        raise fail(error) from None
    if trainer.history:
        figures.history(trainer.history, output / "history.png")
    typer.echo(output / "network.pt")


def _train_wells(
    output: Path,
    given: dict[str, int | None],
    device: str,
    workers: int,
    resume: bool,
    own: Path | None,
) -> None:
    """Train the wells' network."""
    try:
        from spotcore.train.wells import recipe
        from spotcore.train.wells.trainer import WellsRecipe
    except ModuleNotFoundError as error:
        raise fail(f"train needs {error.name}: pip install 'spotcore[train]'") from None
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(total=total, desc=what, file=sys.stderr)
        bars[what].update(done - bars[what].n)

    try:
        output.mkdir(parents=True, exist_ok=True)
        if own is not None:
            result = recipe.train_on_own(output, own, workers, resume, progress, device)
            typer.echo(
                f"{result.trained} wells learned from; F1 on {result.held_out} others: "
                f"{result.before:.3f} before, {result.after:.3f} after"
            )
        else:
            changes = {name: value for name, value in given.items() if value is not None}
            chosen = replace(WellsRecipe(), **changes)
            recipe.train(output, chosen, workers, resume, progress, device)
    except (ValueError, RuntimeError, OSError) as error:
        raise fail(error) from None
    finally:
        for bar in bars.values():
            bar.close()
    typer.echo(output / "wells.safetensors")


def _shown_on(bar: Any) -> Callable[[Trainer], None]:
    """Show a run on a progress bar."""

    def update(trainer: Trainer) -> None:
        if trainer.history:
            last = trainer.history[-1]
            bar.set_postfix(mse=f"{last['mse']:.0f}", f1=f"{last['f1']:.4f}", refresh=False)
        bar.update(trainer.step - bar.n)

    return update


def reproduce(
    publication: Annotated[Publication, typer.Argument(help="Whose evaluation.")],
    output: OutputFolder,
    networks: Annotated[
        list[str],
        typer.Option(
            "--network",
            help="Name of shipped weights, a .safetensors file, or network.pt of a training run; "
            "repeatable.",
        ),
    ],
    images: Annotated[int, typer.Option(min=1, help="Images per number of cells.")] = 50,
    bits: Annotated[int, typer.Option(min=1, max=24, help="Noise, bits of the camera.")] = 6,
    preset: Annotated[str, typer.Option(help="Physics of the simulation.")] = "isbi2019",
    radius: Annotated[float, typer.Option(min=0, help="Largest distance of a match.")] = 3.0,
) -> None:
    """Evaluate networks as the SpotNet paper does: MSE and F1 at 250, 750 and 1250 cells.

    Writes images.csv (one line per network and image; an interrupted run goes on), f1.png and
    mse.png, and prints the table.
    """
    try:
        from spotcore.train import figures
        from spotcore.train.evaluate import cases, evaluate, summary
        from spotcore.train.saved import load_evaluated
    except ModuleNotFoundError as error:
        raise fail(f"reproduce needs {error.name}: pip install 'spotcore[train]'") from None
    from tqdm import tqdm

    try:
        with names_network():
            loaded = [load_evaluated(path) for path in networks]
        todo = cases(images, preset=preset, bits=bits)
        lines = evaluate(loaded, todo, output / "images.csv", output / "simulated", radius)
        rows = list(tqdm(lines, total=len(todo) * len(loaded), unit="image", file=sys.stderr))
    except (ValueError, OSError) as error:
        raise fail(error) from None
    for quantity in ("f1", "mse"):
        figures.boxes(rows, quantity, output / f"{quantity}.png")
    columns = (
        "network",
        "n_cells",
        "images",
        "f1_mean",
        "f1_median",
        "f1_default_mean",
        "mse_mean",
        "mse_zero_mean",
    )
    typer.echo(" | ".join(columns))
    for line in sorted(summary(rows), key=lambda line: (line["network"], line["n_cells"])):
        cells = [line[name] for name in columns]
        typer.echo(" | ".join(f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells))
