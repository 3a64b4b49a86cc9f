"""What is told about a step of an offboarding: an event for other systems, and a mail for what needs a person."""
