"""How long functions are assumed to run. It cannot be measured without AWS, so there is a low and a high assumption.

Low: warm, and a quick answer to each call. High: every invocation initializes the function, and each call is slow.
Importing a function's module takes 0.4 to 0.7 s on an idle core (`make bench`). A function of 256 MB has a seventh of
one: Lambda gives a whole one at 1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DurationAssumption:
    """What an invocation is assumed to take, in seconds.

    Attributes
    ----------
    base_seconds
        Without calls: the initialization, if any, and the function's code.
    call_seconds
        For each call to a service of AWS.
    """

    name: str
    base_seconds: float
    call_seconds: float

    def estimate_seconds(self, invocations: int, calls: int) -> float:
        """Return the duration of some invocations that together make some calls."""
        return invocations * self.base_seconds + calls * self.call_seconds


LOW = DurationAssumption("low", base_seconds=0.05, call_seconds=0.02)
HIGH = DurationAssumption("high", base_seconds=5.0, call_seconds=0.25)
