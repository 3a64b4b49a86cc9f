"""The deployer's settings: the ``offboarding`` object in ``cdk.json``, checked once and immutable.

Wrong values and unknown keys stop the synth with a line for each that names the key and the expected value.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from stacks.settings_fields import (
    Fields,
    SettingsError,
    build_error,
    join_values,
    parse_boolean,
    parse_choice,
    parse_date,
    parse_each,
    parse_pattern,
    parse_unique,
    parse_whole_number,
    parse_whole_number_or_null,
    render_compact_json,
    require_unique,
)

CONTEXT_KEY = "offboarding"

WORKMAIL_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
"""Amazon WorkMail exists in these Regions only."""

EXAMPLE_ORGANIZATION_ID = "m-" + "0" * 32
"""The organization in the ``cdk.json`` of a new checkout."""

ANNOUNCED_SERVICE_END = date(2027, 3, 31)
"""The day on which Amazon WorkMail ends, as AWS announced it."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""The values that CloudWatch Logs accepts; see
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html."""

_STACK_NAME = re.compile(r"(?i:(?!aws|ssm)[a-z][a-z0-9-]{0,59})")
_ORGANIZATION_ID = re.compile(r"m-[0-9a-f]{32}")
_EXPECTED_ORGANIZATION_ID = "m- followed by 32 hexadecimal digits in lower case"
_IDENTITY_STORE = re.compile(r"d-[0-9a-f]{10}|[0-9a-f-]{36}")
_MAIL_DOMAIN = re.compile(
    r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
_ENTITY_PATTERN = re.compile(r"[a-zA-Z0-9._%+@*?-]{1,256}")
"""The entities that a request accepts, with ``*`` for any characters and ``?`` for one character."""
_EMAIL_ADDRESS = re.compile(rf"[A-Za-z0-9._%+-]{{1,64}}@(?:{_MAIL_DOMAIN.pattern})")
_SCIM_TENANT = re.compile(r"[0-9A-Za-z-]{1,64}")
_ACCOUNT_SOURCE = re.compile(r"[0-9A-Za-z-]{1,64}")
_EVENT_BUS = re.compile(r"[A-Za-z0-9._-]{1,256}")
_EVENT_SOURCE = re.compile(r"(?=.{1,256}$)aws\.partner/[A-Za-z0-9.]+(/[A-Za-z0-9._-]+){2,}")

EXPORT_MODES = ("No", "OnRequest", "IfPossible", "Required")
_PREFIX = re.compile(r"(?!/)(?!.*//)(?!.*(^|/)\.{1,2}/)[A-Za-z0-9!_.()/-]{1,200}/")
_EXPECTED_PREFIX = "a path of letters, digits and ! _ . ( ) - that ends with a slash and does not begin with one"

_UNMENTIONED_LOCAL_PART = "\0" * 64
"""A local part of the maximum length that no pattern can contain: a pattern can match it by wildcards only."""
_MAX_ORGANIZATIONS = 60
"""With more, the template and the roles can become too large for CloudFormation and IAM."""
_MAX_PARAMETER_BYTES = 8192
"""The limit of Systems Manager; see
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html."""
_MAX_APPROVAL_REMINDER_DAYS = 13
"""An approval times out after 14 days."""
_MAX_HAND_CAP = 10_000
_MIN_RECORD_RETENTION_DAYS = 90
_MAX_RECORD_RETENTION_DAYS = 3653


@dataclass(frozen=True)
class OrganizationSettings:
    """One Amazon WorkMail organization whose entities may be offboarded.

    Attributes
    ----------
    id
        ``m-`` and 32 hexadecimal digits, as the WorkMail console shows it.
    mail_domains
        Its mail domains in lower case. They identify the organization of an event that contains an address.
    identity_stores
        The Identity Stores of IAM Identity Center with its users.
    protected
        The entities that are never offboarded: ids, names, addresses, or patterns of them, in lower case.
    approval_required
        The entities whose offboarding a person must approve, in the same form.
    """

    id: str
    mail_domains: tuple[str, ...] = ()
    identity_stores: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    approval_required: tuple[str, ...] = ()

    def render_policy(self, daily_cap: int, hand_cap: int | None, export: "ExportSettings") -> str:
        """Render what is read before anything happens to one of its entities, as JSON."""
        return render_compact_json(
            {
                "DailyCap": daily_cap,
                "HandCap": hand_cap,
                "Protected": self.protected,
                "ApprovalRequired": self.approval_required,
                "Export": export.render_policy(),
            }
        )

    def render_identities(self) -> str:
        """Render by what an identity provider's event is about it, as JSON."""
        return render_compact_json({"MailDomains": self.mail_domains, "IdentityStores": self.identity_stores})


