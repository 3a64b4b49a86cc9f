"""The mail about a step that needs a person: all wording of all mails is here.

A mail is plain text. Its subject is ASCII, shorter than 100 characters, and names nobody. Nothing in it can decide or
start anything: mail scanners open links.
"""

from dataclasses import dataclass

from offboarding.domain.caps import CapKind, select_cap
from offboarding.domain.notifications.steps import ToldStep
from offboarding.domain.outcomes import SUCCESSFUL_OUTCOMES

ADVICE = {
    "InvalidRequest": "Correct the input as the cause says, then start again.",
    "EntityNotFound": "Check the spelling and the organization, or give the id.",
    "EntityAmbiguous": "Start again with one of the ids that the cause lists.",
    "EntityMismatch": "Make sure which entity is meant, then start again with its id.",
    "EntityProtected": "Nothing, if it is to stay protected. Only an entry of the settings can be lifted.",
    "ApprovalTimedOut": "Start again if the entity is still to be offboarded.",
    "OrganizationNotFound": "Check the organization's id and the setting workmailRegion.",
    "OrganizationNotActive": "Start again when the organization is active.",
    "DeregistrationRefused": "Look at the entity in the WorkMail console.",
    "DeregistrationNotConfirmed": "Look at the entity in the WorkMail console. If it is disabled, start again: the new "
    "execution joins the wait. If it was protected or withdrawn meanwhile, restore it instead.",
    "ExportFailed": "Correct what the cause names, as docs/archive.md says, then start again.",
    "ArchiveUnavailable": "Start again when Amazon S3 is available.",
    "CleanupOverdue": "Ask AWS Support about the mailbox. Start again to have its removal verified.",
    "DirectoryAuthenticationFailed": "Repair the service account of the organization's directory, then start again.",
    "AccessDenied": "Allow the action that the cause names, then start again.",
    "RecordMissing": "Start again. Find out who deleted the record.",
    "RecordUnavailable": "Start again when AWS is available.",
    "SettingsUnavailable": "Put back the value of the parameter with the lists and the caps, then start again.",
    "WorkMailUnavailable": "Start again when WorkMail is available.",
    "FunctionUnavailable": "Start again when AWS Lambda is available.",
    "UnexpectedFailure": "Look at the entity in the WorkMail console, then at the log of the function.",
    "Stopped": "If it was stopped by mistake, start again. If the entity is to keep its mailbox, start a restore.",
    "TimedOut": "Look at the entity in the WorkMail console, then start again.",
    "Forgotten": "Look at the entity in the WorkMail console. Start again to have its removal verified.",
}
"""What to do after each outcome that fails."""

_RUNBOOK = "docs/runbook.md"
_REASON = '--reason "<why>"'
_DEFAULT_ADVICE = "Read the cause, then start again."
_SUBJECT_PREFIX = "WorkMail offboarding"
_TYPE_NAMES = {"USER": "the user", "GROUP": "the group", "RESOURCE": "the resource"}


_CAP_SUBJECTS = {
    CapKind.PROVIDERS: "the cap of identity providers is reached",
    CapKind.HAND: "the cap of offboardings by hand is reached",
}


@dataclass(frozen=True)
class Mail:
    """A message to the people who are notified."""

    subject: str
    text: str


@dataclass(frozen=True)
class MailOptions:
    """What the settings and the stack add to the mails.

    Attributes
    ----------
    has_names
        Whether mails contain names, addresses and free text.
    stack_name
        The stack, on which the commands of the mails work.
    """

    has_names: bool
    stack_name: str


def make_mail(step: ToldStep, options: MailOptions) -> Mail | None:
    """Make the mail about a step; None if it needs nobody."""
    if step["Step"] == "AwaitApproval":
        return _make_approval_mail(step, options)
    if step["Step"] == "Ended" and step["Outcome"] not in SUCCESSFUL_OUTCOMES and not step.get("DryRun"):
        return _make_failure_mail(step, options)
    if step["Step"] == "LeaverReturned":
        return _make_return_mail(step, options)
    if step["Step"] == "LastVerificationDay":
        return _make_last_day_mail(step)
    return None


