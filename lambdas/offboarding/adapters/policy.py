"""The policy: which entities are protected, which need an approval, and how many a day are deregistered without one.

It is read when it is needed and not when the execution starts: an execution can wait for months, and an entity that
was put on a list meanwhile must be safe from it.
"""

from dataclasses import dataclass
from typing import TypedDict, cast

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import client, unavailable_error
from offboarding.domain import errors
from offboarding.domain.entities import ORGANIZATION_ID_PATTERN
from offboarding.domain.validation import Schema, compile_schemas, find_fault

provider = SSMProvider(boto3_client=client("ssm"))

_CACHE_SECONDS = 5

_ENTRIES: Schema = {
    "type": "array",
    # An entry with a space around it would match nobody.
    "items": {"type": "string", "pattern": r"^\S(.*\S)?\Z"},
    "description": "a list of ids, names, addresses or patterns of them",
}
_ORGANIZATION: Schema = {
    "type": "object",
    "properties": {"Protected": _ENTRIES, "ApprovalRequired": _ENTRIES},
    "required": ["Protected", "ApprovalRequired"],
    "description": "a JSON object",
}
PARAMETER: Schema = {
    "type": "object",
    "properties": {
        "DailyCap": {"type": "integer", "minimum": 0, "description": "a whole number, 0 or more"},
        "Organizations": {
            "type": "object",
            "patternProperties": {ORGANIZATION_ID_PATTERN: _ORGANIZATION},
            "description": "a JSON object",
        },
    },
    "required": ["DailyCap", "Organizations"],
    "description": "a JSON object",
}
"""The value of the parameter. It can have further members: those of a later release, which deployed it while an
execution waits that calls this version."""

compile_schemas(PARAMETER)


class _Lists(TypedDict):
    Protected: list[str]
    ApprovalRequired: list[str]


class _Parameter(TypedDict):
    DailyCap: int
    Organizations: dict[str, _Lists]


@dataclass(frozen=True)
class Policy:
    """The policy of one organization at this moment.

    Attributes
    ----------
    daily_cap
        How many entities identity providers may have deregistered in a day; beyond it a person has to approve.
    protected, approval_required
        Ids, names, addresses and patterns of them, in the order of the settings.
    """

    daily_cap: int
    protected: tuple[str, ...]
    approval_required: tuple[str, ...]


def read_policy(organization_id: str, *, fresh: bool = False) -> Policy:
    """Read the policy from the parameter that the stack keeps.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Parameters
    ----------
    organization_id
        The organization.
    fresh
        Whether it is read from Systems Manager in any case. Otherwise a value that was read up to five seconds ago
        counts.

    Raises
    ------
    SettingsUnavailable
        If it cannot be read, is damaged anywhere, or lacks this organization: nothing is deregistered without it.
    AccessDenied
        If the function's role may not read it.
    """
    parameter = _read_parameter(fresh=fresh)
    lists = parameter["Organizations"].get(organization_id)
    if lists is None:
        raise _damaged_error(f"Organizations lacks {organization_id}.")
    return Policy(
        # In JSON, 20.0 is a whole number too.
        daily_cap=int(parameter["DailyCap"]),
        protected=tuple(lists["Protected"]),
        approval_required=tuple(lists["ApprovalRequired"]),
    )


def _read_parameter(*, fresh: bool) -> _Parameter:
    try:
        parameter: object = provider.get(
            configuration.policy_parameter(), max_age=_CACHE_SECONDS, transform="json", force_fetch=fresh
        )
    except GetParameterError as error:
        # Powertools wraps what boto3 raised, and keeps it as the context only.
        cause = error.__context__
        if isinstance(cause, ClientError | BotoCoreError):
            raise unavailable_error("ssm:GetParameter", cause, errors.SettingsUnavailable) from None
        raise errors.SettingsUnavailable("The settings in Systems Manager cannot be read. Start again later.") from None
    except TransformParameterError:
        raise _damaged_error("The parameter is no JSON.") from None
    fault = find_fault(parameter, PARAMETER, "The parameter")
    if fault is not None:
        raise _damaged_error(fault)
    return cast(_Parameter, parameter)


def _damaged_error(fault: str) -> errors.SettingsUnavailable:
    """Build the error for a damaged parameter; the fault names the member and not its value."""
    return errors.SettingsUnavailable(
        f"The settings in Systems Manager are damaged. {fault} Deploy the stack "
        "again. If its template has not changed, put the parameter's value back by hand, as docs/operate.md says."
    )
