"""The lists of offboardings: `offboarding list`."""
