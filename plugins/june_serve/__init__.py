"""Services: start them and leave them running, watch, stop."""
