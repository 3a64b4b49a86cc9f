"""Runs mutmut with the kinds of mutants in the first argument; the other arguments are those of mutmut.

`decisions` changes comparisons, `and`, `or`, `not`, `is` and `in`, arithmetic, numbers, `True` and `False`, conditional
expressions and loops. `everything` also changes arguments, assignments and texts, which makes six times as many
mutants. It changes each text in one way; two of mutmut's three ways only change the letter case.
"""

import sys
from collections.abc import Iterable
from itertools import islice

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators

_MUTATORS_OF_EVERYTHING = frozenset(
    {
        mutators.operator_arg_removal,
        mutators.operator_assignment,
        mutators.operator_dict_arguments,
        mutators.operator_string,
    }
)


def _mutate_string_once(node: cst.BaseString) -> Iterable[cst.BaseString]:
    return islice(mutators.operator_string(node), 1)


def _choose_mutators(kind: str) -> mutators.OPERATORS_TYPE:
    if kind == "decisions":
        return [(node, mutate) for node, mutate in mutators.mutation_operators if mutate not in _MUTATORS_OF_EVERYTHING]
    return [
        (node, _mutate_string_once if mutate is mutators.operator_string else mutate)
        for node, mutate in mutators.mutation_operators
    ]


if __name__ == "__main__":
    mutators.mutation_operators[:] = _choose_mutators(sys.argv.pop(1))  # type: ignore[index]  # at run time it is a list
    cli()
