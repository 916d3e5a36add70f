"""Chat in text: one answer, or a conversation."""
