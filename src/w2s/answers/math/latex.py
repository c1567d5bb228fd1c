r"""One plain spelling of LaTeX and Unicode: `\left(\dfrac12,\,√3\right)` is `(\frac{1}{2}, \sqrt{3})` (ours)."""

from __future__ import annotations

import re
import unicodedata

_SYMBOLS = str.maketrans({
    **dict.fromkeys("−–—‒―‐‑﹣－⁻₋", "-"), "⁺": "+",
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "•": "*", "÷": "/",
    "⁄": "/", "∕": "/", "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅖": " 2/5",
    "⅗": " 3/5", "⅘": " 4/5", "⅙": " 1/6", "⅚": " 5/6", "⅛": " 1/8", "⅜": " 3/8", "⅝": " 5/8", "⅞": " 7/8",
    "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "∛": r"\sqrt[3]", "≤": r"\le ",
    "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ",
    "∓": r"\mp ", "ℝ": r"\mathbb{R}", "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "∫": r"\int ", "∑": r"\sum ", "∠": r"\angle ",
    "º": "°", "˚": "°", "∘": "°", "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "ı": r"i",
})  # fmt: skip
_GREEK = {
    character: "\\" + unicodedata.name(character).rpartition(" ")[2].lower().replace("lamda", "lambda") + " "
    for character in "αβγδεζηθικλμνξρστυφχψω"
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ⁻⁺", "0123456789n-+", strict=True))
_LOWERED = {chr(0x2080 + digit): str(digit) for digit in range(10)}
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED_RUN = re.compile(f"[{''.join(_LOWERED)}]+")
_DAMAGED = str.maketrans({"\x0c": r"\f", "\x08": r"\b"})  # \frac, \binom after a reader took "\f" for one character
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_PAIRS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"))
_COMMAND_PAIRS = (
    r"\boxed{", r"\fbox{", r"\text{", r"\textbf{", r"\textit{", r"\textrm{", r"\mathrm{", r"\mathbf{", r"\mbox{", "{",
)  # fmt: skip


def _letter(found: re.Match[str]) -> str:
    return found[0] if found[1] else found[2]


_FUNCTIONS = "arc(?:sin|cos|tan)|sin|cos|tan|cot|sec|csc|log|ln|exp"
_REPAIRS = tuple(  # damage that answers often carry: "ft" removed as a unit, a backslash or a space lost
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\iny(?![A-Za-z])", r"\\infty"),
        (r"\\le(?=\s?[(\[|][^\\]*(?:\\(?!right)[^\\]*){0,20}\\right)", ""),
        (r"\\sqrt\{\[\}([0-9A-Za-z]{1,3})\]", r"\\sqrt[\1]"),
        (r"sqrt\{\(\}([0-9]+)\)", r"sqrt(\1)"),
        (r"(?<!\\)(\\(?:sin|cos|tan|cot|sec|csc|ln|log|pi|cdot))(?=[a-gi-zA-Z](?![A-Za-z]))", r"\1 "),
        (r"(?<=[0-9A-Za-z}])\\(?=-?[0-9]+(?:/[0-9]+)?(?:&|\\))", r"\\\\"),
    )
)
_DECORATIONS = tuple(  # one name for each macro of text, without colors; few answers have any
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\text(?:normal|it|sf|tt|sc|up|md|sl)(?=\s?\{)|\\hbox(?=\s?\{)", r"\\text"),
        (r"\{\s?\\rm(?![A-Za-z])\s?([^{}]*)\}", r"\\mathrm{\1}"),
        (r"\\(?:(?:text)?color|colorbox)\s?(?:\[[^\[\]]*\]\s?)?\{[^{}]*\}\s?", " "),
        (r"\\([ij])math(?![A-Za-z])", r"{\1}"),
    )
)
_DECORATED = re.compile(r"\\(?:text[a-z]|hbox|rm|color|[ij]math)")
_REWRITES = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (
            r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|nolimits|scriptstyle)(?![A-Za-z])\s?\.?(?<!\.)",
            "",
        ),
        (r"\\(?:left|right)\s?\.", ""),
        (
            r"(?<=[0-9])(?:\{,\s?\}|\\[,!;:]|,\s?\\!)\s?(?=[0-9]{3}(?![0-9]))",
            "\x01",
        ),  # a thousands mark that is never a comma
        (r"\x01", ""),
        (r"\{,\s+\}", ", "),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\(?:[,;:> ]|(?:qq?uad|hspace\{[^{}]*\}|phantom\{[^{}]*\})(?![A-Za-z]))|~", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\dbinom|\\tbinom", r"\\binom"),
        (r"\^\s?\{?\s?(?:\\circ(?![A-Za-z])|°)\s?\}?|\\(?:degree|textdegree)(?![A-Za-z])|\s?\bdegrees?\b", "°"),
        (r"(?<!\\)\\([%#&$])", r"\1"),
        (r"\\(?:cdot|times|ast|bullet)(?![A-Za-z])", "*"),
        (r"\\div(?![A-Za-z])", "/"),
        (r"\\pmod\s?([0-9A-Za-z]+)", r"\\pmod{\1}"),
        (r"\\(?:text|mbox|mathrm)\s?\{\s*\}", " "),
        (r"(?<!\\)\{\s*\}(?!_)", ""),  # a group of nothing, as in "\frac{1}{{}216}"
        (r"\\(le|ge)(?:q|qslant|slant)(?![A-Za-z])", r"\\\1"),
        (r"\\(?:neq|not\s?=)(?![A-Za-z])|\\not=|!=", r"\\ne "),
        (r"<=|=<", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:varnothing|empty)(?![A-Za-z])", r"\\emptyset "),
        (r"\\(?:lvert|rvert|vert|mid)(?![A-Za-z])", "|"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:lbrack)(?![A-Za-z])", "["),
        (r"\\(?:rbrack)(?![A-Za-z])", "]"),
        (r"\\(?:ldots|dots|cdots)(?![A-Za-z])", "..."),
        (r"\\var(epsilon|phi|theta|rho|sigma|kappa)(?![A-Za-z])", r"\\\1"),
        (r"\\frac\s?([0-9A-Za-z])\s?([0-9A-Za-z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s?([0-9A-Za-z])\s?(?=\{|\\)", r"\\frac{\1}"),
        (r"(\\frac\s?\{[^{}]*\})\s?([0-9A-Za-z])", r"\1{\2}"),
        (r"\\sqrt\s?([0-9]+)", r"\\sqrt{\1}"),
        (r"(?<!\\)\{\s?(\{[^{}]*\})\s?\}", r"\1"),
        (r"(?<![\\_^}\]A-Za-z])\{\s?(\\text\s?\{[^{}]*\})\s?\}", r"\1"),
        (r"\\(hat|vec)\s?\{\s?\\(?:mathbf|mathrm|bm|boldsymbol)\s?\{([A-Za-z])\}\s?\}", r"\\\1{\2}"),
        (
            r"\\(?:mathbf|mathit|mathsf|bm|boldsymbol|pmb|underline|vec|hat)\s?\{([A-Za-z])\}|\\mathrm\s?\{([ei])\}"
            r"|\\(?:vec|hat)\s([A-Za-z])(?![A-Za-z])",
            r"\1\2\3",
        ),
        (r"\\(?:mathbf|mathrm|mathit|mathsf|textbf)\s?\{([-+]?[0-9][0-9.,]*)\}", r"\1"),
        (r"\\(?:underline|uline|bm|boldsymbol|pmb)\s?(?=\{)", ""),
        (r"^\{([0-9.,]+)\}", r"\1"),
        (r"(\\[A-Za-z]+\s?(?:\[[^\[\]]{0,20}\]\s?)?|[}_^]\s?)?\{([A-Za-z]|\\[A-Za-z]+)\}(?=\s?_)", _letter),
        (rf"\\(?:mathrm|operatorname|text)\s?\{{\s?({_FUNCTIONS})\s?\}}", r"\\\1 "),
        (r"\[?\(?\s?\\begin\{array\}\s?\{[^{}]*\}(.*?)\\end\{array\}\s?\]?\)?", r"\\begin{pmatrix}\1\\end{pmatrix}"),
        (r"\s+", " "),
    )
)
_LATEX_LIKE = re.compile(r"[\\~=°{]|degree")
_DELIMITERS = re.compile(  # "US" goes with the "$" of US$5, but the a of $x+a$ stays
    r"(?:(?<![^\s(-])(?:US|AU?|CA?|NZ|HK)(?=\\?\$\s?[0-9.]))?\\?\$|(?<!\\)\\[()\[\]]", re.IGNORECASE
)
_TIMES = re.compile(r"(?<=[0-9)])\s[xX]\s(?=[0-9(-])")  # "30 x 6.67"
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|mathit|emph)\s?\{([^{}]*)\}")


