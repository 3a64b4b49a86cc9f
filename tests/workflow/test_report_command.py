"""`offboarding report` about offboardings that the stack itself has recorded."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.operator import Operator

pytestmark = pytest.mark.no_providers


def test_a_report_has_what_the_stack_has_recorded_and_adds_up(operator: Operator, tmp_path: Path) -> None:
    flow = operator.flow
    flow.change_policy(ApprovalRequired=["vip*"])
    for name in ("erin", "frank", "vip"):
        flow.people.create_user(name)
    assert flow.run("erin", RequestedBy="=helpdesk").outcome == "CleanupVerified"
    assert flow.run("nobody").outcome == "EntityNotFound"
    for name in ("frank", "vip"):
        flow.start(name)
    flow.clock.settle()
    operator.accept("reject", "vip", "--reason", "stays", "--yes")
    flow.pass_days(1)

    # The clock begins in November, and the removal is verified in December.
    document = json.loads(operator.accept("report", "--from", "2026-11", "--to", "2027-Q1", "--json"))

    counts, reconciliation = document["Counts"], document["Reconciliation"]
    assert {(row["Outcome"], row["MailboxTouched"]): row["Count"] for row in counts["Outcomes"]} == {
        ("CleanupVerified", "Yes"): 1,
        ("EntityNotFound", "No"): 1,
        ("Rejected", "No"): 1,
    }
    assert counts["Requesters"] == {"=helpdesk": 1, "(the request names nobody)": 3}
    assert (counts["MailboxesDisabled"], counts["Failed"]) == (2, 1)
    assert [row["Decision"] for row in counts["Decisions"]] == ["Rejected"]
    assert Counter(row["Step"] for row in document["Happened"]) == counts["Steps"]
    ends = {row["Outcome"]: row["RequestedBy"] for row in document["Happened"] if row["Step"] == "Ended"}
    assert ends == {"CleanupVerified": "=helpdesk", "EntityNotFound": None, "Rejected": None}
    started = reconciliation["Checks"][-2]
    assert started["Total"] == 4
    assert (started["Parts"]["ended in the period"], started["Parts"]["wait, or are in the window, now"]) == (3, 1)
    assert all(check["Right"] for check in reconciliation["Checks"])
    assert sum(reconciliation["Removals"].values()) == 1
    assert document["Report"]["Table"] == flow.table_name

    november = json.loads(operator.accept("report", "--from", "2026-11", "--json"))
    parts = november["Reconciliation"]["Checks"][-2]["Parts"]
    assert (parts["ended in the period"], parts["ended after it"]) == (0, 1)
    operator.accept("report", "--from", "2026", "--html", tmp_path / "report.html")
    assert "erin@" in (tmp_path / "report.html").read_text()
