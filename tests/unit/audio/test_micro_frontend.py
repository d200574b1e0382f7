import numpy as np
from pymicro_features import MicroFrontend

from trainer.audio import micro_frontend as f


def test_frames_are_the_clients_own_in_steps_of_the_models_input(rng):
    samples = rng.normal(0, 3000, 16000).astype(np.int16)
    client, wanted = MicroFrontend(), []
    for at in range(0, len(samples), 160):
        values = client.process_samples(samples[at : at + 160].tobytes()).features
        if values:
            wanted.append(values)
    found = f.features(samples)
    assert found.shape == (98, 40)
    assert np.abs(found * f.FEATURE_STEP - np.array(wanted)).max() <= f.FEATURE_STEP / 2 + 1e-5


def test_streaming_in_odd_pieces_equals_one_push(rng):
    samples = rng.normal(0, 3000, 12345).astype(np.int16)
    front_end = f.FrontEnd()
    pieces = [front_end.push(part) for part in np.split(samples, [7, 500, 4000, 4001])]
    assert np.array_equal(np.concatenate(pieces), f.features(samples))


def test_quantize_clips():
    assert f.quantize(np.array([-1.0, 0.0, 26.0, 40.0])).tolist() == [0, 0, 255, 255]
