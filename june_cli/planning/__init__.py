"""Will a model fit? One account of memory for every kind of machine, and the nearest plan that does fit."""
