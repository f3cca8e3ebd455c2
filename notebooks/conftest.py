"""`pytest --nbmake notebooks` runs the quick profile, unless the environment says otherwise."""

import os

os.environ.setdefault("GC_TUTORIAL_PROFILE", "quick")
# The editions in other languages have the same code, which a test checks: running it once is enough.
collect_ignore_glob = ["*/*"]
