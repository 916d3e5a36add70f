"""Configuration: every setting, its value, and where it came from."""
