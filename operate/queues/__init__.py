"""The queues of the stack: `offboarding queue` and `offboarding refused`."""