@dataclass(frozen=True)
class ExportSettings:
    """Whether and how mailboxes are exported before they are deregistered.

    Attributes
    ----------
    mode
        ``No``, ``OnRequest`` (only where an execution's input asks for it), ``IfPossible`` or ``Required``. With
        ``No`` the stack has no bucket, no key and no role for exports.
    may_be_skipped
        Whether an execution's input may ask for no export.
    prefix
        How the key of each archive begins.
    slots
        How many of WorkMail's ten exports at once this stack uses in each organization.
    job_deadline_days
        How long an export may run.
    slot_deadline_days
        How long an offboarding waits for a slot.
    lock_days
        For how long each archive is locked; ``None`` if it is not.
    """

    mode: str = "No"
    may_be_skipped: bool = False
    prefix: str = "archives/"
    slots: int = 8
    job_deadline_days: int = 3
    slot_deadline_days: int = 14
    lock_days: int | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether any mailbox is exported."""
        return self.mode != "No"

    def render_policy(self) -> dict[str, object]:
        """Render what decides whether a mailbox is exported."""
        return {"Mode": self.mode, "MayBeSkipped": self.may_be_skipped}

    def render_limits(self) -> dict[str, int]:
        """Render what limits the exports."""
        lock = {} if self.lock_days is None else {"LockDays": self.lock_days}
        return {
            "Slots": self.slots,
            "JobDeadlineDays": self.job_deadline_days,
            "SlotDeadlineDays": self.slot_deadline_days,
            **lock,
        }


@dataclass(frozen=True)
class TwoPeopleSettings:
    """For which approvals the requester and the approver must be different people, as far as they say who they are.

    Attributes
    ----------
    approval_required
        For those that `approvalRequired` or a doubt requires.
    daily_cap
        For those that only the cap of identity providers requires.
    hand_cap
        For those that only the cap of offboardings by hand requires.
    """

    approval_required: bool = True
    daily_cap: bool = False
    hand_cap: bool = False


@dataclass(frozen=True)
class IdentityCenterProvider:
    """IAM Identity Center, by its own events.

    Attributes
    ----------
    user_updated
        Whether the status of a user is read when Identity Center reports that the user was changed.
    """

    user_updated: bool = False


@dataclass(frozen=True)
class ScimTenant:
    """A tenant of Identity Center's SCIM endpoint, and the identity store of its users."""

    id: str
    identity_store: str


@dataclass(frozen=True)
class PartnerProvider:
    """An identity provider whose events come from a partner event source.

    Attributes
    ----------
    event_source
        The source, ``aws.partner/okta.com/…`` for example. Its event bus has the same name.
    organization_id
        The organization of logins without a mail domain, if there is one.
    """

    event_source: str
    organization_id: str | None

    def render_configuration(self) -> dict[str, object]:
        """Render what the function reads of it."""
        organization = {"OrganizationId": self.organization_id} if self.organization_id else {}
        return {"EventSource": self.event_source, **organization}


@dataclass(frozen=True)
class SailPointProvider(PartnerProvider):
    """SailPoint, which sends an event for every deleted account; only in some sources it means that somebody left.

    Attributes
    ----------
    account_sources
        The ids of these SailPoint sources.
    """

    account_sources: tuple[str, ...]

    def render_configuration(self) -> dict[str, object]:
        """Render what the function reads of it."""
        return {**super().render_configuration(), "AccountSources": self.account_sources}


@dataclass(frozen=True)
class OffboardingRequests:
    """A system that is not a partner of EventBridge and requests offboardings with an event of this project.

    Attributes
    ----------
    event_bus
        The name of the event bus of its events.
    """

    event_bus: str = "default"


