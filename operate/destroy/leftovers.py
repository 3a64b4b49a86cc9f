"""What a deleted stack leaves, and the commands that remove it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operate.account import Account, Stack

_RETAINING_POLICIES = frozenset({"Retain", "RetainExceptOnCreate"})
_TABLE, _LOG_GROUP, _VERSION = "AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::Lambda::Version"
_BUCKET, _KEY = "AWS::S3::Bucket", "AWS::KMS::Key"


@dataclass(frozen=True)
class Resource:
    """A resource that its stack leaves.

    Attributes
    ----------
    type
        Its type in CloudFormation.
    id
        Its physical id: the name of a table, for example.
    """

    type: str
    id: str


def list_retained(account: Account, stack: Stack) -> list[Resource]:
    """List the resources that a stack leaves when it is deleted, by the policies of its template.

    Versions of functions are left out: Lambda deletes them with their functions.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
    """
    if stack.is_unapproved:
        return []
    client = account.client("cloudformation")
    # A creation that failed has kept nothing else.
    policies = {"Retain"} if stack.status.startswith("ROLLBACK_") else _RETAINING_POLICIES
    template: Mapping[str, Any] = client.get_template(StackName=stack.id)["TemplateBody"]
    retained = {
        name
        for name, resource in template["Resources"].items()
        if resource.get("DeletionPolicy") in policies and resource["Type"] != _VERSION
    }
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack.id)
    return [
        Resource(summary["ResourceType"], summary["PhysicalResourceId"])
        for page in pages
        for summary in page["StackResourceSummaries"]
        if summary["LogicalResourceId"] in retained
        and summary.get("PhysicalResourceId")
        and summary["ResourceStatus"] != "DELETE_COMPLETE"
    ]


def describe_leftovers(
    account: Account, resources: Sequence[Resource], export: Path | None, *, is_table_protected: bool
) -> Iterator[str]:
    """Describe what is left, line by line, with the commands that remove each."""
    if export is not None:
        yield f"The records are in {export}. It has names and addresses: keep it where only auditors read it."
    for table in _select_ids(resources, _TABLE):
        yield f"The table of records is kept: {table}. To remove it:"
        if is_table_protected:
            yield _render(
                account, "dynamodb", "update-table", "--table-name", table, "--no-deletion-protection-enabled"
            )
        yield _render(account, "dynamodb", "delete-table", "--table-name", table)
    groups = _select_ids(resources, _LOG_GROUP)
    if groups:
        yield f"Log groups are kept, for as long as the settings say ({len(groups)}). To remove them:"
    for group in groups:
        yield _render(account, "logs", "delete-log-group", "--log-group-name", group)
    for bucket in _select_ids(resources, _BUCKET):
        yield f"The archives of mailboxes are kept, in the bucket {bucket}. To remove it, once it is empty:"
        yield _render(account, "s3api", "delete-bucket", "--bucket", bucket)
    for key in _select_ids(resources, _KEY):
        yield f"Their key is kept: {key}. Nobody can read an archive without it. To remove it, after the last archive:"
        yield _render(account, "kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "30")
    for resource in resources:
        if resource.type not in {_TABLE, _LOG_GROUP, _BUCKET, _KEY}:
            yield f"Left: {resource.type} {resource.id}"
    yield "CDK's bootstrap stack CDKToolkit keeps the packages in its bucket. Other CDK apps may need it."


def _select_ids(resources: Sequence[Resource], type_: str) -> list[str]:
    return sorted(resource.id for resource in resources if resource.type == type_)


def _render(account: Account, *words: str) -> str:
    return f"  {account.render_aws_command(*words)}"
