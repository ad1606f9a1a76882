"""A compiled function as a page to look at: ``net.explain(x, html="step.html")``.

:func:`hybridnet.explain.description.describe` puts what the trace, the passes, the planner, the programs and a profile know into
one plain description, of dicts, lists, strings and numbers as JSON has them. :func:`hybridnet.explain.page.write_page` writes it into
one HTML file with the style and the script in ``page/``, which only draw what is described. Relies on the programs, and on nothing
of what compiles.
"""
