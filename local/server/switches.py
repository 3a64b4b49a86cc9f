"""Switches of the embedded AWS as JSON: members of dataclasses, changed by name.

The dataclasses are `local.workmail.Behaviour` and `local.aws.quotas.QuotaSettings`.
"""

import json
from dataclasses import asdict, fields, replace
from typing import Any

Switches = tuple[Any, ...]
"""Instances of frozen dataclasses, whose members have different names."""


def render_switches(switches: Switches) -> dict[str, Any]:
    """Return the switches by name."""
    return {name: value for part in switches for name, value in asdict(part).items()}


def change_switches(switches: Switches, text: str | bytes) -> Switches:
    """Return the switches with those of a JSON object changed.

    Parameters
    ----------
    switches
        The switches now.
    text
        For example ``{"email_of_disabled": "absent"}``; a switch that it does not name keeps its value.

    Raises
    ------
    ValueError
        With a sentence, if the text is not such an object.
    """
    try:
        changes = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the behaviour is not JSON: {error}") from error
    if not isinstance(changes, dict):
        raise ValueError(f"the behaviour must be a JSON object, not {changes!r}")  # noqa: TRY004 (one kind for bad input)
    unknown = sorted(set(changes) - set(render_switches(switches)))
    if unknown:
        names = ", ".join(render_switches(switches))
        raise ValueError(f"unknown switch {', '.join(unknown)}; the switches are {names}")
    return tuple(
        replace(part, **{field.name: changes[field.name] for field in fields(part) if field.name in changes})
        for part in switches
    )
