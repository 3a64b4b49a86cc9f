"""What the commands have in common: the options of an account, and what an error becomes."""

import functools
import sys
from collections.abc import Callable
from typing import NoReturn

import click
from botocore.exceptions import BotoCoreError, ClientError

from operate.account import DEFAULT_STACK, Account
from operate.errors import Refusal, describe_error
from operate.terminal import print_lines

NO = 1
"""The exit code if the answer is no."""


def account_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an account, and the `Account` as its parameter `account`.

    An error becomes one sentence on the standard error, and the exit code 1.
    """

    @click.option("--profile", help="The profile of the AWS CLI whose credentials are used.")
    @click.option("--region", help="The Region of the stack.")
    @click.option("--stack", "stack_name", default=DEFAULT_STACK, show_default=True, help="The name of the stack.")
    @functools.wraps(command)
    def with_account(profile: str | None, region: str | None, stack_name: str, **parameters: object) -> None:
        try:
            command(account=Account(profile, region, stack_name), **parameters)
        except Refusal as refusal:
            exit_with(str(refusal))
        except (ClientError, BotoCoreError) as error:
            exit_with(describe_error(error))

    return with_account


def exit_with(sentence: str) -> NoReturn:
    """End the command with a sentence on the standard error, and the exit code 1."""
    report(sentence)
    sys.exit(NO)


def report(text: str) -> None:
    """Tell a person how far the command has come, on the standard error."""
    print_lines(text.split("\n"), is_error=True)
