"""Prints what Python's ast sees in sources: the oracle of the differential tests.

Reads sources from stdin, each after its length as four bytes, and answers each
with one line of JSON: the error, or every function of the file.
"""

import ast
import io
import json
import re
import sys
import tokenize
import warnings

warnings.simplefilter("ignore")
sys.setrecursionlimit(20000)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def decode(raw):
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    text = raw.decode(encoding)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


class Source:
    def __init__(self, text):
        self.lines = [line.encode() for line in text.split("\n")]

    def segment(self, node):
        if node is None:
            return None
        a, b = node.lineno - 1, node.end_lineno - 1
        if a == b:
            return self.lines[a][node.col_offset : node.end_col_offset].decode("utf-8", "replace")
        parts = [self.lines[a][node.col_offset :], *self.lines[a + 1 : b], self.lines[b][: node.end_col_offset]]
        return b"\n".join(parts).decode("utf-8", "replace")


def unevaluated(node, source):
    """Whether a string names a character, which needs the Unicode name list: runnel leaves it alone."""
    text = source.segment(node)
    return re.search(r"(?<!\\)(\\\\)*\\N\{", text) and not re.match("[bB]?[rR]", text)


def literal(node, source):
    """The JSON of a literal, or None: names of characters and lone surrogates are not evaluated by runnel."""
    if node is None or unevaluated(node, source):
        return None
    try:
        text = json.dumps(ast.literal_eval(node), allow_nan=False)
    except Exception:
        return None
    if re.search(r"\\ud[89a-f]", text):
        try:
            json.loads(text).encode()
        except Exception:
            return None
    return text


def parameters(fn, source):
    a = fn.args
    positional = a.posonlyargs + a.args
    defaults = [None] * (len(positional) - len(a.defaults)) + a.defaults
    every = [(p, 0 if i < len(a.posonlyargs) else 1, d) for i, (p, d) in enumerate(zip(positional, defaults))]
    if a.vararg:
        every.append((a.vararg, 2, None))
    every += [(p, 3, d) for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg:
        every.append((a.kwarg, 4, None))
    return [
        {
            "name": p.arg,
            "kind": kind,
            "annotation": source.segment(p.annotation),
            "default": source.segment(d),
            "value": literal(d, source),
        }
        for p, kind, d in every
    ]


def functions(tree, source):
    out = []

    def visit(node, qual):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FUNCTIONS):
                doc = child.body[0]
                named = isinstance(doc, ast.Expr) and unevaluated(doc.value, source)
                text = None if named else ast.get_docstring(child)
                if text is not None and re.search("[\ud800-\udfff]", text):
                    text = None
                out.append(
                    {
                        "qualified": ".".join([*qual, child.name]),
                        "line": child.lineno,
                        "end": child.end_lineno,
                        "async": isinstance(child, ast.AsyncFunctionDef),
                        "decorators": [source.segment(d) for d in child.decorator_list],
                        "returns": source.segment(child.returns),
                        "doc": text or "",
                        "parameters": parameters(child, source),
                        "typeParams": [t.name for t in getattr(child, "type_params", [])],
                    }
                )
                visit(child, [*qual, child.name, "<locals>"])
            elif isinstance(child, ast.ClassDef):
                visit(child, [*qual, child.name])
            elif not isinstance(child, ast.expr):
                visit(child, qual)

    visit(tree, [])
    return out


def see(raw):
    try:
        text = decode(raw)
        tree = ast.parse(text)
    except RecursionError:
        return {"error": "recursion"}
    except MemoryError:
        return {"error": "memory"}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"[:200]}
    return {"functions": functions(tree, Source(text))}


def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout
    while header := stdin.read(4):
        raw = stdin.read(int.from_bytes(header, "big"))
        stdout.write(json.dumps(see(raw)) + "\n")
        stdout.flush()


if __name__ == "__main__":
    main()
