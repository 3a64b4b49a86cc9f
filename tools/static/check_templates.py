"""Checks the synthesized templates with cfn-lint and checkov; each finding must be accepted in ``accepted.toml``.

It checks two templates: that of ``cdk.json``, and that of the embedded AWS, with every identity provider and exports.
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
EXPORTS = {"export": {"mode": "Required", "lockDays": 30}}
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")

Templates = Mapping[Path, Mapping[str, Any]]


class ToolError(RuntimeError):
    """A tool failed; the message contains its output."""


@dataclass(frozen=True)
class Finding:
    """A finding of a tool about one resource.

    Attributes
    ----------
    tool, rule
        The tool and its rule.
    template
        The file.
    resource
        The logical id; empty for a finding about the template as a whole.
    message
        The tool's sentence.
    """

    tool: str
    rule: str
    template: Path
    resource: str
    message: str


@dataclass(frozen=True)
class AcceptedFinding:
    """Findings of one rule that are accepted.

    Attributes
    ----------
    tool, rule
        The tool and its rule.
    reason
        Why they are accepted, in one sentence.
    resources
        The types of the resources on which they are accepted; any type if empty.
    where
        Required values of these resources by the paths of properties, ``SSESpecification.SSEEnabled`` for example.
    """

    tool: str
    rule: str
    reason: str
    resources: tuple[str, ...] = ()
    where: Mapping[str, object] = field(default_factory=dict)

    def is_match(self, finding: Finding, templates: Templates) -> bool:
        """Say whether the reason applies to a finding.

        Parameters
        ----------
        finding
            The finding.
        templates
            The templates by their files.

        Returns
        -------
        bool
            False for another rule, another type of resource, or a resource without the required values.
        """
        if (self.tool, self.rule) != (finding.tool, finding.rule):
            return False
        resource = templates[finding.template]["Resources"].get(finding.resource, {})
        if self.resources and resource.get("Type") not in self.resources:
            return False
        return all(_read_property(resource, path) == value for path, value in self.where.items())


def read_accepted_findings(table: Path = HERE / "accepted.toml") -> tuple[AcceptedFinding, ...]:
    """Read the table of accepted findings.

    Parameters
    ----------
    table
        The file.

    Returns
    -------
    tuple[AcceptedFinding, ...]
        Its entries.
    """
    entries = tomllib.loads(table.read_text(encoding="utf-8"))
    return tuple(
        AcceptedFinding(tool, rule, **entry) for tool, rules in entries.items() for rule, entry in rules.items()
    )


def list_problems(findings: Iterable[Finding], accepted: Iterable[AcceptedFinding], templates: Templates) -> list[str]:
    """Compare the findings with the accepted ones.

    Parameters
    ----------
    findings
        The findings of the tools.
    accepted
        The accepted findings.
    templates
        The templates by their files.

    Returns
    -------
    list[str]
        A sentence for each finding that is not accepted, and for each accepted finding that no tool reports.
    """
    unused = {(entry.tool, entry.rule): entry for entry in accepted}
    problems = []
    for finding in findings:
        entry = next((entry for entry in accepted if entry.is_match(finding, templates)), None)
        if entry is None:
            problems.append(f"{finding.tool} {finding.rule} on {finding.resource or 'the template'}: {finding.message}")
        else:
            unused.pop((entry.tool, entry.rule), None)
    problems += [f"{tool} {rule} is accepted, but no longer found: remove its entry" for tool, rule in unused]
    return sorted(set(problems))


def run_cfn_lint(templates: Iterable[Path]) -> Iterator[Finding]:
    """Lint templates for the Regions of WorkMail, hints included.

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
        cfn-lint failed.
    """
    arguments = ["--format", "json", "--include-checks", "I", "--regions", *REGIONS]
    for match in _run_json_tool("cfn-lint", [*arguments, "--", *map(str, templates)]):
        path = match["Location"]["Path"] or [""]
        resource = str(path[1]) if path[0] == "Resources" and len(path) > 1 else ""
        yield Finding("cfn-lint", match["Rule"]["Id"], Path(match["Filename"]), resource, match["Message"])


def run_checkov(templates: Iterable[Path]) -> Iterator[Finding]:
    """Scan templates with every rule that is part of checkov, without downloads from the service of its vendor.

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
        checkov failed, or could not read a template.
    """
    files = [*map(str, templates)]
    report = _run_json_tool("checkov", ["--framework", "cloudformation", "--skip-download", "-o", "json", "-f", *files])
    if report["summary"]["parsing_errors"] or not report["summary"]["resource_count"]:
        raise ToolError(f"checkov could not read the templates: {report['summary']}")
    for check in report["results"]["failed_checks"]:
        resource = check["resource"].rpartition(".")[2]
        yield Finding("checkov", check["check_id"], Path(check["file_abs_path"]), resource, check["check_name"])


def main() -> int:
    """Check both templates.

    Returns
    -------
    int
        0 if every finding is accepted, otherwise 1.
    """
    templates = {
        path: json.loads(path.read_text(encoding="utf-8"))
        for path in (assembly(settings) / TEMPLATE for settings in (None, {**OFFBOARDING, **EXPORTS}))
    }
    findings = [*run_cfn_lint(templates), *run_checkov(templates)]
    problems = list_problems(findings, read_accepted_findings(), templates)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(templates)} templates, {len(findings)} findings, {len(problems)} problems\n")
    return 1 if problems else 0


def _run_json_tool(tool: str, arguments: list[str]) -> Any:  # noqa: ANN401 (each tool has its own JSON format)
    """Run a tool and parse its JSON; the exit code is ignored, because findings set it too."""
    process = subprocess.run([BIN / tool, *arguments], capture_output=True, text=True, check=False)
    try:
        return json.loads(process.stdout)
    except json.JSONDecodeError:
        raise ToolError(f"{tool} ended with exit code {process.returncode}: {process.stdout}{process.stderr}") from None


def _read_property(resource: Mapping[str, Any], path: str) -> object:
    value: Any = resource.get("Properties", {})
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


if __name__ == "__main__":
    sys.exit(main())
