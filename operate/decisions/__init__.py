"""Decisions on offboardings that wait: `offboarding approve`, `offboarding reject` and `offboarding withdraw`."""
