"""Settings of augmentation: the syntax of DeepSpeech 0.9, and the older flags of DeepSpeech 0.7."""

from typing import ClassVar

from trainer.settings import Above0, Count, NonNegative, Positive, Settings, setting

MASKS = "augmentation_freq_and_time_masking"
PITCH = "augmentation_pitch_and_tempo_scaling"


class AugmentSettings(Settings):
    """All change the training only; flags of 0.7 are converted to AUGMENT's syntax."""

    repeatable: ClassVar[dict[str, str]] = {"augment": " "}

    augment: str = setting(
        "",
        "Augmentations in the syntax of DeepSpeech, separated by spaces: "
        "pitch[p=0.1,pitch=1~0.2] reverb[p=0.1]. The option may be given several times.",
        steps="train",
    )
    data_aug_features_additive: NonNegative = setting(
        0.0, "DeepSpeech 0.7: same as add[stddev=...].", steps="train"
    )
    data_aug_features_multiplicative: NonNegative = setting(
        0.0, "DeepSpeech 0.7: same as multiply[stddev=...].", steps="train"
    )
    augmentation_speed_up_std: NonNegative = setting(
        0.0, "DeepSpeech 0.7: same as tempo with factors around 1.", steps="train"
    )
    augmentation_spec_dropout_keeprate: float = setting(
        1.0, "DeepSpeech 0.7: same as dropout[rate=1-...].", steps="train", gt=0, le=1
    )
    augmentation_freq_and_time_masking: bool = setting(
        False, "DeepSpeech 0.7: same as frequency_mask and time_mask.", steps="train"
    )
    augmentation_freq_and_time_masking_freq_mask_range: Positive = setting(
        5, "Largest frequency mask, in bins.", steps="train"
    )
    augmentation_freq_and_time_masking_number_freq_masks: Count = setting(
        3, "Number of frequency masks.", steps="train"
    )
    augmentation_freq_and_time_masking_time_mask_range: Positive = setting(
        2, "Largest time mask, in frames.", steps="train"
    )
    augmentation_freq_and_time_masking_number_time_masks: Count = setting(
        3, "Number of time masks.", steps="train"
    )
    augmentation_pitch_and_tempo_scaling: bool = setting(
        False, "DeepSpeech 0.7: same as pitch and tempo.", steps="train"
    )
    augmentation_pitch_and_tempo_scaling_min_pitch: Above0 = setting(
        0.95, "Lowest pitch factor.", steps="train"
    )
    augmentation_pitch_and_tempo_scaling_max_pitch: Above0 = setting(
        1.2, "Highest pitch factor.", steps="train"
    )
    augmentation_pitch_and_tempo_scaling_max_tempo: float = setting(
        1.2, "Highest tempo factor.", steps="train", ge=1
    )

    def augmentations(self, step_ms: int) -> str:
        """AUGMENT, after the flags of DeepSpeech 0.7 in their order. `step_ms`: of a frame."""
        found = []
        if self.augmentation_spec_dropout_keeprate < 1:
            found.append(f"dropout[rate={1 - self.augmentation_spec_dropout_keeprate:g}]")
        if self.augmentation_freq_and_time_masking:  # sizes were drawn from 0 to the range
            for name, unit, count, size in (
                ("frequency_mask", 1, "freq_masks", "freq_mask"),
                ("time_mask", step_ms, "time_masks", "time_mask"),
            ):
                half = getattr(self, f"{MASKS}_{size}_range") * unit / 2
                number = getattr(self, f"{MASKS}_number_{count}")
                found.append(f"{name}[n={number},size={half:g}~{half:g}]")
        if self.augmentation_pitch_and_tempo_scaling:
            low, high = (getattr(self, f"{PITCH}_{end}_pitch") for end in ("min", "max"))
            fastest = self.augmentation_pitch_and_tempo_scaling_max_tempo
            found.append(f"pitch[pitch={(low + high) / 2:g}~{(high - low) / 2:g}]")
            found.append(f"tempo[factor={(1 + fastest) / 2:g}~{(fastest - 1) / 2:g}]")
        if std := self.augmentation_speed_up_std:
            found.append(f"tempo[factor={1 + std:g}~{std:g}]")
        if self.data_aug_features_multiplicative:
            found.append(f"multiply[stddev={self.data_aug_features_multiplicative:g}]")
        if self.data_aug_features_additive:
            found.append(f"add[stddev={self.data_aug_features_additive:g}]")
        return " ".join([*found, self.augment]).strip()
