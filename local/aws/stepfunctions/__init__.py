"""AWS Step Functions: moto's interpreter, on the movable clock and with AWS's semantics.

moto (5.2.5) interprets the Amazon States Language. Each module changes one part that differs from AWS, for as long as
the hooks are in place:

- `expressions`: JSONata (evaluated by `jsonata`) and ``Assign``.
- `result_types`: the types of results that a state requires.
- `sizes`: how large inputs, outputs and variables can be.
- `contexts`: the context object.
- `waits`: ``Wait`` states, retry intervals, and interruptions.
- `task_tokens`: waiting for a token's answer, and answering.
- `states`: Task, Parallel and Map states, and their time-outs; a Choice without a match.
- `workers`: the threads of executions, branches and iterations, and the machine's ``TimeoutSeconds``.
- `redrive`: ``RedriveExecution``.
- `caches`: speed only.
- `api`: the service's API.
- `deletions`: state machines that are being deleted.
- `definitions`: what is refused when a state machine is created.
- `status_events`: the events about executions; installed by itself.
"""

from moto.stepfunctions.parser import models as parser_models  # noqa: F401 (the import loads the whole interpreter)

from local.aws.stepfunctions import (
    api,
    caches,
    contexts,
    definitions,
    deletions,
    expressions,
    redrive,
    result_types,
    sizes,
    states,
    task_tokens,
    waits,
    workers,
)
from local.clock import Clock
from local.hooks import Hooks


def install(clock: Clock, *, truncate_timestamps: bool = False) -> Hooks:
    """Put Step Functions on a clock.

    Parameters
    ----------
    clock
        The clock that every wait is on.
    truncate_timestamps
        Cut a Wait state's ``Timestamp`` to whole seconds, as AWS documents that it does: a wait can then
        end up to 999 ms early. Without it no wait ends before its timestamp.

    Returns
    -------
    Hooks
        Call its ``restore``, or use it as a context manager.
    """
    hooks = Hooks()
    expressions.install(hooks)
    result_types.install(hooks)
    sizes.install(hooks)
    contexts.install(hooks)
    waits.install(hooks, clock, truncate_timestamps=truncate_timestamps)
    task_tokens.install(hooks, clock)
    states.install(hooks, clock)
    workers.install(hooks, clock)
    redrive.install(hooks, clock)
    caches.install(hooks)
    api.install(hooks, clock)
    definitions.install(hooks)
    deletions.install(hooks)
    return hooks
