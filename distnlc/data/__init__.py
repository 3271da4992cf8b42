"""The studies' datasets.

spec.py         which dataset, and how many points of it
sources.py      the datasets there are, with the numbers that the paper states of them
dataset.py      a dataset: found or generated, split, prepared once per machine, then cached; its record
images.py, pickles.py, waveform.py    files of images, read safely; generated points
preparation.py  how raw points become inputs
"""
