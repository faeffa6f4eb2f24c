"""KMeans: more centres than are wanted while the data streams by, reduced to `k` at the end.

After AWS's description of the algorithm, and D. Sculley, "Web-scale k-means clustering", WWW 2010.
"""
