"""The network and its contract with clients, from settings and labels."""

from trainer.models.speech import deepspeech
from trainer.stt.export.contract import Contract
from trainer.stt.settings import SpeechSettings
from trainer.text.alphabet import Alphabet


def spec_of(s: SpeechSettings, alphabet: Alphabet) -> deepspeech.Spec:
    """The network."""
    others = (s.dropout_rate2, s.dropout_rate3, s.dropout_rate6)
    two, three, five = (s.dropout_rate if rate < 0 else rate for rate in others)
    classes, dropout = len(alphabet.labels) + 1, (s.dropout_rate, two, three, five)
    return deepspeech.Spec(s.n_hidden, classes, s.relu_clip, dropout, s.layer_norm)


def contract_of(s: SpeechSettings, alphabet: Alphabet) -> Contract:
    """What clients read from the exported files."""
    language = s.export_language or s.model_language
    decoding = s.n_steps, s.export_beam_width, s.features
    return Contract(alphabet, s.n_hidden, language, *decoding, s.relu_clip, s.layer_norm)
