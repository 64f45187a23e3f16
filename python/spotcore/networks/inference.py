"""Learned iterations: an image through SpotNet (or ConvNet) to maps, a score map, and cells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import numpy as np

from spotcore import _core
from spotcore._arrays import as_image, as_number, as_real, as_shaped_image
from spotcore._backends import as_threads
from spotcore.detections import Cells, local_maxima
from spotcore.networks import parameters
from spotcore.networks.metadata import score_confidence
from spotcore.networks.parameters import ConvNetParameters, SpotNetParameters
from spotcore.networks.plans import Plans

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ConvNet", "SpotNet", "load_network"]

_WEIGHTS = Path(__file__).parent / "weights"
_SUFFIX = ".safetensors"

_Parameters = TypeVar("_Parameters", SpotNetParameters, ConvNetParameters)


class _Network(Generic[_Parameters]):
    """What SpotNet and ConvNet have in common."""

    _kind: type[_Parameters]

    def __init__(self, parameters: _Parameters) -> None:
        """Take parameters, checked when they were made."""
        if not isinstance(parameters, self._kind):
            raise TypeError(
                f"parameters: expected {self._kind.__name__}, got {type(parameters).__name__}"
            )
        self.parameters: _Parameters = parameters
        self._plans: Plans[_core.Network] = Plans()

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """Load parameters that come with the package, or those of a file.

        Parameters
        ----------
        name_or_path : str or path-like
            Name of shipped weights, or a path: whatever has a suffix or a separator.

        Returns
        -------
        SpotNet or ConvNet

        Raises
        ------
        ValueError
            If there are no weights of this name, or the file is not what it should be.
        TypeError
            If the file holds another kind of network.
        """
        return cls(parameters.read(_path_of(name_or_path)))  # type: ignore[arg-type]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to a file that `load` takes.

        Parameters
        ----------
        path : path-like
            The final name; what stands there is replaced whole or not at all.
        """
        parameters.write(path, self.parameters)

    def __call__(self, image: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Estimate the source density per sigma bin.

        Parameters
        ----------
        image : array_like, shape [H, W] or [B, H, W]
            One image or several of one size, spots bright.
        threads : int, optional
            Threads to use; one per processor by default. The answer does not depend on it.

        Returns
        -------
        ndarray, float32, shape [K, H, W] or [B, K, H, W]
            In the unit of the image, or where the network scales images to 255, of the scaled one.

        Raises
        ------
        ValueError
            If the shape is wrong or a value is not finite.
        TypeError
            If `image` does not hold real numbers.
        OverflowError
            If the result leaves the range of float32.
        """
        return self.maps_and_score(image, threads=threads)[0]

    def score(self, image: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Score map: the weighted sum of the maps, which are never held in memory.

        Parameters
        ----------
        image, threads
            As of a call.

        Returns
        -------
        ndarray, float32, shape [H, W] or [B, H, W]

        Raises
        ------
        ValueError, TypeError, OverflowError
            As of a call.
        """
        return self._run(image, False, threads)[1]

    def maps_and_score(
        self, image: ArrayLike, *, threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what a call and `score` return, in one pass.

        Parameters
        ----------
        image, threads
            As of a call.

        Returns
        -------
        maps, score : ndarray
            As of a call and of `score`.

        Raises
        ------
        ValueError, TypeError, OverflowError
            As of a call.
        """
        maps, score = self._run(image, True, threads)
        assert maps is not None
        return maps, score

    def detect(
        self,
        image: ArrayLike,
        threshold: float | None = None,
        *,
        mask: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Cells:
        """Detect cells as the local maxima of the score map that reach a threshold.

        Parameters
        ----------
        image : array_like, shape [H, W]
            Image, spots bright.
        threshold : float, optional
            Smallest score of a cell; by default what the network's rule says of this image.
        mask : array_like, shape [H, W], optional
            1 (or True) where cells can lie, 0 elsewhere.
        threads : int, optional
            As of a call.

        Returns
        -------
        Cells
            Cells, strongest first; with a confidence if the network was calibrated, which refers to
            the network's own threshold whatever `threshold` is.

        Raises
        ------
        ValueError, TypeError, OverflowError
            As of a call.
        """
        limit = None if threshold is None else as_number(threshold, "threshold")
        score = self.score(as_image(image, "image"), threads=threads)
        yx, value = local_maxima(score)
        if mask is not None:
            allowed = as_shaped_image(mask, "mask", score.shape)[yx[:, 0], yx[:, 1]] > 0
            yx, value = yx[allowed], value[allowed]
        metadata = self.parameters.metadata
        own = metadata.threshold.of_peaks(value)
        limit = own if limit is None else limit
        keep = value >= limit
        yx, value = yx[keep], value[keep]
        sure = None
        if metadata.calibration is not None:
            sure = score_confidence(value, own, metadata.calibration)
        return Cells(yx[:, 0].copy(), yx[:, 1].copy(), value, None, None, limit, sure)

    def _run(
        self, image: ArrayLike, with_maps: bool, threads: int | None
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Compute the maps, if asked for, and the score map of one image or several."""
        count = as_threads(threads)
        several = np.ndim(image) == 3
        if several:
            images = as_real(image, "image", "[H, W] or [B, H, W]", 3)
        else:
            images = as_real(image, "image", "[H, W] or [B, H, W]", 2)[None]
        if self.parameters.metadata.image_scaling == "max255":
            brightest = images.max(axis=(1, 2), keepdims=True)
            images = images * (255.0 / np.where(brightest > 0, brightest, 255.0)).astype(np.float32)
        with self._plans.lent(count, self._plan) as plan:
            maps, score = plan.run(images, with_maps, True)
        assert score is not None
        if not np.isfinite(score).all():
            raise OverflowError("image: the network leaves the range of float32 on this image")
        if several:
            return maps, score
        return None if maps is None else maps[0], score[0]

    def _plan(self, threads: int) -> _core.Network:
        raise NotImplementedError


class SpotNet(_Network[SpotNetParameters]):
    r"""SpotNet: a few learned iterations instead of thousands.

    With ``*`` the correlation of the same size and s the image,

    .. math::
        x_0 &= \phi_{b_0}(\tilde h_0 * s), \qquad z_0 = (1 + \alpha_0) x_0, \\
        x_l &= \phi_{b_l}\Big(z_{l-1} - \tilde h_l *
               \big(\textstyle\sum_k h_{l,k} * z_{l-1,k} - s\big)\Big), \qquad
        z_l = x_l + \alpha_l (x_l - x_{l-1}), \qquad l = 1 \dots L.

    Parameters
    ----------
    parameters : SpotNetParameters
        Weights, non-linearity, threshold and how images are scaled.

    References
    ----------
    del Aguila Pla, Saxena and Jalden, "SpotNet - learned iterations for cell detection in
    image-based immunoassays", IEEE ISBI 2019.
    """

    _kind = SpotNetParameters

    def _plan(self, threads: int) -> _core.Network:
        p = self.parameters
        return _core.spotnet(
            p.analysis,
            p.synthesis,
            p.bias,
            p.alpha,
            p.nonlinearity,
            p.score_weights,
            threads=threads,
        )


class ConvNet(_Network[ConvNetParameters]):
    """ConvNet, to which the SpotNet paper compares: full and depthwise layers, each with a ReLU.

    Parameters
    ----------
    parameters : ConvNetParameters
        Weights, threshold and how images are scaled.
    """

    _kind = ConvNetParameters

    def _plan(self, threads: int) -> _core.Network:
        layers = [(layer.kernels, layer.bias) for layer in self.parameters.layers]
        return _core.convnet(layers, self.parameters.score_weights, threads=threads)


def load_network(name_or_path: str | os.PathLike[str]) -> SpotNet | ConvNet:
    """Load shipped weights or those of a file, whichever network they are of.

    Parameters
    ----------
    name_or_path : str or path-like
        As of `SpotNet.load`.

    Returns
    -------
    SpotNet or ConvNet
    """
    found = parameters.read(_path_of(name_or_path))
    return SpotNet(found) if isinstance(found, SpotNetParameters) else ConvNet(found)


def _path_of(name_or_path: str | os.PathLike[str]) -> Path:
    """Path of shipped weights by their name, or the path that was given."""
    try:
        path = Path(name_or_path)
    except TypeError:
        raise TypeError(f"name_or_path: expected a name or a path, got {name_or_path!r}") from None
    if path.suffix or len(path.parts) != 1 or path.name != os.fspath(name_or_path):
        return path
    shipped = _WEIGHTS / f"{path.name}{_SUFFIX}"
    if not shipped.is_file():
        names = sorted(file.stem for file in _WEIGHTS.glob(f"*{_SUFFIX}"))
        expected = ", ".join(names) if names else "none is shipped"
        raise ValueError(
            f"name_or_path: expected a path, or the name of shipped weights ({expected}), "
            f"got {path.name!r}"
        )
    return shipped
