"""How far clocks may differ, and for how long WorkMail may still show what was true before."""

from datetime import timedelta

WORKMAIL_CLOCK_SKEW = timedelta(minutes=15)
"""How far WorkMail's clock may be behind that of Step Functions."""

PROVIDER_CLOCK_SKEW = timedelta(minutes=1)
"""How far an identity provider's clock may be behind that of WorkMail."""

WORKMAIL_LAG_MARGIN = timedelta(minutes=5)
"""After this time WorkMail shows the effect of a call. Two minutes have been seen; the margin is wide."""

UNDATED_REGISTRATION_MARGIN = timedelta(minutes=15)
"""After this time an entity that reads as enabled, without `EnabledDate`, has been registered again."""
