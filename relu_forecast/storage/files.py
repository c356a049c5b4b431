"""Fitted forecasters in files: data alone, so that reading one never runs what is in it.

A file is one of safetensors. Its metadata hold the format, its version, a JSON document and a
digest; the tensors are called as their places in the document.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save
from sklearn.utils.validation import check_is_fitted

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.panel import Panel
from relu_forecast.forecasting.models.fitting import check_lengths
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.storage.encoding import (
    NUMBER,
    TEXT,
    Array,
    DamageError,
    Fields,
    Json,
    Many,
    Maybe,
    Named,
    Place,
    Record,
    Tagged,
    Whole,
)
from relu_forecast.storage.panels import PANEL
from relu_forecast.storage.regressors import VALUE, made_with
from relu_forecast.storage.states import FORECASTERS, KeptForecaster

FORMAT = "relu_forecast.forecaster"
VERSION = 2
"""Of the format; raised when files of before would be read wrongly, or not at all."""

_Tensors = dict[str, npt.NDArray[Any]]


def save_forecaster(forecaster: Forecaster, path: str | os.PathLike[str]) -> None:
    """Write a fitted forecaster to a file; see `Forecaster.save`."""
    check_is_fitted(forecaster)
    target = Path(os.path.realpath(path))
    if target.is_dir() or not target.parent.is_dir():
        raise InvalidArgumentError(
            "path", "a file in an existing folder", repr(str(path)), "Create the folder first.")
    content = _packed(forecaster)
    try:
        _unpacked(content)
    except DamageError as damage:
        raise InvalidArgumentError(
            "forecaster", "as it was fitted", str(damage),
            "Fit it again after its parameters have been changed.") from damage
    _replace(target, content)


def load_forecaster(path: str | os.PathLike[str]) -> Forecaster:
    """Read a forecaster that `Forecaster.save` wrote, whatever its class.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Forecaster
        Fitted, with the very forecasts of the one that was saved. Networks are on the device
        that their regressor asks for, if there is one, else on the CPU.

    Raises
    ------
    InvalidArgumentError
        If the file does not exist, is no such file, is damaged, or is of a newer version.

    Notes
    -----
    A file is read as data: no code of it is run, and no class of it is looked up that this
    package does not list.
    """
    try:
        return _unpacked(_content(path))
    except (DamageError, RecursionError) as error:
        raise InvalidArgumentError(
            "path", "an undamaged file that save wrote", f"{str(path)!r}, where {error}",
            "Save the forecaster again, or fetch the file again.") from error


def _packed(forecaster: Forecaster) -> bytes:
    """Return the content of a file."""
    tensors: _Tensors = {}
    place = Place("", tensors)
    name = type(forecaster).__name__
    if name not in FORECASTERS or type(forecaster) is not _class_of(name):
        raise place.refusal(forecaster)
    document = json.dumps(_encoded(forecaster, FORECASTERS[name], place), allow_nan=False)
    return save(tensors, {
        "format": FORMAT, "version": str(VERSION), "document": document,
        "digest": _digest(document, tensors)})


def _unpacked(content: bytes) -> Forecaster:
    """Return the forecaster that the content of a file stands for, or raise `DamageError`."""
    place = Place("", {})
    try:
        place.tensors.update(load(content))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamageError(f"no safetensors are ({type(error).__name__}: {error})") from error
    metadata = _metadata(content)
    _check_version(metadata)
    metadata = Fields(dict.fromkeys(("format", "version", "document", "digest"), TEXT)).decode(
        metadata, place)
    if metadata["digest"] != _digest(metadata["document"], place.tensors):
        raise DamageError("the digest is not that of the content")
    forecaster = _decoded(_parsed(metadata["document"]), place)
    place.require(not place.tensors, "all that the tensors are for", sorted(place.tensors))
    return forecaster


def _metadata(content: bytes) -> dict[str, Any]:
    """Return the metadata of safetensors, whose header follows its length in 8 bytes."""
    header = _parsed(content[8 : 8 + int.from_bytes(content[:8], "little")].decode())
    metadata: dict[str, Any] = header.get("__metadata__") or {}
    return metadata


def _check_version(metadata: dict[str, Any]) -> None:
    """Refuse another format, and a version that this package does not know."""
    if metadata.get("format") != FORMAT:
        raise DamageError(f"the format is not {FORMAT!r} but {metadata.get('format')!r}")
    version = metadata.get("version", "")
    if version.isdecimal() and len(version) < 10 and int(version) > VERSION:
        raise DamageError(
            f"the version is {version}, newer than {VERSION}, the newest that this"
            " relu_forecast reads: upgrade relu_forecast")
    if version != str(VERSION):
        raise DamageError(f"the version is not {VERSION} but {version!r}")


def _parsed(text: str) -> Json:
    """Return what a JSON text stands for."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise DamageError(f"the document is not JSON ({error})") from error


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def _digest(document: str, tensors: _Tensors) -> str:
    """Return a digest of all that a file holds."""
    digest = hashlib.sha256(document.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), tensor.shape]).encode())
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def _class_of(name: str) -> type[Forecaster]:
    """Return the class of a forecaster that can be kept."""
    found: type[Forecaster] = getattr(import_module(FORECASTERS[name].home), name)
    return found


