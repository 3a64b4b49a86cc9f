"""Which quota of AWS limits many offboardings that start at once, and for how long."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.costs.durations import HIGH
from tools.costs.metering import Counts

FILE = Path(__file__).parent / "quotas.json"


@dataclass(frozen=True)
class Quota:
    """A quota of an account in one of the large Regions.

    Attributes
    ----------
    name
        What is limited.
    count
        What of an offboarding counts: an operation, a price's key, ``starts``, or ``seconds`` of functions.
    burst, per_second
        How many are allowed at once, and how many in each second after that.
    source, basis
        The page of AWS, and how far the figure was verified.
    """

    name: str
    count: str
    burst: int
    per_second: int
    source: str
    basis: str

    def estimate_seconds(self, offboardings: int, demand: float) -> float:
        """Return how long the quota makes offboardings take at least that start at once."""
        return max(0.0, offboardings * demand - self.burst) / self.per_second


def load_quotas() -> list[Quota]:
    """Read the file of quotas."""
    return [Quota(**row) for row in json.loads(FILE.read_text(encoding="utf-8"))["quotas"]]


def measure_demand(quota: Quota, counts: Counts) -> float:
    """Return how much of a quota one offboarding takes, by a run of it. Functions are assumed to be slow."""
    demands: Mapping[str, float] = {
        **counts.operations,
        **counts.units,
        "starts": 1,
        "seconds": sum(
            HIGH.estimate_seconds(number, counts.calls[module]) for module, number in counts.invocations.items()
        ),
    }
    return demands[quota.count]
