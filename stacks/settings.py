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
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

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
    """

    id: str


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
    """

    organizations: tuple[Organization, ...]
    retention_days: int = 30
    verification_slack_hours: int = 6
    overdue_days: int = 7
    log_retention_days: int = 365
    service_ends_on: date = date(2027, 3, 31)
    workmail_region: str | None = None

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
        fields = _Fields(CONTEXT_KEY, context)
        settings = cls(
            organizations=fields.take("organizations", _organizations),
            retention_days=fields.take("retentionDays", _whole(30, 35), cls.retention_days),
            verification_slack_hours=fields.take("verificationSlackHours", _whole(0, 48), cls.verification_slack_hours),
            overdue_days=fields.take("overdueDays", _whole(0, 7), cls.overdue_days),
            log_retention_days=fields.take("logRetentionDays", _one_of(LOG_RETENTION_DAYS), cls.log_retention_days),
            service_ends_on=fields.take("serviceEndsOn", _iso_date, cls.service_ends_on),
            workmail_region=fields.take("workmailRegion", _one_of(WORKMAIL_REGIONS), cls.workmail_region),
        )
        fields.refuse_unknown()
        settings._check_region(deployment_region)
        return settings

    @property
    def organization_ids(self) -> tuple[str, ...]:
        """The configured organizations' ids, in the order of the settings."""
        return tuple(organization.id for organization in self.organizations)

    def _check_region(self, deployment_region: str | None) -> None:
        if self.workmail_region or not deployment_region or deployment_region in WORKMAIL_REGIONS:
            return
        raise SettingsError(
            f"{CONTEXT_KEY}.workmailRegion must be given ({_listed(WORKMAIL_REGIONS)}) when the stack is "
            f"deployed to {deployment_region}, because Amazon WorkMail does not exist there"
        )


class _Fields:
    """The members of one JSON object, taken one by one, so that what is left over is unknown."""

    def __init__(self, path: str, value: object) -> None:
        if value is None:
            raise SettingsError(f"{path} is missing: it must be an object with at least its organizations")
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
                hint = f"did you mean {known[near[0]]}?" if near else f"the settings are {_listed(self._known)}"
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
    return organizations


def _organization(path: str, value: object) -> Organization:
    if not isinstance(value, Mapping):
        raise SettingsError(_wrong(path, 'an object like {"id": "m-…"}', value))
    fields = _Fields(path, value)
    organization = Organization(id=fields.take("id", _organization_id))
    fields.refuse_unknown()
    return organization


def _organization_id(path: str, value: object) -> str:
    if not isinstance(value, str) or not _ORGANIZATION_ID.fullmatch(value):
        raise SettingsError(_wrong(path, "m- followed by 32 hexadecimal digits in lower case", value))
    return value


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    def parse(path: str, value: object) -> int:
        # To Python, true is the number 1.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise SettingsError(_wrong(path, f"a whole number from {least} to {most}", value))
        return value

    return parse


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
