"""The table of records: one item per offboarding, which is kept longer than its execution and its stack."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.functions import Access
from stacks.nag import NIST, acknowledge

_STATUS_INDEX = "ByStatus"
_ORGANIZATION_INDEX = "ByOrganization"


class RecordsTable(Construct):
    """The table, which is kept when the stack is deleted: without it no deregistered entity can be restored.

    Attributes
    ----------
    table
        It also holds each entity's pointer to its running offboarding, and the counter of each day.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_string_attribute("Id"),
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
        # Only records of running offboardings have a StatusKey: the index lists the entities in the window.
        self._add_index(_STATUS_INDEX, partition="StatusKey", sort="DueAt")
        self._add_index(_ORGANIZATION_INDEX, partition="OrganizationId", sort="StartedAt")

    def allow_actions(self, *actions: str, keys: str | None = None) -> Access:
        """Let a function work on items whose keys it has.

        Parameters
        ----------
        actions
            DynamoDB's operations, ``GetItem`` for example.
        keys
            The pattern of the keys to which this is limited; all keys if there is none.

        Returns
        -------
        Access
            For the function's specification.
        """
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [keys]}} if keys else None
        return Access(
            "Records",
            iam.PolicyStatement(
                actions=[f"dynamodb:{action}" for action in actions],
                resources=[self.table.table_arn],
                conditions=conditions,
            ),
            environment={"RECORDS_TABLE": self.table.table_name},
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

    def allow_query_of_window(self) -> Access:
        """Let a function query the entities that are in their window.

        Returns
        -------
        Access
            For the function's specification. `allow_actions` provides the name of the table.
        """
        index_arn = f"{self.table.table_arn}/index/{_STATUS_INDEX}"
        return Access("Window", iam.PolicyStatement(actions=["dynamodb:Query"], resources=[index_arn]))

    def _add_index(self, name: str, *, partition: str, sort: str) -> None:
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=_string_attribute(partition),
            sort_key=_string_attribute(sort),
            projection_type=dynamodb.ProjectionType.ALL,
        )


def _string_attribute(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
