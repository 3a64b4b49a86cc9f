"""The Lambda functions of the product, each with its own log group and a role that allows only its own work."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aws_cdk import Annotations, AssetHashType, Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.bytecode import find_interpreter
from stacks.locked_packages import DEPLOYED_ENVIRONMENT
from stacks.logs import build_log_group
from stacks.nag import NIST, acknowledge, acknowledge_inline_policies
from stacks.packaging import build_asset
from stacks.role_sizes import require_role_size
from stacks.settings import Settings

METRICS_NAMESPACE = "WorkMailOffboarding"
"""The CloudWatch namespace of what the functions count."""
FUNCTION_TIMEOUT_SECONDS = 30
"""The timeout of each function that a state or a queue calls; every caller waits longer."""


@dataclass(frozen=True)
class Access:
    """A permission of a function beside WorkMail and its own log.

    Attributes
    ----------
    name
        The name of the role's inline policy.
    statement
        The actions and the resource.
    environment
        The environment variables that identify the resource.
    acknowledged
        cdk-nag's findings about the statement that are accepted, each with the reason.
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
        The state that calls it, or its task. The handler's module has the same name in snake case.
    description
        The text in the Lambda console.
    workmail_actions
        The WorkMail operations that it calls, and so may call, on the configured organizations.
    environment
        Its environment variables beside those of every function.
    access
        Its other permissions.
    timeout_seconds
        Its timeout.
    lost_events
        Why it needs no dead-letter queue of its own.
    retired
        Only executions that started before the present release call it. It keeps its role, and its state machine may
        call it. ``docs/releasing.md`` describes how to retire a function, and when its entry can be removed.
    """

    name: str
    description: str
    workmail_actions: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    access: tuple[Access, ...] = ()
    timeout_seconds: int = FUNCTION_TIMEOUT_SECONDS
    lost_events: str = (
        "Nothing invokes it asynchronously: Step Functions calls it, or Lambda calls it with records of a queue or a "
        "stream that has a dead-letter queue."
    )
    retired: bool = False

    @property
    def handler(self) -> str:
        """The handler in the format of Lambda: that of ``ResolveEntity`` is ``resolve_entity.handler``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower() + ".handler"


class OffboardingFunction(Construct):
    """One function with its role, its log group and, for a state machine, its version.

    Attributes
    ----------
    function
        The Lambda function.
    log_group
        Its log group.
    is_retired
        Only executions that started before the present release call it.
    """

    def __init__(self, scope: Construct, spec: FunctionSpec, *, code: lambda_.Code, settings: Settings) -> None:
        super().__init__(scope, spec.name)
        self.is_retired = spec.retired
        self.log_group = build_log_group(self, "LogGroup", retention_days=settings.log_retention_days)
        self.function = lambda_.Function(
            self,
            "Function",
            description=spec.description,
            code=code,
            handler=spec.handler,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=256,
            timeout=Duration.seconds(spec.timeout_seconds),
            environment=_build_environment(spec, settings),
            log_group=self.log_group,
            role=self._build_role(spec, self.log_group.log_group_arn, settings),
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        _acknowledge_findings(self.function, spec.lost_events)

    @property
    def version(self) -> lambda_.Version:
        """The version that a state machine calls. Reading this property creates it.

        A running execution keeps the definition that it started with, which calls this version. Therefore versions are
        retained when a release publishes a new one.
        """
        return self.function.current_version

    def _build_role(self, spec: FunctionSpec, log_group_arn: str, settings: Settings) -> iam.Role:
        """Allow only the actions of this function."""
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
        require_role_size(Stack.of(self), spec.name, statements.values())
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
                region=workmail_region(settings),
                resource="organization",
                resource_name=organization_id,
            )
            for organization_id in settings.organization_ids
        ]


def package_code(scope: Construct) -> lambda_.Code:
    """Package the code of all functions as one asset, with bytecode if this machine has Lambda's Python.

    Its hash is that of the sources, so that no machine deploys other functions than another one.

    Parameters
    ----------
    scope
        The stack, whose deployment says if the asset has no bytecode.

    Returns
    -------
    lambda_.Code
        The code of each function.
    """
    asset = build_asset(interpreter=find_interpreter())
    if not asset.has_bytecode:
        Annotations.of(scope).add_info(
            f"The code has no bytecode, because there is no Python {DEPLOYED_ENVIRONMENT['python_version']} here. It "
            "works all the same; cold starts take longer."
        )
    return lambda_.Code.from_asset(str(asset.path), asset_hash=asset.source_hash, asset_hash_type=AssetHashType.CUSTOM)


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
        The result of `package_code`.

    Returns
    -------
    dict[str, OffboardingFunction]
        The functions by their names.
    """
    return {spec.name: OffboardingFunction(scope, spec, code=code, settings=settings) for spec in specs}


def _build_environment(spec: FunctionSpec, settings: Settings) -> dict[str, str]:
    variables = {
        "WORKMAIL_REGION": workmail_region(settings),
        "POWERTOOLS_SERVICE_NAME": settings.stack_name,
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **spec.environment,
    }
    for access in spec.access:
        variables |= access.environment
    return variables


def _acknowledge_findings(function: lambda_.Function, lost_events: str) -> None:
    """Accept the findings that every function has."""
    acknowledge(
        function,
        "L1",
        "The asset is locked and tested for Python 3.13, which Lambda supports until 2029, two years after Amazon "
        "WorkMail ends.",
    )
    acknowledge(
        function,
        "LambdaConcurrency",
        "Lambda refuses to reserve the last 100 of an account's concurrency; the event source mappings limit the "
        "concurrency, and the states retry throttled calls.",
        pack=NIST,
    )
    acknowledge(function, "LambdaDLQ", lost_events, pack=NIST)
    acknowledge(
        function,
        "LambdaInsideVPC",
        "It only calls endpoints of AWS, over TLS, and accepts no connections; a VPC would add costs and failures, "
        "but no protection.",
        pack=NIST,
    )


def workmail_region(settings: Settings) -> str:
    """Return the Region of the WorkMail organizations."""
    return settings.workmail_region or Aws.REGION
