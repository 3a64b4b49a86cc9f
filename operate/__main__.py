"""Runs the command `offboarding`: ``python -m operate``."""

from operate.command import main

if __name__ == "__main__":
    main()
