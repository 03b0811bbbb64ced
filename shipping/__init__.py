"""What a build needs beyond setuptools: compilers of other systems, and the bill of materials. setup.py imports it."""
