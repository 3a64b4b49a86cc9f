"""The schemas of everything that comes in; `domain/validation.py` says what a `description` is for."""

from collections.abc import Mapping

from offboarding.domain.doubts import Doubt
from offboarding.domain.entities import ENTITY_ID_PATTERN, ORGANIZATION_ID_PATTERN
from offboarding.domain.errors import UnexpectedAnswer
from offboarding.domain.exports import REQUESTED_MODES
from offboarding.domain.validation import Schema, Validated, compile_schemas, validated

__all__ = ["Schema", "compile_schemas", "validated"]
"""What handlers need beside the schemas of this module."""

ORGANIZATION_ID: Schema = {
    "type": "string",
    "pattern": ORGANIZATION_ID_PATTERN,
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
EXPORT_MODE: Schema = {"enum": [*REQUESTED_MODES], "description": f"one of {', '.join(REQUESTED_MODES)}"}
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


_DOUBTS: Schema = {
    "type": "array",
    "items": {"enum": [*Doubt]},
    "description": f"a list of {', '.join(Doubt)}",
}
_REQUESTER = _object(
    {"Provider": TEXT, "EventId": TEXT},
    {"RequestedBy": TEXT, "OccurredAt": DATE, "ProviderUserId": TEXT, "StatusReadAt": DATE, "Doubts": _DOUBTS},
)

_EXPECTED = _object({}, {"Type": ENTITY_TYPE, "Name": TEXT, "Email": TEXT, "DisplayName": TEXT})

INPUT = _object(
    {"OrganizationId": ORGANIZATION_ID, "EntityId": ENTITY_ID},
    {
        "Expected": _EXPECTED,
        "DryRun": FLAG,
        "NotBefore": DATE,
        "Export": EXPORT_MODE,
        "Reason": REASON,
        "RequestedBy": TEXT,
        "Requester": _REQUESTER,
    },
)
"""The input of an execution that offboards: the request syntax of `DeregisterFromWorkMail`, and what is expected of it.

https://docs.aws.amazon.com/workmail/latest/APIReference/API_DeregisterFromWorkMail.html
"""

OFFBOARDING_REQUESTED = _object(
    {"RequestId": TEXT, "EntityId": ENTITY_ID},
    {
        "OrganizationId": ORGANIZATION_ID,
        "DryRun": FLAG,
        "NotBefore": DATE,
        "Export": EXPORT_MODE,
        "Reason": REASON,
        "RequestedBy": TEXT,
    },
)
"""The detail of an `Offboarding Requested` event."""

OFFBOARDING_WITHDRAWN = _object(
    {},
    {
        "RequestId": TEXT,
        "EntityId": ENTITY_ID,
        "OrganizationId": ORGANIZATION_ID,
        "Reason": REASON,
        "RequestedBy": TEXT,
    },
)
"""The detail of an `Offboarding Withdrawn` event: either a request, or an entity with an optional organization."""

_NO_PLACEHOLDER = {"pattern": r"^[^<>]+\Z"}

DECISION = _object(
    {
        "ExecutionArn": EXECUTION_ARN,
        "Decision": {
            "enum": ["Approved", "Rejected", "Withdrawn"],
            "description": "Approved, Rejected or Withdrawn",
        },
        "DecidedBy": {
            **TEXT,
            **_NO_PLACEHOLDER,
            "description": "the name of the person who decides: 1 to 256 characters, without < and >",
        },
        "Reason": {
            **REASON,
            **_NO_PLACEHOLDER,
            "description": "the reason for the decision: 1 to 1,024 characters, without < and >",
        },
    }
)
"""The input of an execution that decides on an offboarding that waits."""

ERASURE = _object(
    {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": {
            "type": "string",
            "pattern": rf"^({ENTITY_ID_PATTERN})\Z",
            "description": "WorkMail's id of the user, group or resource",
        },
        "RequestedBy": TEXT,
    },
    {
        "Identifiers": {
            "type": "array",
            "items": {**REASON, "pattern": r"^[^\ud800-\udfff]+\Z"},
            "maxItems": 100,
            "description": "a list of up to 100 texts of 1 to 1,024 characters",
        }
    },
)
"""The event of ErasePerson."""

