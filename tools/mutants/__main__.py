"""Change the decision code in small ways, one at a time, and check that a test of `tests/unit` fails each time.

Every mutant that survives must be in `survivors.toml`, with the reason, and every mutant there must survive.
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
_NOT_TESTED = "not checked"


@dataclass(frozen=True, order=True)
class Mutant:
    """A change of a function: the changed line before and after."""

    function: str
    was: str
    becomes: str


class Mutmut:
    """mutmut in a separate workspace."""

    def __init__(self, kind: str) -> None:
        self.workspace = ROOT / ".cache" / "mutants" / kind
        self._command = (sys.executable, str(_FOLDER / "mutate.py"), kind)

    def run(self, names: list[str], children: int) -> int:
        """Test the mutants with these names, or all if there are none; return mutmut's exit code."""
        command = [*self._command, "run", "--max-children", str(children), *names]
        return subprocess.run(command, cwd=self.workspace, check=False).returncode

    def read_outcomes(self) -> dict[str, str]:
        """Return the outcome of each mutant by its name."""
        lines = (line.strip().rpartition(": ") for line in self._read_output("results", "--all", "true").splitlines())
        return {name: outcome for name, _, outcome in lines if name}

    def read_mutant(self, name: str) -> Mutant:
        """Read the change of a mutant, which is the same if mutmut numbers its mutants differently."""
        lines = self._read_output("show", name).splitlines()
        was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
        becomes = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
        return Mutant(parse_function(name), "\n".join(was), "\n".join(becomes))

    def _read_output(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        return subprocess.run(command, cwd=self.workspace, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Run mutmut, print the outcomes, and return 1 if the survivors are not the accepted ones."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="patterns of mutants' names, like 'verify_cleanup.*'; all if omitted")
    parser.add_argument("--everything", action="store_true", help="change arguments, assignments and texts as well")
    parser.add_argument("--children", type=int, default=2, help="how many mutants are tested at once")
    parser.add_argument("--keep", action="store_true", help="keep the outcomes of earlier runs for unchanged functions")
    options = parser.parse_args()
    mutmut = Mutmut("everything" if options.everything else "decisions")
    make_workspace(mutmut.workspace, keep=options.keep)
    exit_code = mutmut.run(options.names, options.children)
    if exit_code:
        return exit_code
    outcomes = mutmut.read_outcomes()
    _print_counts(outcomes)
    is_complete = not options.names
    ignored = _KILLED if is_complete else _KILLED | {_NOT_TESTED}
    survivors = {mutmut.read_mutant(name) for name, outcome in outcomes.items() if outcome not in ignored}
    return compare(survivors, _read_accepted(), is_complete=is_complete)


def parse_function(name: str) -> str:
    """Parse mutmut's `offboarding.entities.xǁEntityǁto_json__mutmut_3` to `offboarding.entities.Entity.to_json`."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def compare(survivors: set[Mutant], accepted: set[Mutant], *, is_complete: bool) -> int:
    """Print the differences between the surviving and the accepted mutants, and return 1 if there are any.

    Parameters
    ----------
    survivors, accepted
        The surviving and the accepted mutants.
    is_complete
        Whether every mutant was tested. Then every accepted mutant must be among the survivors.
    """
    unexpected = survivors - accepted
    _print_mutants("These mutants survive and are not accepted", unexpected)
    obsolete = accepted - survivors if is_complete else set()
    _print_mutants("These mutants are accepted and do not survive", obsolete)
    return 1 if unexpected or obsolete else 0


def _read_accepted() -> set[Mutant]:
    entries = tomllib.loads((_FOLDER / "survivors.toml").read_text()).get("because", [])
    return {Mutant(**mutant) for entry in entries for mutant in entry["mutants"]}


def _print_counts(outcomes: dict[str, str]) -> None:
    counts_by_module = {name: Counter[str]() for name in sorted({_parse_module(name) for name in outcomes})}
    for name, outcome in outcomes.items():
        counts_by_module[_parse_module(name)][outcome] += 1
    for module, counts in {**counts_by_module, "all": Counter(outcomes.values())}.items():
        summary = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        sys.stdout.write(f"{module}: {counts.total()} mutants, {summary}\n")


def _parse_module(name: str) -> str:
    return name.partition("__mutmut_")[0].rpartition(".")[0]


def _print_mutants(headline: str, mutants: Iterable[Mutant]) -> None:
    """Print mutants in the format of `survivors.toml`."""
    for index, mutant in enumerate(sorted(mutants)):
        if index == 0:
            sys.stdout.write(f"\n{headline}:\n")
        sys.stdout.write(f'\n[[because.mutants]]\nfunction = "{mutant.function}"\n')
        sys.stdout.write(f"was = '''{mutant.was}'''\nbecomes = '''{mutant.becomes}'''\n")


if __name__ == "__main__":
    sys.exit(main())