def _make_approval_mail(step: ToldStep, options: MailOptions) -> Mail | None:
    if not step["CapIsReached"]:
        subject = "an approval is needed"
        opening = [f"The offboarding of {_describe_entity(step, options)} waits for an approval until {step['Until']}."]
    elif step["IsFirstOfCap"]:
        kind = select_cap(step.get("Request", {}))
        subject = _CAP_SUBJECTS[kind]
        opening = [
            *_describe_reached_cap(kind, step),
            f"The first one that waits is {_describe_entity(step, options)}, until {step['Until']}.",
        ]
    else:
        return None
    reasons = step["Reasons"] if options.has_names else ["The reasons are in the record of the execution."]
    paragraphs = [
        "Nothing has been changed yet.",
        *opening,
        *(_one_line(reason) for reason in reasons),
        *([_describe_request(step)] if options.has_names else []),
        "If nobody decides until then, the offboarding ends as ApprovalTimedOut, and nothing is changed.",
        "What to do: look first, then decide with one of the commands below it:",
        *_list_decision_commands(step, options),
        f"Execution: {step['Id']}",
        _render_console_link(step),
    ]
    return make_mail_of(subject, [paragraph for paragraph in paragraphs if paragraph])


def _list_decision_commands(step: ToldStep, options: MailOptions) -> list[str]:
    """List the commands that look and decide: about one entity, or about all that wait because of a cap."""
    if step["CapIsReached"]:
        cap, where = select_cap(step.get("Request", {})), _render_options(step, options)
        selection = f"--all --because {cap} {_REASON}"
        return [
            f"offboarding list --waiting {where}",
            f"offboarding approve {selection} {where}",
            f"offboarding reject {selection} {where}",
        ]
    return [
        _render_command(step, options, "show"),
        _render_command(step, options, "approve", _REASON),
        _render_command(step, options, "reject", _REASON),
    ]


def _describe_reached_cap(kind: CapKind, step: ToldStep) -> list[str]:
    """Return which cap is reached, and what to look at before anything is approved."""
    if kind is CapKind.PROVIDERS:
        opening = f"Identity providers report more leavers of {step.get('OrganizationId')}"
        advice = "If so many people did not leave, look at the identity provider before you approve anything."
        last_topic = "pause"
    else:
        opening = f"People have started more offboardings in {step.get('OrganizationId')}"
        advice = "If a list or a script is wrong, stop the script before you approve anything."
        last_topic = "restore"
    return [
        f"{opening} than {kind} allows in 24 hours.",
        f"Each further one waits for an approval, without a mail of its own. {advice} The runbook says how to "
        f"{last_topic}: {_RUNBOOK}#the-cap-is-reached",
    ]


def _describe_request(step: ToldStep) -> str:
    """Return who asked and why, as far as the request says so."""
    request = step.get("Request", {})
    requester = request.get("Requester", {})
    people = [name for name in (request.get("RequestedBy"), requester.get("RequestedBy")) if name]
    facts = (
        ("Requested by", ", ".join(people)),
        ("Identity provider", requester.get("Provider")),
        ("Reason given", request.get("Reason")),
    )
    return "\n".join(f"{title}: {_one_line(text)}" for title, text in facts if text)


def _make_failure_mail(step: ToldStep, options: MailOptions) -> Mail:
    touched = step["MailboxTouched"]
    match touched:
        case "Yes":
            subject, opening = "failed, and the mailbox was disabled", _describe_disabling(step)
        case "Maybe":
            subject = "failed, and the mailbox may have been disabled"
            opening = "The mailbox may have been disabled. Look at the entity in the WorkMail console."
        case _:
            subject, opening = "failed, and the mailbox was not touched", "The mailbox was not touched."
    cause = _without_claim(step.get("Cause", ""))
    paragraphs = [
        opening,
        f"The offboarding of {_describe_entity(step, options)} ended as {step['Outcome']}.",
        *([_one_line(cause)] if cause and options.has_names else []),
        *_advise(step["Outcome"]),
        _render_command(step, options, "show"),
        f"Execution: {step['Id']}",
        _render_console_link(step),
    ]
    return make_mail_of(subject, paragraphs)


def _advise(outcome: str) -> list[str]:
    """Return what to do after an outcome that failed, and where the runbook says more."""
    section = f" The runbook has more: {_RUNBOOK}#{outcome.lower()}" if outcome in ADVICE else ""
    return [
        f"What to do: {ADVICE.get(outcome, _DEFAULT_ADVICE)}",
        f"Begin with this command, which says what happened before and what to type next.{section}",
    ]


def _without_claim(cause: str) -> str:
    """Leave out the first sentence of a cause, where the mail begins with it."""
    return cause.removeprefix("The mailbox was not touched. ").removeprefix("The mailbox may be disabled. ")


