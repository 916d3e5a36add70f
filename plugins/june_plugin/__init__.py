"""Plugins: list them, or begin one of your own."""
