"""The commands `offboarding queue` and `offboarding refused`."""

from collections.abc import Iterator, Sequence

import click
from botocore.exceptions import BotoCoreError, ClientError

from operate.account import Account
from operate.errors import Refusal, explain_interruption
from operate.options import account_options, report
from operate.queues.letters import DEAD_LETTER_OUTPUTS, Letter, LetterBox, count_messages, find_target, open_letters
from operate.queues.subjects import describe_subject
from operate.terminal import is_terminal, print_facts, print_lines, print_table, render_moment, require_consent

_MAPPING, _EVENT_QUEUE = "EventSourceMappingId", "EventQueueUrl"
_NO_PROVIDERS = "The stack has no identity providers, so no events start offboardings."
_STATES = {
    "Enabled": "Events are read as they come.",
    "Disabled": "The queue is paused: events wait in it for up to 14 days, and then SQS drops them.",
}
_FACTS = ("Since (UTC)", "Provider", "Event", "Who", "Reason")
_POLL_COUNT = 30
_POLL_SECONDS = 2.0
_PAUSE_NOTE = (
    "Events of identity providers wait in their queue now, for up to 14 days; after that SQS drops them. Offboardings "
    "that run or wait go on. Resume with:"
)
_STREAM_NOTE = "What to do: docs/reference.md, When something could not be told."
_RESUME_NOTE = "Events are read again. A departure that has waited long starts some minutes later than a return."


@click.command()
@click.argument("action", type=click.Choice(["pause", "resume"]), required=False)
@account_options
def queue(account: Account, action: str | None) -> None:
    """Say how many events of identity providers wait, or pause or resume the reading of them."""
    if _MAPPING not in account.stack.outputs:
        if action is not None:
            raise Refusal(_NO_PROVIDERS)
        click.echo(_NO_PROVIDERS)
        return
    if action is not None:
        _switch(account, enabled=action == "resume")
    state = _read_state(account)
    click.echo(_STATES.get(state, f"The reading of events is {state}."))
    click.echo(f"Events that wait: about {count_messages(account, account.stack.outputs[_EVENT_QUEUE])}.")


@click.command()
@click.argument("action", type=click.Choice(["list", "resend", "drop"]), default="list")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Resend or drop all letters of the queue, instead of ID.")
@click.option(
    "--queue",
    "name",
    type=click.Choice([*DEAD_LETTER_OUTPUTS]),
    default="events",
    show_default=True,
    help="Which dead letters.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_options
def refused(account: Account, action: str, ids: tuple[str, ...], name: str, *, is_all: bool, yes: bool) -> None:
    """List the events on which nothing could act; resend them when the cause is removed, or drop them.

    Sending an event again is safe: a leaver is not offboarded twice.
    """
    if (action == "list" and (ids or is_all)) or (action != "list" and is_all == bool(ids)):
        raise click.UsageError("Give ID or --all with resend and drop, and neither with list.")
    url = account.stack.outputs.get(DEAD_LETTER_OUTPUTS[name])
    if url is None and action != "list":
        raise Refusal(_NO_PROVIDERS)
    if url is None:
        click.echo(_NO_PROVIDERS)
        hidden_count = 0
    else:
        with open_letters(account, url) as box:
            if action == "list":
                _print_letters(account, box.letters, name, is_complete=not box.hidden_count)
            else:
                _change(account, box, box.select(ids, is_all=is_all), action, name, yes=yes)
            hidden_count = 0 if ids else box.hidden_count
    if action == "list":
        print_lines(_describe_further_queues(account, name))
    if hidden_count:
        raise Refusal(
            f"Letters that cannot be read now, because somebody else has them open: about {hidden_count}. Try again "
            "in five minutes."
        )


def _switch(account: Account, *, enabled: bool) -> None:
    """Pause or resume the reading, and wait until AWS Lambda has done that, at most a minute.

    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html

    Raises
    ------
    Refusal
        If it has not done that in time.
    """
    mapping = account.stack.outputs[_MAPPING]
    account.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=enabled)
    for _ in range(_POLL_COUNT):
        if _read_state(account) == ("Enabled" if enabled else "Disabled"):
            click.echo(_RESUME_NOTE if enabled else f"{_PAUSE_NOTE} {account.render_command('queue', 'resume')}")
            return
        account.pause(_POLL_SECONDS)
    raise Refusal(
        f"AWS Lambda is asked, and the reading of events is still {_read_state(account)}. Look again with: "
        f"{account.render_command('queue')}"
    )


