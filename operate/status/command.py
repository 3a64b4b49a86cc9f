"""The command `offboarding status`: what needs a person, then how the stack stands."""

from collections.abc import Iterator
from datetime import timedelta

import click

from operate.account import Account
from operate.advice import Advice
from operate.options import account_options
from operate.questions.table import RecordsTable
from operate.status.offboardings import RECENT_DAYS, Overview, read_overview
from operate.status.resources import (
    Alarm,
    DeadLetters,
    EventQueue,
    read_alarms,
    read_dead_letters,
    read_event_queue,
    try_read,
)
from operate.terminal import one_line, print_facts, print_section

_REFUSED_EVENTS = "EventDeadLetterQueueUrl"


@click.command()
@account_options
def status(account: Account) -> None:
    """Show what needs a person, with the command to type next; then what is in the window, waits and failed."""
    now = account.read_time()
    overview = read_overview(account, RecordsTable(account), now)
    queue = try_read(lambda: read_event_queue(account, now))
    dead_letters = try_read(lambda: read_dead_letters(account))
    alarms = try_read(lambda: read_alarms(account))
    needs = [*overview.needs, *_list_needs_of_resources(account, queue, dead_letters, alarms)]
    click.echo(f"{account.stack.name} in {account.region}, {now:%Y-%m-%d %H:%M}. All times are UTC.")
    print_section("What needs a person", _render_needs(needs) if needs else ["Nothing."])
    print_section("The end of Amazon WorkMail", map(one_line, overview.service_end))
    print_facts("Offboardings", _list_counts(overview))
    print_section("Events of identity providers", [_describe_queue(queue)])
    print_facts("Dead letters", _list_dead_letters(dead_letters))
    print_section("Alarms", _describe_alarms(alarms))


def _render_needs(needs: list[Advice]) -> Iterator[str]:
    for number, need in enumerate(needs, start=1):
        yield f"{number}. {one_line(need.sentence)}"
        if need.command is not None:
            yield f"     {need.command}"


def _list_counts(overview: Overview) -> Iterator[tuple[str, object]]:
    unwatched = f" (not verified by anybody: {overview.unwatched})" if overview.unwatched else ""
    yield "In the window", f"{overview.window}{unwatched}"
    yield "Wait for an approval", str(overview.waiting["AwaitingApproval"])
    yield "Wait for a date", str(overview.waiting["Scheduled"])
    yield "Wait for an export", str(overview.waiting["Exporting"])
    yield f"Failed in the last {RECENT_DAYS} days", str(overview.failed)
    yield f"Refused events in the last {RECENT_DAYS} days", str(overview.refused)


def _list_needs_of_resources(
    account: Account,
    queue: EventQueue | str | None,
    dead_letters: list[DeadLetters] | str,
    alarms: list[Alarm] | str,
) -> Iterator[Advice]:
    for problem in dict.fromkeys(answer for answer in (queue, dead_letters, alarms) if isinstance(answer, str)):
        yield Advice(f"Not everything could be read, so that something can be missing here. {problem}")
    if isinstance(queue, EventQueue) and queue.is_paused:
        yield Advice(_describe_queue(queue), account.render_command("queue", "resume"))
    for letters in dead_letters if isinstance(dead_letters, list) else ():
        if letters.count:
            command = "refused" if letters.output == _REFUSED_EVENTS else "doctor"
            yield Advice(f"{letters.title}: {letters.count}.", account.render_command(command))
    for alarm in alarms if isinstance(alarms, list) else ():
        yield Advice(f"The alarm {alarm.name} rings. {alarm.description}", account.render_command("doctor"))


def _describe_queue(queue: EventQueue | str | None) -> str:
    if queue is None:
        return "The stack has no identity providers."
    if isinstance(queue, str):
        return queue
    state = "paused: nothing is read" if queue.is_paused else "not paused"
    age = ""
    if queue.waiting:
        age = f", the oldest for {_render_age(queue.oldest)}" if queue.oldest else ", and CloudWatch has no age of them"
    return f"The queue is {state}. Events that wait: {queue.waiting}{age}."


def _render_age(age: timedelta) -> str:
    minutes = age // timedelta(minutes=1)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def _list_dead_letters(dead_letters: list[DeadLetters] | str) -> Iterator[tuple[str, object]]:
    if isinstance(dead_letters, str):
        yield "Not read", dead_letters
        return
    for letters in dead_letters:
        yield letters.title, str(letters.count)


def _describe_alarms(alarms: list[Alarm] | str) -> Iterator[str]:
    if isinstance(alarms, str):
        yield alarms
    elif not alarms:
        yield "No alarm of the stack rings."
    else:
        for alarm in alarms:
            since = f" since {alarm.since:%Y-%m-%d %H:%M}" if alarm.since else ""
            yield f"{alarm.name} rings{since}."
