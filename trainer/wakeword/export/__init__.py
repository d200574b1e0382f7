"""From a Keras model to what clients load; each file one format, proved in the client's runtime."""