def _read_state(account: Account) -> str:
    """Return whether events are read: `Enabled`, `Disabled`, or on the way to it.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
    """
    answer = account.client("lambda").get_event_source_mapping(UUID=account.stack.outputs[_MAPPING])
    return str(answer["State"])


def _change(account: Account, box: LetterBox, letters: Sequence[Letter], action: str, name: str, *, yes: bool) -> None:
    if action == "drop":
        _print_letters(account, letters, name)
        subject = "Is this one" if len(letters) == 1 else f"Are these {len(letters)}"
        require_consent(f"{subject} to be deleted for ever?", is_given=yes)
        box.require_receipts()
        for letter in letters:
            box.drop(letter)
        click.echo(f"Dropped: {len(letters)}.")
        return
    _resend(box, [letter for letter in letters if letter.is_sendable], find_target(account, name))
    left_count = sum(not letter.is_sendable for letter in letters)
    if left_count:
        raise Refusal(f"Letters that cannot be sent again, and stay in this list: {left_count}. {_STREAM_NOTE}")


def _resend(box: LetterBox, letters: Sequence[Letter], target: str) -> None:
    number = 0

    def describe_progress() -> str:
        return f"Sent again: {number} of {len(letters)}. The others stay in this list."

    with explain_interruption(lambda: f"Interrupted. {describe_progress()}"):
        try:
            for letter in letters:
                box.resend(letter, target)
                number += 1
                if number % 100 == 0:
                    report(f"Sent again: {number} of {len(letters)} …")
        except (ClientError, BotoCoreError):
            report(describe_progress())
            raise
    click.echo(f"Sent again: {number}. What is refused again comes back into this list.")


def _print_letters(account: Account, letters: Sequence[Letter], name: str, *, is_complete: bool = True) -> None:
    if not letters:
        if is_complete:
            click.echo("There are no dead letters.")
        return
    if is_terminal():
        # An id in a column would be broken into several lines, and nobody could copy it.
        for letter in letters:
            print_facts(letter.id, zip(_FACTS, _list_facts(letter), strict=True))
    else:
        print_table(("Id", *_FACTS), ((letter.id, *_list_facts(letter)) for letter in letters))
    resend, drop = (account.render_command("refused", action, "ID", "--queue", name) for action in ("resend", "drop"))
    click.echo(f"\nRemove the cause, or offboard by hand. Then: {resend}, or: {drop}")


def _list_facts(letter: Letter) -> tuple[str | None, ...]:
    subject = describe_subject(letter.event)
    return (render_moment(letter.sent_at), letter.provider, letter.kind, subject, _explain(letter))


def _explain(letter: Letter) -> str:
    if letter.reason is not None:
        return letter.reason
    if not letter.event:
        return "It is no event. Drop it."
    if not letter.is_sendable:
        return f"It cannot be sent again: it has no step, only the time of a batch. {_STREAM_NOTE}"
    return "It was not refused: it failed in all attempts, or could not be delivered. Resend it."


def _describe_further_queues(account: Account, name: str) -> Iterator[str]:
    """Go through the other queues of dead letters that are not empty."""
    for further, output in DEAD_LETTER_OUTPUTS.items():
        url = account.stack.outputs.get(output)
        count = count_messages(account, url) if url and further != name else 0
        if count:
            command = account.render_command("refused", "--queue", further)
            yield f"Dead letters of {further}: about {count}. See: {command}"
