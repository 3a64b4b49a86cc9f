"""A state machine: a definition from ``statemachine/`` that calls the current versions of the functions."""

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from aws_cdk import Aws, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.functions import OffboardingFunction
from stacks.logs import build_log_group
from stacks.machines import Machine
from stacks.nag import acknowledge, acknowledge_inline_policies, render_arn_in_finding

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


class DefinitionError(ValueError):
    """The definition and the functions do not match; the message is for the developer."""


class Workflow(Construct):
    """A state machine, with its role and its log group.

    Attributes
    ----------
    state_machine
        It runs one execution of the Standard type per offboarding, approval or restore.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        machine: Machine,
        functions: Mapping[str, OffboardingFunction],
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = machine.render_name(Stack.of(self))
        _require_released_functions(machine, functions.keys())
        # A retired function is published too: a deployment of the previous release publishes it again, which Lambda
        # refuses if nothing newer was published.
        versions = {name: function.version.function_arn for name, function in functions.items()}
        called = {name: arn for name, arn in versions.items() if not functions[name].is_retired}
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=self._name,
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(read_definition(machine.definition, called.keys())),
            definition_substitutions=called,
            role=self._build_role(functions.values()),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=build_log_group(
                    self, "LogGroup", retention_days=log_retention_days, name=self._render_log_group_name()
                ),
                level=sfn.LogLevel.ALL,
                # Inputs and outputs contain names and addresses of people.
                include_execution_data=False,
            ),
        )
        acknowledge(
            self,
            "IAM5[Resource::*]",
            "Log delivery and X-Ray have no resources to name: their actions are granted on * or not at all.",
        )

    def _build_role(self, functions: Iterable[OffboardingFunction]) -> iam.Role:
        """Allow every version of the functions: an execution calls the versions that were current when it started."""
        role = iam.Role(
            self,
            "Role",
            description=f"What the state machine {self._name} may do",
            # No state machine of another account may assume it.
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
        )
        acknowledge_inline_policies(role)
        for function in functions:
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"], resources=[f"{function.function.function_arn}:*"]
                )
            )
            acknowledge(
                role,
                f"IAM5[Resource::{render_arn_in_finding(function.function)}:*]",
                "The wildcard stands for the versions of this function: an execution that started before a "
                "release still calls the version that was current then.",
            )
        return role

    def _render_log_group_name(self) -> str:
        """Return a name with the prefix of Step Functions that differs for each stack, because log groups are kept."""
        stack_uuid = Fn.select(2, Fn.split("/", Stack.of(self).stack_id))
        return f"/aws/vendedlogs/states/{self._name}-{stack_uuid}"


def read_definition(definition: Path, functions: Set[str]) -> str:
    """Read a definition, and check that its placeholders are exactly the functions.

    CloudFormation would accept an unknown placeholder and an unused function.

    Parameters
    ----------
    definition
        The file.
    functions
        The names of the functions, without the ``${…}`` of the placeholders.

    Returns
    -------
    str
        The text with the placeholders.

    Raises
    ------
    DefinitionError
        The placeholders and the functions differ.
    """
    text = definition.read_text(encoding="utf-8")
    called = set(_PLACEHOLDER.findall(text))
    for name in sorted(called ^ functions):
        problem = "is not a function" if name in called else "is a function that no state calls"
        raise DefinitionError(f"{definition.name}: ${{{name}}} {problem}")
    return text


def _require_released_functions(machine: Machine, functions: Set[str]) -> None:
    """Refuse to remove a function whose versions executions of an earlier release still call."""
    for name in sorted(machine.released - functions):
        raise DefinitionError(
            f"{machine.definition.name}: {name} was released and is missing, but waiting executions still call it; "
            "restore its entry with retired=True (docs/releasing.md)"
        )