@dataclass(frozen=True)
class IdentityProviders:
    """The identity providers whose events start offboardings; by default none.

    Attributes
    ----------
    identity_center
        The settings of IAM Identity Center, if its own events start offboardings.
    identity_center_cloudtrail
        Whether its API calls in CloudTrail do; they include disabled users.
    identity_center_scim
        The tenants of its SCIM endpoint whose calls in CloudTrail do.
    okta, auth0, sailpoint, offboarding_requested
        The settings of the other providers.
    """

    identity_center: IdentityCenterProvider | None = None
    identity_center_cloudtrail: bool = False
    identity_center_scim: tuple[ScimTenant, ...] = ()
    okta: PartnerProvider | None = None
    auth0: PartnerProvider | None = None
    sailpoint: SailPointProvider | None = None
    offboarding_requested: OffboardingRequests | None = None

    @property
    def has_provider(self) -> bool:
        """Whether any provider is configured."""
        return self != IdentityProviders()

    def render_configurations(self) -> dict[str, Mapping[str, object]]:
        """Render what the function reads of each configured provider, by its key in the settings."""
        configurations: dict[str, Mapping[str, object]] = {}
        if self.identity_center:
            configurations["identityCenter"] = {"UserUpdated": self.identity_center.user_updated}
        if self.identity_center_cloudtrail:
            configurations["identityCenterCloudTrail"] = {}
        if self.identity_center_scim:
            tenants = {tenant.id: tenant.identity_store for tenant in self.identity_center_scim}
            configurations["identityCenterScim"] = {"Tenants": tenants}
        for key, partner in (("okta", self.okta), ("auth0", self.auth0), ("sailpoint", self.sailpoint)):
            if partner:
                configurations[key] = partner.render_configuration()
        if self.offboarding_requested:
            configurations["offboardingRequested"] = {}
        return configurations


_NO_ORGANIZATIONS: tuple[OrganizationSettings, ...] = ()
_NO_TENANTS: tuple[ScimTenant, ...] = ()
_Checked = Sequence[OrganizationSettings] | None
"""The organizations; None if they are wrong, so that nothing can be compared with them."""


