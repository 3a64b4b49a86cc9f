"""The policy: which entities are protected, which need an approval, and how many a day are deregistered without one.

It is read when it is needed and not when the execution starts: an execution can wait for months, and an entity that
was put on a list meanwhile must be safe from it.
"""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.exceptions import BotoCoreError, ClientError

from offboarding import configuration
from offboarding.adapters.aws import client, unavailable_error
from offboarding.domain import errors

provider = SSMProvider(boto3_client=client("ssm"))

_CACHE_SECONDS = 5


@dataclass(frozen=True)
class Policy:
    """The policy of one organization at this moment.

    Attributes
    ----------
    daily_cap
        How many entities identity providers may have deregistered in a day; beyond it a person has to approve.
    protected, approval_required
        Ids, names, addresses and patterns of them, in the order of the settings.
    """

    daily_cap: int
    protected: tuple[str, ...]
    approval_required: tuple[str, ...]


def read_policy(organization_id: str, *, is_fresh: bool = False) -> Policy:
    """Read the policy from the parameter that the stack keeps; it is kept for a few seconds.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Parameters
    ----------
    organization_id
        The organization.
    is_fresh
        Whether it has to be read now, and not be one that was kept.

    Raises
    ------
    SettingsUnavailable
        If it cannot be read, or has nothing about this organization: nothing is deregistered without it.
    AccessDenied
        If the function's role may not read it.
    """
    try:
        policy: Any = provider.get(
            configuration.policy_parameter(), max_age=_CACHE_SECONDS, transform="json", force_fetch=is_fresh
        )
        lists = policy["Organizations"][organization_id]
        return Policy(
            daily_cap=policy["DailyCap"],
            protected=tuple(lists["Protected"]),
            approval_required=tuple(lists["ApprovalRequired"]),
        )
    except GetParameterError as error:
        # Powertools wraps what boto3 raised, and keeps it as the context only.
        cause = error.__context__
        if isinstance(cause, ClientError | BotoCoreError):
            raise unavailable_error("ssm:GetParameter", cause, errors.SettingsUnavailable) from None
        raise errors.SettingsUnavailable("The settings in Systems Manager cannot be read. Start again later.") from None
    except (TransformParameterError, KeyError, TypeError):
        raise errors.SettingsUnavailable(
            f"The settings in Systems Manager have nothing usable about {organization_id}. Deploy the stack again."
        ) from None
