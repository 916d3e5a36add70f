"""Speech to text: transcribe files, measure the recogniser."""
