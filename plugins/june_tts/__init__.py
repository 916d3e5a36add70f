"""Text to speech: speak text into a file, list voices, measure the voice."""
