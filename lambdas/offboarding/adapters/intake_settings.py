"""The organizations and the identity providers of the settings, as the events of identity providers need them.

Each organization and each provider has a parameter, below one path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError

from offboarding import configuration
from offboarding.adapters.parameters import damaged_error, provider, raise_unavailable
from offboarding.domain.entities import is_organization_id
from offboarding.domain.validation import Schema, compile_schemas, find_fault

_CACHE_SECONDS = 300
"""A deployment that changes them also replaces the function's execution environments."""

_TEXTS: Schema = {"type": "array", "items": {"type": "string"}, "description": "a list of texts"}
ORGANIZATION: Schema = {
    "type": "object",
    "properties": {"MailDomains": _TEXTS, "IdentityStores": _TEXTS},
    "required": ["MailDomains", "IdentityStores"],
    "description": "a JSON object",
}
PROVIDER: Schema = {
    "type": "object",
    "properties": {
        "OrganizationId": {"type": "string", "description": "the id of an organization"},
        "EventSource": {"type": "string", "description": "a partner event source"},
        "AccountSources": _TEXTS,
        "UserUpdated": {"type": "boolean", "description": "true or false"},
        "Tenants": {
            "type": "object",
            "patternProperties": {"": {"type": "string", "description": "the id of an identity store"}},
            "description": "a JSON object",
        },
    },
    "description": "a JSON object",
}

compile_schemas(ORGANIZATION, PROVIDER)


@dataclass(frozen=True)
class ConfiguredOrganization:
    """One organization of the settings.

    Attributes
    ----------
    id
        `m-` and 32 hexadecimal digits.
    mail_domains, identity_stores
        By these an identity provider's event is about this organization.
    """

    id: str
    mail_domains: frozenset[str]
    identity_stores: frozenset[str]


@dataclass(frozen=True)
class ProviderSettings:
    """The settings of one identity provider.

    Attributes
    ----------
    organization_id
        The organization of a leaver whose login has no mail domain, if the settings name one.
    event_source, account
        The partner event source of its events, and the account to which they are sent; None if it is no partner.
    account_sources
        The sources in which the deletion of an account means that somebody left.
    reads_user_updates
        Whether the status of a user is read when Identity Center reports that the user was changed.
    tenants
        The identity store of each tenant of Identity Center's SCIM endpoint.
    """

    organization_id: str | None = None
    event_source: str | None = None
    account: str | None = None
    account_sources: frozenset[str] = frozenset()
    reads_user_updates: bool = False
    tenants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IntakeSettings:
    """What the settings have for the events of identity providers.

    Attributes
    ----------
    organizations
        The organizations, by their ids in order.
    providers
        The settings of each configured identity provider, by its key in the settings.
    """

    organizations: tuple[ConfiguredOrganization, ...]
    providers: Mapping[str, ProviderSettings]


def read_intake_settings() -> IntakeSettings:
    """Read the settings from the parameters that the stack keeps, unless they were read in the last five minutes.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html

    Raises
    ------
    SettingsUnavailable
        If they cannot be read, are damaged, or have no organization.
    AccessDenied
        If the function's role may not read them.
    """
    path = configuration.intake().settings_path
    try:
        values: Mapping[str, object] = provider.get_multiple(
            path, max_age=_CACHE_SECONDS, transform="json", recursive=True, raise_on_transform_error=True
        )
    except GetParameterError as error:
        raise_unavailable("ssm:GetParametersByPath", error)
    except TransformParameterError:
        raise damaged_error("A parameter is no JSON.") from None
    organizations: list[ConfiguredOrganization] = []
    providers: dict[str, ProviderSettings] = {}
    account = configuration.state_machine_arn().split(":")[4]
    for name in sorted(values):
        kind, _, key = name.rpartition("/")
        if kind == "organizations" and is_organization_id(key):
            organizations.append(_parse_organization(key, _require_valid(name, values[name], ORGANIZATION)))
        elif kind == "providers":
            providers[key] = _parse_provider(_require_valid(name, values[name], PROVIDER), account)
    if not organizations:
        raise damaged_error(f"There is no parameter of an organization below {path}.")
    return IntakeSettings(tuple(organizations), providers)


def _require_valid(name: str, value: object, schema: Schema) -> Any:  # noqa: ANN401 (the schema says what it is)
    fault = find_fault(value, schema, f"The parameter {name}")
    if fault is not None:
        raise damaged_error(fault)
    return value


def _parse_organization(organization_id: str, members: Mapping[str, Any]) -> ConfiguredOrganization:
    return ConfiguredOrganization(
        organization_id, frozenset(members["MailDomains"]), frozenset(members["IdentityStores"])
    )


def _parse_provider(members: Mapping[str, Any], account: str) -> ProviderSettings:
    event_source = members.get("EventSource")
    return ProviderSettings(
        event_source=event_source,
        account=account if event_source else None,
        organization_id=members.get("OrganizationId"),
        account_sources=frozenset(members.get("AccountSources", ())),
        reads_user_updates=members.get("UserUpdated", False),
        tenants=members.get("Tenants", {}),
    )
