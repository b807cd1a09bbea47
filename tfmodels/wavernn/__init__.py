"""WaveRNN: sound of mel spectra, sample by sample."""
