"""The settings that count at the moment of acting: who is protected, who needs an approval, how many a day.

The lists and the cap are read when they are needed and not when the execution starts: an execution can wait
for months, and an entity that was put on a list meanwhile must be safe from it.
"""

import os
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.exceptions import BotoCoreError, ClientError

from offboarding.adapters.aws import client, unavailable
from offboarding.domain import errors

provider = SSMProvider(boto3_client=client("ssm"))

_FRESH_SECONDS = 5


@dataclass(frozen=True)
class Policy:
    """What the settings say of one organization at this moment.

    Attributes
    ----------
    daily_cap
        How many a day may be deregistered because an identity provider said so, before a person has to approve.
    protected, approval_required
        Ids, names, addresses and patterns of them, in the order of the settings.
    """

    daily_cap: int
    protected: tuple[str, ...]
    approval_required: tuple[str, ...]


def read_policy(organization_id: str) -> Policy:
    """Read what counts now, from the parameter that the stack keeps.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

    Raises
    ------
    SettingsUnavailable
        If it cannot be read, or holds nothing for this organization: nobody is deregistered without it.
    AccessDenied
        If the function's role may not read it.
    """
    try:
        settings: Any = provider.get(os.environ["POLICY_PARAMETER"], max_age=_FRESH_SECONDS, transform="json")
        of_organization = settings["Organizations"][organization_id]
        return Policy(
            daily_cap=settings["DailyCap"],
            protected=tuple(of_organization["Protected"]),
            approval_required=tuple(of_organization["ApprovalRequired"]),
        )
    except GetParameterError as problem:
        # Powertools wraps what boto3 raised, and hands it on as the context only.
        cause = problem.__context__
        if isinstance(cause, ClientError | BotoCoreError):
            raise unavailable("ssm:GetParameter", cause, errors.SettingsUnavailable) from None
        raise errors.SettingsUnavailable("The settings in Systems Manager cannot be read. Start again later.") from None
    except (TransformParameterError, KeyError, TypeError):
        raise errors.SettingsUnavailable(
            f"The settings in Systems Manager hold nothing usable for {organization_id}. Deploy the stack again."
        ) from None