@dataclass(frozen=True)
class Settings:
    """All settings of a deployment.

    Attributes
    ----------
    organizations
        The organizations that the permissions of the functions name. Remove one only after the last execution for it
        has ended, because that execution loses its permissions too.
    stack_name
        The name of the stack. It is a part of every name that would otherwise be the same in two stacks of an account.
    retention_days
        How long WorkMail keeps the mailbox of a deregistered entity.
    verification_slack_hours
        How long after the end of the retention the first verification runs.
    overdue_days
        How many days the verification of a clean-up is repeated before it counts as overdue.
    log_retention_days
        How long CloudWatch keeps the logs.
    service_ends_on
        The day on which the Amazon WorkMail service ends. Another day than the announced one has to be confirmed.
    workmail_region
        The Region of the organizations; ``None`` if the stack is deployed to it.
    identity_providers
        The identity providers whose events start offboardings.
    starter_max_concurrency
        How many invocations read the queue of those events at once.
    daily_cap
        How many deregistrations identity providers may start per organization within 24 hours. Each further one
        waits for an approval.
    hand_cap
        How many deregistrations people may start per organization within 24 hours. Each further one waits for an
        approval. ``None`` for any number.
    export
        Whether mailboxes are exported first.
    record_retention_days
        How long records are kept after their end; ``None`` if for ever.
    two_people
        For which approvals a person other than the requester is needed.
    require_requested_by
        Whether a person's offboarding or restore must have `RequestedBy`.
    stale_event_days
        How many days after an event happened it needs an approval.
    dry_run_identity_providers
        Whether offboardings of identity providers are dry runs.
    notification_emails
        The e-mail addresses of the people who are notified.
    names_in_notifications
        Whether mails contain names, addresses and free text.
    alarms
        Whether the stack has alarms, and tells people of them.
    approval_reminder_days
        After how many days an approval that nobody gives or refuses rings an alarm.
    """

    organizations: tuple[OrganizationSettings, ...]
    stack_name: str = "workmail-offboarding"
    retention_days: int = 30
    verification_slack_hours: int = 6
    overdue_days: int = 7
    log_retention_days: int = 365
    service_ends_on: date = ANNOUNCED_SERVICE_END
    workmail_region: str | None = None
    identity_providers: IdentityProviders = IdentityProviders()
    starter_max_concurrency: int = 2
    daily_cap: int = 20
    hand_cap: int | None = 50
    stale_event_days: int = 3
    dry_run_identity_providers: bool = False
    export: ExportSettings = ExportSettings()
    record_retention_days: int | None = None
    two_people: TwoPeopleSettings = TwoPeopleSettings()
    require_requested_by: bool = False
    notification_emails: tuple[str, ...] = ()
    names_in_notifications: bool = True
    alarms: bool = True
    approval_reminder_days: int = 3

    @classmethod
    def from_context(cls, context: object, deployment_region: str | None = None) -> "Settings":
        """Check the ``offboarding`` object of the CDK context.

        Parameters
        ----------
        context
            The parsed JSON object; ``None`` if the context has none.
        deployment_region
            The Region that the CDK CLI is going to deploy to, if it is known.

        Returns
        -------
        Settings
            The settings with their defaults.

        Raises
        ------
        SettingsError
            Settings are wrong; the message has a line for each.

        Examples
        --------
        >>> Settings.from_context({"organizations": [{"id": "m-" + "1" * 32}]}).retention_days
        30
        """
        if context is None:
            raise SettingsError(f"{CONTEXT_KEY} is missing; it must be an object with at least organizations")
        fields = Fields(CONTEXT_KEY, context)
        settings = _parse_settings(fields)
        fields.finish()
        problems = [
            *settings._find_region_problems(deployment_region),
            *settings._find_event_bus_problems(),
            *settings._find_export_problems(),
            *settings._find_size_problems(),
        ]
        if problems:
            raise SettingsError(*problems)
        return settings

    def find_deployment_problems(self, today: date) -> dict[str, str]:
        """Find what nobody should deploy, although it can be synthesized, compared and destroyed.

        Parameters
        ----------
        today
            The present date in UTC.

        Returns
        -------
        dict[str, str]
            A sentence for each problem, by the name of the warning.
        """
        problems = {}
        if EXAMPLE_ORGANIZATION_ID in self.organization_ids:
            problems["ExampleOrganization"] = (
                f"{EXAMPLE_ORGANIZATION_ID} is the example in cdk.json: put your organization's id into "
                f"{CONTEXT_KEY}.organizations before you deploy"
            )
        if self.service_ends_on <= today:
            problems["ServiceEndIsPast"] = (
                f"{CONTEXT_KEY}.serviceEndsOn must be ahead for a deployment, but it is {self.service_ends_on}: "
                "every new offboarding would end as ServiceEnded, and deregister nothing"
            )
        return problems

    @property
    def organization_ids(self) -> tuple[str, ...]:
        """The configured organizations' ids, in the order of the settings."""
        return tuple(organization.id for organization in self.organizations)

    @property
    def identity_stores(self) -> tuple[str, ...]:
        """The Identity Stores of all organizations; several organizations can have the same one."""
        stores = (store for organization in self.organizations for store in organization.identity_stores)
        return tuple(dict.fromkeys(stores))

    @property
    def described_identity_stores(self) -> tuple[str, ...]:
        """The Identity Stores in which the status of users is read."""
        providers = self.identity_providers
        if providers.identity_center and providers.identity_center.user_updated:
            return self.identity_stores
        return tuple(dict.fromkeys(tenant.identity_store for tenant in providers.identity_center_scim))

    def render_policies(self) -> dict[str, str]:
        """Render what functions read before they act, by organization: a change applies to waiting executions too."""
        return {
            organization.id: organization.render_policy(self.daily_cap, self.hand_cap, self.export)
            for organization in self.organizations
        }

    def render_intake(self) -> dict[str, str]:
        """Render what the function reads that starts offboardings, by the end of the parameter's name."""
        providers = self.identity_providers.render_configurations()
        return {
            **{f"organizations/{o.id}": o.render_identities() for o in self.organizations},
            **{f"providers/{key}": render_compact_json(value) for key, value in providers.items()},
        }

    def _find_export_problems(self) -> Iterator[str]:
        """Yield a sentence if WorkMail could not write into the stack's bucket."""
        if self.export.is_enabled and self.workmail_region is not None:
            yield (
                f"{CONTEXT_KEY}.workmailRegion must be left out if mailboxes are exported, because WorkMail writes "
                f"into a bucket of its own Region only: deploy the stack in {self.workmail_region}"
            )

    def _find_size_problems(self) -> Iterator[str]:
        """Yield a sentence for each parameter that Systems Manager would refuse."""
        values: dict[str, str] = {}
        policies = self.render_policies()
        for index, organization in enumerate(self.organizations):
            path = f"{CONTEXT_KEY}.organizations[{index}]"
            values[f"{path}.protected and approvalRequired"] = policies[organization.id]
            values[f"{path}.mailDomains and identityStores"] = organization.render_identities()
        for key, members in self.identity_providers.render_configurations().items():
            values[f"{CONTEXT_KEY}.identityProviders.{key}"] = render_compact_json(members)
        for lists, value in values.items():
            size = len(value.encode())
            if size > _MAX_PARAMETER_BYTES:
                yield (
                    f"There must be fewer or shorter entries in {lists}: they need {size} bytes and Systems Manager "
                    f"allows {_MAX_PARAMETER_BYTES}"
                )

    def _find_event_bus_problems(self) -> Iterator[str]:
        """Yield a sentence if a further stack would take the requests for the first one."""
        requests = self.identity_providers.offboarding_requested
        if requests and requests.event_bus == OffboardingRequests.event_bus and self.stack_name != Settings.stack_name:
            yield (
                f"{CONTEXT_KEY}.identityProviders.offboardingRequested.eventBus must be an event bus of its own, "
                f"because stackName is {self.stack_name}: the stack {Settings.stack_name} reads those of "
                "the default bus"
            )

    def _find_region_problems(self, deployment_region: str | None) -> Iterator[str]:
        if not deployment_region:
            return
        if self.workmail_region is None and deployment_region not in WORKMAIL_REGIONS:
            yield (
                f"{CONTEXT_KEY}.workmailRegion must be one of {join_values(WORKMAIL_REGIONS)}, because Amazon WorkMail "
                f"does not exist in {deployment_region}, where the stack is deployed"
            )
        if self.workmail_region in (None, deployment_region):
            return
        keys = _list_identity_center_keys(self.identity_providers)
        if keys:
            yield (
                f"{CONTEXT_KEY}.identityProviders.{keys[0]} must be removed when the stack is deployed to "
                f"{deployment_region}, because IAM Identity Center's events arrive only in {self.workmail_region}"
            )


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object; JSON itself would take the last value of a key silently."""
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise SettingsError(f"The settings must not have the key {repeated[0]} twice in one object: remove one")
    return dict(pairs)


def read_context(file: Path) -> Mapping[str, object]:
    """Read the CDK context of a ``cdk.json``.

    Raises
    ------
    SettingsError
        The file cannot be read, is no JSON, or has no context.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_refuse_repeated_keys)
    except OSError as error:
        raise SettingsError(f"{file.name} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{file.name} must be JSON, but line {error.lineno}, column {error.colno} is not: {error.msg}"
            f"{_guess_cause(error)}"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{file.name} must be JSON in UTF-8: {type(error).__name__}") from None
    context = content.get("context") if isinstance(content, Mapping) else None
    if not isinstance(context, Mapping):
        raise SettingsError(
            f'{file.name} must have the member context, an object like {{"offboarding": {{"organizations": [...]}}}}'
        )
    return context


def _guess_cause(error: json.JSONDecodeError) -> str:
    """Return what is probably wrong before the position of the error, as the end of a sentence; empty if unknown."""
    preceding, following = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if following.startswith(("//", "/*", "#")):
        return "; JSON has no comments"
    if preceding and not following:
        return "; the file ends too early, perhaps without a bracket"
    if preceding.endswith(",") and following[0] in "}],":
        return "; perhaps there is a comma too many before it"
    return "; perhaps a comma is missing before it" if error.msg == "Expecting ',' delimiter" else ""


def _parse_settings(fields: Fields) -> Settings:
    organizations = fields.require("organizations", _parse_organizations, _NO_ORGANIZATIONS)
    # What a provider needs of the organizations cannot be checked if these are wrong.
    checked = None if fields.is_wrong("organizations") else organizations
    return Settings(
        stack_name=fields.take("stackName", _parse_stack_name, Settings.stack_name),
        organizations=organizations,
        retention_days=fields.take("retentionDays", partial(parse_whole_number, 30, 35), Settings.retention_days),
        verification_slack_hours=fields.take(
            "verificationSlackHours", partial(parse_whole_number, 0, 48), Settings.verification_slack_hours
        ),
        overdue_days=fields.take("overdueDays", partial(parse_whole_number, 0, 7), Settings.overdue_days),
        log_retention_days=fields.take(
            "logRetentionDays", partial(parse_choice, LOG_RETENTION_DAYS), Settings.log_retention_days
        ),
        service_ends_on=_parse_service_end(fields),
        workmail_region=fields.take(
            "workmailRegion", partial(parse_choice, WORKMAIL_REGIONS), Settings.workmail_region
        ),
        identity_providers=fields.take(
            "identityProviders", partial(_parse_identity_providers, checked), Settings.identity_providers
        ),
        starter_max_concurrency=fields.take(
            "starterMaxConcurrency", partial(parse_whole_number, 2, 10), Settings.starter_max_concurrency
        ),
        daily_cap=fields.take("dailyCap", partial(parse_whole_number, 0, 500), Settings.daily_cap),
        hand_cap=fields.take("handCap", partial(parse_whole_number_or_null, 0, _MAX_HAND_CAP), Settings.hand_cap),
        stale_event_days=fields.take("staleEventDays", partial(parse_whole_number, 1, 14), Settings.stale_event_days),
        dry_run_identity_providers=fields.take(
            "dryRunIdentityProviders", parse_boolean, Settings.dry_run_identity_providers
        ),
        export=fields.take("export", _parse_export, Settings.export),
        record_retention_days=fields.take(
            "recordRetentionDays",
            partial(parse_whole_number, _MIN_RECORD_RETENTION_DAYS, _MAX_RECORD_RETENTION_DAYS),
            Settings.record_retention_days,
        ),
        two_people=fields.take("twoPeople", _parse_two_people, Settings.two_people),
        require_requested_by=fields.take("requireRequestedBy", parse_boolean, Settings.require_requested_by),
        notification_emails=fields.take(
            "notificationEmails", partial(parse_unique, _parse_email), Settings.notification_emails
        ),
        names_in_notifications=fields.take("namesInNotifications", parse_boolean, Settings.names_in_notifications),
        alarms=fields.take("alarms", parse_boolean, Settings.alarms),
        approval_reminder_days=fields.take(
            "approvalReminderDays",
            partial(parse_whole_number, 1, _MAX_APPROVAL_REMINDER_DAYS),
            Settings.approval_reminder_days,
        ),
    )


def _parse_stack_name(path: str, value: object) -> str:
    expected = "1 to 60 letters, digits or hyphens that begin with a letter, and not with aws or ssm"
    return parse_pattern(_STACK_NAME, expected, path, value)


def _parse_service_end(fields: Fields) -> date:
    """Parse the day on which the service ends, and require that another day than the announced one is meant."""
    service_end = fields.take("serviceEndsOn", parse_date, ANNOUNCED_SERVICE_END)
    confirmed = fields.take("confirmServiceEndsOn", parse_date, ANNOUNCED_SERVICE_END)
    if service_end == confirmed or fields.is_wrong("serviceEndsOn") or fields.is_wrong("confirmServiceEndsOn"):
        return service_end
    if confirmed == ANNOUNCED_SERVICE_END:
        raise SettingsError(
            f"{CONTEXT_KEY}.serviceEndsOn must be {ANNOUNCED_SERVICE_END}, the date that AWS announced; "
            f"if {service_end} is meant, repeat it in {CONTEXT_KEY}.confirmServiceEndsOn"
        )
    raise SettingsError(
        f"{CONTEXT_KEY}.confirmServiceEndsOn must be the same date as serviceEndsOn, {service_end}, "
        f"but it is {confirmed}"
    )


def _parse_organizations(path: str, value: object) -> tuple[OrganizationSettings, ...]:
    if not isinstance(value, list) or not value:
        raise build_error(path, 'a list of at least one object like {"id": "m-…"}', value)
    organizations = parse_each(_parse_organization, path, value)
    if len(organizations) > _MAX_ORGANIZATIONS:
        raise SettingsError(
            f"{path} must have at most {_MAX_ORGANIZATIONS} organizations, but it has {len(organizations)}: deploy "
            "another stack with a stackName of its own for the others"
        )
    require_unique([organization.id for organization in organizations], path, ".id")
    _refuse_shared_mail_domains(path, organizations)
    return organizations


def _refuse_shared_mail_domains(path: str, organizations: Sequence[OrganizationSettings]) -> None:
    """Refuse a mail domain that two organizations have: it would not identify the organization of a leaver."""
    owners: dict[str, str] = {}
    for index, organization in enumerate(organizations):
        for domain in organization.mail_domains:
            owner = owners.setdefault(domain, organization.id)
            if owner != organization.id:
                raise SettingsError(
                    f"{path}[{index}].mailDomains must not contain {domain}, because it must belong to one "
                    f"organization only, and both {owner} and {organization.id} have it"
                )


def _parse_organization(path: str, value: object) -> OrganizationSettings:
    if not isinstance(value, Mapping):
        raise build_error(path, 'an object like {"id": "m-…"}', value)
    fields = Fields(path, value)
    organization = OrganizationSettings(
        id=fields.require("id", partial(parse_pattern, _ORGANIZATION_ID, _EXPECTED_ORGANIZATION_ID), ""),
        mail_domains=fields.take("mailDomains", partial(parse_unique, _parse_mail_domain), ()),
        identity_stores=fields.take("identityStores", partial(parse_unique, _parse_identity_store), ()),
        protected=fields.take("protected", partial(parse_unique, _parse_entity_pattern), ()),
        approval_required=fields.take("approvalRequired", partial(parse_unique, _parse_entity_pattern), ()),
    )
    fields.finish()
    _refuse_protection_of_all(f"{path}.protected", organization)
    return organization


def _parse_export(path: str, value: object) -> ExportSettings:
    fields = Fields(path, value)
    export = ExportSettings(
        mode=fields.take("mode", partial(parse_choice, EXPORT_MODES), ExportSettings.mode),
        may_be_skipped=fields.take("mayBeSkipped", parse_boolean, ExportSettings.may_be_skipped),
        prefix=fields.take("prefix", partial(parse_pattern, _PREFIX, _EXPECTED_PREFIX), ExportSettings.prefix),
        slots=fields.take("slots", partial(parse_whole_number, 1, 10), ExportSettings.slots),
        job_deadline_days=fields.take(
            "jobDeadlineDays", partial(parse_whole_number, 1, 7), ExportSettings.job_deadline_days
        ),
        slot_deadline_days=fields.take(
            "slotDeadlineDays", partial(parse_whole_number, 1, 21), ExportSettings.slot_deadline_days
        ),
        lock_days=fields.take("lockDays", partial(parse_whole_number, 1, 3653), ExportSettings.lock_days),
    )
    fields.finish()
    return export


def _parse_two_people(path: str, value: object) -> TwoPeopleSettings:
    fields = Fields(path, value)
    two_people = TwoPeopleSettings(
        approval_required=fields.take("approvalRequired", parse_boolean, TwoPeopleSettings.approval_required),
        daily_cap=fields.take("dailyCap", parse_boolean, TwoPeopleSettings.daily_cap),
        hand_cap=fields.take("handCap", parse_boolean, TwoPeopleSettings.hand_cap),
    )
    fields.finish()
    return two_people


def _parse_mail_domain(path: str, value: object) -> str:
    return parse_pattern(_MAIL_DOMAIN, "a domain name like example.com", path, value).lower()


def _parse_identity_store(path: str, value: object) -> str:
    expected = "an Identity Store id: d- followed by 10 hexadecimal digits, or a UUID in lower case"
    return parse_pattern(_IDENTITY_STORE, expected, path, value)


def _parse_entity_pattern(path: str, value: object) -> str:
    expected = "an id, a name, an address, or a pattern with * for any characters and ? for one character"
    return parse_pattern(_ENTITY_PATTERN, expected, path, value).lower()


def _parse_email(path: str, value: object) -> str:
    return parse_pattern(_EMAIL_ADDRESS, "an e-mail address like it@example.com", path, value).lower()


def _refuse_protection_of_all(path: str, organization: OrganizationSettings) -> None:
    """Refuse a pattern that protects every entity: it is a mistake, or the organization should not be listed."""
    for index, pattern in enumerate(organization.protected):
        matched = _describe_full_match(pattern, organization.mail_domains)
        if matched:
            raise SettingsError(
                f"{path}[{index}] must leave entities that can be offboarded, but {pattern} matches {matched}"
            )


def _describe_full_match(pattern: str, domains: Sequence[str]) -> str | None:
    """Describe what a pattern matches completely; None if it leaves entities that it does not match."""
    if not any(character.isalnum() for character in pattern):
        return "every identifier"
    if domains and all(fnmatchcase(f"{_UNMENTIONED_LOCAL_PART}@{domain}", pattern) for domain in domains):
        return "every address of the organization"
    if not domains and not pattern.partition("@")[0].strip("*?"):
        return "every address of a domain, and mailDomains lists no other domain"
    return None


def _parse_identity_providers(organizations: _Checked, path: str, value: object) -> IdentityProviders:
    fields = Fields(path, value)
    providers = IdentityProviders(
        identity_center=fields.take("identityCenter", _parse_identity_center, None),
        identity_center_cloudtrail=fields.take("identityCenterCloudTrail", _parse_enabled, False),
        identity_center_scim=fields.take("identityCenterScim", partial(_parse_scim, organizations), ()),
        okta=fields.take("okta", partial(_parse_partner, organizations, "okta.com/<tenant>/<stream>"), None),
        auth0=fields.take("auth0", partial(_parse_partner, organizations, "auth0.com/<tenant>/auth0.logs"), None),
        sailpoint=fields.take("sailpoint", partial(_parse_sailpoint, organizations), None),
        offboarding_requested=fields.take("offboardingRequested", _parse_offboarding_requests, None),
    )
    fields.finish()
    keys = _list_identity_center_keys(providers)
    if keys and organizations is not None and not any(o.identity_stores for o in organizations):
        raise _build_missing_key_error(f"{path}.{keys[0]}", "identityStores")
    return providers


def _list_identity_center_keys(providers: IdentityProviders) -> list[str]:
    is_enabled = {
        "identityCenter": providers.identity_center,
        "identityCenterCloudTrail": providers.identity_center_cloudtrail,
        "identityCenterScim": providers.identity_center_scim,
    }
    return [key for key in is_enabled if is_enabled[key]]


def _parse_identity_center(path: str, value: object) -> IdentityCenterProvider:
    fields = Fields(path, value)
    provider = IdentityCenterProvider(
        user_updated=fields.take("userUpdated", parse_boolean, IdentityCenterProvider.user_updated)
    )
    fields.finish()
    return provider


def _parse_scim(organizations: _Checked, path: str, value: object) -> tuple[ScimTenant, ...]:
    fields = Fields(path, value)
    tenants = fields.require("tenants", partial(_parse_scim_tenants, organizations), _NO_TENANTS)
    fields.finish()
    return tenants


def _parse_scim_tenants(organizations: _Checked, path: str, value: object) -> tuple[ScimTenant, ...]:
    if not isinstance(value, Mapping) or not value:
        raise build_error(path, 'an object like {"<tenant id>": "<identity store id>"}', value)
    if organizations is None:
        return ()
    stores = [store for organization in organizations for store in organization.identity_stores]
    if not stores:
        raise _build_missing_key_error(path, "identityStores")
    return tuple(
        ScimTenant(
            id=parse_pattern(_SCIM_TENANT, "an object whose keys are ids of SCIM tenants", path, tenant),
            identity_store=parse_choice(list(dict.fromkeys(stores)), f"{path}.{tenant}", store),
        )
        for tenant, store in value.items()
    )


def _parse_enabled(path: str, value: object) -> bool:
    """Parse the empty object that enables a provider."""
    Fields(path, value).finish()
    return True


def _parse_partner(organizations: _Checked, example: str, path: str, value: object) -> PartnerProvider:
    fields = Fields(path, value)
    provider = PartnerProvider(
        event_source=fields.require("eventSource", partial(_parse_event_source, example), ""),
        organization_id=fields.take("organizationId", partial(_parse_organization_id, organizations), None),
    )
    fields.finish()
    _require_mail_domains(path, provider, organizations)
    return provider


def _parse_organization_id(organizations: _Checked, path: str, value: object) -> str:
    if organizations is None:
        return parse_pattern(_ORGANIZATION_ID, _EXPECTED_ORGANIZATION_ID, path, value)
    return parse_choice([organization.id for organization in organizations], path, value)


def _parse_sailpoint(organizations: _Checked, path: str, value: object) -> SailPointProvider:
    fields = Fields(path, value)
    example = "sailpoint.com/<tenant>/idn/account-deleted"
    provider = SailPointProvider(
        event_source=fields.require("eventSource", partial(_parse_event_source, example), ""),
        # SailPoint's events always contain an address, so the mail domain identifies the organization.
        organization_id=None,
        account_sources=fields.require("accountSources", _parse_account_sources, ()),
    )
    fields.finish()
    _require_mail_domains(path, provider, organizations)
    return provider


def _parse_account_sources(path: str, value: object) -> tuple[str, ...]:
    sources = parse_unique(partial(parse_pattern, _ACCOUNT_SOURCE, "the id of a SailPoint source"), path, value)
    if not sources:
        raise build_error(path, "a list of at least one id of a SailPoint source", value)
    return sources


def _require_mail_domains(path: str, provider: PartnerProvider, organizations: _Checked) -> None:
    if organizations is None or provider.organization_id is not None:
        return
    if not any(organization.mail_domains for organization in organizations):
        raise _build_missing_key_error(path, "mailDomains")


def _build_missing_key_error(path: str, key: str) -> SettingsError:
    return SettingsError(
        f"{path} requires {key} in {CONTEXT_KEY}.organizations, because they determine the organization of a leaver"
    )


def _parse_event_source(example: str, path: str, value: object) -> str:
    prefix = f"aws.partner/{example.partition('/')[0]}/"
    expected = f"a partner event source like aws.partner/{example}"
    source = parse_pattern(_EVENT_SOURCE, expected, path, value)
    if not source.startswith(prefix):
        raise build_error(path, expected, value)
    return source


def _parse_offboarding_requests(path: str, value: object) -> OffboardingRequests:
    fields = Fields(path, value)
    expected = "the name of an event bus in this account and Region"
    requests = OffboardingRequests(
        event_bus=fields.take("eventBus", partial(parse_pattern, _EVENT_BUS, expected), OffboardingRequests.event_bus)
    )
    fields.finish()
    return requests
