"""Bots: answer people on Telegram and Discord, by text and by voice."""
