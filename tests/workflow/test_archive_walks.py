"""Random walks on a stack that exports each mailbox first: the walks of `test_random_walks`, and steps about exports.

WorkMail exports quickly, slowly or not at all; people export by hand and cancel exports; the settings ask for archives,
for none, or for those that can be made. The hours of an export are hours of the walk, so that most steps come while
mailboxes are exported.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from local.defaults import ORGANIZATION_ID
from local.workmail.behaviour import Behaviour
from local.workmail.state import RETENTION
from tests.workflow.conftest import ARCHIVE_SETTINGS
from tests.workflow.test_random_walks import (
    CRASHES,
    EARLY_START,
    LATE_START,
    POLICY,
    TRANSIENT_ERRORS,
    SharedEnvironment,
    Walk,
    draw_faults,
    low_count,
    run_walks,
    seed,  # noqa: F401 (it is a fixture)
)

ARCHIVE_POLICY = {**POLICY, "Export": {"Mode": "Required", "MayBeSkipped": True}}
BUCKET_BY_HAND = "exports-by-hand"
ANYTHING = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "export.workmail.amazonaws.com"},
            }
        ]
    }
)

DURATIONS = [
    timedelta(seconds=1), timedelta(minutes=6), timedelta(minutes=20), timedelta(minutes=70), timedelta(hours=5),
    timedelta(hours=13), timedelta(hours=25), timedelta(days=3), timedelta(days=8), timedelta(days=15),
    timedelta(days=31),
]  # fmt: skip
MINUTES = [1, 1, 45, 45, 400, 1500, 5000]
"""How long an export takes; the last one is longer than it may take."""
RESULTS = ["archive"] * 8 + ["no-object", "empty-object", "FAILED", "CANCELLED", "vanishes"]
SIZES_MB = [0, 1.5, 2048, 51200]

WRITE_OPERATIONS = ["StartMailboxExportJob", "CancelMailboxExportJob"]
READ_OPERATIONS = ["DescribeMailboxExportJob", "ListMailboxExportJobs"]
S3_OPERATIONS = ["GetObjectAttributes", "ListObjectsV2", "GetObject", "PutObjectRetention"]
FUNCTIONS = ["StartExport", "CheckExport"]

behaviours = st.builds(
    Behaviour,
    **{name: st.sampled_from(answers) for name, answers in Behaviour.possible_values().items()}
    | {"export_result": st.sampled_from(RESULTS), "export_minimum_minutes": st.sampled_from(MINUTES)},
    describe_lag_seconds=st.sampled_from([0, 0, 60, 120]),
)
modes = st.builds(
    lambda mode, skipped: {"Mode": mode, "MayBeSkipped": skipped},
    st.sampled_from(["Required", "Required", "IfPossible", "No"]),
    st.booleans(),
)
FAULTS = st.one_of(
    draw_faults("workmail", WRITE_OPERATIONS + READ_OPERATIONS, error=[*TRANSIENT_ERRORS, "AccessDeniedException"]),
    draw_faults("workmail", WRITE_OPERATIONS, low_count, after_effect=["Timeout", "InternalFailure"]),
    draw_faults("workmail", ["StartMailboxExportJob"], error=["LimitExceededException"]),
    draw_faults("s3", S3_OPERATIONS, error=["SlowDown", "InternalError", "AccessDenied", "Timeout"]),
    draw_faults("s3", ["PutObjectRetention"], low_count, after_effect=["Timeout"]),
    draw_faults("lambda", FUNCTIONS, low_count, error=CRASHES),
    draw_faults("lambda", FUNCTIONS, low_count, after_effect=CRASHES),
)


class ArchiveWalk(Walk):
    """The steps of a walk, with those about exports."""

    @initialize(behaviour=behaviours, retention=st.sampled_from([RETENTION, RETENTION, timedelta(days=33)]))
    def configure_workmail(self, behaviour: Behaviour, retention: timedelta) -> None:
        self.flow.backend.behaviour, self.flow.backend.retention = behaviour, retention

    @rule(time=st.sampled_from(DURATIONS))
    def pass_time(self, time: timedelta) -> None:
        self._advance(time)

    @rule(
        result=st.sampled_from(RESULTS),
        minutes=st.sampled_from(MINUTES),
        of_disabled=st.sampled_from(Behaviour.possible_values()["export_of_disabled"]),
        ended=st.sampled_from(Behaviour.possible_values()["ended_exports"]),
        log=st.sampled_from(Behaviour.possible_values()["export_log"]),
    )
    def change_exports(self, result: Any, minutes: int, of_disabled: Any, ended: Any, log: Any) -> None:
        self.flow.backend.behaviour = replace(
            self.flow.backend.behaviour,
            export_result=result,
            export_minimum_minutes=minutes,
            export_of_disabled=of_disabled,
            ended_exports=ended,
            export_log=log,
        )

    @rule(export=modes)
    def change_export_mode(self, export: dict[str, Any]) -> None:
        self.flow.change_policy(Export=export)
        self._advance(timedelta(seconds=6))

    @rule(name=Walk.people, mb=st.sampled_from(SIZES_MB))
    def resize_mailbox(self, name: str, mb: float) -> None:
        if self._entity(name).mailbox is not None:
            self.flow.backend.set_mailbox_size(ORGANIZATION_ID, self.ids[name], mb)

    @rule(
        target=Walk.offboardings,
        name=Walk.people,
        requested=st.sampled_from(["Required", "Required", "IfPossible", "No"]),
    )
    def start_offboarding_with_export(self, name: str, requested: str) -> str:
        return self._settle_after(lambda: self._start(name, "id", {"Export": requested}))

    @rule(name=Walk.people, is_elsewhere=st.booleans())
    def export_by_hand(self, name: str, is_elsewhere: bool) -> None:
        """Export a mailbox as an administrator: into the stack's bucket by the stack's role, or to another place."""
        self._settle_after(lambda: self._try(lambda: self._export(name, is_elsewhere=is_elsewhere)))

    @rule(name=Walk.people)
    def cancel_export_by_hand(self, name: str) -> None:
        self._settle_after(lambda: self._try(lambda: self.flow.cancel_exports_by_hand(self.ids[name])))

    @rule(fault=FAULTS)
    def add_export_fault(self, fault: Any) -> None:
        self._add_fault(fault)

    @rule(target=Walk.offboardings, name=Walk.people, fault=FAULTS, second_fault=FAULTS)
    def start_offboarding_with_export_faults(self, name: str, fault: Any, second_fault: Any) -> str:
        self._add_fault(fault)
        self._add_fault(second_fault)
        return self._settle_after(lambda: self._start(name, "id", {}))

    @rule(target=Walk.offboardings, name=Walk.people)
    def stop_offboarding_and_start_again(self, name: str) -> str:
        self._settle_after(lambda: self._stop_holder(name))
        return self._settle_after(lambda: self._start(name, "id", {}))

    @rule(
        target=Walk.offboardings,
        name=Walk.people,
        act=st.sampled_from(["disable", "delete", "register", "withdraw", "stop", "require", "waive"]),
        operation=st.sampled_from([*READ_OPERATIONS, *WRITE_OPERATIONS, "ListAliases", "DescribeUser"]),
        time=st.sampled_from(DURATIONS[:6]),
    )
    def start_offboarding_and_act_during_export(self, name: str, act: str, operation: str, time: timedelta) -> str:
        """Start, wait until the mailbox is being exported, and act after the next call of an operation."""
        acts: dict[str, Callable[[], object]] = {
            "disable": lambda: self._disable(name),
            "delete": lambda: self._delete(name),
            "register": lambda: self._register(name),
            "withdraw": lambda: self._withdraw_holder(name),
            "stop": lambda: self._stop_holder(name),
            "require": lambda: self.flow.change_policy(Export={"Mode": "Required", "MayBeSkipped": False}),
            "waive": lambda: self.flow.change_policy(Export={"Mode": "No", "MayBeSkipped": True}),
        }
        arn: str = self._settle_after(lambda: self._start(name, "id", {}))
        self._act_after_call(operation, acts[act])
        self._advance(time)
        return arn

    def _export(self, name: str, *, is_elsewhere: bool) -> None:
        place = {"RoleArn": self._prepare_place(), "S3BucketName": BUCKET_BY_HAND} if is_elsewhere else {}
        self.flow.export_by_hand(self.ids[name], **place)

    def _prepare_place(self) -> str:
        """Create a bucket that is not the stack's, with a role that may write into it; return the role's ARN."""
        s3, iam = self.flow.environment.client("s3"), self.flow.environment.client("iam")
        if BUCKET_BY_HAND not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=BUCKET_BY_HAND)
            iam.create_role(RoleName=BUCKET_BY_HAND, AssumeRolePolicyDocument=TRUST)
            iam.put_role_policy(RoleName=BUCKET_BY_HAND, PolicyName="All", PolicyDocument=ANYTHING)
        return str(iam.get_role(RoleName=BUCKET_BY_HAND)["Role"]["Arn"])

    def _find_holder(self, name: str) -> str | None:
        """Return the execution that offboards an entity, if it runs."""
        lock = self.flow.read_item(f"{ORGANIZATION_ID}/{self.ids[name]}", "Lock")
        if lock is None or self.flow.environment.describe(lock["ExecutionArn"])["status"] != "RUNNING":
            return None
        return str(lock["ExecutionArn"])

    def _stop_holder(self, name: str) -> None:
        arn = self._find_holder(name)
        if arn is not None:
            self.monitor.stopped.add(arn)
            self.flow.environment.client("stepfunctions").stop_execution(executionArn=arn)

    def _withdraw_holder(self, name: str) -> None:
        arn = self._find_holder(name)
        decision = {"ExecutionArn": arn, "Decision": "Withdrawn", "DecidedBy": "boss", "Reason": "stays"}
        if arn is not None:
            machine = self.flow.environment.outputs["ApprovalStateMachineArn"]
            self.flow.environment.start(decision, state_machine_arn=machine)


def share_archives(start: Any = EARLY_START, walks: int = 60) -> SharedEnvironment:
    return SharedEnvironment(start, walks, settings=ARCHIVE_SETTINGS, policy=ARCHIVE_POLICY)


class ArchiveWalkNearServiceEnd(ArchiveWalk):
    """A walk that starts when there is little time for an export before WorkMail ends."""

    @initialize(days=st.sampled_from([0, 20, 36, 38, 39]))
    def approach_the_end(self, days: int) -> None:
        self._advance(timedelta(days=days))


def test_a_few_walks_violate_no_invariant() -> None:
    run_walks(ArchiveWalk, share_archives(), max_examples=2, stateful_step_count=6, derandomize=True)


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_many_walks_violate_no_invariant(seed: int, part: int) -> None:  # noqa: F811 (it is the fixture)
    run_walks(ArchiveWalk, share_archives(), max_examples=300, seed=seed + part)


@pytest.mark.long
def test_many_walks_near_the_end_of_the_service_violate_no_invariant(seed: int) -> None:  # noqa: F811 (a fixture)
    run_walks(ArchiveWalkNearServiceEnd, share_archives(LATE_START, 1), max_examples=60, seed=seed)
