"""What comes in, as JSON Schema, and the sentence that says what is wrong with it.

A property's `description` completes the sentence "<member> must be …".
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import fastjsonschema

from offboarding.domain.errors import InvalidRequest, OffboardingError

Schema = Mapping[str, Any]

_checks: dict[str, Callable[[object], object]] = {}

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

FLAG: Schema = {"type": "boolean", "description": "true or false"}
DATE: Schema = {
    **TIMESTAMP,
    "description": "an RFC 3339 timestamp with its offset from UTC, like 2026-12-22T17:00:00+01:00",
}
EXECUTION_ARN: Schema = {
    "type": "string",
    "maxLength": 512,
    "pattern": r"^arn:[^:\s]+:states:[^:\s]+:\d{12}:execution:[^:\s]+:[^:\s]+\Z",
    "description": "the ARN of an execution, arn:aws:states:…:execution:…",
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


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_REQUESTER = _object({"Provider": TEXT, "EventId": TEXT}, {"RequestedBy": TEXT})

INPUT = _object(
    {"OrganizationId": ORGANIZATION_ID, "EntityId": ENTITY_ID},
    {
        "Expected": _object({}, {"Type": ENTITY_TYPE, "Name": TEXT, "Email": TEXT, "DisplayName": TEXT}),
        "DryRun": FLAG,
        "NotBefore": DATE,
        "Reason": REASON,
        "RequestedBy": TEXT,
        "Requester": _REQUESTER,
    },
)
"""An execution's input: the request syntax of `DeregisterFromWorkMail`, whom one means by it, and when.

https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html
"""

OFFBOARDING_REQUESTED = _object(
    {"RequestId": TEXT, "EntityId": ENTITY_ID},
    {
        "OrganizationId": ORGANIZATION_ID,
        "DryRun": FLAG,
        "NotBefore": DATE,
        "Reason": REASON,
        "RequestedBy": TEXT,
    },
)
"""The detail of an `Offboarding Requested` event."""

_NO_PLACEHOLDER = {"pattern": r"^[^<>]+\Z"}

DECISION = _object(
    {
        "ExecutionArn": EXECUTION_ARN,
        "Decision": {"enum": ["Approved", "Rejected"], "description": "Approved or Rejected"},
        "DecidedBy": {**TEXT, **_NO_PLACEHOLDER, "description": "who decides: 1 to 256 characters, without < and >"},
        "Reason": {**REASON, **_NO_PLACEHOLDER, "description": "why: 1 to 1,024 characters, without < and >"},
    }
)
"""The input of an execution that decides on an approval."""

RESTORE = _object(
    {},
    {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": ENTITY_ID,
        "ExecutionArn": EXECUTION_ARN,
        "Reason": REASON,
        "RequestedBy": TEXT,
    },
)
"""The input of an execution that restores: an entity, or the execution that offboarded it."""

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
_REQUEST = _object({}, {"Reason": REASON, "RequestedBy": TEXT, "Requester": _REQUESTER, "NotBefore": TIMESTAMP})
_STEP: Mapping[str, Schema] = {"ExecutionArn": TEXT, "Now": TIMESTAMP}
_ASKED: Mapping[str, Schema] = {
    **_STEP,
    "OrganizationId": ORGANIZATION_ID,
    "Entity": _ENTITY,
    "ServiceEndsAt": TIMESTAMP,
}
_COUNT: Schema = {"type": "integer", "minimum": 0, "description": "a whole number, 0 or more"}
_ANSWER: Schema = {"type": ["object", "null"], "description": "a decision, or null"}

RESOLVE_ENTITY = _object({**_STEP, "StartedAt": TIMESTAMP, "Input": {}, "Planned": _or_null(_ENTITY)})
CHECK_ORGANIZATION = _object({**_ASKED, "DryRun": FLAG})
PLAN_OFFBOARDING = _object({**_ASKED, "Request": _REQUEST, "NeverRegistered": FLAG, "IsMigrationAdmin": FLAG})
RECORD_OFFBOARDING = _object(
    {**_ASKED, "StartedAt": TIMESTAMP, "Request": _REQUEST, "DateIsAhead": FLAG, "Approval": _ANSWER}
)
AWAIT_APPROVAL = _object(
    {
        **_STEP,
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": TEXT,
        "Reasons": {"type": "array", "items": TEXT, "minItems": 1, "description": "a list of texts"},
        "CapIsReached": FLAG,
        "TaskToken": {"type": "string", "minLength": 1, "description": "a task token"},
    }
)
DEREGISTER_ENTITY = _object({**_ASKED, "ResolvedAt": TIMESTAMP, "RetryCount": _COUNT})
VERIFY_CLEANUP = _object(
    {
        **_ASKED,
        "DeregisteredAt": TIMESTAMP,
        "RetentionEndsAt": TIMESTAMP,
        "GiveUpAt": TIMESTAMP,
        "ServiceEndsFirst": FLAG,
        "Check": _COUNT,
    }
)
DECIDE_APPROVAL = _object({**_STEP, "Input": {}})
REGISTER_ENTITY = _object({**_STEP, "Input": {}})
RESTORE_ALIASES_AND_GROUPS = _object({**_STEP, "OffboardingArn": TEXT})


def prepare(*schemas: Schema) -> None:
    """Compile schemas, which takes longer than all that a handler does with what they let through.

    Called while a function is initialized, when Lambda gives it a whole processor; with 256 MB it has a seventh
    of one afterwards. Powertools' own ``validate`` compiles the schema anew at each call.
    """
    for schema in schemas:
        _check(schema)


def _check(schema: Schema) -> Callable[[object], object]:
    text = json.dumps(schema)
    if text not in _checks:
        _checks[text] = fastjsonschema.compile(json.loads(text))
    return _checks[text]


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
        _check(schema)(value)
    except fastjsonschema.JsonSchemaValueException as problem:
        raise error(_sentence(problem, schema, name)) from None
    return dict(value)  # type: ignore[call-overload, no-any-return]  # the schemas of this module are all objects


def _sentence(error: fastjsonschema.JsonSchemaValueException, schema: Schema, name: str) -> str:
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
