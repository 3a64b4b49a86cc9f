"""Checks what CloudFormation needs for each resource type: ``tests/infrastructure/handler_permissions.json``.

The schema of a resource type lists the actions that CloudFormation performs to create, read, update and delete such a
resource. cfn-lint brings these schemas along. ``make test`` compares the recorded actions with the policy in
``docs/policies/``, and this compares them with the schemas. ``--write`` records them again.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.cdk.assembly import ROOT, TEMPLATE, assembly
from local.defaults import OFFBOARDING

RECORDED = ROOT / "tests" / "infrastructure" / "handler_permissions.json"
SETTINGS = {**OFFBOARDING, "notificationEmails": ["operator@example.com"], "export": {"mode": "Required"}}
"""Every identity provider, exports and a subscription, so that the template has every resource type."""

_SCHEMAS = "lib/python*/site-packages/cfnlint/data/schemas/resources"
_HANDLERS = ("create", "read", "update", "delete")


def list_resource_types() -> set[str]:
    """List the resource types of the template.

    Returns
    -------
    set[str]
        ``AWS::Lambda::Function`` and so on.
    """
    template = json.loads((assembly(SETTINGS) / TEMPLATE).read_text(encoding="utf-8"))
    return {resource["Type"] for resource in template["Resources"].values()}


def read_permissions(folders: Iterable[Path], resource_types: Iterable[str]) -> dict[str, list[str]]:
    """Read from the schemas what CloudFormation needs.

    Parameters
    ----------
    folders
        The folders of the schemas.
    resource_types
        The types that count.

    Returns
    -------
    dict[str, list[str]]
        By resource type, in alphabetical order: the actions, as IAM spells them.
    """
    permissions: dict[str, set[str]] = {name: set() for name in resource_types}
    for folder in folders:
        for file in folder.glob("*.json"):
            schema = json.loads(file.read_text(encoding="utf-8"))
            if schema.get("typeName") in permissions:
                handlers = schema.get("handlers", {})
                for handler in _HANDLERS:
                    permissions[schema["typeName"]] |= set(handlers.get(handler, {}).get("permissions", ()))
    return {name: sorted(actions) for name, actions in sorted(permissions.items())}


def describe_differences(recorded: Mapping[str, list[str]], current: Mapping[str, list[str]]) -> list[str]:
    """Describe how the recorded actions differ from those of the schemas.

    Parameters
    ----------
    recorded, current
        The actions by resource type.

    Returns
    -------
    list[str]
        One sentence for each resource type that differs.
    """
    return [
        f"{name}: {', '.join(sorted(set(recorded.get(name, ())) ^ set(current.get(name, ())))) or 'no action is known'}"
        for name in sorted(recorded.keys() | current.keys())
        if recorded.get(name) != current.get(name)
    ]


def main() -> int:
    """Compare the recorded actions with the schemas, or record them.

    Returns
    -------
    int
        0 if they are the same or were recorded, otherwise 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.static.check_handler_permissions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the actions of the installed schemas")
    folders = (Path(__file__).resolve().parent / ".venv").glob(_SCHEMAS)
    is_writing = parser.parse_args().write
    current = read_permissions(folders, list_resource_types())
    if is_writing:
        RECORDED.write_text(json.dumps(current, indent=1) + "\n", encoding="utf-8")
        return 0
    differences = describe_differences(json.loads(RECORDED.read_text(encoding="utf-8")), current)
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    if differences:
        sys.stderr.write("run python -m tools.static.check_handler_permissions --write, then make test\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
