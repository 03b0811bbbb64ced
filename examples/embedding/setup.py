"""Builds what uses nncore: all that it needs of it is the folder of its headers, and its .pxd."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import nncore

setup(
    ext_modules=[
        *cythonize(Extension("ranking", ["ranking.pyx"]), language_level=3),
        Extension("scoring", ["scoring.c"], include_dirs=[nncore.get_include()]),
    ]
)
