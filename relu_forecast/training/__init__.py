"""Training a network to its global optimum.

`adaptive` trains: neurons join and move until pricing finds none that helps, and programs are
solved on the cells around them where that gains little. `local_search` lets them join and move, by
the Newton steps of `newton` through the kinks of `kinks`, and the best sizes of `discovery`.
`objective` is what is minimised, before patterns are chosen, and prices its neurons: by the
multi-start search of `pricing` from `starts`, or by `exact_pricing` where the rows span few
dimensions. `descent` is gradient training, the baseline.
"""
