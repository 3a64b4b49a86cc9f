"""The Lambda functions: which there are, what each may do, and what each is told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.logs import log_group
from stacks.nag import acknowledge
from stacks.packaging import build_asset
from stacks.settings import Settings

TIMEOUT_SECONDS = 30
"""How long any of the functions may run; whoever waits for one waits longer."""

_DESCRIBE_ONE = ("DescribeUser", "DescribeGroup", "DescribeResource")
_LIST_ALL = ("ListUsers", "ListGroups", "ListResources")


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
    statements
        What it may do beyond WorkMail and its own log, by the name of the inline policy that says so.
    """

    name: str
    description: str
    workmail_actions: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    statements: Mapping[str, iam.PolicyStatement] = field(default_factory=dict)

    @property
    def handler(self) -> str:
        """The handler as Lambda wants it: ``ResolveEntity`` is served by ``resolve_entity.handler``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower() + ".handler"


def function_specs(settings: Settings) -> tuple[FunctionSpec, ...]:
    """Return the table of functions that the state machine calls.

    A function is added with one entry. Renaming or removing one is a release of its own, made after the last
    execution that knows it has ended: an execution calls the version that was current when it started, for up
    to the retention plus the overdue days. A version goes with its function, and it runs with its function's
    role: an action that is taken away here is taken away from every version that still waits to be called.

    Parameters
    ----------
    settings
        The deployer's settings.

    Returns
    -------
    tuple[FunctionSpec, ...]
        One entry per function.
    """
    retention_rules = {
        "RETENTION_DAYS": str(settings.retention_days),
        "VERIFICATION_SLACK_HOURS": str(settings.verification_slack_hours),
        "OVERDUE_DAYS": str(settings.overdue_days),
        "SERVICE_ENDS_ON": settings.service_ends_on.isoformat(),
    }
    return (
        FunctionSpec(
            name="ResolveEntity",
            description="Finds the one user, group or resource that the request means",
            workmail_actions=("DescribeEntity", *_DESCRIBE_ONE, *_LIST_ALL),
        ),
        FunctionSpec(
            name="CheckOrganization",
            description="Makes sure that the WorkMail organization exists and is active",
            workmail_actions=("DescribeOrganization",),
        ),
        FunctionSpec(
            name="DeregisterEntity",
            description="Disables the entity and says from when on its mailbox is gone",
            workmail_actions=("DeregisterFromWorkMail", *_DESCRIBE_ONE),
            environment=retention_rules,
        ),
        FunctionSpec(
            name="VerifyCleanup",
            description="Looks for evidence that the mailbox is gone",
            workmail_actions=(*_DESCRIBE_ONE, *_LIST_ALL, "GetMailboxDetails"),
        ),
    )


class OffboardingFunction(Construct):
    """One function with what belongs to it: its role, its log group and, for a state machine, its version.

    Attributes
    ----------
    function
        The function itself.
    """

    def __init__(self, scope: Construct, spec: FunctionSpec, *, code: lambda_.Code, settings: Settings) -> None:
        super().__init__(scope, spec.name)
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
            environment={**_common_environment(settings), **spec.environment},
            log_group=group,
            role=self._build_role(spec, group.log_group_arn, settings),
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        acknowledge(
            self.function,
            "L1",
            "The asset is locked for Python 3.13, which Lambda supports until 2029, two years longer than Amazon "
            "WorkMail exists; a newer runtime comes with a release that was tested on it.",
        )

    @property
    def version(self) -> lambda_.Version:
        """The version that a state machine calls; there is one only if it is asked for.

        A running execution keeps the definition that it started with, and with it this version; so versions
        are kept when a release brings a new one.
        """
        return self.function.current_version

    def _build_role(self, spec: FunctionSpec, log_group_arn: str, settings: Settings) -> iam.Role:
        """Allow what this function does, and nothing else."""
        logs_statement = iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group_arn]
        )
        workmail_statement = iam.PolicyStatement(
            actions=[f"workmail:{action}" for action in spec.workmail_actions],
            resources=self._organization_arns(settings),
        )
        return iam.Role(
            self,
            "Role",
            description=f"What {spec.name} of {Stack.of(self).stack_name} may do",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "Logs": iam.PolicyDocument(statements=[logs_statement]),
                "WorkMail": iam.PolicyDocument(statements=[workmail_statement]),
                **{name: iam.PolicyDocument(statements=[statement]) for name, statement in spec.statements.items()},
            },
        )

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


def build_functions(scope: Construct, settings: Settings, code: lambda_.Code) -> dict[str, OffboardingFunction]:
    """Build every function of the table.

    Parameters
    ----------
    scope
        The stack.
    settings
        The deployer's settings.
    code
        What `function_code` made.

    Returns
    -------
    dict[str, OffboardingFunction]
        The functions by their names.
    """
    return {
        spec.name: OffboardingFunction(scope, spec, code=code, settings=settings) for spec in function_specs(settings)
    }


def _common_environment(settings: Settings) -> dict[str, str]:
    return {
        "WORKMAIL_REGION": _workmail_region(settings),
        "ORGANIZATION_IDS": ",".join(settings.organization_ids),
        "POWERTOOLS_SERVICE_NAME": "workmail-offboarding",
        "POWERTOOLS_METRICS_NAMESPACE": "WorkMailOffboarding",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def _workmail_region(settings: Settings) -> str:
    return settings.workmail_region or Aws.REGION
