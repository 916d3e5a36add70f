"""Text to speech: speak into a file, list voices, measure."""
