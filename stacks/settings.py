"""The deployer's settings: the ``offboarding`` object in ``cdk.json``, checked once and frozen.

A wrong value stops the synth with one sentence that names the key and says what is right. An unknown key is a
wrong value too: a mistyped ``retentonDays`` must never mean "the default, silently".
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TypeVar

CONTEXT_KEY = "offboarding"

WORKMAIL_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
"""Amazon WorkMail exists in these Regions only."""

EXAMPLE_ORGANIZATION_ID = "m-" + "0" * 32
"""What ``cdk.json`` holds before anybody has edited it."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The only values that CloudWatch Logs takes; see
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html."""

_ORGANIZATION_ID = re.compile(r"m-[0-9a-f]{32}")
_IDENTITY_STORE = re.compile(r"d-[0-9a-f]{10}|[0-9a-f-]{36}")
_MAIL_DOMAIN = re.compile(
    r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_ENTITY_PATTERN = re.compile(r"[a-zA-Z0-9._%+@*?-]{1,256}")
"""What the input takes as an entity, and ``*`` for any run of characters, and ``?`` for one."""
_EMAIL_LOCAL_PART = re.compile(r"[A-Za-z0-9._%+-]{1,64}")
_ACCOUNT_SOURCE = re.compile(r"[0-9A-Za-z-]{1,64}")
_EVENT_BUS = re.compile(r"[A-Za-z0-9._-]{1,256}")
_EVENT_SOURCE_REST = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

_ANYBODY = "\0" * 64
"""A local part of the greatest length that no pattern spells out: what matches it does so by wildcards alone."""
_POLICY_BYTES = 8192
"""What Systems Manager takes; see
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html."""

_T = TypeVar("_T")


class SettingsError(ValueError):
    """A setting is missing, unknown or wrong; the message is one sentence for the person who deploys."""


@dataclass(frozen=True)
class Organization:
    """One Amazon WorkMail organization whose entities may be offboarded.

    Attributes
    ----------
    id
        ``m-`` and 32 hexadecimal digits, as the WorkMail console shows it.
    mail_domains
        The domains whose addresses belong to it, in lower case: events carry an address, and no organization.
    identity_stores
        The Identity Stores of IAM Identity Center whose users belong to it.
    protected
        Who is never offboarded: ids, names, addresses, or patterns of them, in lower case.
    approval_required
        Who is offboarded only after a person has approved it, in the same form.
    """

    id: str
    mail_domains: tuple[str, ...] = ()
    identity_stores: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    approval_required: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartnerProvider:
    """An identity provider whose events come from a partner event source.

    Attributes
    ----------
    event_source
        The source, ``aws.partner/okta.com/…`` for example; its event bus has the same name.
    organization_id
        Where logins without a mail domain belong, if anywhere.
    """

    event_source: str
    organization_id: str | None


@dataclass(frozen=True)
class SailPointProvider(PartnerProvider):
    """SailPoint, which tells of every deleted account, and only some of them mean that somebody left.

    Attributes
    ----------
    account_sources
        The ids of the SailPoint sources in which a deleted account means that.
    """

    account_sources: tuple[str, ...]


@dataclass(frozen=True)
class OffboardingRequests:
    """Whatever is no partner of EventBridge and asks for an offboarding with an event of its own.

    Attributes
    ----------
    event_bus
        The name of the bus that it puts the event on.
    """

    event_bus: str = "default"


@dataclass(frozen=True)
class IdentityProviders:
    """Who may start offboardings by events; nobody, unless the deployer says so.

    Attributes
    ----------
    identity_center
        Whether IAM Identity Center's own events count.
    identity_center_cloudtrail
        Whether its API calls in CloudTrail do; these tell of disabled users too.
    okta, auth0, sailpoint, offboarding_requested
        The others, each with what has to be known about it.
    """

    identity_center: bool = False
    identity_center_cloudtrail: bool = False
    okta: PartnerProvider | None = None
    auth0: PartnerProvider | None = None
    sailpoint: SailPointProvider | None = None
    offboarding_requested: OffboardingRequests | None = None

    @property
    def any_configured(self) -> bool:
        """Whether there is one at all."""
        return self != IdentityProviders()


@dataclass(frozen=True)
class Settings:
    """Everything that a deployment can choose.

    Attributes
    ----------
    organizations
        The organizations that the functions may act on; their permissions name these and no others. One is
        taken out after the last execution for it has ended, since that execution loses its permissions too.
    retention_days
        How long WorkMail keeps the mailbox of a deregistered entity.
    verification_slack_hours
        How long after the retention's end the first look for evidence is taken.
    overdue_days
        For how many days a clean-up that is not visible yet is looked for again, before it counts as overdue.
    log_retention_days
        How long CloudWatch keeps the logs.
    service_ends_on
        The day on which Amazon WorkMail itself ends.
    workmail_region
        The Region of the organizations, or nothing when it is the Region that the stack is deployed to.
    identity_providers
        Whose events start offboardings.
    starter_max_concurrency
        How many at once read the queue of those events.
    daily_cap
        How many deregistrations identity providers may start in an organization on a day, in UTC, before each
        further one waits for an approval.
    dry_run_identity_providers
        Whether what identity providers start is only planned.
    approval_emails
        Who is told by e-mail that an approval is waited for.
    """

    organizations: tuple[Organization, ...]
    retention_days: int = 30
    verification_slack_hours: int = 6
    overdue_days: int = 7
    log_retention_days: int = 365
    service_ends_on: date = date(2027, 3, 31)
    workmail_region: str | None = None
    identity_providers: IdentityProviders = IdentityProviders()
    starter_max_concurrency: int = 2
    daily_cap: int = 20
    dry_run_identity_providers: bool = False
    approval_emails: tuple[str, ...] = ()

    @classmethod
    def from_context(cls, context: object, deployment_region: str | None = None) -> "Settings":
        """Check the ``offboarding`` object of the CDK context.

        Parameters
        ----------
        context
            The object as JSON gave it; ``None`` when the context has none.
        deployment_region
            The Region that the CDK CLI is going to deploy to, when it is known.

        Returns
        -------
        Settings
            The same, complete with defaults and with types.

        Raises
        ------
        SettingsError
            The first thing that is wrong.

        Examples
        --------
        >>> Settings.from_context({"organizations": [{"id": "m-" + "1" * 32}]}).retention_days
        30
        """
        if context is None:
            raise SettingsError(f"{CONTEXT_KEY} is missing: it must be an object with at least its organizations")
        fields = _Fields(CONTEXT_KEY, context)
        organizations = fields.take("organizations", _organizations)
        settings = cls(
            organizations=organizations,
            retention_days=fields.take("retentionDays", _whole(30, 35), cls.retention_days),
            verification_slack_hours=fields.take("verificationSlackHours", _whole(0, 48), cls.verification_slack_hours),
            overdue_days=fields.take("overdueDays", _whole(0, 7), cls.overdue_days),
            log_retention_days=fields.take("logRetentionDays", _one_of(LOG_RETENTION_DAYS), cls.log_retention_days),
            service_ends_on=fields.take("serviceEndsOn", _iso_date, cls.service_ends_on),
            workmail_region=fields.take("workmailRegion", _one_of(WORKMAIL_REGIONS), cls.workmail_region),
            identity_providers=fields.take(
                "identityProviders", _identity_providers(organizations), cls.identity_providers
            ),
            starter_max_concurrency=fields.take("starterMaxConcurrency", _whole(2, 10), cls.starter_max_concurrency),
            daily_cap=fields.take("dailyCap", _whole(0, 500), cls.daily_cap),
            dry_run_identity_providers=fields.take(
                "dryRunIdentityProviders", _true_or_false, cls.dry_run_identity_providers
            ),
            approval_emails=fields.take("approvalEmails", _emails, cls.approval_emails),
        )
        fields.refuse_unknown()
        settings._check_region(deployment_region)
        settings._check_policy()
        return settings

    @property
    def organization_ids(self) -> tuple[str, ...]:
        """The configured organizations' ids, in the order of the settings."""
        return tuple(organization.id for organization in self.organizations)

    @property
    def identity_stores(self) -> tuple[str, ...]:
        """The Identity Stores of all organizations."""
        return tuple(store for organization in self.organizations for store in organization.identity_stores)

    @property
    def policy(self) -> str:
        """What functions read of the settings when they need it, as JSON: a change counts for what waits, too."""
        return compact_json(
            {
                "DailyCap": self.daily_cap,
                "Organizations": {
                    organization.id: {
                        "Protected": organization.protected,
                        "ApprovalRequired": organization.approval_required,
                    }
                    for organization in self.organizations
                },
            }
        )

    def _check_policy(self) -> None:
        size = len(self.policy.encode())
        if size > _POLICY_BYTES:
            raise SettingsError(
                f"{CONTEXT_KEY}.organizations must have fewer or shorter entries in protected and approvalRequired: "
                f"they make a parameter of {size} bytes, and Systems Manager takes {_POLICY_BYTES}"
            )

    def _check_region(self, deployment_region: str | None) -> None:
        if not deployment_region:
            return
        if self.workmail_region is None and deployment_region not in WORKMAIL_REGIONS:
            raise SettingsError(
                f"{CONTEXT_KEY}.workmailRegion must be given ({_listed(WORKMAIL_REGIONS)}) when the stack is "
                f"deployed to {deployment_region}, because Amazon WorkMail does not exist there"
            )
        if self.workmail_region in (None, deployment_region):
            return
        for key in _identity_center_keys(self.identity_providers):
            raise SettingsError(
                f"{CONTEXT_KEY}.identityProviders.{key} must be left out when the stack is deployed to "
                f"{deployment_region}, because IAM Identity Center's events stay where the organizations are, in "
                f"{self.workmail_region}"
            )


