"""Sphinx settings of the site, for every edition; build.py passes the language, the address and the editions."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "Gradient centralization"
author = "the authors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["site.css"]

nb_execution_mode = "off"
nb_render_markdown_format = "myst"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # which links to a section of a page lead to

# Docstrings, in the form of Keras's own.
default_role = "code"
autodoc_docstring_signature = False
autodoc_member_order = "bysource"
add_module_names = False
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "navbar_center": [],
    "navbar_end": ["language-switch", "theme-switcher", "navbar-icon-links"],
    "article_header_start": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["pages"]}
html_title = project
html_favicon = "static/favicon.svg"  # without one, browsers ask the host for it
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
html_math_renderer = "mathml"


def setup(app):
    """Formulas as MathML, which browsers lay out themselves: no script, no font to fetch."""

    def inline(translator, node):
        translator.body.append(convert(node.astext()))
        raise SkipNode

    def block(translator, node):
        # A formula wider than a phone scrolls inside its box, which a keyboard must be able to reach.
        translator.body.append(f'<div class="math" tabindex="0">{convert(node.astext(), display="block")}</div>')
        raise SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
