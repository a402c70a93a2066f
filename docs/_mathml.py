"""Formulas as MathML, which browsers draw by themselves: no script and nothing to fetch.

A command of LaTeX that docutils does not know is an error of the build.
"""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml

SPACE = '<mspace width="0.17em"></mspace>'
OPERATOR = re.compile(r"<munder>\s*<mo [^>]*>m(?:in|ax)</mo>.*?</munder>", re.DOTALL)
FACTOR = re.compile(r"(</(?:mi|msub|mfrac)>\s*)(<mi>log</mi>)")


def _write(self, node, as_block):
    code = node.astext().replace(r"\dots", r"\ldots")
    formula = latex2mathml.tex2mathml(code, as_block=as_block)
    formula = formula.replace("<mo>&ApplyFunction;</mo>", SPACE)
    formula = OPERATOR.sub(lambda found: found.group() + SPACE, formula)
    formula = FACTOR.sub(rf"\1{SPACE}\2", formula)
    formula = re.sub("<mo>([‖∥])</mo>", r'<mo stretchy="false">\1</mo>', formula)
    self.body.append(f'<div class="formula">{formula}</div>' if as_block else formula)
    raise nodes.SkipNode


def setup(app):
    """Register the renderer; ``html_math_renderer`` names it."""
    inline = (lambda self, node: _write(self, node, False), None)
    block = (lambda self, node: _write(self, node, True), None)
    app.add_html_math_renderer("mathml", inline, block)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
