"""From the CDK context to the app that can be synthesized."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import App

from stacks.offboarding_stack import OffboardingStack
from stacks.settings import CONTEXT_KEY, Settings

STACK_NAME = "workmail-offboarding"


def offboarding_app(
    context: Mapping[str, object], *, outdir: Path | None = None, deployment_region: str | None = None
) -> App:
    """Make the app with its one stack, not yet synthesized.

    Parameters
    ----------
    context
        The context of ``cdk.json``. What the CDK CLI hands over in the environment goes before it.
    outdir
        Where the cloud assembly is going to be written; a temporary directory when not given.
    deployment_region
        The Region that the CDK CLI is going to deploy to, when it is known.

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
    settings = Settings.from_context(app.node.try_get_context(CONTEXT_KEY), deployment_region)
    OffboardingStack(app, STACK_NAME, settings=settings)
    return app
