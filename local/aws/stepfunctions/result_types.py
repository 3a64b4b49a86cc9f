"""The types of results that a state requires, as AWS checks them.

- A Choice's ``Condition`` is a boolean; a Fail's ``Error`` and ``Cause`` and a Wait's ``Timestamp`` are texts.
- A Wait's ``Seconds`` and a Task's ``TimeoutSeconds`` are numbers.

Anything else fails the state with ``States.QueryEvaluationError``. The texts of causes are those that AWS has for
other fields: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html.
"""

from __future__ import annotations

import json
from typing import Any

from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringExpression, StringJSONata
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSecondsJSONata
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison import ConditionStringJSONata
from moto.stepfunctions.parser.asl.component.state.fail.cause_decl import Cause
from moto.stepfunctions.parser.asl.component.state.fail.error_decl import Error
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.seconds import SecondsJSONata
from moto.stepfunctions.parser.asl.eval.environment import Environment

from local.aws.stepfunctions.expressions import record_evaluation_failure
from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have results checked as on AWS for as long as the hooks are in place."""

    def evaluate_error(self: Error, env: Environment) -> None:
        env.stack.append(evaluate_typed(self.string_expression, env, "Error", "string"))

    def evaluate_cause(self: Cause, env: Environment) -> None:
        env.stack.append(evaluate_typed(self.string_expression, env, "Cause", "string"))

    def evaluate_condition(self: ConditionStringJSONata, env: Environment) -> None:
        env.stack.append(evaluate_typed(self.string_jsonata, env, "Condition", "boolean"))

    def evaluate_seconds(self: SecondsJSONata, env: Environment) -> int:
        return int(evaluate_typed(self.string_jsonata, env, "Seconds", "number"))

    def evaluate_timeout(self: TimeoutSecondsJSONata, env: Environment) -> int:
        return int(evaluate_typed(self.string_jsonata, env, "TimeoutSeconds", "number"))

    hooks.replace(Error, "_eval_body", evaluate_error)
    hooks.replace(Cause, "_eval_body", evaluate_cause)
    hooks.replace(ConditionStringJSONata, "_eval_body", evaluate_condition)
    hooks.replace(SecondsJSONata, "_get_wait_seconds", evaluate_seconds)
    hooks.replace(TimeoutSecondsJSONata, "_eval_seconds", evaluate_timeout)


def evaluate_typed(expression: StringExpression, env: Environment, field: str, expected_type: str) -> Any:
    """Evaluate a field of a state, and require the type of its result.

    Parameters
    ----------
    expression
        The field's value. Only JSONata is checked.
    env
        The execution.
    field
        The name of the field.
    expected_type
        ``"boolean"``, ``"number"`` or ``"string"``.

    Returns
    -------
    Any
        The result.

    Raises
    ------
    FailureEventException
        ``States.QueryEvaluationError``, if the result has another type.
    """
    expression.eval(env=env)
    result = env.stack.pop()
    actual_type = _name_type(result)
    if not isinstance(expression, StringJSONata) or actual_type == expected_type:
        return result
    raise record_evaluation_failure(
        env,
        f"The JSONata expression '{expression.expression.strip()}' specified for the field '{field}' returned an "
        f"unexpected result type. Expected '{expected_type}', but was '{actual_type}' for value: "
        f"{json.dumps(result, separators=(',', ':'), ensure_ascii=False)}",
        location=field,
    )


def _name_type(value: Any) -> str:
    if value is None:
        return "null"
    types = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in types if isinstance(value, kind)), "object")
