"""The permissions of a synthesized template, and the calls that need them, with the ARNs of the deployed stack.

The permissions of each role are compared with the calls. The embedded AWS records the calls of the functions' code
(`local.aws.iam`) and, in the histories of executions, those of the state machines. Calls that AWS itself makes with
a role cannot be recorded: `_SERVICE_ACTIONS` lists them, each with AWS's documentation, and they count only if the
template uses the feature.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import clean_json

from local.defaults import ACCOUNT, REGION
from local.environment import Environment
from local.policies import Grant, parse_grants

Template = Mapping[str, Any]
Resources = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Need:
    """A call that is made, or has to be possible.

    Attributes
    ----------
    principal
        The logical id of the function, state machine or schedule, or of the role that WorkMail assumes for exports.
    action, resource
        As IAM spells them.
    """

    principal: str
    action: str
    resource: str


@dataclass(frozen=True)
class Permission:
    """One action on one resource, allowed by the role of a principal, as `Need` has it."""

    principal: str
    grant: Grant

    def covers(self, need: Need) -> bool:
        return self.principal == need.principal and self.grant.covers(need.action, need.resource)

    def __str__(self) -> str:
        return f"{self.principal} may {self.grant.action} on {self.grant.resource}"


class DeployedTemplate:
    """A template with its references resolved in the environment in which it is deployed.

    Parameters
    ----------
    environment
        An open environment.
    template
        The deployed template, or a changed copy of it.
    """

    def __init__(self, environment: Environment, template: Template) -> None:
        assert environment.stack is not None
        stacks = cloudformation_backends[ACCOUNT][REGION].stacks.values()
        [stack] = [stack for stack in stacks if stack.name == environment.stack.name]
        self.resources: Resources = {
            name: {**resource, "Properties": clean_json(resource.get("Properties", {}), stack.resource_map)}
            for name, resource in json.loads(json.dumps(template))["Resources"].items()
        }
        self._physical_ids = environment.stack.resources
        self._resolve = lambda value: clean_json(value, stack.resource_map)

    def properties_by_type(self, resource_type: str) -> dict[str, Any]:
        """Return the properties of all resources of a type, by logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.resources.items()
            if resource["Type"] == resource_type
        }

    def read_attribute(self, name: str, attribute: str) -> Any:
        """Resolve ``Fn::GetAtt``."""
        return self._resolve({"Fn::GetAtt": [name, attribute]})

    def find_logical_id(self, physical_id: str) -> str:
        """Return the logical id of the resource with a physical id: a name or an ARN."""
        [name] = {name for name, physical in self._physical_ids.items() if physical == physical_id}
        return name

    def list_permissions(self) -> list[Permission]:
        """Return the permissions of the roles of all principals."""
        return [
            Permission(principal, grant)
            for principal, role in self._list_roles().items()
            for document in self._iterate_documents(role)
            for grant in parse_grants(json.dumps(document, sort_keys=True))
        ]

    def list_service_needs(self) -> set[Need]:
        """Return the calls that AWS makes with the roles, because of the features that the template uses."""
        return {
            Need(principal, action, resource)
            for feature, actions in _SERVICE_ACTIONS
            for principal, resource in _FEATURE_USERS[feature](self)
            for action in actions
        }

    def _list_roles(self) -> dict[str, str]:
        """Return the role of each principal; each has its own role, and every role is used."""
        role_arns = {
            **{
                principal: function["Role"]
                for principal, function in self.properties_by_type("AWS::Lambda::Function").items()
            },
            **{
                principal: machine["RoleArn"]
                for principal, machine in self.properties_by_type("AWS::StepFunctions::StateMachine").items()
            },
            **{
                principal: schedule["Target"]["RoleArn"]
                for principal, schedule in self.properties_by_type("AWS::Scheduler::Schedule").items()
            },
            **{self.find_logical_id(arn.rpartition("/")[2]): arn for arn in self.list_export_roles()},
        }
        roles = {principal: self.find_logical_id(arn.rpartition("/")[2]) for principal, arn in role_arns.items()}
        assert sorted(roles.values()) == sorted(self.properties_by_type("AWS::IAM::Role"))
        return roles

    def list_export_roles(self) -> dict[str, Any]:
        """Return by ARN each role that WorkMail assumes for exports, with the settings of the archives it writes."""
        parameters = self.properties_by_type("AWS::SSM::Parameter").values()
        values = [json.loads(properties["Value"]) for properties in parameters]
        return {value["RoleArn"]: value for value in values if isinstance(value, dict) and "RoleArn" in value}

    def _iterate_documents(self, role: str) -> Iterator[Any]:
        properties = self.properties_by_type("AWS::IAM::Role")[role]
        assert "ManagedPolicyArns" not in properties
        for policy in properties.get("Policies", []):
            yield policy["PolicyDocument"]
        for attached in self.properties_by_type("AWS::IAM::Policy").values():
            if self._physical_ids[role] in attached["Roles"]:
                yield attached["PolicyDocument"]


