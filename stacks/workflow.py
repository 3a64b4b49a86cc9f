"""A state machine: the definition from ``statemachine/``, pinned to the functions' current versions."""

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from aws_cdk import Aws, Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.functions import OffboardingFunction
from stacks.logs import log_group
from stacks.machines import Machine
from stacks.nag import acknowledge, acknowledge_inline_policies, arn_in_findings

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


class DefinitionError(ValueError):
    """The definition and the functions do not fit; the message is one sentence for the developer."""


class Workflow(Construct):
    """A state machine, with its role and its log group.

    Attributes
    ----------
    state_machine
        One Standard execution per offboarding, approval or restore.
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
        self._name = machine.name(Stack.of(self))
        _insist_on_what_was_released(machine, functions.keys())
        # A retired function is published all the same: Lambda has to have a newer version of it than that to which
        # a deployment of the former release would go back.
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
                destination=log_group(self, "LogGroup", retention_days=log_retention_days, name=self._log_group_name()),
                level=sfn.LogLevel.ALL,
                # Inputs and outputs hold people's names and addresses.
                include_execution_data=False,
            ),
        )
        acknowledge(
            self,
            "IAM5[Resource::*]",
            "Log delivery and X-Ray have no resources to name: their actions are granted on * or not at all.",
        )

    def _build_role(self, functions: Iterable[OffboardingFunction]) -> iam.Role:
        """Allow every version of the functions, because an execution calls the one that it started with."""
        role = iam.Role(
            self,
            "Role",
            description=f"What the state machine {self._name} may do",
            # Nobody else's state machine may borrow it.
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
                f"IAM5[Resource::{arn_in_findings(function.function)}:*]",
                "The wildcard stands for this one function's versions: an execution that started before a "
                "release goes on calling the version that was current then.",
            )
        return role

    def _log_group_name(self) -> str:
        """With the prefix that Step Functions wants, and new for each stack, because log groups are kept."""
        stack_uuid = Fn.select(2, Fn.split("/", Stack.of(self).stack_id))
        return f"/aws/vendedlogs/states/{self._name}-{stack_uuid}"


def _insist_on_what_was_released(machine: Machine, functions: Set[str]) -> None:
    """Refuse to lose a function, and with it all of its versions, that executions of a former release still call."""
    for name in sorted(machine.released - functions):
        raise DefinitionError(
            f"{machine.definition.name}: {name} was released and is missing, and executions that wait still call it: "
            "put its entry back, as retired (docs/releasing.md)"
        )


def read_definition(definition: Path, functions: Set[str]) -> str:
    """Read a definition, which must call every function, and nothing that is none.

    CloudFormation would take either mistake, and leave the placeholder or the function where it is.

    Parameters
    ----------
    definition
        The file.
    functions
        The names that it can use, as in ``${ResolveEntity}``.

    Returns
    -------
    str
        The text, placeholders and all.

    Raises
    ------
    DefinitionError
        The file and the functions do not fit.
    """
    text = definition.read_text(encoding="utf-8")
    called = set(_PLACEHOLDER.findall(text))
    for name in sorted(called ^ functions):
        problem = "is not a function" if name in called else "is a function that no state calls"
        raise DefinitionError(f"{definition.name}: ${{{name}}} {problem}")
    return text
