"""What comes in, as JSON Schema, and the sentence that says what is wrong with it.

A property's `description` completes the sentence "<member> must be …".
"""

import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.validation import SchemaValidationError, validate

from offboarding.errors import InvalidRequest, OffboardingError

Schema = Mapping[str, Any]

ORGANIZATION_ID: Schema = {
    "type": "string",
    "pattern": r"^m-[0-9a-f]{32}\Z",
    "description": "a WorkMail organization id: m- and 32 hexadecimal digits in lower case",
}
ENTITY_ID: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "pattern": r"^[a-zA-Z0-9._%+@-]+\Z",
    "description": "the id, name or e-mail address of a user, group or resource: "
    "1 to 256 characters out of letters, digits and . _ % + @ -",
}
TIMESTAMP: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z",
    "description": "an RFC 3339 timestamp like 2026-12-22T17:00:00Z",
}
ENTITY_TYPE: Schema = {"enum": ["USER", "GROUP", "RESOURCE"], "description": "USER, GROUP or RESOURCE"}
TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "description": "a text of 1 to 256 characters",
}


REASON: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1024,
    "description": "a text of 1 to 1,024 characters",
}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
        "description": "a JSON object",
    }


INPUT = _object(
    {"OrganizationId": ORGANIZATION_ID, "EntityId": ENTITY_ID},
    {
        "Expected": _object({}, {"Type": ENTITY_TYPE, "Name": TEXT, "Email": TEXT, "DisplayName": TEXT}),
        "Reason": REASON,
        "Requester": _object({"Provider": TEXT, "EventId": TEXT}, {"RequestedBy": TEXT}),
    },
)
"""An execution's input: the request syntax of `DeregisterFromWorkMail`, and whom one means by it.

https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html
"""

OFFBOARDING_REQUESTED = _object(
    {"RequestId": TEXT, "EntityId": ENTITY_ID},
    {"OrganizationId": ORGANIZATION_ID, "Reason": REASON, "RequestedBy": TEXT},
)
"""The detail of an `Offboarding Requested` event."""

_ENTITY = _object(
    {"Id": TEXT, "Type": ENTITY_TYPE, "Name": TEXT, "State": TEXT},
    {
        "Email": TEXT,
        "UserRole": TEXT,
        "EnabledDate": TIMESTAMP,
        "DisabledDate": TIMESTAMP,
        "MailboxProvisionedDate": TIMESTAMP,
        "MailboxDeprovisionedDate": TIMESTAMP,
    },
)
_STEP: Mapping[str, Schema] = {"ExecutionArn": TEXT, "Now": TIMESTAMP}
_COUNT: Schema = {"type": "integer", "minimum": 0, "description": "a whole number, 0 or more"}

RESOLVE_ENTITY = _object({**_STEP, "Input": {}})
CHECK_ORGANIZATION = _object({**_STEP, "OrganizationId": ORGANIZATION_ID, "Entity": _ENTITY})
DEREGISTER_ENTITY = _object(
    {
        **_STEP,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": _ENTITY,
        "ResolvedAt": TIMESTAMP,
        "RetryCount": _COUNT,
    }
)
VERIFY_CLEANUP = _object(
    {
        **_STEP,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": _ENTITY,
        "DeregisteredAt": TIMESTAMP,
        "RetentionEndsAt": TIMESTAMP,
        "GiveUpAt": TIMESTAMP,
        "ServiceEndsFirst": {"type": "boolean", "description": "true or false"},
        "Check": _COUNT,
    }
)


def validated(
    value: object, schema: Schema, name: str = "The input", error: type[OffboardingError] = InvalidRequest
) -> dict[str, Any]:
    """Return `value` if it is what the schema says.

    Parameters
    ----------
    value
        What came in.
    schema
        One of the schemas of this module.
    name
        What to call `value` in the sentence, where the fault is in the whole of it.
    error
        What to raise: `InvalidRequest` for what a person gave, `UnexpectedAnswer` for what a state gave.

    Raises
    ------
    OffboardingError
        `error`, with one sentence that names the member and says what it must be; the value is not repeated.
    """
    try:
        validate(event=value, schema=dict(schema))
    except SchemaValidationError as problem:
        raise error(_sentence(problem, schema, name)) from None
    return dict(value)  # type: ignore[call-overload, no-any-return] # the schemas of this module are all objects


def _sentence(error: SchemaValidationError, schema: Schema, name: str) -> str:
    path = [str(part) for part in (error.path or [])[1:]]
    where: Any = schema
    for part in path:
        where = where["properties"][part]
    member = ".".join(path) or name
    known = where.get("properties", {})
    given = set(error.value or {}) if isinstance(error.value, dict) else set()
    if error.rule == "additionalProperties":
        unknown = ", ".join(_printable(key) for key in sorted(given - set(known)))
        return f"{member} has an unknown member: {unknown}. The members are {', '.join(known)}."
    if error.rule == "required":
        missing = next(key for key in where["required"] if key not in given)
        return f"{member} lacks {missing}, which must be {known[missing]['description']}."
    return f"{member} must be {where['description']}."


def _printable(key: str) -> str:
    return re.sub(r"[^\w.-]", "?", key[:64])
