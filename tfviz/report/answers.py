"""The author's own words on the parts: answers/<part>.md, CommonMark with formulas, made harmless.

A file that cannot be used costs what it is for and nothing else: the report says in one line what is wrong with it,
and so does the terminal.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from markupsafe import Markup, escape

from tfviz.figures import mathematics
from tfviz.figures.mathematics import FormulaError
from tfviz.language import gettext, marked
from tfviz.report.handed_in import Picture, RefusedError, legible, read_picture, read_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

Math = Callable[[str, bool], str]
"""(LaTeX that `tfviz.figures.mathematics.check` lets through, whether on a line of its own) -> markup."""
Source = Callable[[bytes], str]
"""PNG -> what an <img> has as its src."""

LARGEST_FILE = 100_000
"""Bytes of an answer: thirty pages."""
MOST_ELEMENTS = 5000
"""Paragraphs, list items, cells and the like: laying out ten times as many takes minutes and a gigabyte."""
DEEPEST = 20
"""Elements inside one another; more would reach the limits of what lays the page out."""
LONG_WORD = 50
"""Letters; a line that is broken inside a word is slow to lay out, by the square of the paragraph's length."""
MOST_IN_LONG_WORDS = 5000
"""Letters of a paragraph."""
MOST_PICTURES = 50
MOST_FORMULAS = 500
LONGEST_FORMULA = 2000
"""Characters of LaTeX."""
LONGEST_BLOCK = 100
"""Lines of a formula that stands by itself."""
LONGEST_COMMENT = 2000
"""Characters of a comment inside a line; one that starts a line may be longer."""

_MOST_NOTES = 20
_ANSWERS = (".md", ".markdown", ".mkd", ".txt")
_NO_MARKDOWN = (".docx", ".doc", ".odt", ".rtf", ".pdf", ".tex", ".html", ".ipynb", ".rst")
_AS_TYPED = tuple(
    (re.compile(pattern, re.DOTALL), what)
    for pattern, what in (
        (
            r"!?\[[^][]*\]\((?!<)[^()\s]+ +[^()\s\"'][^()\n]*\)",
            "a file's name with spaces stands between < and >",
        ),
        (
            r"\\\(.{1,200}?\\\)|\\\[[^][]{0,200}?(?:[\^_=+]|\\[A-Za-z])[^][]{0,200}?\\\]|\\begin\{\w+\*?\}",
            "a formula stands between dollars, $…$ in a line, $$…$$ by itself",
        ),
        (r"\[\^[^]\s]{1,40}\]", "there are no footnotes"),
        (
            r"</?(?:a|b|i|u|p|br|hr|h\d|img|div|span|sub|sup|font|center|table|tr|td|th|ul|ol|li|details|summary|video)"
            r"(?:\s+[\w-]+\s*=[^<>]{0,300})?\s*/?>",
            "HTML is not read, write Markdown",
        ),
    )
)
"""What is Markdown elsewhere, or seems to be, and here is text: the author may not see it before it is handed in."""


@dataclass(frozen=True)
class Answer:
    """What the author says of a part.

    Attributes:
        part: id of the part.
        file: as the report names it: "answers/conv1_units.md".
        tokens: of the Markdown, made harmless; the pictures are in them.
        problem: why there are none.
    """

    part: str
    file: str
    tokens: Sequence[Token] = ()
    problem: RefusedError | None = None

    def html(self, math: Math, picture: Source) -> Markup:
        """As HTML in the language in use, for below an <h3>.

        Args:
            math: shows a formula.
            picture: gives a picture's address.
        """
        if self.problem is not None:
            reason = self.problem.shown(self.file)
            said = escape(gettext("The author’s words on this part cannot be shown: {reason}"))
            return Markup('<p class="problem">{}</p>').format(said.format(reason=reason))
        markdown = _markdown()
        env = {"math": math, "picture": picture}
        return Markup(markdown.renderer.render(self.tokens, markdown.options, env))


