"""The spectrum of circular networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_forecast import plots
from relu_forecast.exceptions import InvalidArgumentError

SIZES = np.array([[0.0, 2.0, 0.001], [1.0, 0.5, 0.0]])


def test_weights_are_drawn_where_they_count() -> None:
    ax = plots.plot_spectrum(SIZES, frequencies=[0, 10, 20], unit="Hz", negligible=0.1)
    [image] = ax.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan),
                                  [[np.nan, 2.0, np.nan], [1.0, 0.5, np.nan]])
    assert image.get_extent() == [-5, 25, 2.5, 0.5]
    assert all(tick == round(tick) for tick in ax.get_yticks())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency [Hz]", "neuron")
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_frequencies_are_counted_by_the_window() -> None:
    ax = plots.plot_spectrum(SIZES)
    assert ax.get_xlabel() == "frequency [cycles per window]"
    assert np.isfinite(ax.images[0].get_array().filled(np.nan)[0, 2]) == (0.001 > 1e-3 * 2)


def test_larger_weights_are_darker_in_greyscale() -> None:
    cmap = plots.plot_spectrum(SIZES).images[0].get_cmap()
    greys = cmap(np.linspace(0, 1, 20))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(greys) < 0).all()


@pytest.mark.parametrize(("sizes", "frequencies"), [
    (np.ones(3), None), (np.ones((2, 3)), [1, 2]), (np.ones((0, 3)), None)])
def test_spectra_of_another_shape(sizes: Any, frequencies: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="sizes must be a matrix with a row per neuron"):
        plots.plot_spectrum(sizes, frequencies=frequencies)
