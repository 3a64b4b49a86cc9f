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

from tools.mutants.workspace import WORKSPACE, make_workspace, refresh_workspace

_MUTMUT = (sys.executable, str(Path(__file__).with_name("one_per_string.py")))
_ACCEPTED = Path(__file__).with_name("survivors.toml")
_KILLED = frozenset({"killed", "timeout"})


@dataclass(frozen=True, order=True)
class Mutant:
    """A change: in which function, and what a line was and is."""

    function: str
    was: str
    becomes: str


def main() -> int:
    """Run mutmut, print what came out, and return 1 if it is not what is accepted."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("mutants", nargs="*", help="patterns of names, like 'verify_cleanup.*'; otherwise all")
    parser.add_argument("--children", type=int, default=2, help="how many mutants are tried at once")
    parser.add_argument("--again", action="store_true", help="keep what earlier runs found of functions that stay")
    given = parser.parse_args()
    refresh_workspace() if given.again else make_workspace()
    run = [*_MUTMUT, "run", "--max-children", str(given.children), *given.mutants]
    ran = subprocess.run(run, cwd=WORKSPACE, check=False)
    if ran.returncode:
        return ran.returncode
    outcomes = _outcomes()
    _tell_figures(outcomes)
    survivors = {_mutant(name) for name, outcome in outcomes.items() if outcome not in _KILLED | {"not checked"}}
    return _compare(survivors, _accepted(), is_complete="not checked" not in outcomes.values())


def _outcomes() -> dict[str, str]:
    """Return of each mutant how it ended."""
    said = _said("results", "--all", "true")
    lines = (line.strip().rpartition(": ") for line in said.splitlines() if line.strip())
    return {name: outcome for name, _, outcome in lines}


def _mutant(name: str) -> Mutant:
    """Read what a mutant changes, which does not depend on the numbers that mutmut gives."""
    lines = _said("show", name).splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    becomes = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    return Mutant(_function(name), "\n".join(was), "\n".join(becomes))


def _function(name: str) -> str:
    """Make `offboarding.entities.Entity.to_json` of mutmut's `offboarding.entities.xǁEntityǁto_json__mutmut_3`."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def _said(*arguments: str) -> str:
    return subprocess.run([*_MUTMUT, *arguments], cwd=WORKSPACE, check=True, capture_output=True, text=True).stdout


def _accepted() -> set[Mutant]:
    listed = tomllib.loads(_ACCEPTED.read_text()).get("because", [])
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


def _compare(survivors: set[Mutant], accepted: set[Mutant], *, is_complete: bool) -> int:
    unexpected = survivors - accepted
    _tell("These survive and are not accepted", unexpected)
    gone = accepted - survivors if is_complete else set()
    _tell("These are accepted and do not survive", gone)
    return 1 if unexpected or gone else 0


def _tell(headline: str, mutants: Iterable[Mutant]) -> None:
    """Print mutants as `survivors.toml` has them."""
    for place, mutant in enumerate(sorted(mutants)):
        if place == 0:
            sys.stdout.write(f"\n{headline}:\n")
        sys.stdout.write(f'\n[[because.mutants]]\nfunction = "{mutant.function}"\n')
        sys.stdout.write(f"was = '''{mutant.was}'''\nbecomes = '''{mutant.becomes}'''\n")


if __name__ == "__main__":
    sys.exit(main())
