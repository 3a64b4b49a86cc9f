"""Threads: each execution, branch and iteration runs in its own thread, which is work on the clock."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta
from typing import Any

from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import job
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel.branch_worker import BranchWorker
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramRunning
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker

from local.aws.stepfunctions.contexts import render_timestamp
from local.aws.stepfunctions.states import start_child
from local.clock import Clock
from local.hooks import Hooks


def install(hooks: Hooks, clock: Clock) -> None:
    """Have executions run in threads that are work on the clock, for as long as the hooks are in place."""
    _hook_programs(hooks, clock)
    _hook_workers(hooks, clock)


def _hook_workers(hooks: Hooks, clock: Clock) -> None:
    init_pool, init_jobs = branches_decl.BranchWorkerPool.__init__, job.JobPool.__init__

    def init_branches(self: branches_decl.BranchWorkerPool, workers_num: int) -> None:
        init_pool(self, workers_num)
        self._termination_event = _GateEvent(clock)

    def init_iterations(self: job.JobPool, *args: Any, **kwargs: Any) -> None:
        init_jobs(self, *args, **kwargs)
        self._termination_event = _GateEvent(clock)

    def start_branch(self: BranchWorker) -> None:
        self._worker_thread = threading.current_thread()
        start_child(clock, f"branch of {_execution_name(self.env)}", self._thread_routine)

    def launch_iterations(self: InlineIterationComponent, **kwargs: Any) -> Any:
        worker = self._create_worker(**kwargs)
        start_child(clock, f"iteration of {_execution_name(kwargs['env'])}", worker.eval)
        return worker

    def start_execution(self: ExecutionWorker) -> None:
        # Made here and not in the thread: an execution can be stopped as soon as it is started.
        env = self.env = make_environment(self)
        self._get_evaluation_environment = lambda: env
        self.local_work = clock.start_thread(f"execution {_execution_name(env)}", self._execution_logic)

    hooks.replace(branches_decl.BranchWorkerPool, "__init__", init_branches)
    hooks.replace(job.JobPool, "__init__", init_iterations)
    hooks.replace(BranchWorker, "start", start_branch)
    hooks.replace(InlineIterationComponent, "_launch_worker", launch_iterations)
    hooks.replace(ExecutionWorker, "start", start_execution)


def make_environment(worker: ExecutionWorker) -> Environment:
    """Make the environment in which an execution runs from now on."""
    env = ExecutionWorker._get_evaluation_environment(worker)
    execution = env.states.context_object.context_object_data["Execution"]
    execution["StartTime"] = render_timestamp(execution["StartTime"])
    env._program_state = ProgramRunning()
    return env


class _GateEvent:
    """A `threading.Event` whose wait does not count as work."""

    def __init__(self, clock: Clock) -> None:
        self._gate = clock.gate()

    def is_set(self) -> bool:
        return self._gate.is_open()

    def set(self) -> None:
        self._gate.open()

    def wait(self) -> bool:
        return self._gate.wait()


def _execution_name(env: Environment) -> str:
    return str(env.states.context_object.context_object_data["Execution"]["Name"])


def _hook_programs(hooks: Hooks, clock: Clock) -> None:
    def evaluate(self: Program, env: Environment) -> None:
        # Raised if it was stopped before it began: then only its end is recorded below.
        with contextlib.suppress(RuntimeError):
            env.next_state_name = getattr(env, "local_resume_at", self.start_at.start_at_name)
        timer = None
        if self.timeout_seconds:
            when = clock.now() + timedelta(seconds=self.timeout_seconds.timeout_seconds)
            timer = clock.call_at(when, env.set_timed_out, f"time-out of {_execution_name(env)}")
        try:
            self._eval_body(env)
        finally:
            if timer is not None:
                timer.cancel()

    hooks.replace(Program, "eval", evaluate)