@dataclass(frozen=True)
class Answers:
    """What a folder of answers holds.

    Attributes:
        by_part: of the parts that the author says something of.
        notes: what to tell the author, one line each, in English.
    """

    by_part: Mapping[str, Answer] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read(folder: Path | None, parts: Sequence[str]) -> Answers:
    """Read a folder of answers; whatever is in it, an answer or a note comes of it, never an error.

    Args:
        folder: with one file <part>.md a part, and their pictures; None: there is none.
        parts: ids of the parts there are.
    """
    if folder is None:
        return Answers()
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return Answers(notes=(f"{legible(folder)} is no folder of answers: {error.strerror or error}.",))
    by_part: dict[str, Answer] = {}
    notes: list[str] = []
    for part in parts:
        if f"{part}.md" in names and (answer := _read(folder, part, parts, notes)):
            by_part[part] = answer
    notes += [note for name in names if (note := _stray(folder, name, parts))]
    notes = list(dict.fromkeys(notes))
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], f"{legible(folder)}: {len(notes) - _MOST_NOTES} more such lines."]
    return Answers(by_part, tuple(notes))


def _stray(folder: Path, name: str, parts: Sequence[str]) -> str:
    """What to say of a file that looks like an answer and is none; "": nothing."""
    stem, _, suffix = name.rpartition(".")
    near = difflib.get_close_matches(stem[:50].lower(), parts, 1)
    if near and f".{suffix.lower()}" in _NO_MARKDOWN:
        return f"{legible(folder / name)} is not read: an answer is text in Markdown, {near[0]}.md."
    if suffix.lower() != "md" and (folder / name).is_dir():
        within = next((part for part in parts if (folder / name / f"{part}.md").is_file()), "")
        return f"{legible(folder / name)} is not looked into: {within}.md lies too deep." if within else ""
    if (
        name.startswith(".")
        or f".{suffix.lower()}" not in _ANSWERS
        or name in {f"{part}.md" for part in parts}
    ):
        return ""
    meant = f"did you mean {near[0]}.md?" if near else f"the parts are {', '.join(parts)}."
    return f"{legible(folder / name)} is not read, since no part has this name: {meant}"


def _read(folder: Path, part: str, parts: Sequence[str], notes: list[str]) -> Answer | None:
    """A part's answer; None: the file says nothing."""
    path = folder / f"{part}.md"
    file = f"{legible(folder.resolve().name)}/{path.name}"
    try:
        if not _inside(folder, path):
            raise RefusedError(marked("{file} is a link to outside its folder."), path)
        said: list[str] = []
        tokens = _parse(path, parts, said)
    except RefusedError as error:
        notes.append(str(error))
        return Answer(part, file, problem=error)
    notes += said
    return Answer(part, file, tokens) if any(_says_something(token) for token in tokens) else None


def _inside(folder: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except RuntimeError:  # links in a circle: who reads it says so
        return True
    except (OSError, ValueError):  # no name for a file
        return False


def _parse(path: Path, parts: Sequence[str], notes: list[str]) -> list[Token]:
    """A file's tokens, made harmless."""
    text = read_text(path, LARGEST_FILE)
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e]", " ", text)
    if shown != text:
        notes.append(
            f"{legible(path)}: control characters, and those that turn text around, are shown as spaces."
        )
    try:
        tokens = _markdown().parse(shown)
        _settle(tokens, path, parts, notes)
    except RefusedError:
        raise
    except Exception as error:  # the parser's own faults cost this answer and not the report
        raise RefusedError(
            marked("{file} cannot be read as Markdown ({reason})."), path, reason=type(error).__name__
        ) from error
    return tokens


def _too_deep(path: Path) -> RefusedError:
    return RefusedError(
        marked("{file} has more than {limit} lists, quotes or emphases inside one another."),
        path,
        limit=DEEPEST,
    )


def _says_something(token: Token) -> bool:
    if token.type == "inline":
        return any(
            not child.type.endswith("break") and (child.type != "text" or child.content.strip())
            for child in token.children or ()
        )
    return token.type in ("fence", "code_block", "math_block", "hr")


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    """All tokens, those inside a line in their place."""
    for token in tokens:
        yield token
        yield from token.children or ()


