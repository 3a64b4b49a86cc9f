"""AWS Lambda: the runtime, its snapshots, and the event source mappings."""
