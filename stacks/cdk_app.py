"""Builds the CDK app from the CDK context."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from aws_cdk import Annotations, App

from stacks.offboarding_stack import OffboardingStack
from stacks.settings import CONTEXT_KEY, Settings
from stacks.settings_fields import SettingsError

STACK_ID = "workmail-offboarding"
"""The stack's name in the app, whatever its `stackName`: the CLI and the assembly's files use it."""


def build_app(
    context: Mapping[str, object],
    *,
    outdir: Path | None = None,
    deployment_region: str | None = None,
    is_deployment: bool = False,
) -> App:
    """Build the app with its one stack, not yet synthesized.

    Parameters
    ----------
    context
        The context of ``cdk.json``. The context that the CDK CLI passes in the environment takes precedence.
    outdir
        The directory of the cloud assembly; a temporary one if ``None``.
    deployment_region
        The Region that the CDK CLI is going to deploy to, if it is known.
    is_deployment
        Whether the stack is about to be deployed. Settings that only a deployment must not have are warned of
        otherwise: a stack can be compared and destroyed after the service has ended.

    Returns
    -------
    App
        Call its ``synth()``.

    Raises
    ------
    SettingsError
        A setting is wrong.
    """
    app = App(
        context=dict(context),
        outdir=str(outdir) if outdir else None,
        # Otherwise the CLI would find an empty assembly after a setting was refused.
        auto_synth=False,
    )
    settings = Settings.from_context(_read_settings(app, context), deployment_region)
    stack = OffboardingStack(app, STACK_ID, settings=settings)
    problems = settings.find_deployment_problems(datetime.now(UTC).date())
    if problems and is_deployment:
        raise SettingsError(*problems.values())
    for name, sentence in problems.items():
        Annotations.of(stack).add_warning_v2(f"WorkMailOffboarding:{name}", sentence)
    return app


def _read_settings(app: App, context: Mapping[str, object]) -> object:
    """Return the settings that the app has, with their members that are null, which jsii does not pass on.

    Without these members a setting would silently have its default.
    """
    settings = app.node.try_get_context(CONTEXT_KEY)
    for source in (*_iterate_cli_contexts(), context):
        if _leave_out_nulls(source.get(CONTEXT_KEY)) == settings:
            return source.get(CONTEXT_KEY)
    return settings


def _iterate_cli_contexts() -> Iterator[Mapping[str, object]]:
    """Yield what the CDK CLI passes as context: in a variable, and in a file if it is too large for one."""
    if "CDK_CONTEXT_JSON" in os.environ:
        yield json.loads(os.environ["CDK_CONTEXT_JSON"])
    if "CONTEXT_OVERFLOW_LOCATION_ENV" in os.environ:
        yield json.loads(Path(os.environ["CONTEXT_OVERFLOW_LOCATION_ENV"]).read_text(encoding="utf-8"))


def _leave_out_nulls(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _leave_out_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_leave_out_nulls(item) for item in value]
    return value
