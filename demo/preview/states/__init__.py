"""Every state that a view can give a hosted page, and how the preview and the suites render it.

A state that is not in ``STATES`` does not exist: no picture shows it, axe-core never sees it, and
``tests/unit/test_preview.py`` refuses a template that no state shows. Tests import it from
``tests.page_states``, which adds what only they need. A page added to the product is added here.
"""

from demo.preview.states.entry import ENTRY
from demo.preview.states.inside import INSIDE
from demo.preview.states.shapes import State

STATES = [*ENTRY, *INSIDE]

LEAVING = ("pages/logging_out.html", "pages/to_franceconnect.html")
STAYING = [state for state in STATES if state.page not in LEAVING]
"""Those that a browser stays on; ``browser/test_frontchannel_logout.py`` holds the others up."""


def named(name: str) -> State:
    """Find a state by its name."""
    return next(state for state in STATES if state.name == name)
