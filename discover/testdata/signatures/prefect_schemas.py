"""Prints the parameter schema that Prefect makes of each function in a file.

The decorator is taken off first: one signature that Prefect refuses must not
hide the others.
"""

import ast
import importlib
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
sys.dont_write_bytecode = True
folder, name = os.path.split(os.path.abspath(sys.argv[1]))
sys.path.insert(0, folder)

import prefect
from prefect.utilities.callables import parameter_schema

prefect.flow = lambda fn: fn
module = importlib.import_module(name.removesuffix(".py"))
with open(sys.argv[1], encoding="utf-8") as f:
    body = ast.parse(f.read()).body

out = {}
for node in body:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        continue
    try:
        out[node.name] = parameter_schema(getattr(module, node.name)).model_dump_for_openapi()
    except Exception as e:
        out[node.name] = {"error": f"{type(e).__name__}: {e}"[:200]}
json.dump(out, sys.stdout, indent=1)
