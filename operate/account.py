"""The account and Region in which a command works, and the stack there.

The credentials are those of the AWS CLI. With ``AWS_ENDPOINT_URL`` it is the embedded AWS of ``make serve``, whose
clock stands still: there, waiting moves the clock.
"""

import json
import os
import shlex
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from operate.errors import UNREACHABLE_ERRORS, Refusal, error_code
from operate.service_end import ANNOUNCED_SERVICE_END, ServiceEnd

DEFAULT_STACK = "workmail-offboarding"
COMMAND = "offboarding"
_PATIENT = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": 12})
"""Throttling is waited for: nobody else waits for the answers of these commands."""
_CONNECTION_ATTEMPTS = 2
"""What cannot be reached at all is probably a mistyped Region, or an endpoint that is down: a person soon learns it."""
_IMPATIENT = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 2})
"""A person waits for the page, which is complete without the answer."""
_LOCAL_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A stack of CloudFormation.

    Attributes
    ----------
    name, id
        Its name, and its ARN, by which it can be described when it is deleted.
    status
        `CREATE_COMPLETE` for example.
    is_protected
        Whether its termination protection is on.
    outputs
        The values of its outputs by their names.
    """

    name: str
    id: str
    status: str
    is_protected: bool
    outputs: Mapping[str, str]

    @property
    def is_unapproved(self) -> bool:
        """Whether nobody has approved its first deployment: it stays so, and nothing of it was made."""
        return self.status == "REVIEW_IN_PROGRESS"

    @property
    def service_end(self) -> ServiceEnd:
        """The end of Amazon WorkMail, by the settings with which the stack was deployed."""
        day = self.outputs.get("WorkMailEndsOn")
        return ServiceEnd(date.fromisoformat(day) if day else ANNOUNCED_SERVICE_END)


class Account:
    """An account and a Region, with the credentials of a profile.

    Parameters
    ----------
    profile
        A profile of the AWS CLI; by default the one that the environment names.
    region
        The Region; by default that of the environment or the profile.
    stack_name
        The name of the stack.

    Raises
    ------
    Refusal
        If no Region is set.
    BotoCoreError
        If there is no such profile.
    """

    def __init__(self, profile: str | None = None, region: str | None = None, stack_name: str = DEFAULT_STACK) -> None:
        # The CDK CLI prefers AWS_REGION, which boto3 does not read.
        self._session = boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION"))
        if not self._session.region_name:
            raise Refusal("No Region is set: give --region, or set AWS_REGION.")
        self._clients: dict[str, Any] = {}
        self._config = _PATIENT
        options = {
            "--profile": profile,
            "--region": region,
            "--stack": None if stack_name == DEFAULT_STACK else stack_name,
        }
        self._options = [text for option, value in options.items() if value for text in (option, value)]
        self.profile = profile
        self.stack_name = stack_name

    @property
    def region(self) -> str:
        """The Region."""
        return str(self._session.region_name)

    @cached_property
    def id(self) -> str:
        """The account's 12 digits.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        return str(self.client("sts").get_caller_identity()["Account"])

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3 makes its classes when it runs)
        """Return a client that retries what is throttled."""
        if service not in self._clients:
            self._clients[service] = self._make_client(service)
        return self._clients[service]

    def give_up_soon(self) -> None:
        """Have each client that is made from now on give up within a minute, for what can do without an answer."""
        self._config = _IMPATIENT

    @cached_property
    def workmail(self) -> Any:  # noqa: ANN401 (boto3 makes its classes when it runs)
        """A client of WorkMail in the Region of the organizations. It gives up soon: nothing here depends on it."""
        region = self.stack.outputs.get("OrganizationsRegion", self.region)
        return self._session.client("workmail", region_name=region, config=_IMPATIENT)

    def _make_client(self, service: str, region: str | None = None) -> Any:  # noqa: ANN401 (boto3 makes its classes)
        client = self._session.client(service, region_name=region, config=self._config)
        client.meta.events.register_first("needs-retry", _stop_if_unreachable)
        return client

    def render_command(self, *words: str) -> str:
        """Return a command of this program as a person types it, with the options that this account was named by."""
        return shlex.join([COMMAND, *words, *self._options])

    def regional_client(self, service: str, region: str) -> Any:  # noqa: ANN401 (boto3 makes its classes when it runs)
        """Return a client of a Region, which can be another one than that of the stack."""
        if region == self.region:
            return self.client(service)
        return self._make_client(service, region)

    def render_aws_command(self, *words: str) -> str:
        """Return a command of the AWS CLI for a person to type, with this Region and profile."""
        profile = ["--profile", self.profile] if self.profile else []
        return shlex.join(["aws", *words, "--region", self.region, *profile])

    def find_stack(self, name_or_id: str | None = None) -> Stack | None:
        """Describe a stack, by default that of this account; None if there is none.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
        """
        try:
            [answer] = self.client("cloudformation").describe_stacks(StackName=name_or_id or self.stack_name)["Stacks"]
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return Stack(
            name=answer["StackName"],
            id=answer["StackId"],
            status=answer["StackStatus"],
            is_protected=answer.get("EnableTerminationProtection", False),
            outputs={output["OutputKey"]: output["OutputValue"] for output in answer.get("Outputs", ())},
        )

    def require_stack(self) -> Stack:
        """Describe the stack.

        Raises
        ------
        Refusal
            If there is none.
        """
        stack = self.find_stack()
        if stack is None:
            raise Refusal(
                f"There is no stack {self.stack_name} in {self.region}: choose another Region with --region, or name "
                "the stack with --stack (make: STACK=NAME)."
            )
        return stack

    @cached_property
    def stack(self) -> Stack:
        """The stack.

        Raises
        ------
        Refusal
            If there is none.
        """
        return self.require_stack()

    def read_output(self, name: str, missing: str) -> str:
        """Return an output of the stack.

        Parameters
        ----------
        name
            Its name.
        missing
            The sentence of the refusal if the stack does not have it.

        Raises
        ------
        Refusal
            If there is no stack, or it does not have this output.
        """
        if name not in self.stack.outputs:
            raise Refusal(missing)
        return self.stack.outputs[name]

    @cached_property
    def caller(self) -> str:
        """Who calls: the session name or the user name in the caller's ARN.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        return str(self.client("sts").get_caller_identity()["Arn"]).rpartition("/")[2]

    def find_records_table(self) -> str:
        """Return the name of the stack's table of records.

        Raises
        ------
        Refusal
            If there is no stack, or it has none.
        """
        stack = self.require_stack()
        if "RecordsTableName" not in stack.outputs:
            raise Refusal(f"The stack {stack.name} is {stack.status} and has no output RecordsTableName: give --table.")
        return stack.outputs["RecordsTableName"]

    def pause(self, seconds: float) -> None:
        """Let time pass; on the embedded AWS, on its clock."""
        if _call_clock({"advance": f"PT{seconds:g}S"}) is None:
            time.sleep(seconds)

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded AWS answers, and not AWS."""
        return _call_clock() is not None

    def read_time(self) -> datetime:
        """Return the time now in UTC; on the embedded AWS, that of its clock."""
        return _call_clock() or datetime.now(UTC)


def _stop_if_unreachable(attempts: int, caught_exception: Exception | None, **_: object) -> None:
    """Raise the error of a connection that could not be made, instead of trying ten times more.

    botocore's standard mode counts these attempts as it counts throttled ones.
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html
    """
    if isinstance(caught_exception, UNREACHABLE_ERRORS) and attempts >= _CONNECTION_ATTEMPTS:
        raise caught_exception


def _call_clock(change: Mapping[str, str] | None = None) -> datetime | None:
    """Change or read the clock of the embedded AWS, and return its time; None if the endpoint is another one."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    if not endpoint:
        return None
    body = None if change is None else json.dumps(change).encode()
    request = urllib.request.Request(f"{endpoint}/local/clock", data=body)  # noqa: S310 (the user's own endpoint)
    try:
        with urllib.request.urlopen(request, timeout=_LOCAL_TIMEOUT_SECONDS) as answer:  # noqa: S310 (the same)
            return datetime.fromisoformat(json.load(answer)["Now"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
