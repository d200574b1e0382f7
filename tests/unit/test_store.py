import numpy as np
import pytest

from trainer.store import Clips, audio_row, build
from trainer.wakeword.frames import Frames


def tones(plan, chunk):
    for i in range(plan):
        yield audio_row(np.full(10 + i, (chunk * plan + i) / 100, np.float32), group=chunk, mark=i)


def failing_tones(plan, chunk):
    yield from tones(plan, chunk)
    if chunk == 2:
        raise RuntimeError("killed")


def test_build_keeps_order_whatever_the_workers(tmp_path, workers):
    build(tmp_path, tones, 3, 4, "tones", workers)
    clips = Clips(tmp_path)
    assert len(clips) == 12
    assert clips.index["group"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for i in range(12):
        assert np.allclose(clips[i], i / 100, atol=1e-4)
    assert not (tmp_path / "chunks").exists()


def test_a_cut_off_build_goes_on_with_the_chunks_it_has(tmp_path, workers):
    with pytest.raises(RuntimeError, match="killed"):
        build(tmp_path, failing_tones, 3, 4, "tones", workers)
    times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "chunks").glob("*.npy")}
    assert "000002.npy" not in times
    build(tmp_path, tones, 3, 4, "tones", workers)
    assert Clips(tmp_path).index["group"].tolist() == sorted([0, 1, 2, 3] * 3)


def test_piece_goes_round_the_end(tmp_path, workers):
    build(tmp_path, tones, 2, 1, "tones", workers)
    clips = Clips(tmp_path)
    assert clips.piece(1, 8, 12).shape == (12,)
    assert np.allclose(clips.piece(1, 8, 12), 0.01, atol=1e-4)


def test_empty_store_reads_as_empty(tmp_path, workers):
    build(tmp_path, tones, 0, 1, "nothing", workers)
    assert len(Frames(tmp_path)) == 0
