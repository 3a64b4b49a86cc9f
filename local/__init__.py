"""What runs on this machine: AWS embedded, and the tools around it."""
