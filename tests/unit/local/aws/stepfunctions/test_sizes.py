"""How large data can be."""

from typing import Any

import pytest

from local.aws.stepfunctions import sizes
from tests.unit.local.aws.stepfunctions.definitions import ASK, DONE, pass_state, token_of, wait_state
from tests.unit.local.conftest import StepFunctions

KIB = 1024
LIMIT = 256 * KIB
DATA_LIMIT = "States.DataLimitExceeded"


def text_of(size: int, character: str = "a") -> str:
    """Return an expression for a text whose JSON has so many bytes; a definition with the text is parsed slowly."""
    characters, rest = divmod(size - 2, len(character.encode()))
    return f"{{% $pad('{'a' * rest}', {characters + rest}, '{character}') %}}"


def assign(variables: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Assign": variables, "Output": {}, **more}


@pytest.mark.parametrize("character", ["a", "中"])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, "SUCCEEDED"), (LIMIT + 1, "FAILED")])
def test_the_output_of_a_state_has_at_most_256_kib_in_utf_8(
    aws: StepFunctions, character: str, size: int, status: str
) -> None:
    run = aws.start({"Large": pass_state(text_of(size, character))})

    assert run.status == status
    if status == "FAILED":
        cause = (
            "The state/task 'Large' returned a result with a size exceeding the maximum number of bytes service limit."
        )
        assert run.error == (DATA_LIMIT, cause)
        assert run.event_types == ["ExecutionStarted", "PassStateEntered", "ExecutionFailed"]


@pytest.mark.parametrize(("items", "status"), [(LIMIT // 4 - 1, "SUCCEEDED"), (LIMIT // 4, "FAILED")])
def test_spaces_between_members_do_not_count(aws: StepFunctions, items: int, status: str) -> None:
    # Each item has four bytes: its quotation marks, a digit and a comma.
    assert aws.start({"Large": pass_state(f"{{% $split($pad('', {items}, '0'), '') %}}")}).status == status


@pytest.mark.parametrize(
    "variable_sizes", [[LIMIT], [LIMIT // 2, LIMIT // 2], [LIMIT + 1], [LIMIT // 2, LIMIT // 2 + 1]], ids=str
)
@pytest.mark.parametrize("kind", ["Pass", "Wait"])
def test_the_variables_of_an_assign_have_at_most_256_kib_together(
    aws: StepFunctions, variable_sizes: list[int], kind: str
) -> None:
    variables = {f"v{index}": text_of(size) for index, size in enumerate(variable_sizes)}
    state = assign(variables, End=True) if kind == "Pass" else wait_state(Seconds=0, Assign=variables)
    run = aws.start({"Keep": state})

    assert run.status == ("SUCCEEDED" if sum(variable_sizes) <= LIMIT else "FAILED")
    if run.status == "FAILED":
        assert run.error[0] == DATA_LIMIT
        assert "'Keep' assigns variables" in str(run.error[1])


def test_all_variables_have_a_limit_together(aws: StepFunctions, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sizes._MAX_VARIABLES_BYTES == 10 * KIB * KIB
    monkeypatch.setattr(sizes, "_MAX_VARIABLES_BYTES", 2 * LIMIT)
    states = {
        "Keep1": assign({"v1": text_of(LIMIT)}, Next="Keep2"),
        "Keep2": assign({"v2": text_of(LIMIT)}, Next="Keep3"),
    }
    run = aws.start({**states, "Keep3": assign({"small": ""}, End=True)})
    assert run.error[0] == DATA_LIMIT
    assert "The variables of state 'Keep3'" in str(run.error[1])

    assert aws.start({**states, "Keep3": assign({"v2": "", "small": ""}, End=True)}).status == "SUCCEEDED"


@pytest.mark.parametrize("error", ["States.ALL", DATA_LIMIT, "States.Timeout"])
def test_a_task_can_catch_that_its_assign_is_too_large(aws: StepFunctions, error: str) -> None:
    task = {**ASK, "Assign": {"v": text_of(LIMIT + 1)}, "Catch": [{"ErrorEquals": [error], "Next": "Done"}]}
    run = aws.start({"Ask": task, "Done": DONE})
    aws.client.send_task_success(taskToken=token_of(run), output="{}")
    aws.clock.settle()

    assert run.status == ("FAILED" if error == "States.Timeout" else "SUCCEEDED")
    assert "TaskFailed" in run.event_types


@pytest.mark.parametrize(("size", "status"), [(LIMIT // 2, "RUNNING"), (LIMIT, "FAILED")])
def test_the_arguments_of_a_task_have_at_most_256_kib(aws: StepFunctions, size: int, status: str) -> None:
    entry = ASK["Arguments"]["Entries"][0]
    task = {**ASK, "Arguments": {"Entries": [{**entry, "Detail": {**entry["Detail"], "Text": text_of(size)}}]}}
    run = aws.start({"Ask": task})

    assert run.status == status
    if status == "FAILED":
        assert run.error[0] == DATA_LIMIT
        assert run.event_types == ["ExecutionStarted", "TaskStateEntered", "TaskFailed", "ExecutionFailed"]
