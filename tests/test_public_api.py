from __future__ import annotations

import pytest

import relu_forecast


@pytest.mark.parametrize("name", relu_forecast.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(relu_forecast, name).__doc__


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'forecastr'"):
        relu_forecast.forecastr  # noqa: B018


def test_dir_lists_the_public_names() -> None:
    assert set(relu_forecast.__all__) <= set(dir(relu_forecast))
