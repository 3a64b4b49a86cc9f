"""How a Lambda function of the product is made, and what it may do: its own work, and nothing else."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.logs import log_group
from stacks.nag import NIST, acknowledge, acknowledge_inline_policies
from stacks.packaging import build_asset
from stacks.settings import Settings

TIMEOUT_SECONDS = 30
"""How long any of the functions may run; whoever waits for one waits longer."""


@dataclass(frozen=True)
class Access:
    """Something beside WorkMail and its own log that a function may use.

    Attributes
    ----------
    name
        What it is; the name of the role's inline policy too.
    statement
        What the function may do with it.
    environment
        How the function is told which one it is.
    acknowledged
        cdk-nag's findings about the statement that are right as they are, each with the reason.
    """

    name: str
    statement: iam.PolicyStatement
    environment: Mapping[str, str] = field(default_factory=dict)
    acknowledged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FunctionSpec:
    """One function of the product.

    Attributes
    ----------
    name
        The state that it serves, or what it does. The handler's module has the same name in snake case.
    description
        What the Lambda console shows.
    workmail_actions
        The WorkMail operations that it calls, and so may call, on the configured organizations.
    environment
        What it is told beyond what every function is told.
    access
        What else it uses.
    retired
        No state calls it any more; what started before that release still does. It keeps its role, and its state
        machine may call it. How a function is retired, and when its entry may go, is in ``docs/releasing.md``.
    """

    name: str
    description: str
    workmail_actions: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    access: tuple[Access, ...] = ()
    retired: bool = False

    @property
    def handler(self) -> str:
        """The handler as Lambda wants it: ``ResolveEntity`` is served by ``resolve_entity.handler``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower() + ".handler"


class OffboardingFunction(Construct):
    """One function with what belongs to it: its role, its log group and, for a state machine, its version.

    Attributes
    ----------
    function
        The function itself.
    is_retired
        Only what started before the present release calls it.
    """

    def __init__(self, scope: Construct, spec: FunctionSpec, *, code: lambda_.Code, settings: Settings) -> None:
        super().__init__(scope, spec.name)
        self.is_retired = spec.retired
        group = log_group(self, "LogGroup", retention_days=settings.log_retention_days)
        self.function = lambda_.Function(
            self,
            "Function",
            description=spec.description,
            code=code,
            handler=spec.handler,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=256,
            timeout=Duration.seconds(TIMEOUT_SECONDS),
            environment=_environment(spec, settings),
            log_group=group,
            role=self._build_role(spec, group.log_group_arn, settings),
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        _acknowledge_findings(self.function)

    @property
    def version(self) -> lambda_.Version:
        """The version that a state machine calls; there is one only if it is asked for.

        A running execution keeps the definition that it started with, and with it this version; so versions
        are kept when a release brings a new one.
        """
        return self.function.current_version

    def _build_role(self, spec: FunctionSpec, log_group_arn: str, settings: Settings) -> iam.Role:
        """Allow what this function does, and nothing else."""
        statements = {
            "Logs": iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group_arn]
            )
        }
        if spec.workmail_actions:
            statements["WorkMail"] = iam.PolicyStatement(
                actions=[f"workmail:{action}" for action in spec.workmail_actions],
                resources=self._organization_arns(settings),
            )
        statements |= {access.name: access.statement for access in spec.access}
        role = iam.Role(
            self,
            "Role",
            description=f"What {spec.name} of {Stack.of(self).stack_name} may do",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                name: iam.PolicyDocument(statements=[statement]) for name, statement in statements.items()
            },
        )
        acknowledge_inline_policies(role)
        for access in spec.access:
            for finding, reason in access.acknowledged.items():
                acknowledge(role, finding, reason)
        return role

    def _organization_arns(self, settings: Settings) -> list[str]:
        return [
            Stack.of(self).format_arn(
                service="workmail",
                region=_workmail_region(settings),
                resource="organization",
                resource_name=organization_id,
            )
            for organization_id in settings.organization_ids
        ]


def function_code() -> lambda_.Code:
    """Package the code that every function runs: one asset for all of them.

    Returns
    -------
    lambda_.Code
        To be given to each function.
    """
    return lambda_.Code.from_asset(str(build_asset()))


def build_functions(
    scope: Construct, specs: Iterable[FunctionSpec], settings: Settings, code: lambda_.Code
) -> dict[str, OffboardingFunction]:
    """Build every function of a table.

    Parameters
    ----------
    scope
        The stack.
    specs
        The table.
    settings
        The deployer's settings.
    code
        What `function_code` made.

    Returns
    -------
    dict[str, OffboardingFunction]
        The functions by their names.
    """
    return {spec.name: OffboardingFunction(scope, spec, code=code, settings=settings) for spec in specs}


def _environment(spec: FunctionSpec, settings: Settings) -> dict[str, str]:
    told = {
        "WORKMAIL_REGION": _workmail_region(settings),
        "ORGANIZATION_IDS": ",".join(settings.organization_ids),
        "POWERTOOLS_SERVICE_NAME": "workmail-offboarding",
        "POWERTOOLS_METRICS_NAMESPACE": "WorkMailOffboarding",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **spec.environment,
    }
    for access in spec.access:
        told |= access.environment
    return told


def _acknowledge_findings(function: lambda_.Function) -> None:
    """Accept what is right of every function here."""
    acknowledge(
        function,
        "L1",
        "The asset is locked for Python 3.13, which Lambda supports until 2029, two years longer than Amazon "
        "WorkMail exists; a newer runtime comes with a release that was tested on it.",
    )
    acknowledge(
        function,
        "LambdaConcurrency",
        "Lambda refuses to reserve the last 100 of an account's concurrency, and a new account may have no more; the "
        "event source mappings cap what reads a queue, and the states retry what is throttled.",
        pack=NIST,
    )
    acknowledge(
        function,
        "LambdaDLQ",
        "Nothing invokes it asynchronously: Step Functions waits for its answer, or Lambda reads its events from a "
        "queue that has a dead-letter queue.",
        pack=NIST,
    )
    acknowledge(
        function,
        "LambdaInsideVPC",
        "It calls the endpoints of AWS only, over TLS and as its role allows; a VPC would keep nothing out that could "
        "come in, and add endpoints or a NAT gateway that cost money and can fail.",
        pack=NIST,
    )


def _workmail_region(settings: Settings) -> str:
    return settings.workmail_region or Aws.REGION
