"""The WorkMail organization that a command is about: never guessed.

It is the one that `--organization` names, the only one of the stack, or the one with the mail domain of an address. The
stack's parameters have them.
"""

import json
import re
from collections.abc import Iterator, Mapping

import click

from operate.account import Account
from operate.errors import Refusal

_ORGANIZATION_ID = re.compile(r"m-[0-9a-f]{32}")

organization_option = click.option(
    "--organization", metavar="ID", help="The WorkMail organization (m-…), if the stack has several."
)


def select_organization(account: Account, text: str, organization_id: str | None) -> str:
    """Return the id of the organization of an address, a name or an id.

    Parameters
    ----------
    account
        The account with the stack.
    text
        What a person typed.
    organization_id
        The value of `--organization`, if it was given.

    Raises
    ------
    Refusal
        If that is no id, or it is not clear which organization is meant.
    """
    if organization_id is not None:
        if not _ORGANIZATION_ID.fullmatch(organization_id):
            raise Refusal(f"--organization takes an id, m- and 32 hexadecimal digits, and not {organization_id}.")
        return organization_id
    ids = list_organizations(account)
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise Refusal(f"The stack {account.stack_name} has no organization: name it with --organization.")
    domain = text.rpartition("@")[2].lower() if "@" in text else ""
    matches = [id_ for id_, domains in _read_mail_domains(account).items() if domain in domains]
    if len(matches) == 1:
        return matches[0]
    problem = f"none of them alone has the mail domain {domain}" if domain else f"{text} has no mail domain"
    raise Refusal(
        f"The stack has {len(ids)} organizations, and {problem}. Give --organization with one of: {', '.join(ids)}."
    )


def list_organizations(account: Account) -> list[str]:
    """List the ids of the stack's organizations."""
    return sorted(key for key, _ in _iterate_parameters(account, "organizations"))


def _read_mail_domains(account: Account) -> Mapping[str, frozenset[str]]:
    """Return the mail domains of each organization; none if the stack has no identity providers."""
    domains = {}
    for key, value in _iterate_parameters(account, "intake/organizations"):
        try:
            members = json.loads(value)
            domains[key] = frozenset(domain.lower() for domain in members["MailDomains"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Refusal(f"The parameter of {key} is damaged: give --organization.") from None
    return domains


def _iterate_parameters(account: Account, name: str) -> Iterator[tuple[str, str]]:
    """Go through the organizations that have a parameter below a path of the stack.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
    """
    path = f"/{account.stack.name}/{name}"
    pages = account.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=path)
    for page in pages:
        for parameter in page["Parameters"]:
            key = str(parameter["Name"]).rpartition("/")[2]
            if _ORGANIZATION_ID.fullmatch(key):
                yield key, str(parameter["Value"])
