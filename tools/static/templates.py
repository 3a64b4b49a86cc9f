"""cfn-lint and checkov over the synthesized templates: what they find is explained in ``accepted.toml``, or it fails.

Two templates are looked at: that of ``cdk.json`` as it is, and that of the embedded AWS, with every identity provider.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.cdk.assembly import TEMPLATE, assembly
from local.defaults import OFFBOARDING

HERE = Path(__file__).resolve().parent
BIN = HERE / ".venv" / "bin"
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")

Templates = Mapping[Path, Mapping[str, Any]]


class ToolError(RuntimeError):
    """A tool did not do its work; the message has what it wrote."""


@dataclass(frozen=True)
class Finding:
    """What a tool has against one resource.

    Attributes
    ----------
    tool, rule
        Who says it.
    template
        The file.
    resource
        The logical id; empty for what is about the template as a whole.
    message
        The tool's sentence.
    """

    tool: str
    rule: str
    template: Path
    resource: str
    message: str


@dataclass(frozen=True)
class Accepted:
    """Findings that are right as they are.

    Attributes
    ----------
    tool, rule
        What is accepted.
    reason
        Why, in one sentence.
    resources
        The types of the resources on which it is accepted; any when empty.
    where
        What these resources must have: values by the paths of properties, ``SSESpecification.SSEEnabled`` for example.
    """

    tool: str
    rule: str
    reason: str
    resources: tuple[str, ...] = ()
    where: Mapping[str, object] = field(default_factory=dict)

    def explains(self, finding: Finding, templates: Templates) -> bool:
        """Say whether the reason holds for a finding.

        Parameters
        ----------
        finding
            The finding.
        templates
            The templates by their files.

        Returns
        -------
        bool
            False for another rule, another type of resource, or a resource that lacks what the reason builds on.
        """
        if (self.tool, self.rule) != (finding.tool, finding.rule):
            return False
        resource = templates[finding.template]["Resources"].get(finding.resource, {})
        if self.resources and resource.get("Type") not in self.resources:
            return False
        return all(_property(resource, path) == value for path, value in self.where.items())


def accepted_findings(table: Path = HERE / "accepted.toml") -> tuple[Accepted, ...]:
    """Read the table of what is accepted.

    Parameters
    ----------
    table
        The file.

    Returns
    -------
    tuple[Accepted, ...]
        Its entries.
    """
    entries = tomllib.loads(table.read_text(encoding="utf-8"))
    return tuple(Accepted(tool, rule, **entry) for tool, rules in entries.items() for rule, entry in rules.items())


def judge(findings: Iterable[Finding], accepted: Iterable[Accepted], templates: Templates) -> list[str]:
    """Compare what was found with what is accepted.

    Parameters
    ----------
    findings
        What the tools found.
    accepted
        What is right as it is.
    templates
        The templates by their files.

    Returns
    -------
    list[str]
        A sentence for each finding that nothing explains, and for each entry that explains none.
    """
    unused = {(entry.tool, entry.rule): entry for entry in accepted}
    problems = []
    for finding in findings:
        entry = next((entry for entry in accepted if entry.explains(finding, templates)), None)
        if entry is None:
            problems.append(f"{finding.tool} {finding.rule} on {finding.resource or 'the template'}: {finding.message}")
        else:
            unused.pop((entry.tool, entry.rule), None)
    problems += [f"{tool} {rule} is accepted, and is not found any more: take it out" for tool, rule in unused]
    return sorted(set(problems))


def cfn_lint(templates: Iterable[Path]) -> Iterator[Finding]:
    """Lint templates, hints included, for the Regions where WorkMail is.

    Parameters
    ----------
    templates
        The files.

    Yields
    ------
    Finding
        One finding.

    Raises
    ------
    ToolError
        cfn-lint did not run.
    """
    arguments = ["--format", "json", "--include-checks", "I", "--regions", *REGIONS]
    for match in _answer("cfn-lint", [*arguments, "--", *map(str, templates)]):
        path = match["Location"]["Path"] or [""]
        resource = str(path[1]) if path[0] == "Resources" and len(path) > 1 else ""
        yield Finding("cfn-lint", match["Rule"]["Id"], Path(match["Filename"]), resource, match["Message"])


def checkov(templates: Iterable[Path]) -> Iterator[Finding]:
    """Scan templates with every rule that checkov brings, without asking its maker's service for more.

    Parameters
    ----------
    templates
        The files.

    Yields
    ------
    Finding
        One finding.

    Raises
    ------
    ToolError
        checkov did not run, or could not read a template.
    """
    files = [*map(str, templates)]
    report = _answer("checkov", ["--framework", "cloudformation", "--skip-download", "-o", "json", "-f", *files])
    if report["summary"]["parsing_errors"] or not report["summary"]["resource_count"]:
        raise ToolError(f"checkov could not read the templates: {report['summary']}")
    for check in report["results"]["failed_checks"]:
        resource = check["resource"].rpartition(".")[2]
        yield Finding("checkov", check["check_id"], Path(check["file_abs_path"]), resource, check["check_name"])


def main() -> int:
    """Look at both templates.

    Returns
    -------
    int
        0 if everything that was found is explained, otherwise 1.
    """
    templates = {
        path: json.loads(path.read_text(encoding="utf-8"))
        for path in (assembly(settings) / TEMPLATE for settings in (None, OFFBOARDING))
    }
    findings = [*cfn_lint(templates), *checkov(templates)]
    problems = judge(findings, accepted_findings(), templates)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(templates)} templates, {len(findings)} findings, {len(problems)} problems\n")
    return 1 if problems else 0


def _answer(tool: str, arguments: list[str]) -> Any:  # noqa: ANN401 (JSON, of a shape of the tool's own)
    """Run a tool that answers in JSON; it reports findings by its exit code too, which is of no use here."""
    done = subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise ToolError(f"{tool} ended with exit code {done.returncode}: {done.stdout}{done.stderr}") from None


def _property(resource: Mapping[str, Any], path: str) -> object:
    found: Any = resource.get("Properties", {})
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


if __name__ == "__main__":
    sys.exit(main())
