"""Every reader on its corpus' layout, made small."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.corpora import readers
from trainer.corpora.convert import convert
from trainer.corpora.readers import folder, sdb, table
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

STM = (
    "talk 1 {0} 1.5 3.25 <o,f0,male> it 's {{noise}} so(2)\n"
    "talk 1 {0} 4 5 <o> ignore_time_segment_in_scoring\n"
)
SWC = """<article><meta><prop key="reader.name" value="Anna"/></meta><d>
<s><t text="Hallo"><n pronunciation="hallo" start="100" end="600"/></t>
<t text="."/></s><s><t text="du"><n pronunciation="du"/></t></s></d>
<ignored><s><t text="x"><n pronunciation="x" start="1" end="2"/></t></s></ignored></article>"""
CCPMF = (
    '<root><row timestamp="0.5" timedur="1.0">Bonjour</row>'
    '<row timestamp="1.5" timedur="2.0">à tous</row>'
    '<row timestamp="9" timedur="2">fin</row></root>'
)
# reader -> (files: path -> text, what is read: path, transcript, speaker, split, start, end,
# channel; left out where they say nothing)
LAYOUTS = {
    "aidatatang": (
        {
            "a/transcript/aidatatang_200_zh_transcript.txt": "T1 你 好\n",
            "a/corpus/dev/G1/T1.wav": "",
        },
        [("a/corpus/dev/G1/T1.wav", "你 好", "G1", "dev")],
    ),
    "aishell": (
        {"d/transcript/aishell_transcript_v0.8.txt": "B1 而 对\n", "d/wav/train/S2/B1.wav": ""},
        [("d/wav/train/S2/B1.wav", "而 对", "S2", "train")],
    ),
    "magicdata": (
        {
            "test/TRANS.txt": "UtteranceID\tSpeakerID\tTranscription\n"
            "1.wav\t5\t你好\n2.wav\t5\t[FIL]啊\n",
            "test/5/1.wav": "",
            "test/5/2.wav": "",
        },
        [("test/5/1.wav", "你好", "5", "test"), ("test/5/2.wav", "", "5", "test")],
    ),
    "primewords": (
        {
            "p/set1_transcript.json": json.dumps(
                [{"file": "x.wav", "text": "你好", "user_id": "7"}]
            ),
            "p/audio_files/a/ab/x.wav": "",
        },
        [("p/audio_files/a/ab/x.wav", "你好", "7")],
    ),
    "freestmandarin": (
        {"S/20170001P00001A0001.wav": "", "S/20170001P00001A0001.txt": "你好\n"},
        [("S/20170001P00001A0001.wav", "你好", "P00001")],
    ),
    "ccpmf": (
        {"c/20150101_a_b.mp3": "", "c/20150101_a_c.xml": CCPMF, "c/20160101_a_b.xml": "<root/>"},
        [
            ("c/20150101_a_b.mp3", "Bonjour à tous", "20150101_a_b", "", 0.5, 3.5),
            ("c/20150101_a_b.mp3", "fin", "20150101_a_b", "", 9.0, 11.0),
        ],
    ),
    "common_voice": (
        {
            "r/fr/clips/a.mp3": "",
            "r/fr/train.tsv": "client_id\tpath\tsentence\tup_votes\n"
            'c1\ta.mp3\t"Oui, dit-il.\t2\nc2\tb\n',
            "r/fr/dev.tsv": "client_id\tpath\tsentence\n",
            "r/fr/test.tsv": "\ufeffclient_id\tpath\tsentence\r\nc3\tc\tNon\r\n",
        },
        [
            ("r/fr/clips/a.mp3", '"Oui, dit-il.', "c1", "train"),
            ("r/fr/clips/b.mp3", "", "c2", "train"),
            ("r/fr/clips/c.mp3", "Non", "c3", "test"),
        ],
    ),
    "common_voice_v1": (
        {
            "cv_corpus_v1/cv-valid-dev.csv": "filename,text,up_votes\n"
            "cv-valid-dev/1.mp3,hello there,1\n"
        },
        [("cv_corpus_v1/cv-valid-dev/1.mp3", "hello there", "", "dev")],
    ),
    "common_voice_personal": (
        {
            "t/me.tsv": "original_sentence_id\tsentence\tlocale\nabc\tBonjour.\tfr\n",
            "t/clips/abc.mp3": "",
        },
        [("t/clips/abc.mp3", "Bonjour.", "me", "train")],
    ),
    "fisher": (
        {
            "LDC2004S13/x/fe_03_00001.sph": "",
            "LDC2004T19/fe_03_p1_tran/data/trans/000/fe_03_00001.txt": "# x\n\n"
            "3.76 5.54 B: and i\n1 2 A: hello\n",
            "LDC2004T19/fe_03_p1_tran/data/trans/000/fe_03_00027.txt": "393.8 394.05 A: wrong\n",
        },
        [
            ("LDC2004S13/x/fe_03_00001.sph", "and i", "fe_03_00001B", "", 3.76, 5.54, 2),
            ("LDC2004S13/x/fe_03_00001.sph", "hello", "fe_03_00001A", "", 1.0, 2.0, 1),
        ],
    ),
    "switchboard": (
        {
            "swb1_d1/data/sw02001.sph": "",
            "t/20/2001/sw2001A-ms98-a-trans.text": "sw2001A-ms98-a-0001 0.5 1.5 hi um\n",
        },
        [("swb1_d1/data/sw02001.sph", "hi um", "sw2001A", "", 0.5, 1.5, 1)],
    ),
    "gram_vaani": (
        {
            "g.csv": '"piece_id","audio_url","transcript_labelled","transcript",'
            '"labels","content_filename","audio_length","user_id"\n'
            '"1","http://x/y/1.mp3","","नमस्ते","","","3","u1"\n'
        },
        [("mp3/1.mp3", "नमस्ते", "u1")],
    ),
    "ldc93s1": (
        {"LDC93S1.wav": "", "LDC93S1.txt": "0 46797 She had your dark suit.\n"},
        [("LDC93S1.wav", "She had your dark suit.", "LDC93S1", "train")],
    ),
    "librispeech": (
        {"LibriSpeech/dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO ON\n"},
        [("LibriSpeech/dev-clean/84/121/84-121-0000.flac", "GO ON", "84", "dev")],
    ),
    "lingua_libre": (
        {"Q21/Lyokoï/eau.ogg": "", "Q21/Modjou/mal.ogg": ""},
        [("Q21/Lyokoï/eau.ogg", "eau", "Lyokoï")],
        {"skip": "Modjou|x"},
    ),
    "m_ailabs": (
        {
            "fr_FR/female/ezwa/book/metadata.csv": "w_1|Le 5.|le cinq\n",
            "fr_FR/male/bad/b/metadata.csv": "w_2|x|x\n",
        },
        [("fr_FR/female/ezwa/book/wavs/w_1.wav", "le cinq", "ezwa")],
        {"skip": "bad+worse"},
    ),
    "african_accented_french": (
        {
            "A/transcripts/train/ca16_read/conditioned.txt": "p_1 bonjour\n",
            "A/transcripts/devtest/x/c.txt": "a/p_2.tdf au revoir\n",
            "A/speech/train/s1/p_1.wav": "",
            "A/speech/devtest/s2/p_2.wav": "",
        },
        [
            ("A/speech/devtest/s2/p_2.wav", "au revoir", "s2", "dev"),
            ("A/speech/train/s1/p_1.wav", "bonjour", "s1", "train"),
        ],
    ),
    "swc": (
        {"german/Ball/aligned.swc": SWC, "german/Ball/audio.ogg": None},
        [("german/Ball/audio.ogg", "hallo", "Anna", "", 0.1, 0.6)],
    ),
    "tedlium": (
        {"T/dev/stm/talk.stm": STM.format("Bob"), "T/dev/sph/talk.sph": ""},
        [("T/dev/sph/talk.sph", "it's so", "Bob", "dev", 1.5, 3.25)],
    ),
    "timit": (
        {
            "TIMIT/TRAIN/DR1/FCJF0/SX1.WAV": "",
            "TIMIT/TRAIN/DR1/FCJF0/SX1.TXT": "0 1 She had.\n",
            "TIMIT/TEST/DR1/M0/SA1.WAV": "",
            "TIMIT/TEST/DR1/M0/SA1.TXT": "0 1 Same.\n",
        },
        [("TIMIT/TRAIN/DR1/FCJF0/SX1.WAV", "She had.", "FCJF0", "train")],
    ),
    "training_speech": (
        {"ts/data.csv": "path,text,duration\nbook/1.wav,Il dit,2.0\n"},
        [("ts/book/1.wav", "Il dit", "book")],
    ),
    "tuda": (
        {
            "g/test/2015.xml": "<r><speaker_id>s9</speaker_id>"
            "<cleaned_sentence>Guten Tag</cleaned_sentence></r>",
            "g/test/2015_Kinect.wav": "",
        },
        [("g/test/2015_Kinect.wav", "Guten Tag", "s9", "test")],
    ),
    "vctk": (
        {
            "V/wav48/p225/p225_001.wav": "",
            "V/txt/p225/p225_001.txt": "Please call.\n",
            "V/wav48/p315/p315_001.wav": "",
        },
        [("V/wav48/p225/p225_001.wav", "Please call.", "p225")],
    ),
    "voxforge": (
        {
            "ann-1-abc/etc/PROMPTS": "ann-1-abc/mfc/a1 HELLO YOU\n",
            "anonymous-2-x/etc/PROMPTS": "*/b1 YES\n",
            "bad-3/etc/PROMPTS": "b NO\n",
        },
        [
            ("ann-1-abc/wav/a1.wav", "HELLO YOU", "ann"),
            ("anonymous-2-x/wav/b1.wav", "YES", "anonymous-2-x"),
        ],
        {"skip": "bad"},
    ),
    "att_hack": (
        {"wav/F02_a1_s025_v01.wav": "", "txt/F02_a1_s025_v01.txt": "Il pleut.\n"},
        [("wav/F02_a1_s025_v01.wav", "Il pleut.", "F02")],
    ),
    "mls": (
        {"mls/dev/transcripts.txt": "10_20_000001\tla nuit\n"},
        [("mls/dev/audio/10/20/10_20_000001.opus", "la nuit", "10", "dev")],
    ),
    "an4": (
        {
            "an4/etc/an4_train.transcription": "<s> YES </s> (an1-fash-b)\n",
            "an4/etc/an4_test.transcription": "GO (an2-mxyz-b)\n",
            "an4/wav/an4_clstk/fash/an1-fash-b.sph": "",
        },
        [
            ("an4/wav/an4_clstk/fash/an1-fash-b.sph", "YES", "fash", "train"),
            ("an2-mxyz-b.sph", "GO", "mxyz", "test"),
        ],
    ),
    "tatoeba": (
        {"t/sentences.tsv": "id\ttext\tusername\n5\tAzul!\tamis\n"},
        [("t/audio/amis/5.mp3", "Azul!", "amis")],
    ),
    "spontaneous_speech": (
        {
            "sps-corpus-1.0-fr/ss-corpus-fr.tsv": "client_id\taudio_id\taudio_file\tduration_ms\t"
            "prompt\ttranscription\tsplit\n"
            "c\t1\t1.mp3\t900\tWhy?\tBecause.\ttrain\nd\t2\t2.mp3\t900\tWhy?\t\t\n",
            "sps-corpus-1.0-fr/audios/1.mp3": "",
        },
        [
            ("sps-corpus-1.0-fr/audios/1.mp3", "Because.", "c", "train"),
            ("sps-corpus-1.0-fr/audios/2.mp3", "", "d"),
        ],
    ),
    "folder": (
        {"a/1.wav": "", "a/1.txt": "hello\nyou\n", "2.flac": ""},
        [("2.flac", "", ""), ("a/1.wav", "hello you", "a")],
    ),
}


def write(home, files):
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            soundfile.write(path, np.zeros(16000), 16000)
        else:
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_layout(name, tmp_path):
    files, wanted, *options = LAYOUTS[name]
    with pytest.raises(UserError) if name != "folder" else pytest.raises(StopIteration):
        next(readers.read(name, tmp_path))  # an empty folder says what is missing
    write(tmp_path, files)
    found = list(readers.read(name, tmp_path, options[0] if options else None))
    assert found == [Utterance(str(tmp_path / path), *rest) for path, *rest in wanted]


def test_every_reader_is_tried_and_tells_its_licence():
    assert set(readers.names()) == {*LAYOUTS, "table", "sdb"}
    for name in readers.names():
        module = readers.reader(name)
        assert module.TITLE
        assert name in ("table", "sdb", "folder") or (module.LICENCE and module.SOURCE)


def test_unknown_readers_and_options_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="no reader 'comonvoice'; there are african_accented_french, aidatatang"
    ):
        readers.read("comonvoice", tmp_path)
    with pytest.raises(UserError, match="vctk: no option 'skip'; there are: none"):
        readers.read("vctk", tmp_path, {"skip": "x"})


def test_what_a_reader_cannot_parse_is_an_error_of_the_user(tmp_path):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "ja.wav").touch()
    with pytest.raises(UserError, match="cannot be read by 'lingua_libre': unterminated"):
        list(readers.read("lingua_libre", tmp_path, {"skip": "["}))
    for text, reason in (("[{", ""), ('[{"text": "a"}]', "it holds no 'file'"), ("[1]", "'int'")):
        (tmp_path / "set1_transcript.json").write_text(text)
        with pytest.raises(UserError, match=f"cannot be read by 'primewords': .*{reason}"):
            list(readers.read("primewords", tmp_path))


def test_of_several_languages_one_must_be_named(tmp_path):
    for code in ("en", "fr"):
        (tmp_path / "cv" / code / "clips").mkdir(parents=True)
        for table_ in ("train", "dev", "test"):
            (tmp_path / "cv" / code / f"{table_}.tsv").write_text(
                "client_id\tpath\tsentence\ns\ta\tOui\n"
            )
    with pytest.raises(
        UserError, match=r"holds several languages \(cv/en, cv/fr\): give the folder of one"
    ):
        list(readers.read("common_voice", tmp_path, {}))
    assert len(list(readers.read("common_voice", tmp_path / "cv" / "fr", {}))) == 3


def test_more_of_a_sentence_comes_from_validated(tmp_path):
    files = dict(LAYOUTS["common_voice"][0])
    files["r/fr/validated.tsv"] = (
        "client_id\tpath\tsentence\nc9\td.mp3\tOui\nc8\te.mp3\tOui\nc7\tf.mp3\tOui\nc3\tg.mp3\tNouveau\nc6\th.mp3\tNon\n"
    )
    write(tmp_path, files)
    found = [
        u.path.rsplit("/", 1)[-1]
        for u in readers.read("common_voice", tmp_path, {"duplicate_sentence_count": "2"})
        if u.split == "train"
    ]
    assert found == [
        "a.mp3",
        "b.mp3",
        "d.mp3",
        "e.mp3",
    ]  # neither a third Oui, nor a test speaker, nor a test sentence


def test_folders_tell_of_every_sound_beside_a_text(tmp_path):
    for name, text in (
        ("a.m4a", ""),
        ("b.WAV", ""),
        ("c.aiff", ""),
        ("a.txt", "one"),
        ("b.TXT", "two\u2028\x85three\n"),
        ("b.json", ""),
        ("notes.pdf", ""),
        ("d.txt", "x"),
    ):
        (tmp_path / name).write_text(text)
    assert [(Path(u.path).name, u.transcript) for u in folder.read(tmp_path)] == [
        ("a.m4a", "one"),
        ("b.WAV", "two\u2028\x85three"),
        ("c.aiff", ""),
    ]


def test_tables(tmp_path):
    (tmp_path / "a.csv").write_text(
        "\ufeffwav_filename,wav_filesize,transcript,speaker\r\nx/1.wav,5,Hello,s1\r\ny.wav\r\n"
    )
    assert [(u.path, u.transcript, u.speaker) for u in table.read(tmp_path / "a.csv")] == [
        (str(tmp_path / "x/1.wav"), "Hello", "s1"),
        (str(tmp_path / "y.wav"), "", ""),
    ]
    (tmp_path / "a.jsonl").write_text('{"wav_filename": "1.wav", "transcript": "Hé"}\n')
    assert [u.transcript for u in table.read(tmp_path / "a.jsonl")] == ["Hé"]
    (tmp_path / "b.csv").write_text("file,text\n")
    with pytest.raises(
        UserError, match="no column transcript and wav_filename; there are: file, text"
    ):
        list(table.read(tmp_path / "b.csv"))
    (tmp_path / "c.csv").write_bytes(b"wav_filename,transcript\n1.wav,\xe9t\xe9\n")
    for text, expected in (
        ("go, stop now", ":3: more cells than columns"),
        ('"go', ": not a table after line 2"),
    ):
        (tmp_path / "d.csv").write_text(
            f"wav_filename,transcript\na.wav,yes,\nb.wav,{text}\nc.wav,no\n"
        )
        with pytest.raises(UserError, match=rf"d\.csv{expected}"):
            list(table.read(tmp_path / "d.csv"))
    (tmp_path / "e.jsonl").write_text('\n["wav_filename", "transcript"]\n')
    with pytest.raises(UserError, match=r"e\.jsonl:2: not a JSON object"):
        list(table.read(tmp_path / "e.jsonl"))
    with pytest.raises(UserError, match=r"c\.csv: not a table in UTF-8"):
        list(table.read(tmp_path / "c.csv"))


def test_sample_databases_out_and_in(tmp_path, rng):
    long, short = rng.normal(0, 0.1, 8000), rng.normal(0, 0.1, 4000)
    sdb.write(tmp_path / "a.sdb", [(long, "the long one"), (short, "kurz")])
    found = list(sdb.read(tmp_path / "a.sdb"))
    assert [u.transcript for u in found] == ["kurz", "the long one"]
    assert np.allclose(soundfile.read(found[1].path)[0], long, atol=1e-4)
    (tmp_path / "b.sdb").write_bytes((tmp_path / "a.sdb").read_bytes()[:200])
    with pytest.raises(UserError, match=r"b\.sdb: cut off"):
        list(sdb.read(tmp_path / "b.sdb"))


def test_conversion_there_and_back(tmp_path, rng):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.flac", rng.normal(0, 0.1, 3000 + i), 16000)
    (tmp_path / "a.csv").write_text(
        "wav_filename,transcript\n"
        + "".join(f"{i}.flac,text {i}\n" for i in range(3))
        + "none.wav,x\n"
    )
    count, refused = convert(str(tmp_path / "a.csv"), tmp_path / "b.sdb")
    assert (count, [(r.path, r.reason) for r in refused]) == (
        3,
        [(str(tmp_path / "none.wav"), "no such file")],
    )
    assert convert(str(tmp_path / "b.sdb"), tmp_path / "c.csv") == (3, [])
    assert [u.transcript for u in table.read(tmp_path / "c.csv")] == ["text 0", "text 1", "text 2"]
    assert np.array_equal(
        soundfile.read(tmp_path / "c" / "00000002.wav", dtype="int16")[0],
        soundfile.read(tmp_path / "2.flac", dtype="int16")[0],
    )
    (tmp_path / "c.csv").rename(tmp_path / "chosen.csv")
    with pytest.raises(UserError, match="holds clips that are read"):
        convert(str(tmp_path / "chosen.csv"), tmp_path / "c.csv")
    with pytest.raises(UserError, match=r"\.sdb or \.csv"):
        convert(str(tmp_path / "a.csv"), tmp_path / "d.tar")


def test_private_opus_becomes_ogg(tmp_path):
    """Packets taken out of an Ogg stream and put back decode to the same audio."""
    tone = (0.3 * np.sin(np.arange(32000) * 0.1)).astype(np.float32)
    soundfile.write(tmp_path / "a.opus", tone, 16000, format="OGG", subtype="OPUS")
    data, packets, at = (tmp_path / "a.opus").read_bytes(), [], 0
    while at < len(data):
        count = data[at + 26]
        sizes, at = data[at + 27 : at + 27 + count], at + 27 + count
        packet = b""
        for size in sizes:
            packet += data[at : at + size]
            at += size
            if size < 255:
                packets.append(packet)
                packet = b""
    import struct

    payload = struct.pack(">IIBB", 64000, 16000, 1, 2) + b"".join(
        struct.pack(">H", len(p)) + p for p in packets[2:]
    )
    (tmp_path / "b.opus").write_bytes(sdb.ogg_opus(payload))
    found, rate = soundfile.read(tmp_path / "b.opus")
    assert len(found) / rate == pytest.approx(
        2.0, abs=0.5
    )  # packets of libsndfile are 20 ms, those of the databases 60
    assert np.abs(found).max() > 0.2


def test_tables_of_other_machines_and_hands(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("1.wav", "2.wav", "3.wav"):
        (tmp_path / "wav" / name).touch()
    (tmp_path / "a.csv").write_text(
        "wav_filename, wav_filesize, transcript\n"
        'wav/1.wav, 5, "Hello, you"\n/home/x/data/wav/2.wav, 5, Go\nC:\\data\\wav\\3.wav, 5, No\n'
        "/home/x/wav/4.wav, 5, Yes\n"
    )
    found = list(table.read(tmp_path / "a.csv"))
    assert [u.transcript for u in found] == ["Hello, you", "Go", "No", "Yes"]
    wav = tmp_path / "wav"
    assert [u.path for u in found[:3]] == [str(wav / f"{n}.wav") for n in (1, 2, 3)]
    assert found[3].path == "/home/x/wav/4.wav"


def test_a_table_of_common_voice_is_read_as_it_is(tmp_path):
    (tmp_path / "train.tsv").write_text('client_id\tpath\tsentence\nc\ta.mp3\tSay "so\n')
    (found,) = table.read(tmp_path / "train.tsv")
    assert (found.path, found.transcript, found.speaker) == (
        str(tmp_path / "clips" / "a.mp3"),
        'Say "so',
        "c",
    )


def test_deltas_of_common_voice_add_training_clips(tmp_path):
    head = "client_id\tpath\tsentence_id\tsentence\n"
    base, delta = tmp_path / "cv-corpus-23.0/fr", tmp_path / "cv-corpus-24.0-delta/fr"
    for place in (base, delta):
        (place / "clips").mkdir(parents=True)
    for name, rows in (("train", "a\t1.mp3\t1\tun\n"), ("dev", "b\t2.mp3\t2\tdeux\n")):
        (base / f"{name}.tsv").write_text(head + rows)
    (base / "test.tsv").write_text(head)
    (base / "validated.tsv").write_text(head + "a\t1.mp3\t1\tun\nz\t9.mp3\t9\tneuf\n")
    (delta / "validated.tsv").write_text(
        head + "c\t3.mp3\t3\ttrois\nb\t4.mp3\t4\tquatre\nd\t5.mp3\t5\tdeux\n"
    )
    found = list(readers.read("common_voice", tmp_path))
    assert [(Path(u.path).name, u.split) for u in found] == [
        ("1.mp3", "train"),
        ("2.mp3", "dev"),
        ("3.mp3", "train"),
    ]
    base.parent.rename(tmp_path / "x")  # repacked, without the release's name
    (tmp_path / "x" / "fr").rename(tmp_path / "fr")
    base = tmp_path / "fr"
    assert len(list(readers.read("common_voice", tmp_path))) == 3
    own = list(readers.read("common_voice", tmp_path, {"split": "own"}))
    assert [(Path(u.path).name, u.split) for u in own] == [
        (f"{n}.mp3", "") for n in (1, 9, 3, 4, 5)
    ]
    shutil.rmtree(base)
    with pytest.raises(UserError, match="deltas only"):
        list(readers.read("common_voice", tmp_path))
