"""Training a network to its global optimum.

`adaptive` trains: programs on discovered patterns until pricing finds nothing. `local_search`
discovers patterns with the steps of `discovery` and the gradients of `descent`. `objective` is
what is minimised, before patterns are chosen, and prices its neurons: by the multi-start search
of `pricing`, or by `exact_pricing` where the rows span few dimensions.
"""
