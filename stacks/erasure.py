"""Erasure: a function that people invoke by hand, when a law requires that the records of a person are deleted."""

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.functions import FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.records_table import RecordsTable
from stacks.settings import Settings

_TIMEOUT_SECONDS = 300
"""One person has some ten items for each execution; a function of 30 seconds would do for hundreds."""


class Erasure(Construct):
    """The function that erases a person.

    Attributes
    ----------
    function
        Nothing calls it but people with ``lambda:InvokeFunction`` on it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, records: RecordsTable, code: lambda_.Code, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id)
        spec = FunctionSpec(
            name="ErasePerson",
            description="Deletes everything that the table of records has of one person",
            access=(
                records.allow_actions("GetItem", "PutItem", "DeleteItem"),
                records.allow_query_of_entity(),
                OFFBOARDING.allow_describe_executions(Stack.of(self)),
            ),
            timeout_seconds=_TIMEOUT_SECONDS,
            lost_events="People invoke it and wait for its answer; without one they invoke it again.",
        )
        self.function = OffboardingFunction(self, spec, code=code, settings=settings).function
