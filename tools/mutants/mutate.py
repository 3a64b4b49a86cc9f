"""mutmut, with one mutant of each string instead of three: the other two differ from it in letter case alone."""

from collections.abc import Iterable
from itertools import islice

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators


def _first(node: cst.BaseString) -> Iterable[cst.BaseString]:
    return islice(mutators.operator_string(node), 1)


if __name__ == "__main__":
    mutators.mutation_operators[:] = [  # type: ignore[index]  # it is a list, typed as a sequence
        (kind, _first if operator is mutators.operator_string else operator)
        for kind, operator in mutators.mutation_operators
    ]
    cli()