def fold(text: str) -> str:
    """Unicode as ASCII where both mean the same, without invisible marks."""
    text = text.translate(_DAMAGED) if "\x0c" in text or "\x08" in text else text
    if text.isascii():
        return text if text.isprintable() else _CONTROLS.sub("", text)
    text = _RAISED_RUN.sub(lambda run: "^{" + "".join(map(_RAISED.__getitem__, run[0])) + "}", text)
    text = _LOWERED_RUN.sub(lambda run: "_{" + "".join(map(_LOWERED.__getitem__, run[0])) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(_SYMBOLS)).translate(_SYMBOLS)
    return "".join(map(_character, text))


def _character(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() or character in "\n\t\r" else ""
    if character in _GREEK:
        return _GREEK[character]
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    return {"Cf": "", "Cc": "", "Cn": "", "Co": "", "Cs": "", "Zs": " ", "Zl": " ", "Zp": " ", "Pd": "-"}.get(
        kind, character
    )


def plain(text: str) -> str:
    """The plain spelling of a folded answer."""
    text = _TIMES.sub("*", strip(_DELIMITERS.sub("", text)))
    if not _LATEX_LIKE.search(text):
        return " ".join(text.split())
    for pattern, new in _REPAIRS:
        text = pattern.sub(new, text)
    if _DECORATED.search(text):
        for pattern, new in _DECORATIONS:
            text = pattern.sub(new, text)
    for pattern, written in _REWRITES:
        text = pattern.sub(written, text)
    return strip(text)


def unwrap(text: str) -> str:
    r"""`text` with the contents of `\text{}` in its place."""
    return " ".join(_TEXT.sub(r" \1 ", text).split()) if "\\" in text else text


def strip(text: str) -> str:
    """`text` without wrappers and punctuation around it."""
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(",;:?" if text.rstrip().endswith("...") else ".,;:?").lstrip(":=").strip()
        if text.endswith("\\") and not text.endswith("\\\\"):  # of "\,"
            text = text[:-1]
        if len(text) > 2 and text.endswith("!") and text[-3:-1].isalpha():  # "Yes!", but not 5! and n!
            text = text[:-1]
        if text[:1] in "$*`\"'\\" and text:
            for left, right in _PAIRS:
                if len(text) > len(left) + len(right) and text.startswith(left) and text.endswith(right):
                    inside = text[len(left) : -len(right)]
                    text = inside if left not in inside and right not in inside else text
        if text.endswith("}"):
            for opening in _COMMAND_PAIRS:
                if text.startswith(opening) and closing(text, len(opening)) == len(text) - 1:
                    text = text[len(opening) : -1]
    return text


def closing(text: str, start: int, opening: str = "{", close: str = "}") -> int:
    """The position of the bracket that closes one before `start`, or -1."""
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == opening) - (text[position] == close)
        if depth == 0:
            return position
    return -1
