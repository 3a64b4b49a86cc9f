"""The policy: which entities are protected, which need an approval, and how many a day are deregistered without one.

It is read when it is needed and not when the execution starts: an execution can wait for months, and an entity that
was put on a list meanwhile must be safe from it. Each organization of the settings has a parameter of its own.
"""

from dataclasses import dataclass
from typing import TypedDict

from offboarding import configuration
from offboarding.adapters.parameters import damaged_error, find_parameter
from offboarding.domain.caps import CapKind
from offboarding.domain.entities import is_organization_id
from offboarding.domain.exports import ExportMode, ExportPolicy
from offboarding.domain.validation import Schema, compile_schemas

_ENTRIES: Schema = {
    "type": "array",
    # An entry with a space around it would match nobody.
    "items": {"type": "string", "pattern": r"^\S(.*\S)?\Z"},
    "description": "a list of ids, names, addresses or patterns of them",
}
PARAMETER: Schema = {
    "type": "object",
    "properties": {
        "DailyCap": {"type": "integer", "minimum": 0, "description": "a whole number, 0 or more"},
        "HandCap": {"type": ["integer", "null"], "minimum": 0, "description": "a whole number, 0 or more, or null"},
        "Protected": _ENTRIES,
        "ApprovalRequired": _ENTRIES,
        "Export": {
            "type": "object",
            "properties": {
                "Mode": {"enum": [*ExportMode], "description": f"one of {', '.join(ExportMode)}"},
                "MayBeSkipped": {"type": "boolean", "description": "true or false"},
            },
            "required": ["Mode", "MayBeSkipped"],
            "description": "a JSON object",
        },
    },
    "required": ["DailyCap", "HandCap", "Protected", "ApprovalRequired", "Export"],
    "description": "a JSON object",
}
"""The value of a parameter. It can have further members: those of a later release, which deployed it while an
execution waits that calls this version."""

compile_schemas(PARAMETER)


class _Export(TypedDict):
    Mode: str
    MayBeSkipped: bool


class _Parameter(TypedDict):
    DailyCap: int
    HandCap: int | None
    Protected: list[str]
    ApprovalRequired: list[str]
    Export: _Export


@dataclass(frozen=True)
class Policy:
    """The policy of one organization at this moment.

    Attributes
    ----------
    daily_cap
        How many entities identity providers may have deregistered in a day; beyond it a person has to approve.
    hand_cap
        How many entities people may have deregistered in a day without an approval; None for any number.
    protected, approval_required
        Ids, names, addresses and patterns of them, in the order of the settings.
    export
        Whether a mailbox is exported before it is deregistered.
    """

    daily_cap: int
    hand_cap: int | None
    protected: tuple[str, ...]
    approval_required: tuple[str, ...]
    export: ExportPolicy

    def find_cap_size(self, kind: CapKind) -> int | None:
        """Return how many slots a cap has within 24 hours; None if it does not limit anything."""
        return self.daily_cap if kind is CapKind.PROVIDERS else self.hand_cap


def read_policy(organization_id: str) -> Policy:
    """Read the policy of an organization from the parameter that the stack keeps, past any cache.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Parameters
    ----------
    organization_id
        The organization.

    Raises
    ------
    SettingsUnavailable
        If it cannot be read, is damaged, or does not exist: nothing is deregistered without it.
    AccessDenied
        If the function's role may not read it.
    """
    policy = _find_policy(organization_id, fresh=True)
    if policy is None:
        raise damaged_error(f"There is no parameter of {organization_id}.")
    return policy


def find_policy(organization_id: str) -> Policy | None:
    """Return the policy of an organization as it is, or was up to five seconds ago; None if it is not in the settings.

    Raises
    ------
    SettingsUnavailable, AccessDenied
        As for `read_policy`, if it is in the settings.
    """
    return _find_policy(organization_id, fresh=False) if is_organization_id(organization_id) else None


def _find_policy(organization_id: str, *, fresh: bool) -> Policy | None:
    parameter: _Parameter | None = find_parameter(
        f"{configuration.policies_path()}/{organization_id}", PARAMETER, fresh=fresh
    )
    if parameter is None:
        return None
    hand_cap = parameter["HandCap"]
    return Policy(
        # In JSON, 20.0 is a whole number too.
        daily_cap=int(parameter["DailyCap"]),
        hand_cap=None if hand_cap is None else int(hand_cap),
        protected=tuple(parameter["Protected"]),
        approval_required=tuple(parameter["ApprovalRequired"]),
        export=ExportPolicy(ExportMode(parameter["Export"]["Mode"]), parameter["Export"]["MayBeSkipped"]),
    )
