"""Training of SpotNet and ConvNet, with PyTorch (extra ``train``).

`data` draws crops of images simulated on the fly, `model` holds the networks as PyTorch modules,
`losses` says what they should do, `trainer` runs a `recipes.Recipe` and can go on after a kill.
Nothing outside this package imports PyTorch.
"""
