"""One voice turn: a spoken question in, a spoken answer out."""
