"""Training a network to its global optimum.

`train` lets violating neurons join and all move, at their best sizes (`sizing`, `group_lasso`), and
prices all neurons (`pricing`) until none is worth the tolerance. `movers` chooses what moves them:
the gradients of `growth` and `descent`, or the Newton steps of `search` and `newton`. `rounds`
keeps what has been reached and proven. Where little is gained, the program on the cells of
`cells_around` is solved. `retraining` starts from a `warm_start`. `gradients` is gradient training,
the baseline.
"""
