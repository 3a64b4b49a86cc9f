"""The restore of an offboarding: `offboarding restore`."""
