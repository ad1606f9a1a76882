"""A compiled function as a page to look at: ``net.explain(x, html="step.html")``.

:func:`hybridnet.explain.description.describe` puts what the trace, the passes, the planner, the programs and a profile know into
one plain description, of dicts, lists, strings and numbers as JSON has them. :func:`hybridnet.explain.page.write_page` writes it into
one HTML file with the style and the script in ``page/``, which only draw what is described. Relies on the programs, and on nothing
of what compiles.
"""

from typing import TYPE_CHECKING

from hybridnet import absent

if TYPE_CHECKING:  # imported when a page is asked for: a program that draws none does not wait for it
    from hybridnet.explain.description import Compilation, describe
    from hybridnet.explain.page import write_page
else:
    _sources = {"Compilation": "description", "describe": "description", "write_page": "page"}
    __getattr__, __dir__ = absent.Later(__name__, {n: f"{__name__}.{module}:{n}" for n, module in _sources.items()}).functions

__all__ = ["Compilation", "describe", "write_page"]
