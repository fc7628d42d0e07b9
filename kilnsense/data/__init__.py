"""Labelled data: folders and manifests become samples, samples become grouped splits and frames."""
