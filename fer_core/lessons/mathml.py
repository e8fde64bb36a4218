r"""Conversion of LaTeX formulas to MathML, which browsers render without scripts, fonts or network access.

Supports the LaTeX that this project's formulas use: fractions, roots, hats, sums, sub- and superscripts, Greek letters,
brackets of all sizes, text, and ``\begin{cases}``. :func:`to_mathml` raises an error for anything else.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from fer_core.errors import FerError

_TOKEN: Final = re.compile(r"\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)

_LETTERS: Final = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "eta": "η",
    "theta": "θ", "lambda": "λ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "Delta": "Δ", "Sigma": "Σ", "partial": "∂", "ell": "ℓ", "infty": "∞",
}  # fmt: skip
_OPERATORS: Final = {
    "cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈",
    "sim": "∼", "leftarrow": "←", "rightarrow": "→", "to": "→", "Rightarrow": "⇒", "in": "∈", "pm": "±",
    "dots": "…", "ldots": "…", "cdots": "⋯", "odot": "⊙", "lfloor": "⌊", "rfloor": "⌋", "propto": "∝", "lvert": "|",
    "rvert": "|", "mid": "|",
}  # fmt: skip
_FUNCTIONS: Final = ("ln", "log", "exp", "max", "min", "sin", "cos", "arg")
_SPACES: Final = {
    ",": "0.17em",
    ";": "0.28em",
    ":": "0.22em",
    "!": "-0.17em",
    " ": "0.25em",
    "quad": "1em",
    "qquad": "2em",
}
_SIZES: Final = {"big": "1.2em", "Big": "1.6em", "bigg": "2.1em", "Bigg": "2.6em"}
_DOUBLE: Final = {"E": "𝔼", "R": "ℝ", "N": "ℕ", "P": "ℙ"}
_UNDER: Final = ("∑", "∏", "max", "min")


def to_mathml(latex: str) -> str:
    """Convert a LaTeX formula to a ``<math>`` element in display style.

    Raises:
        FerError: the formula uses an unsupported command or is malformed.
    """
    reader = _Reader(latex)
    body = reader.row(())
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true"><mrow>{body}</mrow></math>'


class _Reader:
    """Recursive-descent parser of one formula."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens: list[str] = _TOKEN.findall(latex)
        self.place = 0

    def row(self, until: tuple[str, ...]) -> str:
        """Parse up to one of the tokens ``until`` without consuming it, or to the end if there are none."""
        parts: list[str] = []
        while True:
            token = self.peek()
            if token is None:
                if until:
                    raise self.wrong(f"'{until[0]}' is missing")
                return "".join(parts)
            if token in until:
                return "".join(parts)
            if token == "}":
                raise self.wrong("unexpected '}'")
            parts.append(self.with_scripts())

    def with_scripts(self) -> str:
        """Parse one atom with its subscript, superscript and primes."""
        base = self.atom()
        below, above, primes = "", "", ""
        while (token := self.peek()) in ("_", "^", "'"):
            self.take()
            if token == "'":
                primes += "′"
            elif token == "_":
                below = self.argument()
            else:
                above = self.argument()
        if primes and base.startswith(
            "<mi>"
        ):  # the prime glyph is already raised; as a superscript it would sit too high
            base = base.replace("</mi>", f"{primes}</mi>")
        elif primes:
            above = f"<mrow>{above}<mo>{primes}</mo></mrow>"
        stacked = any(f">{sign}</mo>" in base for sign in _UNDER)
        if below and above:
            tag = "munderover" if stacked else "msubsup"
            return f"<{tag}>{base}{below}{above}</{tag}>"
        if below:
            tag = "munder" if stacked else "msub"
            return f"<{tag}>{base}{below}</{tag}>"
        if above:
            tag = "mover" if stacked else "msup"
            return f"<{tag}>{base}{above}</{tag}>"
        return base

    def atom(self) -> str:
        """Parse one letter, number, sign, group or command."""
        token = self.take()
        if token == "{":
            inside = self.row(("}",))
            self.take()
            return f"<mrow>{inside}</mrow>"
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        return _operator({"-": "−", "*": "∗"}.get(token, token))

    def command(self, name: str) -> str:
        """Parse the command after a backslash."""
        if name in _LETTERS:
            return f"<mi>{_LETTERS[name]}</mi>"
        if name in _OPERATORS:
            return _operator(_OPERATORS[name])
        if name in _FUNCTIONS:
            return f'<mo lspace="0.17em" rspace="0.17em">{name}</mo>'
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}"></mspace>'
        if name in _SIZES:
            return (
                f'<mo stretchy="true" minsize="{_SIZES[name]}" maxsize="{_SIZES[name]}">{escape(self.bracket())}</mo>'
            )
        if name in ("frac", "tfrac", "dfrac"):
            return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self.argument()}</msqrt>"
        if name in ("hat", "bar", "tilde"):
            sign = {"hat": "^", "bar": "‾", "tilde": "~"}[name]
            return f'<mover accent="true">{self.argument()}<mo stretchy="false">{sign}</mo></mover>'
        if name in ("sum", "prod"):
            return f'<mo movablelimits="false">{"∑" if name == "sum" else "∏"}</mo>'
        if name in ("text", "mathrm", "operatorname", "mathbf"):
            words = escape(self.raw())
            return f"<mtext>{words.replace(' ', chr(0xA0))}</mtext>"  # browsers drop plain spaces at the ends
        if name == "mathbb":
            letter = re.sub(r"</?m\w+>", "", self.argument())
            return f"<mi>{_DOUBLE.get(letter, letter)}</mi>"
        if name == "left":
            return self.fenced()
        if name == "begin":
            return self.cases()
        if name in "%{}_&#$":
            return _operator(name)
        raise self.wrong(f"'\\{name}' is not supported")

    def argument(self) -> str:
        """Parse the argument of a command or script: a group or a single atom (``\\frac1m`` takes one digit)."""
        self.skip_spaces()
        token = self.peek()
        if token is not None and token[0].isdigit() and len(token) > 1 and "." not in token:
            self.tokens[self.place : self.place + 1] = [token[0], token[1:]]
        return self.atom()

    def fenced(self) -> str:
        """Parse from \\left to \\right, with stretchy brackets."""
        opening = self.bracket()
        inside = self.row(("\\right",))
        self.take()
        closing = self.bracket()
        left, right = (f'<mo stretchy="true">{escape(sign)}</mo>' if sign != "." else "" for sign in (opening, closing))
        return f"<mrow>{left}{inside}{right}</mrow>"

    def cases(self) -> str:
        """Parse ``\\begin{cases} a & b \\\\ c & d \\end{cases}``."""
        kind = self.raw()
        if kind != "cases":
            raise self.wrong(f"'\\begin{{{kind}}}' is not supported")
        rows: list[list[str]] = [[]]
        while True:
            rows[-1].append(f"<mtd>{self.row(('&', chr(92) * 2, chr(92) + 'end'))}</mtd>")
            token = self.take()
            if token == "\\\\":
                rows.append([])
            elif token == "\\end":
                self.raw()
                break
        table = "".join(f"<mtr>{''.join(cells)}</mtr>" for cells in rows)
        return f'<mrow><mo stretchy="true">{{</mo><mtable columnalign="left">{table}</mtable></mrow>'

    def bracket(self) -> str:
        """Parse the bracket after \\left, \\right or \\Big."""
        self.skip_spaces()
        token = self.take()
        return _OPERATORS.get(token[1:], token[1:]) if token.startswith("\\") else token

    def raw(self) -> str:
        """Return the characters of a group verbatim."""
        self.skip_spaces()
        if self.take() != "{":
            raise self.wrong("a '{' is missing")
        text = ""
        while (token := self.next_raw()) != "}":
            text += token
        return text

    def next_raw(self) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None:
            raise self.wrong("a '}' is missing")
        self.place += 1
        return token[1:] if token in ("\\%", "\\&", "\\_", "\\#", "\\$") else token

    def skip_spaces(self) -> None:
        while self.place < len(self.tokens) and self.tokens[self.place].isspace():
            self.place += 1

    def peek(self) -> str | None:
        self.skip_spaces()
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise self.wrong("unexpected end")
        self.place += 1
        return token

    def wrong(self, what: str) -> FerError:
        return FerError(f"Cannot render the formula '{self.latex}': {what}.")


def _operator(sign: str) -> str:
    return f'<mo stretchy="false">{escape(sign)}</mo>' if sign in "()[]|⌊⌋" else f"<mo>{escape(sign)}</mo>"
