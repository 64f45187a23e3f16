"""Figures like the SpotNet paper's: progress of a training run, box plots of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Not pyplot: it picks a window system and keeps every figure. And not where they are drawn: that it
# is missing has to be known before days of training.
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["boxes", "history"]

_DOTS_PER_INCH = 120


def _axes(n: int, height: float) -> tuple[Any, Any]:
    figure = Figure(figsize=(4.6 * n, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, n, squeeze=False)[0]


def _write(figure: Any, path: Path) -> None:
    temporary = path.with_name(path.name + ".part")
    figure.savefig(temporary, dpi=_DOTS_PER_INCH, format="png")
    temporary.replace(path)


def history(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draw training loss, validation error and validation F1 over the steps, as in Fig. 3.

    Parameters
    ----------
    rows : sequence of dict
        Lines of ``history.csv``.
    path : Path
        PNG file to write.
    """
    figure, axes = _axes(3, 3.6)
    steps = [row["step"] for row in rows]
    for name, style in (("loss", "-"), ("maps", "--"), ("detection", ":"), ("peaks", "-.")):
        values = [row[name] for row in rows]
        if any(value > 0 for value in values):
            axes[0].plot(steps, values, style, label=name)
    axes[0].set(title="training", ylabel="loss", yscale="log")
    for prefix, axis, title in (("mse", axes[1], "validation MSE"), ("f1", axes[2], "best F1")):
        names = [name for name in rows[0] if name.startswith(f"{prefix}_")] or [prefix]
        for name in names:
            label = f"{name.partition('_')[2]} cells" if "_" in name else "mean"
            axis.plot(steps, [row[name] for row in rows], label=label)
        axis.set(title=title)
    best = min(rows, key=lambda row: row["mse"])
    axes[1].axvline(best["step"], color="grey", linewidth=0.8)
    axes[1].set(yscale="log")
    for axis in axes:
        axis.set(xlabel="step")
        axis.legend(fontsize="small")
    _write(figure, path)


def boxes(rows: Sequence[dict[str, Any]], quantity: str, path: Path) -> None:
    """Draw box plots of a quantity per number of cells and network, as in Figs. 3 (c) and 4.

    Parameters
    ----------
    rows : sequence of dict
        Lines of an evaluation.
    quantity : str
        ``"f1"`` or ``"mse"``.
    path : Path
        PNG file to write.
    """
    densities = sorted({row["n_cells"] for row in rows})
    networks = list(dict.fromkeys(row["network"] for row in rows))
    figure, axes = _axes(len(densities), 4.0)
    for axis, n_cells in zip(axes, densities, strict=True):
        samples = [
            [r[quantity] for r in rows if r["n_cells"] == n_cells and r["network"] == network]
            for network in networks
        ]
        axis.boxplot(samples)
        axis.set(title=f"{n_cells} cells", ylabel="F1" if quantity == "f1" else "MSE")
        axis.set_xticks(range(1, len(networks) + 1), networks)
    _write(figure, path)