def compact_json(value: object) -> str:
    """Write JSON without spaces, for where there is little room.

    Parameters
    ----------
    value
        What JSON can hold.

    Returns
    -------
    str
        The text.
    """
    return json.dumps(value, separators=(",", ":"))


class _Fields:
    """The members of one JSON object, taken one by one, so that what is left over is unknown."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise SettingsError(_wrong(path, "an object", value))
        self._path = path
        self._values: Mapping[str, object] = value
        self._known: list[str] = []

    def take(self, key: str, parse: Callable[[str, object], _T], *default: _T) -> _T:
        """Return the parsed member; the default, if there is one and the member is absent."""
        self._known.append(key)
        path = f"{self._path}.{key}"
        if key in self._values:
            return parse(path, self._values[key])
        if not default:
            raise SettingsError(f"{path} is missing")
        return default[0]

    def refuse_unknown(self) -> None:
        """Stop at a member that nobody has taken."""
        for key in self._values:
            if key not in self._known:
                known = {name.lower(): name for name in self._known}
                near = difflib.get_close_matches(key.lower(), known, n=1)
                settings = f"the settings are {_listed(self._known)}" if known else "it has no settings of its own"
                hint = f"did you mean {known[near[0]]}?" if near else settings
                raise SettingsError(f"{self._path}.{key} is not a setting; {hint}")


def _organizations(path: str, value: object) -> tuple[Organization, ...]:
    if not isinstance(value, list) or not value:
        raise SettingsError(_wrong(path, 'a list of at least one object like {"id": "m-…"}', value))
    organizations = tuple(_organization(f"{path}[{index}]", item) for index, item in enumerate(value))
    ids = [organization.id for organization in organizations]
    for index, identifier in enumerate(ids):
        if identifier in ids[:index]:
            raise SettingsError(
                f"{path}[{index}].id must be different from the others, but {path}[{ids.index(identifier)}].id "
                f"is {identifier} too"
            )
    _refuse_shared(path, "mailDomains", {one.id: one.mail_domains for one in organizations})
    _refuse_shared(path, "identityStores", {one.id: one.identity_stores for one in organizations})
    return organizations


def _refuse_shared(path: str, key: str, by_organization: Mapping[str, Sequence[str]]) -> None:
    """Stop at what two organizations have: it would not say which of the two a leaver belongs to."""
    owners: dict[str, str] = {}
    for index, (organization_id, values) in enumerate(by_organization.items()):
        for value in values:
            owner = owners.setdefault(value, organization_id)
            if owner != organization_id:
                raise SettingsError(
                    f"{path}[{index}].{key} must not have {value}, which can belong to one organization only: both "
                    f"{owner} and {organization_id} have it"
                )


def _organization(path: str, value: object) -> Organization:
    if not isinstance(value, Mapping):
        raise SettingsError(_wrong(path, 'an object like {"id": "m-…"}', value))
    fields = _Fields(path, value)
    organization = Organization(
        id=fields.take("id", _organization_id),
        mail_domains=fields.take("mailDomains", _mail_domains, ()),
        identity_stores=fields.take("identityStores", _identity_stores, ()),
        protected=fields.take("protected", _entity_patterns, ()),
        approval_required=fields.take("approvalRequired", _entity_patterns, ()),
    )
    fields.refuse_unknown()
    _refuse_everybody(f"{path}.protected", organization)
    return organization


def _refuse_everybody(path: str, organization: Organization) -> None:
    """Stop at a pattern that protects everybody: a mistake, or an organization that should not be listed."""
    domains = organization.mail_domains
    for index, pattern in enumerate(organization.protected):
        if not any(character.isalnum() for character in pattern):
            whom = "everything"
        elif domains and all(fnmatchcase(f"{_ANYBODY}@{domain}", pattern) for domain in domains):
            whom = "every address of the organization"
        elif not domains and not pattern.partition("@")[0].strip("*?"):
            whom = "every address of a domain, and without mailDomains nothing says whether there are others"
        else:
            continue
        raise SettingsError(f"{path}[{index}] must leave somebody who can be offboarded, but {pattern} matches {whom}")


def _organization_id(path: str, value: object) -> str:
    if not isinstance(value, str) or not _ORGANIZATION_ID.fullmatch(value):
        raise SettingsError(_wrong(path, "m- followed by 32 hexadecimal digits in lower case", value))
    return value


def _mail_domains(path: str, value: object) -> tuple[str, ...]:
    return _distinct(path, value, _MAIL_DOMAIN, "a domain name like example.com", str.lower)


def _identity_stores(path: str, value: object) -> tuple[str, ...]:
    right = "an Identity Store's id, d- followed by 10 hexadecimal digits or a UUID in lower case"
    return _distinct(path, value, _IDENTITY_STORE, right)


def _entity_patterns(path: str, value: object) -> tuple[str, ...]:
    right = "an id, a name, an address, or a pattern with * for any run of characters and ? for one"
    return _distinct(path, value, _ENTITY_PATTERN, right, str.lower)


def _emails(path: str, value: object) -> tuple[str, ...]:
    pattern = re.compile(f"{_EMAIL_LOCAL_PART.pattern}@(?:{_MAIL_DOMAIN.pattern})")
    return _distinct(path, value, pattern, "an e-mail address like it@example.com", str.lower)


def _account_sources(path: str, value: object) -> tuple[str, ...]:
    sources = _distinct(path, value, _ACCOUNT_SOURCE, "the id of a SailPoint source")
    if not sources:
        raise SettingsError(_wrong(path, "a list of at least one id of a SailPoint source", value))
    return sources


def _distinct(
    path: str, value: object, pattern: re.Pattern[str], right: str, normalise: Callable[[str], str] = str
) -> tuple[str, ...]:
    """Take a list of texts that fit the pattern, each of them once."""
    if not isinstance(value, list):
        raise SettingsError(_wrong(path, "a list", value))
    taken: list[str] = []
    for index, item in enumerate(value):
        if not isinstance(item, str) or not pattern.fullmatch(item):
            raise SettingsError(_wrong(f"{path}[{index}]", right, item))
        text = normalise(item)
        if text in taken:
            raise SettingsError(
                f"{path}[{index}] must be different from the others, but {path}[{taken.index(text)}] is {text} too"
            )
        taken.append(text)
    return tuple(taken)


def _identity_providers(organizations: Sequence[Organization]) -> Callable[[str, object], IdentityProviders]:
    """Make the parser of the providers, which have to fit the organizations."""

    def parse(path: str, value: object) -> IdentityProviders:
        fields = _Fields(path, value)
        providers = IdentityProviders(
            identity_center=fields.take("identityCenter", _switched_on, False),
            identity_center_cloudtrail=fields.take("identityCenterCloudTrail", _switched_on, False),
            okta=fields.take("okta", _partner("okta.com/<tenant>/<stream>", organizations), None),
            auth0=fields.take("auth0", _partner("auth0.com/<tenant>/auth0.logs", organizations), None),
            sailpoint=fields.take("sailpoint", _sailpoint(organizations), None),
            offboarding_requested=fields.take("offboardingRequested", _offboarding_requests, None),
        )
        fields.refuse_unknown()
        for key in _identity_center_keys(providers):
            if not any(organization.identity_stores for organization in organizations):
                raise SettingsError(
                    f"{path}.{key} must not be configured before an organization has identityStores: they say which "
                    "organization a leaver belongs to"
                )
        return providers

    return parse


def _identity_center_keys(providers: IdentityProviders) -> list[str]:
    configured = {
        "identityCenter": providers.identity_center,
        "identityCenterCloudTrail": providers.identity_center_cloudtrail,
    }
    return [key for key, is_on in configured.items() if is_on]


def _switched_on(path: str, value: object) -> bool:
    _Fields(path, value).refuse_unknown()
    return True


def _partner(example: str, organizations: Sequence[Organization]) -> Callable[[str, object], PartnerProvider]:
    def parse(path: str, value: object) -> PartnerProvider:
        fields = _Fields(path, value)
        provider = PartnerProvider(
            event_source=fields.take("eventSource", _event_source(example)),
            organization_id=fields.take("organizationId", _one_of([one.id for one in organizations]), None),
        )
        fields.refuse_unknown()
        _check_resolvable(path, provider, organizations)
        return provider

    return parse


def _sailpoint(organizations: Sequence[Organization]) -> Callable[[str, object], SailPointProvider]:
    def parse(path: str, value: object) -> SailPointProvider:
        fields = _Fields(path, value)
        provider = SailPointProvider(
            event_source=fields.take("eventSource", _event_source("sailpoint.com/<tenant>/idn/account-deleted")),
            # Its leavers always come with an address, so the mail domain decides.
            organization_id=None,
            account_sources=fields.take("accountSources", _account_sources),
        )
        fields.refuse_unknown()
        _check_resolvable(path, provider, organizations)
        return provider

    return parse


def _check_resolvable(path: str, provider: PartnerProvider, organizations: Sequence[Organization]) -> None:
    if provider.organization_id is None and not any(organization.mail_domains for organization in organizations):
        raise SettingsError(
            f"offboarding.organizations must have mailDomains for {path}: without them nothing says which organization "
            "a leaver belongs to"
        )


def _event_source(example: str) -> Callable[[str, object], str]:
    prefix = f"aws.partner/{example.partition('/')[0]}/"

    def parse(path: str, value: object) -> str:
        rest = value.removeprefix(prefix) if isinstance(value, str) else ""
        if value != prefix + rest or len(prefix + rest) > 256 or not _EVENT_SOURCE_REST.fullmatch(rest):
            raise SettingsError(_wrong(path, f"a partner event source like aws.partner/{example}", value))
        return prefix + rest

    return parse


def _offboarding_requests(path: str, value: object) -> OffboardingRequests:
    fields = _Fields(path, value)
    requests = OffboardingRequests(event_bus=fields.take("eventBus", _event_bus, OffboardingRequests.event_bus))
    fields.refuse_unknown()
    return requests


def _event_bus(path: str, value: object) -> str:
    if not isinstance(value, str) or not _EVENT_BUS.fullmatch(value):
        raise SettingsError(_wrong(path, "the name of an event bus of this account and Region", value))
    return value


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    def parse(path: str, value: object) -> int:
        # To Python, true is the number 1.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise SettingsError(_wrong(path, f"a whole number from {least} to {most}", value))
        return value

    return parse


def _true_or_false(path: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(_wrong(path, "true or false", value))
    return value


def _one_of(allowed: Sequence[_T]) -> Callable[[str, object], _T]:
    def parse(path: str, value: object) -> _T:
        for right in allowed:
            if type(value) is type(right) and value == right:
                return right
        raise SettingsError(_wrong(path, f"one of {_listed(allowed)}", value))

    return parse


def _iso_date(path: str, value: object) -> date:
    # The standard library alone would take 20270331 and 2027-W13-3 as well.
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise SettingsError(_wrong(path, "a date like 2027-03-31", value))


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)


def _wrong(path: str, right: str, value: object) -> str:
    return f"{path} must be {right}, got {json.dumps(value, ensure_ascii=False, default=str)}"
