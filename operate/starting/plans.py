"""A plan of an offboarding: an execution makes it, which only reads, and its result becomes sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from operate.account import Account
from operate.errors import Refusal
from operate.executions import OFFBOARDING, Execution, start_execution, wait_for_end
from operate.service_end import Retention, ServiceEnd
from operate.terminal import render_moment

_PLAN_SECONDS = 180
_TYPES = {"USER": "user", "GROUP": "group", "RESOURCE": "resource"}
_LISTS = {
    "Groups": "the groups",
    "MailboxPermissions": "who works with the mailbox",
    "EnabledMembers": "the members",
}
_EXPORT_MODES = {"Required": "the offboarding fails if it cannot be", "IfPossible": "if that is possible"}


@dataclass(frozen=True)
class Plan:
    """What an offboarding would do, as an execution has found out.

    Attributes
    ----------
    execution_arn
        That execution.
    output
        Its output.
    """

    execution_arn: str
    output: Mapping[str, Any]

    @property
    def organization_id(self) -> str:
        """The organization."""
        return str(self.output["Organization"]["Id"])

    @property
    def entity(self) -> Mapping[str, Any]:
        """The entity: `Id`, `Name`, `Type`, and `Email`, which can be None."""
        entity: Mapping[str, Any] = self.output["Entity"]
        return entity

    @property
    def label(self) -> str:
        """The address or the name of the entity, its type, and its id."""
        return describe_entity(self.entity)

    @property
    def members(self) -> Mapping[str, Any]:
        """The member `Plan` of the output."""
        members: Mapping[str, Any] = self.output["Plan"]
        return members

    @property
    def refusals(self) -> list[str]:
        """Why nothing would be deregistered, as sentences."""
        return [f"{refusal['Cause']} ({refusal['Error']})" for refusal in self.members["WouldBeRefused"]]

    @property
    def would_deregister(self) -> bool:
        """Whether the entity would be deregistered."""
        return bool(self.members["WouldCall"])

    @property
    def was_never_registered(self) -> bool:
        """Whether there is neither a mailbox nor an address."""
        return not self.would_deregister and not self.members.keys() & {"DeregistersAt", "DeregisteredAt"}


def describe_entity(entity: Mapping[str, Any]) -> str:
    """Return the address or the name of an entity, its type, and its id."""
    label = entity.get("Email") or entity["Name"]
    name = f", name {entity['Name']}" if entity.get("Email") else ""
    return f"{label} ({_TYPES[entity['Type']]}{name}, {entity['Id']})"


def make_plan(account: Account, request: Mapping[str, Any]) -> Plan:
    """Have an execution make a plan, and wait for it.

    Parameters
    ----------
    account
        The account with the stack.
    request
        The input of the offboarding.

    Raises
    ------
    Refusal
        If there can be no plan: no or another entity is meant, for example.
    """
    arn = start_execution(account, OFFBOARDING, {**request, "DryRun": True})
    execution = wait_for_end(account, arn, _PLAN_SECONDS, "The plan is being made, which changes nothing")
    if execution.is_running:
        raise Refusal(
            f"Nothing was changed. The plan is not complete after {_PLAN_SECONDS} seconds, probably because WorkMail "
            f"does not answer. Its execution goes on: {arn}."
        )
    _require_planned(execution)
    return Plan(arn, execution.output)


def _require_planned(execution: Execution) -> None:
    if execution.outcome != "Planned":
        raise Refusal(f"There is no plan, and nothing was changed. {execution.ending}")


def describe_plan(plan: Plan, service_end: ServiceEnd) -> Iterator[str]:
    """Go through the sentences that a person has to know before an offboarding."""
    organization = plan.output["Organization"]
    alias = f"{organization['Alias']}, " if organization.get("Alias") else ""
    yield f"Entity:      {plan.label}"
    yield f"In:          {alias}{plan.organization_id}"
    yield f"Plan:        {plan.output['Explanation'].replace('Without DryRun it', 'It')}"
    yield from (f"Refused:     {refusal}" for refusal in plan.refusals)
    yield from _describe_dates(plan, service_end)
    yield from (f"Approval:    A person has to approve it. {reason}" for reason in plan.members["NeedsApproval"])
    yield from _describe_export(plan.members.get("Export"))
    yield from _describe_effects(plan.members.get("WouldAffect"))


def _describe_dates(plan: Plan, service_end: ServiceEnd) -> Iterator[str]:
    members = plan.members
    if "DeregistersAt" in members:
        yield f"Date:        {render_moment(members['DeregistersAt'])}, when it is deregistered at the earliest"
    if "DeregisteredAt" in members:
        yield f"Disabled:    {render_moment(members['DeregisteredAt'])}"
    if "MailboxIsRemovedAt" in members:
        retention = Retention(members["MailboxIsRemovedAt"], service_end)
        event = f"Amazon WorkMail ends on {service_end.day}" if retention.is_cut else "WorkMail removes the mailbox"
        yield f"Last return: {render_moment(retention.last_return)}, then {event}"
        if retention.is_verifiable:
            yield f"Verified:    {render_moment(members['VerifyAt'])}, when the clean-up is verified"
        else:
            yield f"Verified:    {retention.describe_verification(None)}"
        yield "             The times are in UTC."


def _describe_export(export: Mapping[str, Any] | None) -> Iterator[str]:
    if export is None:
        return
    size = f" of {export['MailboxSize']:g} MB" if export.get("MailboxSize") is not None else ""
    yield f"Export:      The mailbox{size} is exported first; {_EXPORT_MODES.get(export['Mode'], export['Mode'])}."
    if export.get("Place"):
        yield f"             To {export['Place']}"
    if export.get("SlotExpectedAt"):
        yield f"             It waits for another export until {render_moment(export['SlotExpectedAt'])} or longer."
    if export.get("Note"):
        yield f"             {export['Note'].partition(' After LastSafeStart')[0]}"
    if export.get("LastSafeStart"):
        last = render_moment(export["LastSafeStart"])
        yield f"             Started after {last}, it may not be complete before Amazon WorkMail ends."
    if export.get("NotExported"):
        yield f"             {export['NotExported']}"


def _describe_effects(effects: Mapping[str, Any] | None) -> Iterator[str]:
    if effects is None:
        return
    if effects["Aliases"]:
        yield f"Aliases:     {', '.join(effects['Aliases'])}: mail to them bounces"
    groups = effects.get("Groups", [])
    if groups:
        yield f"Groups:      {', '.join(group['Name'] for group in groups)}: it leaves them"
    deserted = [group["Name"] for group in groups if group.get("IsOnlyEnabledMember")]
    if deserted:
        yield f"Deserted:    {', '.join(deserted)}: mail to them reaches nobody any more"
    if "EnabledMembers" in effects:
        yield f"Members:     {effects['EnabledMembers']} enabled members get no mail by this group any more"
    for permission in effects.get("MailboxPermissions", []):
        rights = ", ".join(right.lower().replace("_", " ") for right in permission["PermissionValues"])
        kind = _TYPES.get(permission["GranteeType"], permission["GranteeType"])
        yield f"Shared with: {kind} {permission['GranteeId']} ({rights})"
    for problem in effects["NotRead"]:
        yield f"Not read:    {_LISTS.get(problem['Member'], problem['Member'])}: {problem['Reason']}"
