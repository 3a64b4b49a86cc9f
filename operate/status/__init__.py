"""What needs a person, and how the stack stands: `offboarding status`."""
