"""The deletion of a stack: `offboarding destroy`, which `make destroy` calls."""