def _settle(tokens: Sequence[Token], path: Path, parts: Sequence[str], notes: list[str]) -> None:
    """Make tokens harmless: check depth, size and formulas, read pictures, keep what links may point to.

    Also gives blocks their direction.

    Raises:
        RefusedError: they are nested too deeply, too many or too long.
    """
    depth = elements = pictures = formulas = letters = line = 0
    headings: list[int] = []
    blocks: list[Token] = []
    told: set[str] = set()
    for token in _flat(tokens):
        if token.map:
            line = token.map[0] + 1
        where = f"{legible(path)}, line {line}"
        depth += token.nesting
        if depth > DEEPEST:
            raise _too_deep(path)
        elements += token.nesting == 1
        if elements > MOST_ELEMENTS:
            raise RefusedError(
                marked("{file} has more than {limit} paragraphs, list items and the like: make it shorter."),
                path,
                limit=MOST_ELEMENTS,
            )
        if token.block and token.nesting == -1:
            token.tag = blocks.pop().tag
        elif token.block and token.nesting == 1:
            blocks.append(token)
        letters += sum(len(str(value)) for value in token.attrs.values())
        if letters > LARGEST_FILE:  # one long address may be referred to many times
            raise RefusedError(marked("{file} has links that are too long together."), path)
        if token.type == "heading_open":
            token.tag = _shifted(int(token.tag[1:]), headings)
        elif token.type == "table_open":
            token.attrSet("class", "data")
        elif token.type in ("th_open", "td_open"):
            _set_cell(token)
        elif token.type == "link_open":
            if not _set_link(token, parts):
                notes.append(
                    f"{where}: the link to {legible(token.meta['refused']) or 'nothing'} is left out: one may lead to "
                    f"https://…, mailto:…, a place in the report (#{path.stem}) or another answer ({parts[-1]}.md)."
                )
        elif token.type == "image":
            pictures += 1
            _set_picture(token, path, pictures, notes)
        elif token.type.startswith("math"):
            formulas += 1
            try:
                _check_formula(token, formulas)
            except FormulaError as error:
                token.meta["problem"] = error
                latex = legible(" ".join(token.content.split()))
                notes.append(f"{where}: the formula {latex} is shown as it was typed: {legible(str(error))}.")
            line += token.content.count("\n")
        elif token.type.endswith("break"):
            line += 1
        elif token.type == "inline":
            _set_blocks(blocks, token.children or [])
            notes += [f"{legible(path)}, line {line + below}: {note}" for below, note in _typed(token, told)]
        if sum(len(word) for word in _words(token) if len(word) > LONG_WORD) > MOST_IN_LONG_WORDS:
            raise RefusedError(
                marked("{file} has a paragraph with more than {limit} letters in words of more than {word}."),
                path,
                limit=MOST_IN_LONG_WORDS,
                word=LONG_WORD,
            )


def _typed(line: Token, told: set[str]) -> Iterator[tuple[int, str]]:
    """What in a line, or paragraph, its author may not know to be text: where, and a note; of each kind once."""
    # Code and formulas are what they are; as many characters stay, so that places do.
    source = re.sub(
        r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|\$[^$]+\$",
        lambda found: re.sub(r"[^\n]", " ", found[0]),
        line.content,
        flags=re.DOTALL,
    )
    for pattern, what in _AS_TYPED:
        if what not in told and (found := pattern.search(source)):
            told.add(what)
            typed = legible(" ".join(found[0].split())[:80])
            yield source.count("\n", 0, found.start()), f"{typed} is shown as it was typed: {what}."


def _words(token: Token) -> Sequence[str]:
    """The words of a paragraph or of a block of code."""
    if token.type in ("fence", "code_block"):
        return token.content.split()
    said = (child.content for child in token.children or () if child.type in ("text", "code_inline"))
    return " ".join(said).split() if token.type == "inline" else ()


def _set_blocks(blocks: Sequence[Token], line: list[Token]) -> None:
    """Give a line, and the blocks around their first one, their direction; a table's empty heading is none.

    A list or a table has one direction: a line inside that runs the other way keeps to its side, else it would stand
    far from its mark, or touch the next column.
    """
    if not line and blocks[-1].type == "th_open":
        blocks[-1].tag = "td"
        blocks[-1].attrs.pop("scope")
    whole = next((block for block in blocks if block.type in _WHOLE), None)
    if not (direction := _direction(line)):
        if whole is None or not any(child.content for child in line) or "dir" not in whole.attrs:
            return
        direction = "ltr"  # a number alone
    for block in blocks:
        if block.type in _DIRECTED:
            block.attrs.setdefault("dir", direction)
        if block is whole:
            break
    if whole is None or whole.attrs["dir"] == direction:
        return
    if blocks[-1].type in ("td_open", "th_open") or blocks[-1].hidden:
        from markdown_it.token import Token

        # A block in the line, since WeasyPrint does not know isolates that are broken over lines.
        turned: dict[str, str | int | float] = {"dir": direction, "style": "display:inline-block"}
        line[:] = [Token("bdi_open", "bdi", 1, attrs=turned), *line, Token("bdi_close", "bdi", -1)]
    else:
        side = "right" if direction == "ltr" else "left"
        blocks[-1].attrs |= {"dir": direction, "style": f"text-align:{side}"}


