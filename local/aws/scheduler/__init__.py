"""Amazon EventBridge Scheduler: `expressions` says when a schedule fires, and `schedules` has it fire on the clock."""

from local.aws.scheduler.schedules import Schedules

__all__ = ["Schedules"]