RESTORE = _object(
    {},
    {
        "OrganizationId": ORGANIZATION_ID,
        "EntityId": ENTITY_ID,
        "ExecutionArn": EXECUTION_ARN,
        "Expected": _EXPECTED,
        "Reason": REASON,
        "RequestedBy": TEXT,
    },
)
"""The input of an execution that restores: an entity, or the execution that offboarded it, and what is expected of it.
"""

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
_REQUEST = _object(
    {},
    {
        "Reason": REASON,
        "RequestedBy": TEXT,
        "Requester": _REQUESTER,
        "NotBefore": TIMESTAMP,
        "Export": EXPORT_MODE,
    },
)
_STEP_BASE: Mapping[str, Schema] = {"ExecutionArn": TEXT, "Now": TIMESTAMP}
_ENTITY_STEP: Mapping[str, Schema] = {
    **_STEP_BASE,
    "OrganizationId": ORGANIZATION_ID,
    "Entity": _ENTITY,
    "ServiceEndsAt": TIMESTAMP,
}
_ANYTHING: Schema = {"description": "the execution's input"}
_COUNT: Schema = {"type": "integer", "minimum": 0, "description": "a whole number, 0 or more"}
_DECISION_OR_NULL: Schema = {"type": ["object", "null"], "description": "a decision, or null"}

_TASK_TOKEN: Schema = {"type": "string", "minLength": 1, "description": "a task token"}

RESOLVE_ENTITY = _object({**_STEP_BASE, "StartedAt": TIMESTAMP, "Input": _ANYTHING, "Planned": _or_null(_ENTITY)})
CHECK_ORGANIZATION = _object({**_ENTITY_STEP, "DryRun": FLAG})
PLAN_OFFBOARDING = _object({**_ENTITY_STEP, "Request": _REQUEST, "NeverRegistered": FLAG, "IsMigrationAdmin": FLAG})
RECORD_OFFBOARDING = _object(
    {
        **_ENTITY_STEP,
        "StartedAt": TIMESTAMP,
        "Request": _REQUEST,
        "DateIsAhead": FLAG,
        "Approval": _DECISION_OR_NULL,
        "Archive": {"type": ["object", "null"], "description": "the result of an export, or null"},
        "Evidence": {"type": "object", "description": "an object"},
    }
)
WAIT_FOR_DATE = _object({**_STEP_BASE, "OrganizationId": ORGANIZATION_ID, "Entity": _ENTITY, "TaskToken": _TASK_TOKEN})
AWAIT_APPROVAL = _object(
    {
        **_STEP_BASE,
        "OrganizationId": ORGANIZATION_ID,
        "Entity": _ENTITY,
        "Reasons": {"type": "array", "items": TEXT, "minItems": 1, "description": "a list of texts"},
        "CapIsReached": FLAG,
        "Request": _REQUEST,
        "TaskToken": _TASK_TOKEN,
    }
)
START_EXPORT = _object({**_STEP_BASE, "ServiceEndsAt": TIMESTAMP})
CHECK_EXPORT = _object({**_STEP_BASE, "ServiceEndsAt": TIMESTAMP})
DEREGISTER_ENTITY = _object({**_STEP_BASE, "ServiceEndsAt": TIMESTAMP, "RetryCount": _COUNT})
VERIFY_CLEANUP = _object(
    {
        **_ENTITY_STEP,
        "DeregisteredAt": TIMESTAMP,
        "RetentionEndsAt": TIMESTAMP,
        "GiveUpAt": TIMESTAMP,
        "ServiceEndsFirst": FLAG,
        "Check": _COUNT,
    }
)
DECIDE_APPROVAL = _object({**_STEP_BASE, "Input": _ANYTHING})
REGISTER_ENTITY = _object({**_STEP_BASE, "Input": _ANYTHING})
RESTORE_ALIASES_AND_GROUPS = _object({**_STEP_BASE, "OffboardingArn": TEXT, "PutBackUntil": TIMESTAMP})


def validated_step(event: object, schema: Schema, kind: type[Validated]) -> Validated:
    """Return the event that a state passes, typed, if it is what the schema describes.

    Raises
    ------
    UnexpectedAnswer
        If it is not: the definition and the function do not fit together.
    """
    return validated(event, schema, kind, "The event of the state", UnexpectedAnswer)