def list_performed(deployed: DeployedTemplate, environment: Environment) -> set[Need]:
    """Return the calls of the functions' code and of the state machines in an environment."""
    calls = {
        Need(deployed.find_logical_id(call.function), call.action, call.resource)
        for call in environment.permissions.calls
    }
    return calls | set(_iterate_invocations(deployed, environment))


def _iterate_invocations(deployed: DeployedTemplate, environment: Environment) -> Iterator[Need]:
    """Yield the invocations by executions: of the versions that the definitions name."""
    states = environment.client("stepfunctions")
    for machine, properties in deployed.properties_by_type("AWS::StepFunctions::StateMachine").items():
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{properties['StateMachineName']}"
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=arn):
            for execution in page["executions"]:
                for event in environment.history(execution["executionArn"]):
                    if event["type"] == "TaskScheduled":
                        scheduled = event["taskScheduledEventDetails"]
                        assert (scheduled["resourceType"], scheduled["resource"].partition(".")[0]) == (
                            "lambda", "invoke",
                        )  # fmt: skip
                        yield Need(
                            machine, "lambda:InvokeFunction", json.loads(scheduled["parameters"])["FunctionName"]
                        )


def find_unused(permissions: Iterable[Permission], needs: Iterable[Need]) -> list[str]:
    """Describe the permissions that no call needs."""
    calls = list(needs)
    return sorted(str(permission) for permission in permissions if not any(permission.covers(need) for need in calls))


def find_missing(permissions: Iterable[Permission], needs: Iterable[Need]) -> list[str]:
    """Describe the calls that no permission allows."""
    granted = list(permissions)
    return sorted(
        f"{need.principal} needs {need.action} on {need.resource}"
        for need in needs
        if not any(permission.covers(need) for permission in granted)
    )


# The actions that AWS itself performs with a role, by the feature of the template that makes AWS perform them.
_SERVICE_ACTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Lambda writes the output of a function to its log group, in streams that it creates.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    ("log group of a function", ("logs:CreateLogStream", "logs:PutLogEvents")),
    # An event source mapping polls the queue, deletes the processed messages, and reads the visibility timeout.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    ("event source mapping", ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")),
    # Or it polls a table's stream, and sends what it gives up to its destination.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    (
        "event source mapping of a stream",
        ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    ),
    ("destination of an event source mapping", ("sqs:SendMessage",)),
    # Scheduler invokes the target of a schedule, and sends what it cannot deliver to the dead-letter queue.
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
    ("target of a schedule", ("lambda:InvokeFunction",)),
    ("dead-letter queue of a schedule", ("sqs:SendMessage",)),
    # Lambda sends the segments of a function that is traced.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    ("traced function", ("xray:PutTraceSegments", "xray:PutTelemetryRecords")),
    # Step Functions has the vended logs of a state machine delivered, which no action allows on single resources.
    # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    (
        "logged state machine",
        (
            "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ),
    ),
    # WorkMail writes archives.
    # https://docs.aws.amazon.com/workmail/latest/adminguide/mail-export.html
    ("objects of exports", ("s3:PutObject", "s3:AbortMultipartUpload")),
    ("bucket of exports", ("s3:GetBucketPolicyStatus",)),
    ("key of exports", ("kms:Decrypt", "kms:GenerateDataKey")),
    # Step Functions sends the segments of a state machine that is traced, as often as X-Ray's rules say.
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
    (
        "traced state machine",
        (
            "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
        ),
    ),
)  # fmt: skip


