"""The settings of `make serve SETTINGS=cdk.json`, and the WorkMail organizations that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.core.exceptions import ServiceException

from local.aws.eventbridge import create_buses
from local.defaults import ACCOUNT, OFFBOARDING, REGION
from local.environment import Environment
from local.workmail import workmail_backends
from stacks.settings import CONTEXT_KEY, OrganizationSettings, Settings, read_context
from stacks.settings_fields import SettingsError

_TEST_DOMAIN_SUFFIX = ".awsapps.com"


@dataclass(frozen=True)
class ServedSettings:
    """The settings that the server deploys.

    Attributes
    ----------
    context
        The ``offboarding`` object, as the file has it.
    parsed
        The same, checked.
    """

    context: Any
    parsed: Settings


def load_settings(path: Path | None) -> ServedSettings:
    """Load the settings of a ``cdk.json``.

    Parameters
    ----------
    path
        The file, whose ``context`` has ``offboarding``; None for the settings of the embedded AWS.

    Raises
    ------
    SettingsError
        With a sentence, if the file cannot be read, or a setting is wrong.
    """
    context = OFFBOARDING if path is None else read_context(path).get(CONTEXT_KEY)
    return ServedSettings(context, Settings.from_context(context, REGION))


def create_organizations(environment: Environment, settings: Settings) -> None:
    """Create the organizations of the settings in the embedded WorkMail, active and with their mail domains.

    Parameters
    ----------
    environment
        An open environment without organizations. Its WorkMail becomes that of the organizations' Region.
    settings
        The settings. An organization's alias is that of its first domain below ``awsapps.com``, if it has one.
    """
    environment.workmail = workmail_backends[ACCOUNT][settings.workmail_region or REGION]
    for organization in settings.organizations:
        alias = _find_alias(organization)
        domains = [domain for domain in organization.mail_domains if domain != f"{alias}{_TEST_DOMAIN_SUFFIX}"]
        try:
            environment.workmail.create_organization_with_id(organization.id, alias, mail_domains=domains)
        except ServiceException as error:
            raise SettingsError(f"WorkMail cannot have {organization.id}: {str(error.message).rstrip('.')}") from None


def create_event_buses(settings: Settings) -> None:
    """Create the event buses of the settings' identity providers in the embedded AWS, unless they exist."""
    providers = settings.identity_providers
    sources = (providers.okta, providers.auth0, providers.sailpoint)
    names = [provider.event_source for provider in sources if provider]
    requests = providers.offboarding_requested
    create_buses([*names, *([requests.event_bus] if requests else [])], region=REGION, account=ACCOUNT)


def _find_alias(organization: OrganizationSettings) -> str:
    """Return the alias that the settings show; the id, which is as unique, if they show none."""
    aliases = (
        domain.removesuffix(_TEST_DOMAIN_SUFFIX)
        for domain in organization.mail_domains
        if domain.endswith(_TEST_DOMAIN_SUFFIX)
    )
    return next((alias for alias in aliases if "." not in alias), organization.id)
