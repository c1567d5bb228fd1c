"""The application; importing the modules below adds its verbs."""

from w2s.cli import exporting as exporting
from w2s.cli import parts as parts
from w2s.cli import runs as runs
from w2s.cli.app import app as app
