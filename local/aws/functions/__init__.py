"""AWS Lambda: the runtime with its execution environments and snapshots, and the event source mappings."""
