"""Container images: list them, build them, remove the ones no longer needed."""
