"""`pytest --nbmake notebooks` runs the quick profile, unless the environment says otherwise."""

import os

os.environ.setdefault("GC_TUTORIAL_PROFILE", "quick")
