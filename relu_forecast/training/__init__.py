"""Training a network to its global optimum.

`train` alternates a local `search`, in which violating neurons join and all move by the Newton
steps of `newton`, through the kinks of `softening`, at the best sizes of `sizing`, with `pricing`
of all neurons; where that gains little it solves the program on the cells of `cells_around`.
`retraining` does so from a `warm_start`. `gradients` is gradient training, the baseline.
"""
