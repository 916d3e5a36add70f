"""Check this machine; every failure names the command that mends it."""
