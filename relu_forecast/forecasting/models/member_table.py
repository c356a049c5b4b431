"""What a fitted state is made of, as rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from relu_forecast.forecasting.models.committee import CommitteeModel

Row = dict[str, Any]


def members_of(state: Any) -> list[Row]:
    """Return a row for each member of a committee, most weight first; one of another state."""
    if not isinstance(state, CommitteeModel):
        own = _network(state)
        kind = "regressor" if own["neurons"] is None else "network"
        return [{"member": kind, **own, "error": np.nan, "seconds": np.nan, "weight": 1.0}]
    weights = state.weights
    rows = []
    for place in np.argsort(-weights.mean(axis=1), kind="stable"):
        member, own = state.members[place], weights[place]
        rows.append({
            "member": member.name, **_network(member.state),
            "error": float(np.sqrt(member.errors.mean()) * state.unit),
            "seconds": member.seconds, "weight": float(own.mean()),
            **{f"weight_{step}": float(weight) for step, weight in enumerate(own, 1)}})
    return rows


def _network(state: Any) -> Row:
    """Return what there is to say of the network of a member, if it is one."""
    first = next(iter(getattr(state, "regressors", ())), None)
    regressor = getattr(first, "shared", first)
    certificate = getattr(regressor, "certificate_", None)
    inputs = getattr(state, "inputs", None)
    window = getattr(state, "lags", "") if inputs is None else inputs.context
    return {"window": str(window), "ratio": getattr(regressor, "beta_ratio", None),
            "neurons": getattr(regressor, "n_neurons_", None),
            "gap": getattr(certificate, "gap", None),
            "scope": getattr(certificate, "scope", None)}
