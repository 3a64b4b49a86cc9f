"""What an event of an identity provider means for the executions: a departure, a repetition, or a return."""
