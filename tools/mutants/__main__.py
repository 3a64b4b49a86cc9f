"""Change the decision code in small ways, one at a time, and see that a test of `tests/unit` fails each time.

Every mutant that survives is to be in `survivors.toml`, with the reason; and everything there is to survive.
"""

import argparse
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.workspace import ROOT, make_workspace

_FOLDER = Path(__file__).parent
_KILLED = frozenset({"killed", "timeout"})
_UNTRIED = "not checked"


@dataclass(frozen=True, order=True)
class Mutant:
    """A change: in which function, and what a line was and is."""

    function: str
    was: str
    becomes: str


class Mutmut:
    """mutmut in a workspace of its own."""

    def __init__(self, kind: str) -> None:
        self.workspace = ROOT / ".cache" / "mutants" / kind
        self._command = (sys.executable, str(_FOLDER / "mutate.py"), kind)

    def run(self, names: list[str], children: int) -> int:
        """Try the mutants of these names, or all; return mutmut's exit code."""
        command = [*self._command, "run", "--max-children", str(children), *names]
        return subprocess.run(command, cwd=self.workspace, check=False).returncode

    def outcomes(self) -> dict[str, str]:
        """Return of each mutant how it ended."""
        lines = (line.strip().rpartition(": ") for line in self._said("results", "--all", "true").splitlines())
        return {name: outcome for name, _, outcome in lines if name}

    def mutant(self, name: str) -> Mutant:
        """Read what a mutant changes, which does not depend on the numbers that mutmut gives."""
        lines = self._said("show", name).splitlines()
        was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
        becomes = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
        return Mutant(function_of(name), "\n".join(was), "\n".join(becomes))

    def _said(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        return subprocess.run(command, cwd=self.workspace, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Run mutmut, print what came out, and return 1 if it is not what is accepted."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="patterns of mutants' names, like 'verify_cleanup.*'; otherwise all")
    parser.add_argument("--everything", action="store_true", help="change arguments, assignments and texts as well")
    parser.add_argument("--children", type=int, default=2, help="how many mutants are tried at once")
    parser.add_argument("--keep", action="store_true", help="keep what earlier runs found of functions that stay")
    given = parser.parse_args()
    mutmut = Mutmut("everything" if given.everything else "decisions")
    make_workspace(mutmut.workspace, keep=given.keep)
    failure = mutmut.run(given.names, given.children)
    if failure:
        return failure
    outcomes = mutmut.outcomes()
    _tell_figures(outcomes)
    is_complete = not given.names
    passed_over = _KILLED if is_complete else _KILLED | {_UNTRIED}
    survivors = {mutmut.mutant(name) for name, outcome in outcomes.items() if outcome not in passed_over}
    return compare(survivors, _accepted(), is_complete=is_complete)


def function_of(name: str) -> str:
    """Return `domain.entities.Entity.to_json` for mutmut's `domain.entities.xǁEntityǁto_json__mutmut_3`."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def compare(survivors: set[Mutant], accepted: set[Mutant], *, is_complete: bool) -> int:
    """Print where the mutants that survive are not those that are accepted, and return 1 if so.

    Parameters
    ----------
    survivors, accepted
        What survived, and what may.
    is_complete
        Whether every mutant was tried, so that what is accepted has to be among the survivors.
    """
    unexpected = survivors - accepted
    _tell("These survive and are not accepted", unexpected)
    gone = accepted - survivors if is_complete else set()
    _tell("These are accepted and do not survive", gone)
    return 1 if unexpected or gone else 0


def _accepted() -> set[Mutant]:
    listed = tomllib.loads((_FOLDER / "survivors.toml").read_text()).get("because", [])
    return {Mutant(one["function"], one["was"], one["becomes"]) for because in listed for one in because["mutants"]}


def _tell_figures(outcomes: dict[str, str]) -> None:
    by_module = {name: Counter[str]() for name in sorted({_module(name) for name in outcomes})}
    for name, outcome in outcomes.items():
        by_module[_module(name)][outcome] += 1
    for module, counts in {**by_module, "all": Counter(outcomes.values())}.items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        sys.stdout.write(f"{module}: {counts.total()} mutants, {told}\n")


def _module(name: str) -> str:
    return name.partition("__mutmut_")[0].rpartition(".")[0]


def _tell(headline: str, mutants: Iterable[Mutant]) -> None:
    """Print mutants as `survivors.toml` has them."""
    for place, mutant in enumerate(sorted(mutants)):
        if place == 0:
            sys.stdout.write(f"\n{headline}:\n")
        sys.stdout.write(f'\n[[because.mutants]]\nfunction = "{mutant.function}"\n')
        sys.stdout.write(f"was = '''{mutant.was}'''\nbecomes = '''{mutant.becomes}'''\n")


if __name__ == "__main__":
    sys.exit(main())