def _shifted(level: int, headings: list[int]) -> str:
    """A heading's tag below h3, without leaving out a level; `headings` holds those that it stands under."""
    while headings and headings[-1] >= level:
        headings.pop()
    headings.append(level)
    return f"h{min(6, 3 + len(headings))}"


def _set_cell(token: Token) -> None:
    style = str(token.attrs.pop("style", ""))
    if style.endswith("right"):
        token.attrSet("class", "n")
    elif style.endswith("center"):
        token.attrSet("class", "middle")
    if token.type == "th_open":
        token.attrSet("scope", "col")


def _set_link(token: Token, parts: Sequence[str]) -> bool:
    """Keep what a link may point to: what a reader follows on a click, and the report's own places."""
    address = str(token.attrs.pop("href", ""))
    if answer := re.fullmatch(r"(?:\./)?(\w+)\.md(#.*)?", address):
        address = f"#{answer[1]}" if answer[1] in parts else ""
    if re.match(r"(https?://|mailto:|#)", address, re.IGNORECASE):
        token.attrSet("href", address)
        return True
    token.meta["refused"] = address
    return False


def _set_picture(token: Token, path: Path, count: int, notes: list[str]) -> None:
    """Read a picture into its token, or why it cannot be shown."""
    name = unquote(str(token.attrs.get("src", "")))
    token.meta["file"] = name
    try:
        if count > MOST_PICTURES:
            raise RefusedError(
                marked("{file} is one picture too many: at most {limit} are shown."),
                name,
                limit=MOST_PICTURES,
            )
        token.meta["picture"] = _picture(path.parent, name, _plain(token.children or ()))
    except RefusedError as error:
        notes.append(f"{legible(path)}: {error}")
        token.meta["problem"] = error


def _picture(folder: Path, name: str, alt: str) -> Picture:
    if re.match(r"[a-z][a-z0-9+.-]*:|//", name, re.IGNORECASE):
        raise RefusedError(
            marked("{file} is an address: only pictures that lie in the folder of the answers are shown."),
            name,
        )
    if not name:
        raise RefusedError(marked("No file is named."), name)
    if not _inside(folder, folder / name):
        raise RefusedError(marked("{file} lies outside the folder of the answers."), name)
    return read_picture(folder / name, alt)


def _plain(tokens: Sequence[Token]) -> str:
    """What a line says, without its markup."""
    return "".join(
        _plain(token.children) if token.children else " " if token.type.endswith("break") else token.content
        for token in tokens
    )


def _check_formula(token: Token, count: int) -> None:
    """Raise FormulaError for one that cannot be shown, or is not even tried."""
    if count > MOST_FORMULAS:
        raise FormulaError(marked("there are too many formulas"))
    if len(token.content) > LONGEST_FORMULA:
        raise FormulaError(marked("it is too long"))
    mathematics.check(token.content.strip(), display=token.type != "math_inline")


_WHOLE = ("bullet_list_open", "ordered_list_open", "table_open")
_DIRECTED = (*_WHOLE, "paragraph_open", "heading_open", "blockquote_open")
_STRONG = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def _direction(tokens: Sequence[Token]) -> str:
    """The direction of a line's first letter, as dir="auto" has it; WeasyPrint does not know that value."""
    for token in tokens:
        if token.type in ("text", "image"):
            for character in _plain([token]):
                if direction := _STRONG.get(unicodedata.bidirectional(character)):
                    return direction
    return ""