def _make_return_mail(step: ToldStep, options: MailOptions) -> Mail:
    match step["MailboxTouched"]:
        case "Yes":
            subject, opening = "a leaver is back, and the mailbox is disabled", _describe_disabling(step)
        case "Maybe":
            subject = "a leaver is back, and the mailbox may be disabled"
            opening = "The mailbox may have been disabled. Look at the entity in the WorkMail console."
        case _:
            subject, opening = "a leaver is back, and the offboarding goes on", "The mailbox has not been touched."
    report = f"{step['Provider']} reports that {_describe_entity(step, options)} is back since {step['OccurredAt']}."
    if step["MailboxTouched"] == "No":
        date = f", for {step['NotBefore']}" if "NotBefore" in step else ""
        advice = [
            f"{report} The offboarding goes on, because somebody else asked for it{date}.",
            "What to do: if the person stays, withdraw the offboarding before it deregisters the mailbox:",
            _render_command(step, options, "withdraw", _REASON),
        ]
    else:
        last_day = "It works for 30 days from the disabling"
        if "RetentionEndsAt" in step:
            last_day = f"It works until {step['RetentionEndsAt']}"
        advice = [
            f"{report} Nothing is restored by itself.",
            f"What to do: if the person stays, start a restore. {last_day}. After that the mailbox is lost.",
            _render_command(step, options, "restore", _REASON),
        ]
    return make_mail_of(subject, [opening, *advice, f"Execution: {step['Id']}", _render_console_link(step)])


def _make_last_day_mail(step: ToldStep) -> Mail:
    paragraphs = [
        f"After {step['Day']}, a clean-up cannot be verified before Amazon WorkMail ends on {step['ServiceEndsOn']}.",
        "An offboarding that deregisters later ends as ServiceEnded. Nobody then observes the removal of the mailbox.",
        f"What to do: offboard by {step['Day']} everybody who leaves before WorkMail ends, if you need the proof.",
        "The command `offboarding list --waiting` lists the offboardings that wait for a later date or an approval.",
    ]
    return make_mail_of("the last day for a verified clean-up", paragraphs)


def make_mail_of(subject: str, paragraphs: list[str]) -> Mail:
    """Make a mail of the end of its subject and its paragraphs."""
    return Mail(f"{_SUBJECT_PREFIX}: {subject}", "\n\n".join(paragraphs))


def _describe_disabling(step: ToldStep) -> str:
    verification = " Nobody verifies that any more." if step["Step"] == "Ended" else ""
    if "DeregisteredAt" not in step or "RetentionEndsAt" not in step:
        return "The mailbox was disabled. Nobody verifies its removal any more."
    return (
        f"The mailbox was disabled at {step['DeregisteredAt']}, and WorkMail removes it after "
        f"{step['RetentionEndsAt']}.{verification}"
    )


def _describe_entity(step: ToldStep, options: MailOptions) -> str:
    """Describe whom a mail is about: by type, name, address and id, or by type and id alone."""
    type_name = _TYPE_NAMES.get(step.get("EntityType", ""), "the entity")
    organization = f" of {step['OrganizationId']}" if "OrganizationId" in step else ""
    identifiers = [step.get("EntityName"), step.get("EntityEmail"), step.get("Identifier")] if options.has_names else []
    texts = [_one_line(text) for text in (*identifiers, step.get("EntityId")) if text]
    if not texts:
        return f"an entity{organization} that was not found"
    name, *others = texts
    in_brackets = f" ({', '.join(others)})" if others else ""
    return f"{type_name} {name}{in_brackets}{organization}"


def _render_command(step: ToldStep, options: MailOptions, *words: str) -> str:
    """Render a command about the entity of a step: by its id, or by the execution if none was resolved."""
    verb, *more = words
    is_resolved = "EntityId" in step and "EntityType" in step
    subject = step["EntityId"] if is_resolved else step["Id"]
    return " ".join(["offboarding", verb, subject, *more, _render_options(step, options)])


def _render_options(step: ToldStep, options: MailOptions) -> str:
    """Render the options by which a command works on the stack of the mail."""
    return f"--region {step['Id'].split(':')[3]} --stack {options.stack_name}"


def _render_console_link(step: ToldStep) -> str:
    """Return the address of the execution in the console; it only shows the execution, to those who may see it."""
    region = step["Id"].split(":")[3]
    return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{step['Id']}"


def _one_line(text: str) -> str:
    """Remove line breaks, because a name is chosen by people and must not look like a paragraph of the mail."""
    return " ".join(text.split())
