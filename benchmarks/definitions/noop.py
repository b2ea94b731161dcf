"""A thousand assets that do nothing: ten layers of a hundred, each depending on the one above it."""

from upwell import Definitions, asset

WIDTH, DEPTH = 100, 10


def layered():
    """The assets, upstream first."""
    made = []
    for layer in range(DEPTH):
        for column in range(WIDTH):

            @asset(name=f"noop_{layer}_{column}", deps=[made[-WIDTH]] if layer else [])
            def noop() -> None:
                return None

            made.append(noop)
    return made


defs = Definitions(assets=layered())