@cache
def _markdown() -> MarkdownIt:
    """CommonMark without HTML, but with its comments, tables and formulas."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath.index import math_block_dollar, math_inline_dollar

    class OurMarkdown(MarkdownIt):
        """Leaves it to `_settle` what may be linked to: a link that is refused here would appear as its source."""

        def validateLink(self, url: str) -> bool:  # noqa: N802
            return True

    # The parser drops what lies deeper than it goes; it goes deeper than what is let through.
    markdown = OurMarkdown("commonmark", {"html": False, "maxNesting": DEEPEST + 2}, renderer_cls=_renderer())
    markdown.enable("table")
    block_formula = math_block_dollar(allow_labels=False)
    line_formula = math_inline_dollar(allow_space=False, allow_digits=False, allow_double=True)

    def formula(state: StateInline, silent: bool) -> bool:
        if state.src[state.pos] != "$":
            return False
        if state.pos:
            return line_formula(state, silent)
        # The rule takes a line's last character for the one before its first.
        state.src, line = state.src + " ", state.src
        try:
            return line_formula(state, silent)
        finally:
            state.src = line

    def formula_by_itself(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        # Without a bound, many that never end would each be looked for to the end of the text.
        known, line = len(state.tokens), state.line
        found = block_formula(state, start, min(end, start + LONGEST_BLOCK), silent)
        if found and silent:
            del state.tokens[known:]
            state.line = line
        return found

    markdown.inline.ruler.before("escape", "formula", formula)
    markdown.block.ruler.before(
        "fence", "formula", formula_by_itself, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    markdown.inline.ruler.before("autolink", "comment", _comment)
    markdown.block.ruler.before(
        "html_block", "comment", _comment_block, {"alt": ["paragraph", "reference", "blockquote"]}
    )
    return markdown


def _comment(state: StateInline, silent: bool) -> bool:
    """Drop <!-- ... --> inside a line."""
    if not state.src.startswith("<!--", state.pos):
        return False
    end = state.src.find("-->", state.pos + 4, min(state.posMax, state.pos + LONGEST_COMMENT))
    if end < 0:
        return False
    state.pos = end + 3
    return True


def _comment_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Drop <!-- ... --> that starts a line; what stands after it stays, and what is never closed is text."""
    begin = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith("<!--", begin):
        return False
    if state.env.get("unclosed") == end:  # an earlier one was looked for as far, in vain
        return False
    for line in range(start, end):
        after = (
            state.src.find("-->", begin + 4 if line == start else state.bMarks[line], state.eMarks[line]) + 3
        )
        if after < 3:
            continue
        rest = state.src[after : state.eMarks[line]]
        if rest.strip():
            if line == start:
                return False  # a comment inside a line
            if not silent:
                state.bMarks[line], state.tShift[line] = after, len(rest) - len(rest.lstrip())
                state.sCount[line] = state.blkIndent
                state.line = line
        elif not silent:
            state.line = line + 1
        return True
    state.env["unclosed"] = end
    return False


@cache
def _renderer() -> type[RendererHTML]:
    """What writes the tokens as HTML; the names of its methods are those of the tokens."""
    from markdown_it.renderer import RendererHTML

    class Renderer(RendererHTML):
        def math_inline(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return _formula(tokens[index], env["math"], display=False)

        def math_inline_double(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return f'<span class="formula">{_formula(tokens[index], env["math"], display=True)}</span>'

        def math_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return f'<div class="formula">{_formula(tokens[index], env["math"], display=True)}</div>\n'

        def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            known = tokens[index].meta
            if problem := known.get("problem"):
                reason = problem.shown(known["file"])
                said = escape(gettext("This picture cannot be shown: {reason}")).format(reason=reason)
                return Markup('<span class="problem">{}</span>').format(said)
            picture: Picture = known["picture"]
            return Markup('<img width="{}" height="{}" alt="{}" src="{}">').format(
                picture.width, picture.height, picture.alt, env["picture"](picture.png)
            )

        def code_inline(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return Markup('<code dir="ltr">{}</code>').format(tokens[index].content)

        def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return Markup('<pre dir="ltr" tabindex="0"><code>{}</code></pre>\n').format(tokens[index].content)

        def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return self.code_block(tokens, index, options, env)

        def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            label = escape(gettext("Table"))
            opening = f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
            return opening + self.renderToken(tokens, index, options, env)

        def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
            return f"{self.renderToken(tokens, index, options, env)}</div>\n"

    return Renderer


def _formula(token: Token, math: Math, *, display: bool) -> str:
    """A formula's markup, or its source with the reason why there is none."""
    latex = token.content.strip()
    if problem := token.meta.get("problem"):
        title = gettext("This formula cannot be shown: {reason}").format(reason=legible(problem.shown()))
        return Markup('<code dir="ltr" title="{}">{}</code>').format(title, latex)
    return math(latex, display)
