"""The records: one item per offboarding, which outlives its execution, its stack and Step Functions' memory."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.functions import Access
from stacks.nag import NIST, acknowledge

_BY_STATUS = "ByStatus"


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


class Records(Construct):
    """The table, kept whatever happens to the stack: without it nothing that was deregistered can be restored.

    Attributes
    ----------
    table
        Beside the records it holds each entity's pointer to its live offboarding, and each day's counter.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("Id"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            # Even where the stack never came up: a table that is protected cannot be rolled back.
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(
            self.table,
            "DynamoDBInBackupPlan",
            "Point-in-time recovery goes back 35 days, and the table is protected and outlives its stack; older copies "
            "are for the account's own backup plan to make, which may keep names and addresses as long as it must.",
            pack=NIST,
        )
        # Only what is live has a StatusKey: the index answers who is in the window, and until when.
        self._add_index(_BY_STATUS, partition="StatusKey", sort="DueAt")
        self._add_index("ByOrganization", partition="OrganizationId", sort="StartedAt")

    def access(self, *actions: str) -> Access:
        """Let a function work on items, each of which it names.

        Parameters
        ----------
        actions
            DynamoDB's operations, ``GetItem`` for example.

        Returns
        -------
        Access
            For the function's specification.
        """
        return Access(
            "Records",
            iam.PolicyStatement(actions=[f"dynamodb:{action}" for action in actions], resources=[self.table.table_arn]),
            environment={"RECORDS_TABLE": self.table.table_name},
        )

    def access_to_window(self) -> Access:
        """Let a function go through the entities that are in their window.

        Returns
        -------
        Access
            For the function's specification, beside `access`, which tells it the table.
        """
        index_arn = f"{self.table.table_arn}/index/{_BY_STATUS}"
        return Access("Window", iam.PolicyStatement(actions=["dynamodb:Query"], resources=[index_arn]))

    def _add_index(self, name: str, *, partition: str, sort: str) -> None:
        self.table.add_global_secondary_index(
            index_name=name,
            partition_key=_text(partition),
            sort_key=_text(sort),
            projection_type=dynamodb.ProjectionType.ALL,
        )