def _encoded(forecaster: Forecaster, kept: KeptForecaster, place: Place) -> Json:
    """Return the document of a forecaster."""
    panel: Panel = forecaster.panel_
    position = {series.unique_id: i for i, series in enumerate(panel.series)}
    models = [forecaster.models_[unique_id] for unique_id in position]
    values = {"parameters": forecaster.get_params(deep=False), "panel": panel,
              "models": models, "horizon": forecaster.horizon_,
              "intervals": forecaster.intervals_,
              "calibrations": [forecaster.calibrations_[unique_id] for unique_id in position
                               if forecaster.calibrations_]}
    return {"class": type(forecaster).__name__, **_fields(kept).encode(values, place)}


_INTERVALS = Tagged({"ConformalIntervals": Record(
    "relu_forecast.forecasting.evaluation.intervals",
    {"method": TEXT, "calibration_size": Maybe(Whole(1)), "gamma": NUMBER})})


def _fields(kept: KeptForecaster) -> Fields:
    """Return how the document of a forecaster is made up."""
    return Fields({"parameters": Named(VALUE), "panel": PANEL, "models": Many(kept.state),
                   "horizon": Maybe(Whole(1)), "intervals": Maybe(_INTERVALS),
                   "calibrations": Many(Array((2,), finite=False))})


def _decoded(document: Json, place: Place) -> Forecaster:
    """Return the forecaster that a document and its tensors stand for."""
    place.require(isinstance(document, dict), "an object", document)
    name = document.pop("class", None)
    known = isinstance(name, str) and name in FORECASTERS
    place.at("class").require(known, f"among {', '.join(FORECASTERS)}", name)
    values = _fields(FORECASTERS[name]).decode(document, place)
    with place.at("parameters").blamed():
        forecaster: Forecaster = made_with(_class_of(name), values["parameters"])
        forecaster.check_parameters()
    return _fitted(forecaster, FORECASTERS[name], values, place)


def _fitted(
    forecaster: Forecaster, kept: KeptForecaster, values: dict[str, Any], place: Place
) -> Forecaster:
    """Give a forecaster what was fitted, after checks that all of it belongs together."""
    panel, models, calibrations = values["panel"], values["models"], values["calibrations"]
    _check_panel(forecaster, panel, place.at("panel"))
    place.at("models").require(len(models) == len(panel.series), "one per series", len(models))
    forecaster.panel_, forecaster.models_, forecaster.calibrations_ = panel, {}, {}
    for i, (series, model) in enumerate(zip(panel.series, models, strict=True)):
        with place.at("models").at(i).blamed():
            kept.fits(forecaster, model, len(series))
        forecaster.models_[series.unique_id] = model
    forecaster.horizon_, forecaster.intervals_ = values["horizon"], values["intervals"]
    fits = 0 if forecaster.intervals_ is None else len(panel.series)
    shapes = {errors.shape[1] for errors in calibrations}
    place.at("calibrations").require(
        len(calibrations) == fits and shapes <= {forecaster.horizon_}, "one per series and step",
        shapes)
    for series, errors in zip(panel.series, calibrations, strict=False):
        forecaster.calibrations_[series.unique_id] = errors
    with place.at("panel").blamed():
        check_lengths(forecaster, panel, forecaster.horizon_ or 1)
    return forecaster


def _check_panel(forecaster: Forecaster, panel: Panel, place: Place) -> None:
    """Refuse series that the forecaster cannot have been fitted to."""
    used = forecaster.covariates
    names = (*used.past, *used.future)
    place.require(panel.reading.covariates == names, f"of columns {names}", panel.reading)
    with place.blamed():
        panel.columns.check_free(forecaster.alias, "alias")
        for series in panel.series:
            series.arrays(used)


def _content(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file, if it is a regular one."""
    if not os.path.isfile(path):
        raise InvalidArgumentError(
            "path", "a file that save wrote", f"{str(path)!r}, which is not a file",
            "Name the file that save was given.")
    return Path(path).read_bytes()


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside ``path`` and rename it, so that a broken off write changes nothing."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
