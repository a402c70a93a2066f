"""Import every module of a checkout, and every public name, from where skae is installed."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import skae

checkout = Path(sys.argv[1]).resolve()
installed = Path(skae.__file__).resolve().parent
assert checkout not in installed.parents, f"skae was imported from the checkout, {installed}"

for source in sorted((checkout / "skae").rglob("*.py")):
    parts = source.relative_to(checkout).with_suffix("").parts
    if "onnx" in parts[-1] and find_spec("skl2onnx") is None:
        continue  # of an extra that this environment does not have
    module = import_module(".".join(parts).removesuffix(".__init__"))
    assert installed in Path(module.__file__).resolve().parents, f"{source} is not in the wheel"
    for name in getattr(module, "__all__", ()):
        getattr(module, name)
assert (installed / "py.typed").exists(), "the wheel has no py.typed"
