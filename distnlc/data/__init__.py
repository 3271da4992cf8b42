"""The studies' datasets.

spec.py         which dataset, and how many points of it
sources.py      the datasets there are, with what their papers state of them
dataset.py      found or generated, split, prepared once per machine, then cached
images.py, pickles.py, waveform.py    the files of images, read safely; generated points
preparation.py  how raw points become inputs
"""
