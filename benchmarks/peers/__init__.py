"""pyautograd beside its peers, each in its best form: `make bench-peers`, and `python benchmarks/peers --help`.

    cli.py           the command line; every case is measured by a process of its own, pinned to its core
    rounds.py        interleaved rounds, medians with quartiles, ratios between neighbours in time
    ours.py          pyautograd's compiled step: a whole epoch in one call, and a call a step
    theirs.py        JAX's scan, torch.compile, PyTorch and NumPy where the process differs from the package's own bench
    nets.py          a training step of five nets, every engine
    training.py      20 epochs on the handwritten digits, from the data to the test accuracy
    moons.py         the step of micrograd's demo, over Values and over `(batch,)` Tensors
    transformer.py   examples/microgpt.py, a transformer made of Values
    replay.py        what a replay costs beyond its arithmetic: time an operation, a call, allocations
    memory.py        what a program makes the process grow by, against its plan
    products.py      how much of a large net's step is matrix products, and how near they are to the machine's peak
    tables.py        what was measured, as tables in Markdown
    plots.py         and as pictures
    publish.py       both put into README.md and docs/, between their markers

Engines start from the same weights and see the same batches, and nothing is timed before their losses agree.
"""
