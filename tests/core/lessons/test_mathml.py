from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from fer_core.errors import FerError
from fer_core.lessons.formulas import FORMULAS
from fer_core.lessons.mathml import to_mathml

ALL = [
    text for f in FORMULAS.values() for text in (f.statement, f.report_statement, *f.steps, *f.symbols) if text
]  # fmt: skip


@pytest.mark.parametrize("latex", ALL)
def test_every_formula_of_the_project_becomes_well_formed_mathml(latex):
    root = ElementTree.fromstring(to_mathml(latex))
    text = "".join(root.itertext())
    assert text.strip()
    assert "\\" not in text


def body(latex):
    return to_mathml(latex).split("<mrow>", 1)[1].removesuffix("</mrow></math>")


@pytest.mark.parametrize(
    ("latex", "found"),
    [
        (r"\frac{a}{2}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        (r"\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\frac1m", "<mfrac><mn>1</mn><mi>m</mi></mfrac>"),
        ("x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        ("W'", "<mi>W′</mi>"),
        (r"\hat x_i", '<msub><mover accent="true"><mi>x</mi><mo stretchy="false">^</mo></mover><mi>i</mi></msub>'),
        (r"a < 1.5", "<mi>a</mi><mo>&lt;</mo><mn>1.5</mn>"),
        (r"\text{50 \% & more}", "<mtext>50\xa0%\xa0&amp;\xa0more</mtext>"),
    ],
)
def test_parts(latex, found):
    assert body(latex) == found


def test_a_sum_has_its_index_below_and_cases_have_rows():
    assert body(r"\sum_j g_j").startswith('<munder><mo movablelimits="false">∑</mo><mi>j</mi></munder>')
    cases = body(r"\begin{cases} 1 & x > 0 \\ 0 & x < 0 \end{cases}")
    assert cases.count("<mtr>") == 2
    assert cases.count("<mtd>") == 4


@pytest.mark.parametrize("latex", [r"\foo x", r"\frac{1}", "{a", "a}", r"\left( a", r"\begin{matrix} a \end{matrix}"])
def test_what_is_not_known_is_refused_by_name(latex):
    with pytest.raises(FerError, match="Cannot render"):
        to_mathml(latex)
