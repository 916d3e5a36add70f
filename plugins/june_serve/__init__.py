"""Services: start them and leave them running, look at them, stop them."""
