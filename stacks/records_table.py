"""The table of records: what offboardings did and do, which is kept longer than their executions and their stack."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.functions import Access
from stacks.nag import NIST, acknowledge

_STATUS_INDEX = "ByStatus"
_STEP_INDEXES = {"ByTime": "Kind", "ByOrganization": "OrganizationId", "ByEntity": "EntityKey"}
"""The indexes that find what happened between two moments, by their partition keys."""


class RecordsTable(Construct):
    """The table, which is kept when the stack is deleted: without it no deregistered entity can be restored.

    Attributes
    ----------
    table
        Its items are described in ``lambdas/offboarding/adapters/records.py``.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int | None) -> None:
        super().__init__(scope, construct_id)
        self._retention_days = retention_days
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_string_attribute("Id"),
            sort_key=_string_attribute("Part"),
            time_to_live_attribute="ExpiresAt",
            stream=dynamodb.StreamViewType.NEW_IMAGE,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            # Also when the first deployment fails: a protected table cannot be rolled back.
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(
            self.table,
            "DynamoDBInBackupPlan",
            "Point-in-time recovery covers 35 days, and the table is kept without its stack; the account's backup "
            "plan can keep older copies.",
            pack=NIST,
        )
        # Only records of what is still to come have a StatusKey: the index lists the entities in the window.
        self._add_index(_STATUS_INDEX, partition="StatusKey", sort="DueAt")
        # Only steps have an At and one of these.
        for name, partition in _STEP_INDEXES.items():
            self._add_index(name, partition=partition, sort="At")

    def allow_actions(self, *actions: str, keys: Sequence[str] = (), name: str = "Records") -> Access:
        """Let a function work on items whose keys it has.

        Parameters
        ----------
        actions
            DynamoDB's operations, ``GetItem`` for example.
        keys
            The patterns of the keys to which this is limited; all keys if there are none.
        name
            The name of the policy.

        Returns
        -------
        Access
            For the function's specification.
        """
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*keys]}} if keys else None
        return Access(
            name,
            iam.PolicyStatement(
                actions=[f"dynamodb:{action}" for action in actions],
                resources=[self.table.table_arn],
                conditions=conditions,
            ),
            environment={
                "RECORDS_TABLE": self.table.table_name,
                "RECORD_RETENTION_DAYS": str(self._retention_days or 0),
            },
        )

    def allow_read_item(self) -> Access:
        """Let a function read an item whose key it has, without the adapter that reads and writes records.

        Returns
        -------
        Access
            For the function's specification.
        """
        return Access(
            "Item",
            iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[self.table.table_arn]),
            environment={"RECORDS_TABLE": self.table.table_name},
        )

    @property
    def stream_arn(self) -> str:
        """The ARN of the stream of changed items."""
        return cast(str, self.table.table_stream_arn)

    def allow_read_stream(self) -> Access:
        """Let Lambda read the stream as a function.

        Returns
        -------
        Access
            For the function's specification. It needs no variable: Lambda delivers the items.
        """
        actions = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"]
        return Access(
            "Stream",
            iam.PolicyStatement(actions=[f"dynamodb:{action}" for action in actions], resources=[self.stream_arn]),
        )

    def allow_query_of_entity(self) -> Access:
        """Let a function query everything about one entity or one execution.

        Returns
        -------
        Access
            For the function's specification. `allow_actions` provides the name of the table.
        """
        resources = [self.table.table_arn, f"{self.table.table_arn}/index/ByEntity"]
        return Access("Entity", iam.PolicyStatement(actions=["dynamodb:Query"], resources=resources))

    def allow_query_of_due(self) -> Access:
        """Let a function query what is still to come, and since when it is due.

        Returns
        -------
        Access
            For the function's specification. `allow_actions` provides the name of the table.
        """
        index_arn = f"{self.table.table_arn}/index/{_STATUS_INDEX}"
        return Access("Due", iam.PolicyStatement(actions=["dynamodb:Query"], resources=[index_arn]))

    def _add_index(self, name: str, *, partition: str, sort: str) -> None:
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=_string_attribute(partition),
            sort_key=_string_attribute(sort),
            projection_type=dynamodb.ProjectionType.ALL,
        )


def _string_attribute(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
