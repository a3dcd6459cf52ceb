"""How the documentation is built: sphinx, Markdown, and every code cell executed."""

import sys
from pathlib import Path

import lamppost

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lamppost"
author = "The lamppost developers"
copyright = f"2026, {author}"
version = release = lamppost.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["commands", "docstrings", "methods", "quantities", "specs"]
exclude_patterns = ["_build", "jupyter_execute"]
default_role = "literal"

myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
autodoc_preserve_defaults = True
napoleon_google_docstring = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"lamppost {version}"
html_static_path = ["_static"]
