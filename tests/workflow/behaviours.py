"""Every combination of what WorkMail does not document, without playing those that cannot differ.

A combination is played with a `Behaviour` that notes which switches WorkMail asks for. A switch that was not asked
for cannot have mattered, so one run stands for all combinations that differ only in such switches; for a switch that
was asked for, the run is repeated with each of its other answers. Everything else is the same in each run, so the
runs form a tree, and the combinations that its leaves stand for add up to all of them: `explored` counts them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.workmail import Behaviour
from local.workmail.behaviour import MAX_LAG_SECONDS

ANSWERS: Mapping[str, tuple[Any, ...]] = {**Behaviour.possible_values(), "describe_lag_seconds": (0, MAX_LAG_SECONDS)}
"""The answers of each switch, the usual one first; of the lag none, and the longest."""

COMBINATIONS = math.prod(len(answers) for answers in ANSWERS.values())


class Noting(Behaviour):
    """A behaviour that notes which of its switches are asked for, in their order."""

    def __getattribute__(self, name: str) -> Any:
        if name in ANSWERS:
            object.__getattribute__(self, "asked_for").setdefault(name)
        return object.__getattribute__(self, name)

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked_for", {})
        super().__post_init__()
        object.__getattribute__(self, "asked_for").clear()


@dataclass(frozen=True)
class Leaf:
    """One run, and for how many combinations it stands.

    Attributes
    ----------
    behaviour
        The switches that were asked for, and their answers.
    outcome
        How it ended.
    combinations
        For how many it stands.
    """

    behaviour: Mapping[str, Any]
    outcome: str
    combinations: int


def explored(play: Callable[[Behaviour], str]) -> Iterator[Leaf]:
    """Play until every combination is covered.

    Parameters
    ----------
    play
        Plays once with a behaviour, and returns how that ended. It must do the same each time.
    """
    waiting: list[dict[str, Any]] = [{}]
    while waiting:
        fixed = waiting.pop()
        behaviour = Noting(**fixed)
        outcome = play(behaviour)
        asked_for = list(object.__getattribute__(behaviour, "asked_for"))
        on_the_way = dict(fixed)
        for name in asked_for:
            if name not in fixed:
                waiting += [{**on_the_way, name: other} for other in ANSWERS[name][1:]]
                on_the_way[name] = ANSWERS[name][0]
        missed = [len(answers) for name, answers in ANSWERS.items() if name not in on_the_way]
        yield Leaf(on_the_way, outcome, math.prod(missed))
