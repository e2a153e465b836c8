"""Reading recordings, and the waveforms of many of them on disk."""
