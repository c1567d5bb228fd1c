"""`python -m w2s` is the command `w2s`."""

import sys

from w2s.cli import main

sys.exit(main())
