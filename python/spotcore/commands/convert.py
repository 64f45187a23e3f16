"""The command ``spotcore convert``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spotcore.commands.options import fail

__all__ = ["convert"]


class Nonlinearity(StrEnum):
    """Of a SpotNet: the names in `spotcore.networks.parameters.NONLINEARITIES`."""

    soft = "soft"
    nonneg = "nonneg"
    group_nonneg = "group_nonneg"
    shifted_abs = "shifted_abs"


class ThresholdKind(StrEnum):
    """What the default threshold is relative to: the names in `spotcore.networks.metadata`."""

    absolute = "absolute"
    relative = "relative"


class ImageScaling(StrEnum):
    """What is done to an image first: the names in `spotcore.networks.metadata`."""

    none = "none"
    max255 = "max255"


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="Folder of a TensorFlow 1 SavedModel or checkpoint of the published networks, its "
            "prefix, or a .pt file of our trainer.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, NAME.safetensors.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Of the network; default: that of the file written.")
    ] = None,
    nonlinearity: Annotated[
        Nonlinearity | None,
        typer.Option(
            help="Of a SpotNet from TensorFlow, whose checkpoint does not say; default: "
            "shifted_abs, that of the published one."
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Default threshold of detection; above 0.")
    ] = None,
    threshold_kind: Annotated[
        ThresholdKind | None,
        typer.Option(
            help="absolute: a score, the default; relative: a share of the scores' weighted median."
        ),
    ] = None,
    image_scaling: Annotated[
        ImageScaling | None,
        typer.Option(help="max255: images are multiplied by 255 / their maximum."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights.")] = None,
    origin: Annotated[str | None, typer.Option(help="Where the weights are from.")] = None,
) -> None:
    """Write a network of another program as parameters of spotcore."""
    from spotcore._files import OutputError
    from spotcore.networks import parameters
    from spotcore.networks.convert import convert as read_source

    if output.suffix != ".safetensors":
        raise typer.BadParameter(
            f"expected a name ending in .safetensors, got {output}", param_hint="--output"
        )
    if threshold_kind is not None and threshold is None:
        raise typer.BadParameter("expected a --threshold with it", param_hint="--threshold-kind")
    try:
        rule = None
        if threshold is not None:
            rule = parameters.ThresholdRule(threshold_kind or ThresholdKind.absolute, threshold)
        network = read_source(
            source,
            name=output.stem if name is None else name,
            nonlinearity=nonlinearity,
            threshold=rule,
            image_scaling=image_scaling,
            licence=licence,
            origin=origin,
        )
        parameters.write(output, network)
    except (ValueError, OutputError, ImportError) as error:
        raise fail(error) from None
    kind = "SpotNet" if isinstance(network, parameters.SpotNetParameters) else "ConvNet"
    side = network.kernel_size
    typer.echo(
        f"{output}: {kind}, {network.n_layers} layers, {network.n_channels} maps, "
        f"kernels {side} x {side}"
    )
