"""Runs in Piper's environment: synthesizes the items of a plan, printing the number of each batch.

`.pt`: VITS generators pickled by piper_train (now piper.train), two speakers mixed by slerp
(Shoemake 1985).
`.onnx`: any Piper voice.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np


def write(path, samples, rate):
    """16-bit mono, appears whole or not at all."""
    samples = np.asarray(samples, np.float32)
    samples = samples / max(1e-4, float(np.abs(samples).max())) * 0.9
    unfinished = path.with_suffix(".tmp")
    with wave.open(str(unfinished), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype(np.int16).tobytes())
    unfinished.rename(path)


def speak_onnx(model, items, folder, batch_size):
    """One item after another."""
    from piper import PiperVoice, SynthesisConfig

    voice = PiperVoice.load(model)
    for item in items:
        manner = SynthesisConfig(
            speaker_id=item["first"] if voice.config.num_speakers > 1 else None,
            length_scale=item["length"],
            noise_scale=item["noise"],
            noise_w_scale=item["noise_w"],
        )
        parts = [chunk.audio_float_array for chunk in voice.synthesize(item["text"], manner)]
        write(folder / f"{item['number']:07d}.wav", np.concatenate(parts), voice.config.sample_rate)
        print(1, flush=True)


def speak_generator(model, items, folder, batch_size):
    """Batches through the generator; each batch seeded by its first item."""
    import piper.train
    import piper.train.vits.models  # noqa: F401
    import torch
    from piper.config import PiperConfig
    from piper.phoneme_ids import phonemes_to_ids
    from piper.phonemize_espeak import EspeakPhonemizer

    # published generators were pickled under the package's old name
    for name, module in list(sys.modules.items()):
        if name.startswith("piper.train"):
            sys.modules[name.replace("piper.train", "piper_train", 1)] = module
    config = PiperConfig.from_dict(json.loads(Path(f"{model}.json").read_text(encoding="utf-8")))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = torch.load(model, map_location=device, weights_only=False).eval()
    if hasattr(net.dec, "remove_weight_norm"):
        try:
            net.dec.remove_weight_norm()
        except ValueError:
            pass  # the file was saved without it
    phonemizer = EspeakPhonemizer()
    speakers = net.emb_g.weight.detach() if config.num_speakers > 1 else None
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        torch.manual_seed(batch[0]["seed"])
        ids = []
        for item in batch:
            sentences = phonemizer.phonemize(config.espeak_voice, item["text"])
            ids.append(phonemes_to_ids([p for s in sentences for p in s], config.phoneme_id_map))
        lengths = torch.tensor([len(i) for i in ids], device=device)
        x = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long, device=device)
        for row, i in enumerate(ids):
            x[row, : len(i)] = torch.tensor(i)
        if speakers is not None:
            mixed = torch.stack(
                [_slerp(speakers[i["first"]], speakers[i["second"]], i["mix"]) for i in batch]
            )
            net.emb_g.forward = lambda sid, mixed=mixed: mixed
        manner = batch[0]
        with torch.no_grad():
            audio, _, mask, _ = net.infer(
                x,
                lengths,
                sid=torch.zeros(len(ids), dtype=torch.long, device=device)
                if speakers is not None
                else None,
                noise_scale=manner["noise"],
                length_scale=manner["length"],
                noise_scale_w=manner["noise_w"],
            )
        hop = audio.shape[-1] // mask.shape[-1]
        for row, item in enumerate(batch):
            samples = audio[row, 0, : int(mask[row].sum()) * hop].cpu().numpy()
            write(folder / f"{item['number']:07d}.wav", samples, config.sample_rate)
        print(len(batch), flush=True)


def _slerp(a, b, share):
    import torch

    cosine = torch.clamp(torch.dot(a / a.norm(), b / b.norm()), -0.9999, 0.9999)
    angle = torch.arccos(cosine)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text())
    speak = speak_generator if plan["model"].endswith(".pt") else speak_onnx
    speak(plan["model"], plan["items"], Path(sys.argv[2]), plan["batch_size"])
