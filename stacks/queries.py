"""The saved queries of CloudWatch Logs Insights, in a folder that is named after the stack.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import json
from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.functions import OffboardingFunction
from stacks.record_closer import RecordCloser

SUCCESSFUL_OUTCOMES = (
    *("CleanupVerified", "Reenabled", "ReenabledAfterRetention", "EntityRemoved", "ServiceEnded", "NothingToDo"),
    *("Planned", "AlreadyInProgress", "Rejected", "Withdrawn"),
)
"""The outcomes that are no failures; ``domain/outcomes.py`` has them for the functions."""

_SWEPT_WITHIN_MILLISECONDS = 13 * 3600 * 1000
"""There is a sweep every twelve hours, and each shows all that are in the window."""
_ONE_DAY_MILLISECONDS = 24 * 3600 * 1000


def _join_commands(*commands: str) -> str:
    return "\n| ".join(commands)


FAILURES_BY_OUTCOME = _join_commands(
    f'filter message = "record closed" and outcome not in {json.dumps(SUCCESSFUL_OUTCOMES)}',
    "stats count_distinct(coalesce(correlation_id, execution)) as executions by outcome",
    "sort executions desc",
)
"""How many executions have failed, by outcome. Each end is logged by CloseRecord, or by SweepRecords."""

WINDOW = _join_commands(
    'filter message = "mailbox in the window"',
    f"filter toMillis(@timestamp) >= now() * 1000 - {_SWEPT_WITHIN_MILLISECONDS}",
    "stats latest(until) as window_ends, latest(status) as record_status by entity, organization, execution",
    "sort window_ends asc",
)
"""Each mailbox of the last sweep that is disabled and not yet removed, the next one to be removed first."""

_FAILURES_OF_THE_LAST_DAY = "# Choose a time range of at least a day.\n" + _join_commands(
    f"filter toMillis(@timestamp) >= now() * 1000 - {_ONE_DAY_MILLISECONDS}", FAILURES_BY_OUTCOME
)
_WINDOW_WITH_ADVICE = f"# Choose a time range of at least 13 hours: the mailboxes are logged twice a day.\n{WINDOW}"
_ONE_EXECUTION = "# Choose a time range from the start of the execution on.\n" + _join_commands(
    "fields @timestamp, coalesce(message, type) as step, coalesce(error, details.error) as failure, @log, @message",
    'filter @message like "{{ExecutionArn}}"',
    "sort @timestamp asc",
    "limit 10000",
)
_ERRORS_OF_WORKMAIL = _join_commands(
    'filter message = "error of WorkMail"',
    "stats count(*) as answers, latest(@timestamp) as last_answer by operation, error, is_throttled",
    "sort answers desc",
)


class SavedQueries(Construct):
    """The queries that operators need, each on the log groups that it is about."""

    def __init__(self, scope: Construct, construct_id: str, *, closer: RecordCloser) -> None:
        super().__init__(scope, construct_id)
        constructs = Stack.of(self).node.find_all()
        every_group = [construct for construct in constructs if isinstance(construct, logs.LogGroup)]
        functions = [construct.log_group for construct in constructs if isinstance(construct, OffboardingFunction)]
        _, sweep_group = closer.log_groups
        parameter = logs.CfnQueryDefinition.QueryParameterProperty(
            name="ExecutionArn", description="The ARN of the execution, as the console and the records show it"
        )
        self._save("OneExecution", "Everything about one execution", _ONE_EXECUTION, every_group, [parameter])
        self._save("Failures", "Failures of the last day by outcome", _FAILURES_OF_THE_LAST_DAY, closer.log_groups)
        self._save("Errors", "What WorkMail refused or throttled", _ERRORS_OF_WORKMAIL, functions)
        self._save("Window", "Who is in the window", _WINDOW_WITH_ADVICE, [sweep_group])

    def _save(
        self,
        construct_id: str,
        name: str,
        query: str,
        groups: Sequence[logs.ILogGroup],
        parameters: Sequence[logs.CfnQueryDefinition.QueryParameterProperty] = (),
    ) -> None:
        logs.CfnQueryDefinition(
            self,
            construct_id,
            name=f"{Stack.of(self).stack_name}/{name}",
            query_string=query,
            log_group_names=[group.log_group_name for group in groups],
            parameters=[*parameters] or None,
        )
