"""The command `offboarding`: its groups, and its exit codes.

The exit code is 0; 1 if the answer is no, with one sentence on the standard error; or 2 if the command is used wrongly.
"""

import click

from operate.decisions.command import approve, reject, withdraw
from operate.destroy.command import destroy
from operate.details.command import show
from operate.listing.command import list_
from operate.records.command import records
from operate.starting.command import plan, start
from operate.status.command import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def offboarding() -> None:
    """Operate a deployed stack of WorkMail offboardings.

    It uses the credentials of the AWS CLI. With AWS_ENDPOINT_URL it works on the embedded AWS of `make serve`.
    """


offboarding.add_command(approve)
offboarding.add_command(destroy)
offboarding.add_command(list_)
offboarding.add_command(records)
offboarding.add_command(show)
offboarding.add_command(status)
offboarding.add_command(plan)
offboarding.add_command(records)
offboarding.add_command(reject)
offboarding.add_command(start)
offboarding.add_command(withdraw)


def main() -> None:
    """Run the command with the arguments of the process."""
    offboarding(prog_name="offboarding")
