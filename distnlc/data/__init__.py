"""The studies' datasets; README.md says what there is and how to bring one's own.

spec.py         which dataset, how it is prepared, and how many points of it
catalog.py      the datasets and preparations there are, by name, with the numbers that are known without files
sources.py      a spec's source, preparation and numbers
dataset.py      a dataset: read or generated, split, cropped, prepared once per machine, then cached; its record
points.py       the checks that every dataset's points go through
preparation.py  how raw points become inputs
images.py, pickles.py    MNIST, Fashion-MNIST, CIFAR10 and CIFAR100, read safely
libsvm.py, npz.py        LibSVM's text format; a file of one's own
waveform.py, generated.py    Breiman's waveforms; Gaussian images and clusters
folders.py      the user's data folder, and the error for data that cannot be used
"""
