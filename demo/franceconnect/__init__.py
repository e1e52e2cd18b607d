"""A simulator of FranceConnect: an identity provider with its rules, its errors and its traps.

It speaks as FranceConnect version 2 does to a service provider, with invented people in the place
of identity providers and of the civil status register. ``bin/start`` shows it, the tests ask it;
nothing here is part of the product, and no State logo is drawn.
"""

from demo.franceconnect.application import create_app
from demo.franceconnect.configuration import Configuration
from demo.franceconnect.configuration import Registration
from demo.franceconnect.simulator import Simulator

__all__ = ["Configuration", "Registration", "Simulator", "create_app"]
