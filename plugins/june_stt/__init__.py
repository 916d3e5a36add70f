"""Speech to text: transcribe files, measure."""
