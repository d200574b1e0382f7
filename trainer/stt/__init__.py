"""Speech to text: transcribed clips to models for DeepSpeech 0.9.3 and Coqui STT 1.4."""
