"""Model weights: an authorized catalog, one writer, and a reader that containers may use."""
