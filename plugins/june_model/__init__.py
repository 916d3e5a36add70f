"""Models: fetch, verify, plan, build, load and unload them."""
