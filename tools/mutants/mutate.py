"""mutmut, with the kinds of mutants that its first argument chooses; the others are mutmut's own.

`decisions` changes comparisons, `and`, `or`, `not`, `is` and `in`, arithmetic, numbers, `True` and `False`, conditional
expressions and loops. `everything` changes arguments, assignments and texts as well, six times as many; each text in
one way instead of three, of which two differ from the first in letter case alone.
"""

import sys
from collections.abc import Iterable
from itertools import islice

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators

_NO_DECISION = frozenset(
    {
        mutators.operator_arg_removal,
        mutators.operator_assignment,
        mutators.operator_dict_arguments,
        mutators.operator_string,
    }
)


def _one_per_string(node: cst.BaseString) -> Iterable[cst.BaseString]:
    return islice(mutators.operator_string(node), 1)


def _chosen(kind: str) -> mutators.OPERATORS_TYPE:
    if kind == "decisions":
        return [(node, mutate) for node, mutate in mutators.mutation_operators if mutate not in _NO_DECISION]
    return [
        (node, _one_per_string if mutate is mutators.operator_string else mutate)
        for node, mutate in mutators.mutation_operators
    ]


if __name__ == "__main__":
    mutators.mutation_operators[:] = _chosen(sys.argv.pop(1))  # type: ignore[index]  # it is a list in fact
    cli()
