"""The command `offboarding`: its groups, and its exit codes.

The exit code is 0; 1 if the answer is no, with one sentence on the standard error; or 2 if the command is used wrongly.
"""

import click

from operate.decisions.command import approve, reject, withdraw
from operate.destroy.command import destroy
from operate.details.command import show
from operate.doctor.command import doctor
from operate.forget.command import forget
from operate.listing.command import list_
from operate.queues.command import queue, refused
from operate.records.command import records
from operate.reporting.command import report
from operate.restore.command import restore
from operate.retry.command import retry
from operate.starting.command import plan, start
from operate.status.command import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def offboarding() -> None:
    """Operate a deployed stack of WorkMail offboardings.

    It uses the credentials of the AWS CLI. With AWS_ENDPOINT_URL it works on the embedded AWS of `make serve`.
    """


for command in (
    approve,
    destroy,
    doctor,
    forget,
    list_,
    plan,
    queue,
    records,
    refused,
    reject,
    report,
    restore,
    retry,
    show,
    start,
    status,
    withdraw,
):
    offboarding.add_command(command)


def main() -> None:
    """Run the command with the arguments of the process."""
    offboarding(prog_name="offboarding")
