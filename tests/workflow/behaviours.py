"""Every combination of WorkMail's undocumented behaviour, without playing combinations that cannot differ.

A combination is played with a `Behaviour` that records which switches the embedded WorkMail reads. A switch that was
not read cannot have mattered, so one run stands for all combinations that differ only in such switches. For each switch
that was read, the run is repeated with each of its other answers. Everything else is the same in each run, so the runs
form a tree, and the combinations of its leaves add up to all combinations: `explore_combinations` counts them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.workmail import Behaviour
from local.workmail.behaviour import MAX_LAG_SECONDS

ANSWERS: Mapping[str, tuple[Any, ...]] = {**Behaviour.possible_values(), "describe_lag_seconds": (0, MAX_LAG_SECONDS)}
"""The answers of each switch, the default first; for the lag: none, and the longest."""

COMBINATIONS = math.prod(len(answers) for answers in ANSWERS.values())


class RecordingBehaviour(Behaviour):
    """A behaviour that records which of its switches are read, in their order."""

    def __getattribute__(self, name: str) -> Any:
        if name in ANSWERS:
            object.__getattribute__(self, "switches_read").setdefault(name)
        return object.__getattribute__(self, name)

    def __post_init__(self) -> None:
        object.__setattr__(self, "switches_read", {})
        super().__post_init__()
        object.__getattribute__(self, "switches_read").clear()


@dataclass(frozen=True)
class Leaf:
    """One run, and the number of combinations that it stands for.

    Attributes
    ----------
    behaviour
        The switches that were read, and their answers.
    outcome
        The outcome of the run.
    combinations
        The number of combinations.
    """

    behaviour: Mapping[str, Any]
    outcome: str
    combinations: int


def explore_combinations(play: Callable[[Behaviour], str]) -> Iterator[Leaf]:
    """Play until every combination is covered.

    Parameters
    ----------
    play
        Plays once with a behaviour and returns the outcome. It must do the same each time.
    """
    pending: list[dict[str, Any]] = [{}]
    while pending:
        fixed = pending.pop()
        behaviour = RecordingBehaviour(**fixed)
        outcome = play(behaviour)
        read = list(object.__getattribute__(behaviour, "switches_read"))
        answers = dict(fixed)
        for name in read:
            if name not in fixed:
                pending += [{**answers, name: answer} for answer in ANSWERS[name][1:]]
                answers[name] = ANSWERS[name][0]
        unread = [len(choices) for name, choices in ANSWERS.items() if name not in answers]
        yield Leaf(answers, outcome, math.prod(unread))