def _iterate_log_groups(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, function in deployed.properties_by_type("AWS::Lambda::Function").items():
        # moto's ARN of a log group lacks the ":*" with which AWS's covers its streams.
        yield principal, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{function['LoggingConfig']['LogGroup']}"


def _iterate_mappings(deployed: DeployedTemplate) -> Iterator[tuple[str, Any]]:
    for mapping in deployed.properties_by_type("AWS::Lambda::EventSourceMapping").values():
        yield deployed.find_logical_id(mapping["FunctionName"]), mapping


def _iterate_polled_queues(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for function, mapping in _iterate_mappings(deployed):
        if mapping["EventSourceArn"].startswith("arn:aws:sqs:"):
            yield function, mapping["EventSourceArn"]


def _iterate_polled_streams(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for function, mapping in _iterate_mappings(deployed):
        if mapping["EventSourceArn"].startswith("arn:aws:dynamodb:"):
            yield function, mapping["EventSourceArn"]


def _iterate_destinations(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for function, mapping in _iterate_mappings(deployed):
        if "DestinationConfig" in mapping:
            yield function, mapping["DestinationConfig"]["OnFailure"]["Destination"]


def _iterate_schedule_targets(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, schedule in deployed.properties_by_type("AWS::Scheduler::Schedule").items():
        yield principal, schedule["Target"]["Arn"]


def _iterate_schedule_queues(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, schedule in deployed.properties_by_type("AWS::Scheduler::Schedule").items():
        if "DeadLetterConfig" in schedule["Target"]:
            yield principal, schedule["Target"]["DeadLetterConfig"]["Arn"]


def _iterate_traced_functions(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, function in deployed.properties_by_type("AWS::Lambda::Function").items():
        if function.get("TracingConfig", {}).get("Mode") == "Active":
            yield principal, "*"


def _iterate_logged_machines(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, machine in deployed.properties_by_type("AWS::StepFunctions::StateMachine").items():
        if machine.get("LoggingConfiguration", {}).get("Level", "OFF") != "OFF":
            yield principal, "*"


def _iterate_traced_machines(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for principal, machine in deployed.properties_by_type("AWS::StepFunctions::StateMachine").items():
        if machine.get("TracingConfiguration", {}).get("Enabled"):
            yield principal, "*"


def _iterate_archives(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for arn, settings in deployed.list_export_roles().items():
        role = deployed.find_logical_id(arn.rpartition("/")[2])
        yield role, f"arn:aws:s3:::{settings['Bucket']}/{settings['Prefix']}m-1/entity/job.zip"


def _iterate_archive_buckets(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for arn, settings in deployed.list_export_roles().items():
        yield deployed.find_logical_id(arn.rpartition("/")[2]), f"arn:aws:s3:::{settings['Bucket']}"


def _iterate_archive_keys(deployed: DeployedTemplate) -> Iterator[tuple[str, str]]:
    for arn, settings in deployed.list_export_roles().items():
        yield deployed.find_logical_id(arn.rpartition("/")[2]), settings["KmsKeyArn"]


_FEATURE_USERS = {
    "log group of a function": _iterate_log_groups,
    "event source mapping": _iterate_polled_queues,
    "event source mapping of a stream": _iterate_polled_streams,
    "destination of an event source mapping": _iterate_destinations,
    "target of a schedule": _iterate_schedule_targets,
    "dead-letter queue of a schedule": _iterate_schedule_queues,
    "objects of exports": _iterate_archives,
    "bucket of exports": _iterate_archive_buckets,
    "key of exports": _iterate_archive_keys,
    "traced function": _iterate_traced_functions,
    "logged state machine": _iterate_logged_machines,
    "traced state machine": _iterate_traced_machines,
}
