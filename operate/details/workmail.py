"""What WorkMail says of an entity now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from operate.account import Account
from operate.errors import describe_error, error_code
from operate.terminal import render_moment

_OPERATIONS = {
    "USER": ("describe_user", "UserId"),
    "GROUP": ("describe_group", "GroupId"),
    "RESOURCE": ("describe_resource", "ResourceId"),
}
_MEMBERS = (
    *("State", "Name", "DisplayName", "Email", "EnabledDate", "DisabledDate"),
    *("MailboxProvisionedDate", "MailboxDeprovisionedDate"),
)


@dataclass(frozen=True)
class WorkMailAnswer:
    """What WorkMail says.

    Attributes
    ----------
    sentence
        For a person; also why WorkMail could not be asked.
    members
        Members of the answer, with dates as in RFC 3339; empty if there is none.
    is_unknown
        Whether WorkMail does not know the entity any more.
    """

    sentence: str
    members: Mapping[str, str]
    is_unknown: bool = False

    @property
    def is_deleted(self) -> bool:
        """Whether the entity was deleted: it cannot be restored."""
        return self.is_unknown or self.members.get("State") == "DELETED"


def describe_now(
    account: Account, organization_id: str | None, entity_id: str | None, entity_type: str | None
) -> WorkMailAnswer:
    """Ask WorkMail about an entity, by its id. That it does not answer is an answer.

    https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeUser.html
    https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeGroup.html
    https://docs.aws.amazon.com/workmail/latest/APIReference/API_DescribeResource.html
    """
    if organization_id is None or entity_id is None or entity_type not in _OPERATIONS:
        return WorkMailAnswer("WorkMail was not asked, because no entity was found by this text.", {})
    operation, parameter = _OPERATIONS[entity_type]
    try:
        answer = getattr(account.workmail, operation)(OrganizationId=organization_id, **{parameter: entity_id})
    except ClientError as error:
        if error_code(error) == "EntityNotFoundException":
            return WorkMailAnswer("WorkMail does not know the entity any more: it was deleted.", {}, is_unknown=True)
        return WorkMailAnswer(f"WorkMail could not be asked. {describe_error(error)}", {})
    except BotoCoreError as error:
        return WorkMailAnswer(f"WorkMail could not be asked. {describe_error(error)}", {})
    members = {name: _render(answer[name]) for name in _MEMBERS if answer.get(name)}
    return WorkMailAnswer(_describe(members), members)


def _describe(members: Mapping[str, str]) -> str:
    state = members.get("State", "NotGiven")
    since = members.get({"ENABLED": "EnabledDate", "DISABLED": "DisabledDate"}.get(state, ""))
    date = f" since {render_moment(since)}" if since else ""
    address = f", with the address {members['Email']}" if "Email" in members else ""
    return f"WorkMail shows the entity as {state}{date}{address}."


def _render(value: Any) -> str:  # noqa: ANN401 (an answer has texts and dates)
    if not isinstance(value, datetime):
        return str(value)
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
