"""What the embedded start shows and runs: servers as children, invented people, two services.

Nothing here is part of the product: the wheel does not carry it.
"""
