"""The language model's server; talk to it with `june chat`."""
