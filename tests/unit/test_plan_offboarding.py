"""A plan has what an offboarding would do, and changes nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import plan_offboarding
from local.defaults import ORGANIZATION_ID
from local.organization import OrganizationBuilder
from local.workmail import WorkMailBackend
from offboarding.adapters import holding
from offboarding.adapters.cap import Cap
from offboarding.adapters.executions import ExecutionStatus
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.domain import errors
from offboarding.domain.caps import CapKind
from offboarding.domain.entities import Entity, EntityType, Mailbox
from offboarding.domain.exports import NOT_EXPORTED
from offboarding.domain.timestamps import parse, render
from tests.unit.conftest import (
    ARN_A,
    ARN_B,
    NOW,
    RUNNING,
    Context,
    Exports,
    PutPolicy,
    ReadMetrics,
    Table,
    delete_user,
    deregister,
    describe_entity,
    fail_operation,
    make_entity_step,
    make_offboarding,
    make_policy,
    take_calls,
)

CAP_IS_REACHED = "The cap of 1 deregistrations within 24 hours is reached."
HAND_CAP_IS_REACHED = (
    "The setting handCap limits offboardings by hand in this organization to 1 within 24 hours, and this number is "
    "reached."
)
LISTS = ["ListAliases", "ListGroupsForEntity", "ListMailboxPermissions"]
OKTA = {"Requester": {"Provider": "okta", "EventId": "e-1"}}
STOPPED = ExecutionStatus(is_running=False, outcome="Stopped", ended_at=NOW)

pytestmark = pytest.mark.usefixtures("frozen_time", "retention_settings")


def plan(entity: Entity, **changes: Any) -> dict[str, Any]:
    members = {"Request": {}, "NeverRegistered": entity.never_registered, "IsMigrationAdmin": False, **changes}
    return plan_offboarding.handler(make_entity_step(entity, members), Context())


def test_a_plan_has_the_call_and_the_dates_and_changes_nothing(
    dana: str, table: Table, organization: WorkMailBackend, read_metrics: ReadMetrics
) -> None:
    answer = plan(describe_entity(dana), Request=OKTA)

    assert [entry["Operation"] for entry in answer["Evidence"].pop("Answers")] == LISTS
    assert answer == {
        "Explanation": "Without DryRun it would deregister the entity.",
        "Plan": {
            "WouldCall": [{"Operation": "DeregisterFromWorkMail", "OrganizationId": ORGANIZATION_ID, "EntityId": dana}],
            "WouldBeRefused": [],
            "NeedsApproval": [],
            "WouldAffect": {
                "Aliases": ["d.leaver@example.com"],
                "Groups": [],
                "MailboxPermissions": [],
                "NotRead": [],
            },
            "DeregistersAt": NOW,
            "MailboxIsRemovedAt": "2026-12-24T09:00:00.000Z",
            "VerifyAt": "2026-12-24T15:00:00.000Z",
            "RetentionEndsBeforeWorkMail": True,
        },
        "Evidence": {"At": NOW},
    }
    assert read_metrics() == {"OffboardingsPlanned": 1}
    assert set(take_calls(organization)) == {"DescribeUser", *LISTS}
    assert table.read_item(ARN_A) is None
    assert table.find_holder(dana) is None
    assert table.read_all() == []


@pytest.mark.parametrize(
    ("not_before", "deregisters_at"),
    [("2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"), ("2026-11-01T00:00:00.000Z", NOW)],
)
def test_a_plan_is_for_the_requested_date_unless_that_has_passed(
    dana: str, not_before: str, deregisters_at: str
) -> None:
    plan_members = plan(describe_entity(dana), Request={"NotBefore": not_before})["Plan"]

    assert plan_members["DeregistersAt"] == deregisters_at
    assert plan_members["MailboxIsRemovedAt"] == render(parse(deregisters_at) + timedelta(days=30))


@pytest.mark.parametrize(
    ("approval_required", "note"),
    [((), f"That would be done at once: NotBefore, {NOW}, has passed."),
     (("dana",), f"It would not wait for a date: NotBefore, {NOW}, has passed.")],
)  # fmt: skip
def test_a_plan_states_that_the_date_has_passed(
    dana: str, put_policy: PutPolicy, approval_required: tuple[str, ...], note: str
) -> None:
    put_policy(make_policy(approval_required=approval_required))

    assert plan(describe_entity(dana), Request={"NotBefore": NOW})["Explanation"].endswith(f"the entity. {note}")
    tomorrow = render(parse(NOW) + timedelta(days=1))
    assert plan(describe_entity(dana), Request={"NotBefore": tomorrow})["Explanation"].endswith("the entity.")


def test_a_plan_without_time_has_what_it_needs_and_names_what_was_not_read(dana: str) -> None:
    members = {"Request": {}, "NeverRegistered": False, "IsMigrationAdmin": False}
    step = make_entity_step(describe_entity(dana), members)

    answer = plan_offboarding.handler(step, Context(remaining_milliseconds=11_999))["Plan"]

    reason = "There was no time to read all of it."
    assert answer["WouldAffect"]["NotRead"] == [
        {"Member": "Groups", "Reason": reason},
        {"Member": "MailboxPermissions", "Reason": reason},
    ]
    assert len(answer["WouldCall"]) == 1
    in_time = plan_offboarding.handler(step, Context(remaining_milliseconds=12_000))["Plan"]
    assert in_time["WouldAffect"]["NotRead"] == []


def test_a_plan_has_whether_the_service_ends_before_the_retention(dana: str) -> None:
    plan_members = plan(describe_entity(dana), Request={"NotBefore": "2027-03-15T00:00:00.000Z"})["Plan"]

    assert plan_members["RetentionEndsBeforeWorkMail"] is False


@pytest.mark.parametrize("request_", [{}, {"NotBefore": "2026-11-24T10:00:00.000Z"}], ids=["now", "later"])
def test_a_deregistration_after_the_end_of_the_service_would_be_refused(dana: str, request_: dict[str, str]) -> None:
    ends_at = request_.get("NotBefore", NOW)

    answer = plan(describe_entity(dana), Request=request_, ServiceEndsAt=ends_at)

    assert answer["Explanation"] == "Without DryRun it would end as ServiceEnded, and nothing would be changed."
    [refusal] = answer["Plan"]["WouldBeRefused"]
    assert refusal["Error"] == "ServiceEnded"
    assert refusal["Cause"].startswith(f"By the settings Amazon WorkMail ended at {ends_at}")
    assert answer["Plan"]["WouldCall"] == []
    deregister(dana)
    assert plan(describe_entity(dana), ServiceEndsAt=NOW)["Plan"]["WouldBeRefused"] == []


def test_a_disabled_entity_would_only_be_watched(
    dana: str, put_policy: PutPolicy, organization: WorkMailBackend
) -> None:
    put_policy(make_policy(approval_required=("*",), daily_cap=0))
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=parse(NOW) - timedelta(days=7))
    entity = describe_entity(dana)
    take_calls(organization)

    answer = plan(entity, Request=OKTA)

    assert take_calls(organization) == [], "WorkMail lists the aliases of enabled entities only"
    assert answer["Explanation"] == (
        "The entity is disabled already. Without DryRun it would only be watched until its mailbox is gone."
    )
    assert answer["Plan"] == {
        "WouldCall": [],
        "WouldBeRefused": [],
        "NeedsApproval": [],
        "DeregisteredAt": "2026-11-17T09:00:00.000Z",
        "MailboxIsRemovedAt": "2026-12-17T09:00:00.000Z",
        "VerifyAt": "2026-12-17T15:00:00.000Z",
        "RetentionEndsBeforeWorkMail": True,
    }


def test_the_disabled_date_of_an_earlier_departure_is_ignored(dana: str) -> None:
    registered_again = replace(describe_entity(dana), disabled_date=parse(NOW) - timedelta(days=90))

    assert plan(registered_again)["Plan"]["MailboxIsRemovedAt"] == "2026-12-24T09:00:00.000Z"


def test_a_disabled_entity_without_a_date_is_planned_from_now_on(dana: str, organization: WorkMailBackend) -> None:
    deregister(dana)
    organization.arrange(ORGANIZATION_ID, dana, disabled_date=None)

    assert plan(describe_entity(dana))["Plan"]["DeregisteredAt"] == NOW


def test_an_entity_that_was_never_registered_has_no_dates(dana: str, people: OrganizationBuilder) -> None:
    answer = plan(describe_entity(people.create_user("kim", registered=False)))

    assert answer["Explanation"] == (
        "Without DryRun it would end as NothingToDo: the entity was never registered to WorkMail."
    )
    assert answer["Plan"] == {"WouldCall": [], "WouldBeRefused": [], "NeedsApproval": []}


@pytest.mark.parametrize("entry", ["dana", "d.leaver@*"])
def test_a_plan_has_a_protection_by_the_settings_even_by_an_alias(dana: str, put_policy: PutPolicy, entry: str) -> None:
    put_policy(make_policy(protected=(entry,), approval_required=("*",)))

    answer = plan(describe_entity(dana))

    assert answer["Explanation"] == "Without DryRun it would end as EntityProtected, and nothing would be changed."
    (refusal,) = answer["Plan"]["WouldBeRefused"]
    assert refusal["Error"] == "EntityProtected"
    assert f"{dana} is protected by entry 1 of the organization's protected" in refusal["Cause"]
    assert answer["Plan"]["WouldCall"] == []
    assert "WouldAffect" not in answer["Plan"], "nothing would be changed"
    assert len(answer["Plan"]["NeedsApproval"]) == 1


def test_a_plan_has_every_refusal(
    dana: str, put_policy: PutPolicy, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(make_policy(protected=("dana",)))
    table.create_record("b", dana)
    monkeypatch.setattr(holding, "read_execution_status", {ARN_B: RUNNING}.__getitem__)

    refusals = plan(describe_entity(dana), IsMigrationAdmin=True)["Plan"]["WouldBeRefused"]

    assert [refusal["Error"] for refusal in refusals] == ["EntityProtected", "EntityProtected", "AlreadyInProgress"]
    assert "migration administrator" in refusals[0]["Cause"]
    assert refusals[2]["Cause"] == f"The execution {ARN_B} offboards this entity."


def test_an_execution_that_can_be_taken_over_is_not_a_refusal(
    dana: str, table: Table, organization: WorkMailBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.create_deregistered_record("b", dana)
    organization.arrange(ORGANIZATION_ID, dana, enabled_date=parse(NOW) + timedelta(days=1))
    monkeypatch.setattr(holding, "read_execution_status", {ARN_B: RUNNING}.__getitem__)
    assert plan(describe_entity(dana))["Plan"]["WouldBeRefused"] == [], "it watches a departure that was taken back"
    monkeypatch.setattr(holding, "read_execution_status", {ARN_B: STOPPED}.__getitem__)
    assert plan(describe_entity(dana))["Plan"]["WouldBeRefused"] == [], "it has ended"
    table.records.release(make_offboarding(ARN_B, dana), NOW)
    monkeypatch.setattr(holding, "read_execution_status", {}.__getitem__)
    assert plan(describe_entity(dana))["Plan"]["WouldBeRefused"] == [], (
        "it has released the entity, and its status is not read"
    )


@pytest.mark.parametrize("entry", ["dana", "d.leaver@*"])
def test_a_plan_has_the_approval_that_the_settings_require(dana: str, put_policy: PutPolicy, entry: str) -> None:
    put_policy(make_policy(approval_required=(entry,), daily_cap=0))

    answer = plan(describe_entity(dana), Request=OKTA)

    assert answer["Explanation"] == "Without DryRun it would wait for an approval, and then deregister the entity."
    assert answer["Plan"]["NeedsApproval"] == [
        f"{dana} matches entry 1 of the organization's approvalRequired in cdk.json."
    ]
    assert len(answer["Plan"]["WouldCall"]) == 1


@pytest.mark.parametrize(
    ("request_", "cap", "reasons"),
    [
        (OKTA, 1, [CAP_IS_REACHED]),
        (OKTA, 2, []),
        (OKTA, 0, ["The cap of 0 deregistrations within 24 hours is reached."]),
        ({}, 1, []),
        ({**OKTA, "NotBefore": "2026-11-25T08:59:59.999Z"}, 1, [CAP_IS_REACHED]),
        ({**OKTA, "NotBefore": "2026-11-25T09:00:00.000Z"}, 1, []),
    ],
)
def test_a_plan_uses_the_cap_of_the_24_hours_before_the_deregistration(
    dana: str, put_policy: PutPolicy, table: Table, request_: dict[str, Any], cap: int, reasons: list[str]
) -> None:
    put_policy(make_policy(daily_cap=cap))
    table.create_record("b", "entity-b")
    assert Cap(ORGANIZATION_ID, CapKind.PROVIDERS).take_slot(make_offboarding(ARN_B), 20, parse(NOW))
    items = table.read_all()

    assert plan(describe_entity(dana), Request=request_)["Plan"]["NeedsApproval"] == reasons
    assert table.read_all() == items, "a plan takes no slot"


@pytest.mark.parametrize(
    ("request_", "cap", "reasons"),
    [
        ({}, 1, [HAND_CAP_IS_REACHED]),
        ({}, 2, []),
        ({}, None, []),
        ({}, 0, [HAND_CAP_IS_REACHED.replace("to 1 within", "to 0 within")]),
        (OKTA, 1, []),
        ({"NotBefore": "2026-11-25T08:59:59.999Z"}, 1, [HAND_CAP_IS_REACHED]),
        ({"NotBefore": "2026-11-25T09:00:00.000Z"}, 1, []),
    ],
)
def test_a_plan_of_a_person_uses_the_cap_of_offboardings_by_hand(
    dana: str, put_policy: PutPolicy, table: Table, request_: dict[str, Any], cap: int | None, reasons: list[str]
) -> None:
    put_policy(make_policy(hand_cap=cap))
    table.create_record("b", "entity-b")
    assert Cap(ORGANIZATION_ID, CapKind.HAND).take_slot(make_offboarding(ARN_B), 20, parse(NOW))
    items = table.read_all()

    assert plan(describe_entity(dana), Request=request_)["Plan"]["NeedsApproval"] == reasons
    assert table.read_all() == items, "a plan takes no slot"


@pytest.mark.parametrize("code", ["EntityStateException", "EntityNotFoundException"])
def test_a_plan_is_not_made_if_the_aliases_cannot_be_listed(
    dana: str, organization: WorkMailBackend, code: str
) -> None:
    entity = describe_entity(dana)
    fail_operation(organization, "ListAliases", code)

    with pytest.raises(errors.WorkMailUnavailable, match=f"described {dana} as enabled, but does not list its aliases"):
        plan(entity)


def test_an_entity_that_was_disabled_since_it_was_resolved_is_planned_as_that(dana: str) -> None:
    resolved = describe_entity(dana)
    deregister(dana)

    answer = plan(resolved)

    assert answer == {**plan(describe_entity(dana)), "Evidence": answer["Evidence"]}
    assert answer["Plan"]["WouldCall"] == []
    assert answer["Explanation"].startswith("The entity is disabled already.")


def test_an_entity_that_was_deleted_since_it_was_resolved_is_not_planned(
    dana: str,
) -> None:
    resolved = describe_entity(dana)
    deregister(dana)
    delete_user(dana)

    with pytest.raises(errors.EntityNotFound, match=f"USER {dana} was deleted from the directory"):
        plan(resolved)


def test_a_plan_has_the_reason_of_each_doubt(dana: str, put_policy: PutPolicy) -> None:
    okta = {"Requester": {**OKTA["Requester"], "Doubts": ["NamesDiffer"]}}
    [reason] = plan(describe_entity(dana), Request=okta)["Plan"]["NeedsApproval"]
    assert "display name" in reason

    put_policy(make_policy(approval_required=("dana",)))
    by_settings, by_doubt = plan(describe_entity(dana), Request=okta)["Plan"]["NeedsApproval"]
    assert "approvalRequired" in by_settings
    assert by_doubt == reason


PLANNED_EXPORT = {
    "Mode": "IfPossible",
    "MailboxSize": 1.5,
    "RunningExports": 0,
    "Slots": 8,
    "NotExported": NOT_EXPORTED,
    "LastSafeStart": "2027-03-14T00:00:00.000Z",
}


def test_a_plan_shows_the_export_that_would_be_made_first(
    dana: str, exports: Exports, organization: WorkMailBackend, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(export="IfPossible"))
    organization.set_mailbox_size(ORGANIZATION_ID, dana, 1.5)

    answer = plan(describe_entity(dana))

    export = answer["Plan"]["Export"]
    assert "WorkMail does not publish how long an export takes." in export.pop("Note")
    assert export == {**PLANNED_EXPORT, "Place": f"s3://archives/mail/{ORGANIZATION_ID}/{dana}/"}
    assert answer["Explanation"].endswith(" Before that it would export the mailbox.")
    assert exports.list_jobs() == []
    assert plan(describe_entity(dana), Request={"Export": "Required"})["Plan"]["Export"]["Mode"] == "Required"


@pytest.mark.parametrize("size_error", [None, "EntityNotFoundException"])
def test_a_plan_shows_when_a_slot_may_be_free(
    dana: str,
    people: OrganizationBuilder,
    exports: Exports,
    organization: WorkMailBackend,
    put_policy: PutPolicy,
    size_error: str | None,
) -> None:
    put_policy(make_policy(export="Required"))
    exports.put_settings(Slots=1)
    exports.start_by_hand(people.create_user("kim"))
    if size_error:
        fail_operation(organization, "GetMailboxDetails", size_error)

    export = plan(describe_entity(dana))["Plan"]["Export"]

    assert (export["RunningExports"], export["SlotExpectedAt"]) == (1, "2026-11-24T09:10:00.000Z")
    assert ("MailboxSize" in export) is (size_error is None)


def test_a_mailbox_whose_size_workmail_does_not_show_is_planned_without(
    dana: str, exports: Exports, put_policy: PutPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_policy(make_policy(export="Required"))
    monkeypatch.setattr(MailboxExports, "describe_mailbox", lambda *_: Mailbox(size=None))

    assert "MailboxSize" not in plan(describe_entity(dana))["Plan"]["Export"]


@pytest.mark.usefixtures("exports")
def test_a_plan_has_no_export_where_none_would_be_made(
    dana: str, people: OrganizationBuilder, put_policy: PutPolicy
) -> None:
    put_policy(make_policy(export="Required", may_be_skipped=True, protected=("kim",)))
    group = people.create_group("staff")
    plans = [
        plan(describe_entity(group, EntityType.GROUP)),
        plan(describe_entity(dana), Request={"Export": "No"}),
        plan(describe_entity(people.create_user("kim"))),
        plan(describe_entity(people.create_user("new", registered=False)), NeverRegistered=True),
    ]

    for answer in plans:
        assert "Export" not in answer["Plan"]
        assert "export" not in answer["Explanation"]


def test_a_plan_shows_the_export_of_a_disabled_mailbox(dana: str, exports: Exports, put_policy: PutPolicy) -> None:
    put_policy(make_policy(export="Required"))
    deregister(dana)

    answer = plan(describe_entity(dana))

    assert (answer["Plan"]["WouldCall"], answer["Plan"]["Export"]["Mode"]) == ([], "Required")
    assert answer["Explanation"].endswith("until its mailbox is gone. Before that it would export the mailbox.")
    assert exports.list_jobs() == []
