"""Who may do what by a synthesized template, and for whom that is: as the deployed stack spells it.

What a role allows is compared with what is called. Calls of the functions' code are seen on the embedded AWS
(`local.aws.iam`), and so are those of the state machines, in their executions' histories. What AWS itself does
with a role can be seen on no machine but its own: it stands in `_SERVICES_DO`, each with AWS's word for it, and counts
only where the template asks for it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import clean_json

from local.aws.iam import Grant, parse_grants
from local.defaults import ACCOUNT, REGION
from local.environment import Environment

Template = Mapping[str, Any]
Resources = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Need:
    """Something that is done, or has to be possible.

    Attributes
    ----------
    who
        The logical id of the function or state machine.
    action, resource
        As IAM spells them.
    """

    who: str
    action: str
    resource: str


@dataclass(frozen=True)
class Allowed:
    """One action on one resource that the role of a function or state machine allows."""

    who: str
    grant: Grant

    def covers(self, need: Need) -> bool:
        return self.who == need.who and self.grant.covers(need.action, need.resource)

    def __str__(self) -> str:
        return f"{self.who} may {self.grant.action} on {self.grant.resource}"


class Deployed:
    """A template, with its references as they are in an environment in which it is deployed.

    Parameters
    ----------
    environment
        An open environment.
    template
        The one that is deployed, or a changed copy of it.
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

    def of_type(self, kind: str) -> dict[str, Any]:
        """Return the properties of all resources of a type, by their logical ids."""
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def attribute(self, name: str, attribute: str) -> Any:
        """Return what the template calls ``Fn::GetAtt``."""
        return self._resolve({"Fn::GetAtt": [name, attribute]})

    def named(self, physical_id: str) -> str:
        """Return the logical id of what has a name or an ARN."""
        [name] = {name for name, physical in self._physical_ids.items() if physical == physical_id}
        return name

    def allowed(self) -> list[Allowed]:
        """Return what the roles of all functions and state machines allow."""
        return [
            Allowed(who, grant)
            for who, role in self._roles().items()
            for document in self._documents(role)
            for grant in parse_grants(json.dumps(document, sort_keys=True))
        ]

    def needs_of_services(self) -> set[Need]:
        """Return what AWS does with the roles, by what the template asks for."""
        return {
            Need(who, action, resource)
            for kind, what in _SERVICES_DO
            for who, resource in _ASKED_FOR[kind](self)
            for action in what
        }

    def _roles(self) -> dict[str, str]:
        """Return who uses which role; each has one of its own, and there is none that nobody uses."""
        users = {
            **{who: function["Role"] for who, function in self.of_type("AWS::Lambda::Function").items()},
            **{who: machine["RoleArn"] for who, machine in self.of_type("AWS::StepFunctions::StateMachine").items()},
        }
        roles = {who: self.named(arn.rpartition("/")[2]) for who, arn in users.items()}
        assert sorted(roles.values()) == sorted(self.of_type("AWS::IAM::Role"))
        return roles

    def _documents(self, role: str) -> Iterator[Any]:
        properties = self.of_type("AWS::IAM::Role")[role]
        assert "ManagedPolicyArns" not in properties
        for policy in properties.get("Policies", []):
            yield policy["PolicyDocument"]
        for attached in self.of_type("AWS::IAM::Policy").values():
            if self._physical_ids[role] in attached["Roles"]:
                yield attached["PolicyDocument"]


def made(deployed: Deployed, environment: Environment) -> set[Need]:
    """Return what the functions' code and the state machines have done in an environment."""
    calls = {Need(deployed.named(call.function), call.action, call.resource) for call in environment.permissions.calls}
    return calls | set(_invocations(deployed, environment))


def _invocations(deployed: Deployed, environment: Environment) -> Iterator[Need]:
    """Yield what the executions invoked: the versions that the definitions name."""
    states = environment.client("stepfunctions")
    for machine, properties in deployed.of_type("AWS::StepFunctions::StateMachine").items():
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


def unused(allowed: Iterable[Allowed], needs: Iterable[Need]) -> list[str]:
    """Say what is allowed and never done."""
    done = list(needs)
    return sorted(str(one) for one in allowed if not any(one.covers(need) for need in done))


def missing(allowed: Iterable[Allowed], needs: Iterable[Need]) -> list[str]:
    """Say what is done and not allowed."""
    possible = list(allowed)
    return sorted(
        f"{need.who} needs {need.action} on {need.resource}"
        for need in needs
        if not any(one.covers(need) for one in possible)
    )


# What AWS does with a role where the template asks for it.
_SERVICES_DO: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Lambda writes what a function prints into its log group, in streams that it makes.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    ("log group of a function", ("logs:CreateLogStream", "logs:PutLogEvents")),
    # An event source mapping polls the queue, deletes what was processed, and asks for the visibility timeout.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    ("event source mapping", ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")),
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
    # Step Functions sends the segments of a state machine that is traced, as often as X-Ray's rules say.
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
    (
        "traced state machine",
        (
            "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
        ),
    ),
)  # fmt: skip


def _log_groups(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for who, function in deployed.of_type("AWS::Lambda::Function").items():
        # moto's ARN of a log group lacks the ":*" with which AWS's covers its streams.
        yield who, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{function['LoggingConfig']['LogGroup']}"


def _polled_queues(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for mapping in deployed.of_type("AWS::Lambda::EventSourceMapping").values():
        yield deployed.named(mapping["FunctionName"]), mapping["EventSourceArn"]


def _traced_functions(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for who, function in deployed.of_type("AWS::Lambda::Function").items():
        if function.get("TracingConfig", {}).get("Mode") == "Active":
            yield who, "*"


def _logged_machines(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for who, machine in deployed.of_type("AWS::StepFunctions::StateMachine").items():
        if machine.get("LoggingConfiguration", {}).get("Level", "OFF") != "OFF":
            yield who, "*"


def _traced_machines(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for who, machine in deployed.of_type("AWS::StepFunctions::StateMachine").items():
        if machine.get("TracingConfiguration", {}).get("Enabled"):
            yield who, "*"


_ASKED_FOR = {
    "log group of a function": _log_groups,
    "event source mapping": _polled_queues,
    "traced function": _traced_functions,
    "logged state machine": _logged_machines,
    "traced state machine": _traced_machines,
}
